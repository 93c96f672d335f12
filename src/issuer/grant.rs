//! Grants: what the tokens of one approval stand for. As long as the record is there, they count; a grant that is revoked is
//! gone, on every request that follows.
//!
//! A refresh token names its grant and a generation. The current generation buys the next one; the ones before are answered
//! with the current one for a short grace (answers get lost, and some clients refresh from two processes), and after that
//! say that somebody has a copy: the grant is revoked.

use std::{fmt, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::approved::Approved;
use crate::{
    base::{
        clock::{Clock, Timestamp},
        entropy::Entropy,
        id::UserId,
    },
    config::OAuth,
    store::{
        Store, StoreError,
        signal::Signals,
        table::{Change, Table},
    },
};

/// Refreshes within one grace that are remembered. More at once come from no client that means well.
const REMEMBERED: usize = 32;
/// How many entries of the index are read at once.
const PAGE: usize = 100;

/// One grant: 160 random bits, base64url. Worth nothing to whoever knows it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GrantId(String);

/// What a user let a client do, and how far its refresh tokens are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Grant {
    /// What was approved.
    pub approved: Approved,
    /// When.
    pub created: Timestamp,
    /// When it last bought an access token.
    pub used: Timestamp,
    /// Which generation of refresh tokens is good now.
    generation: u64,
    /// When the generations before it were superseded, the latest last; those of the last grace.
    superseded: Vec<Timestamp>,
}

/// How long a grant lives.
#[derive(Clone, Copy, Debug)]
pub(super) enum Life {
    /// It has refresh tokens, and these lifetimes.
    Refreshed {
        /// Since its last use.
        idle: Duration,
        /// Since it was made.
        most: Duration,
    },
    /// It has none and ends then.
    Until(Timestamp),
}

/// What came of a refresh token.
#[derive(Debug)]
pub(super) enum Rotation {
    /// It was good; the grant says which generation is, now.
    Done(Box<Grant>),
    /// It was superseded long ago; the grant is revoked.
    Reused,
    /// The grant is gone or has had its time.
    Gone,
}

enum Presented {
    Current,
    Recent,
    Old,
}

/// The grants in a store. Cheap to clone.
#[derive(Clone)]
pub struct Grants {
    table: Table<Grant>,
    of_users: Table<()>,
    signals: Signals,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl GrantId {
    /// Takes an id that came in a token; `None` for a text that no grant can have.
    pub fn parse(text: &str) -> Option<Self> {
        let legal = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
        (text.len() == 27 && text.bytes().all(legal)).then(|| Self(text.to_owned()))
    }

    /// The text of the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The topic that is raised when the grant is revoked ([`crate::store::signal`]).
    pub fn revoked_topic(&self) -> String {
        format!("revoked/{}", self.0)
    }
}

impl fmt::Debug for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "grant {}…", &self.0[..6.min(self.0.len())])
    }
}

impl Grant {
    /// Which generation of refresh tokens is good now.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// What a refresh token of `generation` is worth.
    fn presented(&self, generation: u64, now: Timestamp, grace: Duration) -> Presented {
        if generation == self.generation {
            return Presented::Current;
        }
        let behind = self.generation.checked_sub(generation);
        let behind = behind.and_then(|behind| usize::try_from(behind).ok());
        let at = behind.and_then(|behind| {
            let index = self.superseded.len().checked_sub(behind)?;
            self.superseded.get(index)
        });
        match at {
            Some(at) if within(*at, now, grace) => Presented::Recent,
            _ => Presented::Old,
        }
    }

    fn rotated(mut self, now: Timestamp, grace: Duration) -> Self {
        self.superseded.retain(|at| within(*at, now, grace));
        if self.superseded.len() >= REMEMBERED {
            self.superseded.remove(0);
        }
        self.superseded.push(now);
        self.generation += 1;
        self.used = now;
        self
    }
}

impl Life {
    /// As the operator wants it for grants with refresh tokens.
    pub(super) fn of(oauth: &OAuth) -> Self {
        Self::Refreshed {
            idle: oauth.refresh_token_lifetime,
            most: oauth.grant_lifetime,
        }
    }

    /// When a grant ends that was made and last used then.
    pub(super) fn end(self, created: Timestamp, used: Timestamp) -> Timestamp {
        match self {
            Self::Refreshed { idle, most } => later(used, idle).min(later(created, most)),
            Self::Until(end) => end,
        }
    }
}

