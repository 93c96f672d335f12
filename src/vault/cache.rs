//! Opened wallets, for seconds: so that a busy user's calls do not read and decrypt each time.

use std::{
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{HeldToken, VaultError, credential::WalletKey, wallet::Wallet};
use crate::base::seal::{OpenError, Sealer};

/// The longest that a change made by another replica stays unseen here.
const LIFE: Duration = Duration::from_secs(5);
/// The most wallets held open.
const ROOM: u64 = 10_000;
const SHARDS: usize = 64;

/// A wallet and its access tokens in the clear. Never written, never printed, gone from memory soon.
pub(super) struct Opened {
    pub(super) wallet: Wallet,
    /// As in the wallet. One that does not open is no reason to withhold the others.
    tokens: Vec<Result<HeldToken, OpenError>>,
    /// As in the wallet: that its use was noted since it was opened.
    pub(super) noted: Vec<AtomicBool>,
}

impl Opened {
    pub(super) fn new(key: &WalletKey, wallet: Wallet, sealer: &Sealer) -> Self {
        let known = || wallet.connections.iter();
        let tokens = known().map(|known| known.hold(&key.of(&known.id), sealer));
        Self {
            tokens: tokens.collect(),
            noted: known().map(|_| AtomicBool::new(false)).collect(),
            wallet,
        }
    }

    pub(super) fn token(&self, key: &WalletKey, index: usize) -> Result<HeldToken, VaultError> {
        let token = self.tokens[index].clone();
        token.map_err(|error| VaultError::sealed(key, error))
    }
}

/// What was opened, each with the count of writes before it was read: it is good while no write came after.
pub(super) struct Cache {
    opened: moka::future::Cache<String, (u64, Arc<Opened>)>,
    writes: [AtomicU64; SHARDS],
}

/// Proof that the count was taken before the record was read.
pub(super) struct Before(u64);

impl Cache {
    pub(super) fn new() -> Self {
        Self {
            opened: moka::future::Cache::builder()
                .max_capacity(ROOM)
                .time_to_live(LIFE)
                .build(),
            writes: [const { AtomicU64::new(0) }; SHARDS],
        }
    }

    /// To be taken before the record is read that is to be put.
    pub(super) fn before(&self, record: &str) -> Before {
        Before(self.writes(record).load(Ordering::SeqCst))
    }

    pub(super) async fn get(&self, record: &str) -> Option<Arc<Opened>> {
        let (before, opened) = self.opened.get(record).await?;
        let current = self.writes(record).load(Ordering::SeqCst);
        (before == current).then_some(opened)
    }

    pub(super) async fn put(&self, record: &str, before: Before, opened: Arc<Opened>) {
        self.opened
            .insert(record.to_owned(), (before.0, opened))
            .await;
    }

    /// To be called after each write, before anybody is told that it was done. From then on nothing read before is given out.
    pub(super) async fn written(&self, record: &str) {
        self.writes(record).fetch_add(1, Ordering::SeqCst);
        self.opened.invalidate(record).await;
    }

    /// Records share a count with a few others: a write makes those be read again, no more.
    fn writes(&self, record: &str) -> &AtomicU64 {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(record);
        &self.writes[hash as usize % SHARDS]
    }
}
