//! What tools need of the operator: secrets by reference in `gateway.toml`, or set while the gateway runs and sealed.
//!
//! The file wins: what stands there cannot be set or removed here. A value is given to tools that name it and to nobody else.
//! Records: `secrets/{name}`, sealed to the name. They are read anew for each use, so that a change holds for the next call.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    base::{
        clock::{Clock, Timestamp},
        seal::{Purpose, Sealed, Sealer},
        secret::{ExposeSecret, Secret},
    },
    config::{Config, secrets::is_name},
    store::{
        Store, StoreError,
        table::{Change, Table},
    },
};

/// No secret is longer. Characters.
pub const LONGEST_VALUE: usize = 5000;
/// No description is longer. Characters.
pub const LONGEST_DESCRIPTION: usize = 500;
/// More nobody keeps track of.
const MOST: usize = 10_000;
/// What its name is in associated data and keys.
const TABLE: &str = "secrets";

/// Where secrets are. Clones are the same.
#[derive(Clone)]
pub struct Secrets {
    table: Table<Record>,
    sealer: Sealer,
    clock: Arc<dyn Clock>,
}

#[derive(Serialize, Deserialize)]
struct Record {
    value: Sealed,
    description: Option<String>,
    created: Timestamp,
    updated: Timestamp,
}

/// What may be told of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Known {
    /// What tools ask for.
    pub name: String,
    /// What the operator says of it.
    pub description: Option<String>,
    /// Where it is.
    pub place: Place,
    /// When it was first set; `None` in the file.
    pub created: Option<Timestamp>,
    /// When it was last set; `None` in the file.
    pub updated: Option<Timestamp>,
}

/// Where a secret is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Place {
    /// `[secrets]` of `gateway.toml`
    #[serde(rename = "gateway.toml")]
    File,
    /// The store, sealed.
    #[serde(rename = "store")]
    Store,
}

/// Why a secret was not set or removed.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The operator decides it in the file.
    #[error(
        "the secret `{0}` is in gateway.toml, which wins: change it, or take it out of [secrets], there"
    )]
    InFile(String),
    /// Nothing can be called that.
    #[error("a secret's name has 1 to 100 letters, digits, `_`, `-` or `.`")]
    Name,
    /// Too little or too much.
    #[error("a secret has 1 to {LONGEST_VALUE} characters")]
    Value,
    /// Too much.
    #[error("a secret's description has at most {LONGEST_DESCRIPTION} characters")]
    Description,
    /// There is none.
    #[error("there is no such secret")]
    Unknown,
    /// The store could not.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Secrets {
    /// Those of the file, and those in `store`.
    pub fn new(store: &Arc<dyn Store>, sealer: Sealer, clock: Arc<dyn Clock>) -> Self {
        Self {
            table: Table::new(Arc::clone(store), TABLE),
            sealer,
            clock,
        }
    }

    /// The secret of that name; `None` if there is none.
    ///
    /// # Errors
    /// When the store cannot be read, or what it has does not open.
    pub async fn find(&self, config: &Config, name: &str) -> Result<Option<Secret>, StoreError> {
        if let Some(secret) = config.secrets.get(name) {
            return Ok(Some(secret.clone()));
        }
        // Tools choose what they ask for.
        if !is_name(name) {
            return Ok(None);
        }
        let Some(entry) = self.table.get(name).await? else {
            return Ok(None);
        };
        let corrupt = |reason: String| StoreError::Corrupt {
            key: format!("{TABLE}/{name}"),
            reason,
        };
        let opened = self
            .sealer
            .open(Purpose::StoredSecret, &[TABLE, name], &entry.value.value);
        let opened = opened.map_err(|error| corrupt(error.to_string()))?;
        let text = std::str::from_utf8(&opened);
        let text = text.map_err(|_| corrupt("it is not UTF-8".to_owned()))?;
        Ok(Some(text.into()))
    }

    /// All there are, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list(&self, config: &Config) -> Result<Vec<Known>, StoreError> {
        let stored = self.table.list("", None, MOST).await?;
        let stored = stored.into_iter().map(|(name, record)| record.known(name));
        let mut all: BTreeMap<_, _> = stored.map(|known| (known.name.clone(), known)).collect();
        all.extend(
            config
                .secrets
                .keys()
                .map(|name| (name.clone(), in_file(name))),
        );
        Ok(all.into_values().collect())
    }

    /// Sets a secret, new or in another's place; it is durable then. Without a description it keeps the one it had.
    ///
    /// # Errors
    /// See [`SecretError`]; nothing was set.
    pub async fn set(
        &self,
        config: &Config,
        name: &str,
        value: &Secret,
        description: Option<&str>,
    ) -> Result<Known, SecretError> {
        if !is_name(name) {
            return Err(SecretError::Name);
        }
        not_in_file(config, name)?;
        let length = value.expose_secret().chars().count();
        if !(1..=LONGEST_VALUE).contains(&length) {
            return Err(SecretError::Value);
        }
        if description.is_some_and(|it| it.chars().count() > LONGEST_DESCRIPTION) {
            return Err(SecretError::Description);
        }
        let known = self.put(name, value, description).await?;
        tracing::info!(secret = name, "a secret was set");
        Ok(known)
    }

    /// Forgets a secret.
    ///
    /// # Errors
    /// See [`SecretError`].
    pub async fn remove(&self, config: &Config, name: &str) -> Result<Known, SecretError> {
        not_in_file(config, name)?;
        if !is_name(name) {
            return Err(SecretError::Unknown);
        }
        let removed = self.table.take(name).await?;
        let removed = removed.ok_or(SecretError::Unknown)?;
        tracing::info!(secret = name, "a secret was removed");
        Ok(removed.known(name.to_owned()))
    }

    /// Whether the store can be read at all.
    ///
    /// # Errors
    /// When it cannot.
    pub async fn reach(&self) -> Result<(), StoreError> {
        // No secret is called that.
        self.table.get("?").await.map(drop)
    }

    async fn put(
        &self,
        name: &str,
        value: &Secret,
        description: Option<&str>,
    ) -> Result<Known, StoreError> {
        let now = self.clock.now();
        let plain = value.expose_secret().as_bytes();
        let fresh = || Record {
            value: self
                .sealer
                .seal(Purpose::StoredSecret, &[TABLE, name], plain),
            description: description.map(str::to_owned),
            created: now,
            updated: now,
        };
        // One that is removed between the two steps is made anew.
        for _ in 0..10 {
            let record = fresh();
            if self.table.create(name, &record, None).await? {
                return Ok(record.known(name.to_owned()));
            }
            let replaced = self.table.update(name, |old| {
                let fresh = fresh();
                Ok::<_, StoreError>(Change::Keep(Record {
                    description: fresh.description.or(old.description),
                    created: old.created,
                    ..fresh
                }))
            });
            if let Some(record) = replaced.await? {
                return Ok(record.known(name.to_owned()));
            }
        }
        Err(StoreError::Contended(format!("{TABLE}/{name}")))
    }
}

impl Record {
    fn known(self, name: String) -> Known {
        Known {
            name,
            description: self.description,
            place: Place::Store,
            created: Some(self.created),
            updated: Some(self.updated),
        }
    }
}

fn in_file(name: &str) -> Known {
    Known {
        name: name.to_owned(),
        description: None,
        place: Place::File,
        created: None,
        updated: None,
    }
}

fn not_in_file(config: &Config, name: &str) -> Result<(), SecretError> {
    if config.secrets.contains_key(name) {
        return Err(SecretError::InFile(name.to_owned()));
    }
    Ok(())
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}