impl Grants {
    pub(super) fn new(
        store: &Arc<dyn Store>,
        signals: Signals,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            table: Table::new(Arc::clone(store), "grants"),
            of_users: Table::new(Arc::clone(store), "grants_of"),
            signals,
            clock,
            entropy,
        }
    }

    /// An id for a grant that is to be made.
    pub(super) fn fresh_id(&self) -> GrantId {
        GrantId(self.entropy.handle())
    }

    /// Makes the grant `id`.
    pub(super) async fn create(
        &self,
        id: &GrantId,
        approved: Approved,
        life: Life,
    ) -> Result<Grant, StoreError> {
        let now = self.clock.now();
        let grant = Grant {
            approved,
            created: now,
            used: now,
            generation: 0,
            superseded: Vec::new(),
        };
        let most = match life {
            Life::Refreshed { most, .. } => later(now, most),
            Life::Until(end) => end,
        };
        // First the index: a grant that nobody finds could not be revoked.
        let listed = index(&grant.approved.user, id);
        self.of_users.create(&listed, &(), Some(most)).await?;
        let end = life.end(now, now);
        self.table.create(id.as_str(), &grant, Some(end)).await?;
        Ok(grant)
    }

    /// The grant, unless it was revoked or has had its time.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn get(&self, id: &GrantId) -> Result<Option<Grant>, StoreError> {
        let entry = self.table.get(id.as_str()).await?;
        Ok(entry.map(|entry| entry.value))
    }

    /// All grants of `user`, in order of id.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn of_user(&self, user: &UserId) -> Result<Vec<(GrantId, Grant)>, StoreError> {
        let mut grants = Vec::new();
        for id in self.listed(user).await? {
            if let Some(grant) = self.get(&id).await? {
                grants.push((id, grant));
            }
        }
        Ok(grants)
    }

    /// Ends a grant: its tokens count no longer. `false` if it was over already.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn revoke(&self, id: &GrantId) -> Result<bool, StoreError> {
        let Some(grant) = self.table.take(id.as_str()).await? else {
            return Ok(false);
        };
        self.signals.raise(&id.revoked_topic());
        self.of_users.take(&index(&grant.approved.user, id)).await?;
        Ok(true)
    }

    /// Ends all grants of `user`; returns how many.
    ///
    /// # Errors
    /// When the store cannot be written; then some may be left.
    pub async fn revoke_user(&self, user: &UserId) -> Result<usize, StoreError> {
        let mut revoked = 0;
        for id in self.listed(user).await? {
            revoked += usize::from(self.revoke(&id).await?);
        }
        Ok(revoked)
    }

    /// Spends a refresh token of `generation`.
    pub(super) async fn rotate(
        &self,
        id: &GrantId,
        generation: u64,
        life: Life,
        grace: Duration,
    ) -> Result<Rotation, StoreError> {
        let now = self.clock.now();
        let mut verdict = Presented::Old;
        let changed = self.table.update::<StoreError>(id.as_str(), |grant| {
            verdict = grant.presented(generation, now, grace);
            Ok(match verdict {
                Presented::Current => {
                    let end = life.end(grant.created, now);
                    Change::Expire(grant.rotated(now, grace), Some(end))
                }
                Presented::Recent | Presented::Old => Change::Leave(grant),
            })
        });
        match (changed.await?, verdict) {
            (None, _) => Ok(Rotation::Gone),
            (Some(grant), _) if now >= life.end(grant.created, now) => {
                self.revoke(id).await?;
                Ok(Rotation::Gone)
            }
            (Some(_), Presented::Old) => {
                self.revoke(id).await?;
                Ok(Rotation::Reused)
            }
            (Some(grant), Presented::Current | Presented::Recent) => {
                Ok(Rotation::Done(Box::new(grant)))
            }
        }
    }

    /// What the index says; some may be over.
    async fn listed(&self, user: &UserId) -> Result<Vec<GrantId>, StoreError> {
        let prefix = format!("{}/", user.key());
        let mut ids = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.of_users.list(&prefix, after.as_deref(), PAGE).await?;
            let found = page.iter().filter_map(|(key, ())| key.rsplit('/').next());
            ids.extend(found.filter_map(GrantId::parse));
            match page.into_iter().next_back() {
                Some((last, ())) => after = Some(last),
                None => return Ok(ids),
            }
        }
    }
}

fn index(user: &UserId, id: &GrantId) -> String {
    format!("{}/{}", user.key(), id.as_str())
}

fn within(then: Timestamp, now: Timestamp, grace: Duration) -> bool {
    now < later(then, grace)
}

pub(super) fn later(time: Timestamp, by: Duration) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}
