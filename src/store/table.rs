//! Records with a type: JSON in, JSON out, and the one way to change a record that others may be changing too.

use std::{marker::PhantomData, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use super::{Record, Store, StoreError, Version};
use crate::base::clock::Timestamp;

/// The records of one kind, under `{name}/`.
///
/// `T` never holds a bare secret: [`crate::base::secret::Secret`] has no `Serialize`, what must be kept is
/// [`crate::base::seal::Sealed`].
pub struct Table<T> {
    store: Arc<dyn Store>,
    name: &'static str,
    shape: PhantomData<fn() -> T>,
}

/// A record as it was read.
#[derive(Clone, Debug)]
pub struct Entry<T> {
    /// What it says.
    pub value: T,
    /// Which write of it this was.
    pub version: Version,
    /// When it ceases to be; `None` is never.
    pub expires: Option<Timestamp>,
}

/// What to do with a record that was read.
#[derive(Clone, Debug)]
pub enum Change<T> {
    /// Write this; it expires when it would have.
    Keep(T),
    /// Write this; it expires then.
    Expire(T, Option<Timestamp>),
    /// Write nothing; the caller of [`Table::update`] gets this back.
    Leave(T),
}

/// How often [`Table::update`] begins again before it gives up. Of those who collide one always gets through, so this is
/// about as many as may change one record at the same moment.
const ATTEMPTS: u32 = 100;
/// Attempts that follow at once; later ones wait, each a little longer.
const EAGER_ATTEMPTS: u32 = 10;
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

impl<T: Serialize + DeserializeOwned> Table<T> {
    /// The table `name` of `store`. A name has one `T` and no slash.
    pub fn new(store: Arc<dyn Store>, name: &'static str) -> Self {
        Self {
            store,
            name,
            shape: PhantomData,
        }
    }

    /// The record under `key`, if it is alive.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it is no `T`, and what the store says.
    pub async fn get(&self, key: &str) -> Result<Option<Entry<T>>, StoreError> {
        let full = self.full(key);
        let record = self.store.get(&full).await?;
        record.map(|record| entry(&full, &record)).transpose()
    }

    /// Writes a new record; `None` if one is alive under `key` already, which stays as it is.
    ///
    /// # Errors
    /// What the store says.
    pub async fn create(
        &self,
        key: &str,
        value: &T,
        expires: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        let full = self.full(key);
        let bytes = encode(&full, value)?;
        let version = self.store.create(&full, bytes, expires).await?;
        Ok(version.is_some())
    }

    /// Overwrites the record that was `seen`; `None` if it changed or went meanwhile, and nothing was written.
    ///
    /// # Errors
    /// What the store says.
    pub async fn replace(
        &self,
        key: &str,
        seen: Version,
        value: &T,
        expires: Option<Timestamp>,
    ) -> Result<Option<Version>, StoreError> {
        let full = self.full(key);
        let bytes = encode(&full, value)?;
        self.store.replace(&full, seen, bytes, expires).await
    }

    /// Reads, changes, and writes if nobody else did meanwhile; else begins again, so `change` may run several times and has
    /// no effects of its own. Returns what the record says now; `None` if there is none.
    ///
    /// # Errors
    /// What `change` says, what the store says, and [`StoreError::Contended`] after a hundred collisions.
    pub async fn update<E: From<StoreError>>(
        &self,
        key: &str,
        mut change: impl FnMut(T) -> Result<Change<T>, E> + Send,
    ) -> Result<Option<T>, E> {
        for attempt in 0..ATTEMPTS {
            let Some(seen) = self.get(key).await? else {
                return Ok(None);
            };
            let (value, expires) = match change(seen.value)? {
                Change::Keep(value) => (value, seen.expires),
                Change::Expire(value, expires) => (value, expires),
                Change::Leave(value) => return Ok(Some(value)),
            };
            let written = self.replace(key, seen.version, &value, expires).await?;
            if written.is_some() {
                return Ok(Some(value));
            }
            pause(attempt).await;
        }
        Err(StoreError::Contended(self.full(key)).into())
    }

    /// Removes the record and returns what it said. Of many takers exactly one gets it.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it was no `T` (it is gone), and what the store says.
    pub async fn take(&self, key: &str) -> Result<Option<T>, StoreError> {
        let full = self.full(key);
        let record = self.store.take(&full).await?;
        record.map(|record| decode(&full, &record)).transpose()
    }

    /// Live records whose key begins with `prefix`, in key order, after the key `after`, at most `limit`. Keys are as given
    /// to the other methods.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when one is no `T`, and what the store says.
    pub async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, T)>, StoreError> {
        let after = after.map(|after| self.full(after));
        let page = self
            .store
            .list(&self.full(prefix), after.as_deref(), limit)
            .await?;
        page.into_iter()
            .map(|(full, record)| {
                let value = decode(&full, &record)?;
                Ok((full[self.name.len() + 1..].to_owned(), value))
            })
            .collect()
    }

    fn full(&self, key: &str) -> String {
        format!("{}/{key}", self.name)
    }
}

impl<T> Clone for Table<T> {
    fn clone(&self) -> Self {
        Self {
            store: Arc::clone(&self.store),
            ..*self
        }
    }
}

async fn pause(attempt: u32) {
    if let Some(late) = attempt.checked_sub(EAGER_ATTEMPTS) {
        tokio::time::sleep(Duration::from_millis(u64::from(late) + 1).min(LONGEST_PAUSE)).await;
    }
}

fn entry<T: DeserializeOwned>(key: &str, record: &Record) -> Result<Entry<T>, StoreError> {
    Ok(Entry {
        value: decode(key, record)?,
        version: record.version,
        expires: record.expires,
    })
}

fn encode<T: Serialize>(key: &str, value: &T) -> Result<Bytes, StoreError> {
    serde_json::to_vec(value)
        .map(Bytes::from)
        .map_err(|error| corrupt(key, &error))
}

fn decode<T: DeserializeOwned>(key: &str, record: &Record) -> Result<T, StoreError> {
    serde_json::from_slice(&record.value).map_err(|error| corrupt(key, &error))
}

/// Says where, not what: serde's own message quotes the content.
fn corrupt(key: &str, error: &serde_json::Error) -> StoreError {
    StoreError::Corrupt {
        key: key.to_owned(),
        reason: format!("{:?} error at column {}", error.classify(), error.column()),
    }
}
