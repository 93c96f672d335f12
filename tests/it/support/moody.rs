//! A store that fails for some records when told to.

use std::sync::{Arc, Mutex};

use anteroom::{
    base::clock::Timestamp,
    store::{Record, Store, StoreError, Version},
};
use async_trait::async_trait;
use bytes::Bytes;

/// Stands before a store. Clones share the mood.
#[derive(Clone)]
pub struct Moody {
    store: Arc<dyn Store>,
    fails_for: Arc<Mutex<Option<&'static str>>>,
}

impl Moody {
    /// In a good mood.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            fails_for: Arc::default(),
        }
    }

    /// From now on, no record whose key begins so can be written.
    pub fn fail_for(&self, prefix: &'static str) {
        *self.fails_for.lock().unwrap() = Some(prefix);
    }

    fn mood(&self, key: &str) -> Result<(), StoreError> {
        match *self.fails_for.lock().unwrap() {
            Some(prefix) if key.starts_with(prefix) => {
                Err(StoreError::Unavailable("the disk is full".into()))
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Store for Moody {
    async fn get(&self, key: &str) -> Result<Option<Record>, StoreError> {
        self.store.get(key).await
    }

    async fn create(
        &self,
        key: &str,
        value: Bytes,
        expires: Option<Timestamp>,
    ) -> Result<Option<Version>, StoreError> {
        self.mood(key)?;
        self.store.create(key, value, expires).await
    }

    async fn replace(
        &self,
        key: &str,
        seen: Version,
        value: Bytes,
        expires: Option<Timestamp>,
    ) -> Result<Option<Version>, StoreError> {
        self.mood(key)?;
        self.store.replace(key, seen, value, expires).await
    }

    async fn take(&self, key: &str) -> Result<Option<Record>, StoreError> {
        self.mood(key)?;
        self.store.take(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Record)>, StoreError> {
        self.store.list(prefix, after, limit).await
    }

    async fn purge(&self) -> Result<u64, StoreError> {
        self.store.purge().await
    }
}
