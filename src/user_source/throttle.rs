//! How often one may try: a bucket of attempts per name, refilled at a steady rate.
//!
//! The generic cell rate algorithm: all there is to keep of a bucket is the instant at which it will be full again, so a record
//! expires exactly when it says nothing any more. An attempt is spent before it is made and given back if it turned out well;
//! so many attempts at once cannot slip through.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    base::clock::{Clock, Span, Timestamp},
    store::{
        Store, StoreError,
        table::{Change, Table},
    },
};

/// The size and rate of a bucket.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// How many attempts may be made at once.
    pub burst: i32,
    /// After how long one more may be made.
    pub every: Span,
}

/// Buckets in a store. Cheap to clone.
#[derive(Clone)]
pub struct Throttle {
    table: Table<Bucket>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Bucket {
    full_again: Timestamp,
}

/// Whether an attempt may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// Yes, and it is spent.
    Granted,
    /// Not before so long; nothing was spent.
    Wait(Duration),
}

impl Throttle {
    /// Buckets kept in the table `name`.
    pub fn new(store: Arc<dyn Store>, name: &'static str, clock: Arc<dyn Clock>) -> Self {
        Self {
            table: Table::new(store, name),
            clock,
        }
    }

    /// Spends one attempt of the bucket `key`, if it has one.
    ///
    /// # Errors
    /// When the store fails; then no attempt may be made.
    pub async fn spend(&self, key: &str, rule: Rule) -> Result<Attempt, StoreError> {
        let now = self.clock.now();
        // Between "absent" and "create" another attempt may have created it: then the update finds it.
        loop {
            let mut attempt = Attempt::Granted;
            let found = self
                .table
                .update(key, |bucket| {
                    let spent = later(bucket.full_again.max(now), rule.every);
                    let excess = spent.duration_since(now) - rule.every * rule.burst;
                    if excess.is_positive() {
                        attempt = Attempt::Wait(excess.unsigned_abs());
                        return Ok::<_, StoreError>(Change::Leave(bucket));
                    }
                    attempt = Attempt::Granted;
                    Ok(Change::Expire(Bucket { full_again: spent }, Some(spent)))
                })
                .await?;
            if found.is_some() {
                return Ok(attempt);
            }
            let spent = later(now, rule.every);
            let first = Bucket { full_again: spent };
            if self.table.create(key, &first, Some(spent)).await? {
                return Ok(Attempt::Granted);
            }
        }
    }

    /// Gives one attempt back to the bucket `key`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn give_back(&self, key: &str, rule: Rule) -> Result<(), StoreError> {
        self.table
            .update(key, |bucket| {
                let full_again = later(bucket.full_again, -rule.every);
                Ok::<_, StoreError>(Change::Expire(Bucket { full_again }, Some(full_again)))
            })
            .await?;
        Ok(())
    }
}

fn later(time: Timestamp, by: Span) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}
