//! Leases: of many who want to do something, one at a time does, on all replicas together.
//!
//! Records: `lease/{key}`, empty, alive for as long as the lease is held. A lease is a way to save work, not a lock to trust:
//! who holds it may be slower than its time. What must not happen twice is guarded by a version or a `take`.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{Store, StoreError, Version};
use crate::base::clock::{Clock, Timestamp};

/// Where leases are asked for.
#[derive(Clone)]
pub struct Leases {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

/// The right to go first, until it is released or its time is over. Dropped, it lasts for the rest of its time.
#[must_use = "dropped, a lease keeps everybody out until its time is over"]
pub struct Lease {
    store: Arc<dyn Store>,
    key: String,
    version: Version,
    expires: Timestamp,
}

impl Leases {
    /// Leases kept in `store`.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// The lease on `key` for `time`; `None` while somebody else has it.
    ///
    /// # Errors
    /// What the store says.
    pub async fn acquire(&self, key: &str, time: Duration) -> Result<Option<Lease>, StoreError> {
        let key = format!("lease/{key}");
        let expires = self.clock.now().checked_add(time).unwrap_or(Timestamp::MAX);
        let created = self.store.create(&key, Bytes::new(), Some(expires)).await?;
        Ok(created.map(|version| Lease {
            store: Arc::clone(&self.store),
            key,
            version,
            expires,
        }))
    }
}

impl Lease {
    /// When it is over by itself.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// Lets the next one have it. If its time is over and somebody else has it already, theirs stays.
    ///
    /// # Errors
    /// What the store says; the lease is then over at its time.
    pub async fn release(self) -> Result<(), StoreError> {
        // No verb removes a record only if it is still ours, but one overwrites it: with something that is over already.
        let over = Some(Timestamp::UNIX_EPOCH);
        self.store
            .replace(&self.key, self.version, Bytes::new(), over)
            .await
            .map(drop)
    }
}
