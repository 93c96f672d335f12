//! Records that outlive a request, behind six verbs.
//!
//! A [`Store`] maps keys to (bytes, version, expiry). Keys are designed so that no joins and no transactions over several
//! keys are needed. What a verb acknowledged is durable: it survives `kill -9` and a power cut.
//!
//! [`table::Table`] gives records a type, [`lease::Leases`] lets one of many do something, [`signal::Signals`] tells those who
//! wait that a record is worth another look. Engines: [`sled`]. Each passes the same suite, `contract`.

#[cfg(test)]
pub(crate) mod contract;
mod layout;
pub mod lease;
mod limits;
pub mod pieces;
pub mod signal;
pub mod sled;
mod sled_records;
pub mod table;
mod writer;

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    base::clock::{Clock, Timestamp},
    config::Engine,
};

/// Where records live. Object-safe: the application holds an `Arc<dyn Store>`.
///
/// A record past its expiry is absent for every verb, whether or not [`Store::purge`] has been by.
/// Keys are UTF-8, `table/part/part`, of 1 to 512 bytes; values at most 256 KiB; anything else is [`StoreError::OutOfBounds`].
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The record under `key`, if it is alive.
    async fn get(&self, key: &str) -> Result<Option<Record>, StoreError>;

    /// Writes a new record; `None` if one is alive under `key` already, which stays as it is.
    async fn create(
        &self,
        key: &str,
        value: Bytes,
        expires: Option<Timestamp>,
    ) -> Result<Option<Version>, StoreError>;

    /// Overwrites the record whose version is `seen`; `None` if it changed or went meanwhile, and nothing was written.
    async fn replace(
        &self,
        key: &str,
        seen: Version,
        value: Bytes,
        expires: Option<Timestamp>,
    ) -> Result<Option<Version>, StoreError>;

    /// Removes the record and returns it. Of many takers exactly one gets it: the gate for everything single-use.
    async fn take(&self, key: &str) -> Result<Option<Record>, StoreError>;

    /// Live records whose key begins with `prefix`, in key order, beginning after the key `after`, at most `limit`.
    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Record)>, StoreError>;

    /// Removes records that have expired; returns how many.
    async fn purge(&self) -> Result<u64, StoreError>;
}

/// Tables that grow with every call, whose records end in the order of their keys: of each only what stands before the first
/// record that is alive is swept, so that a sweep does not read what nobody asked for.
pub const IN_ORDER: [&str; 1] = ["audit"];

/// Opens the store that the operator chose. Blocks for as long as the engine recovers.
///
/// # Errors
/// When it cannot be opened; the error says what to do.
pub fn open(engine: &Engine, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>, StoreError> {
    match engine {
        Engine::Sled(path) => Ok(Arc::new(sled::SledStore::open(path, clock)?)),
    }
}

/// A record as it was read.
#[derive(Clone, Debug)]
pub struct Record {
    /// The bytes as written.
    pub value: Bytes,
    /// Changes with every write.
    pub version: Version,
    /// When the record ceases to be; `None` is never.
    pub expires: Option<Timestamp>,
}

/// Which write of a record was seen. Only equality means anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(pub u64);

/// The store could not do it. Nothing was acknowledged; the caller may try again.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The engine below failed: disk full, connection lost.
    #[error("the store is not available: {0}")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Another process has it open.
    #[error(
        "another process has `{0}` open; stop the other anteroom, or give this one a directory of its own in `[store] url`"
    )]
    InUse(PathBuf),
    /// A record does not have the shape this version of Anteroom writes.
    #[error("the record `{key}` cannot be read: {reason}")]
    Corrupt {
        /// The key of the record (keys hold no secrets).
        key: String,
        /// What is wrong with it; never its content.
        reason: String,
    },
    /// A key or a value that no engine takes. Nothing was written; trying again changes nothing.
    #[error("a record of `{table}` is out of bounds: {reason}")]
    OutOfBounds {
        /// The first part of the key.
        table: String,
        /// Which bound, and by how much.
        reason: String,
    },
    /// The same record kept changing under us.
    #[error("the record `{0}` is contended")]
    Contended(String),
}
