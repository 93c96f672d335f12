//! Refreshing: once per credential, however many calls and replicas want it.
//!
//! In this process calls join the flight that is under way; among replicas a lease decides. A flight is a task of its own:
//! a caller who goes away must not lose the refresh token that a rotating provider has just put in the old one's place.
//! How a flight went is in the record, not in its result, so all who waited look there.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_util::task::TaskTracker;

use super::{
    Inner, VaultError,
    credential::{Credential, CredentialKey, NeedsUser, Setback},
    noted,
};
use crate::{
    config::Provider,
    provider::{TokenError, TokenSet},
    store::{StoreError, lease::Lease, table::Change},
};

/// Longer than the OAuth client waits for an answer, so that the lease is not over before the refresh is.
const LEASE: Duration = Duration::from_secs(20);
/// How long another replica's refresh is waited for. Longer than [`LEASE`]: if that replica died, ours goes on.
const OTHERS: Duration = Duration::from_secs(25);
/// How often the record is looked at meanwhile; its signal says sooner.
const LOOK: Duration = Duration::from_millis(200);
/// How often fresh tokens are offered to a store that fails: the provider may not know the old ones any more.
const OFFERS: u64 = 5;

/// The refreshes under way in this process.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<String, Landing>>, TaskTracker);

/// Says how a flight went once it has landed.
type Landing = watch::Receiver<Option<Result<(), VaultError>>>;

/// Which token to refresh, and on what ground.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) key: CredentialKey,
    /// The access token that will not do.
    pub(super) seen: u64,
    /// What its account is called at the provider, if that told.
    pub(super) account: Option<String>,
    pub(super) ground: Ground,
}

/// Why it will not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    /// Its end is near, or past.
    NearEnd,
    /// An upstream refused it.
    Refused,
    /// An operator wants another, whatever went before.
    Operator,
}

/// Takes a flight off the list, even when it crashes.
struct Listed(Arc<Inner>, String);

impl Drop for Listed {
    fn drop(&mut self) {
        let mut flights = self.0.flights.0.lock();
        let flights = flights.as_mut().map_err(|poisoned| poisoned.get_mut());
        flights.unwrap_or_else(|flights| flights).remove(&self.1);
    }
}

impl Flights {
    /// Does something that must not be lost when its caller goes away, or the process is stopped.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.1.spawn(work)
    }

    /// Returns when none is under way.
    pub(super) async fn landed(&self) {
        self.1.close();
        self.1.wait().await;
    }
}

impl Inner {
    /// Returns when a refresh has been tried, by whomever; what came of it is in the record.
    pub(super) async fn refresh(
        self: &Arc<Self>,
        wanted: Wanted,
        provider: &Provider,
    ) -> Result<(), VaultError> {
        let mut landing = self.board(wanted, provider);
        match landing.wait_for(Option::is_some).await {
            Ok(landed) => landed.clone().unwrap_or(Ok(())),
            // It crashed; the record says what there is.
            Err(_) => Ok(()),
        }
    }

    fn board(self: &Arc<Self>, wanted: Wanted, provider: &Provider) -> Landing {
        let name = wanted.key.name();
        let mut flights = self
            .flights
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(landing) = flights.get(&name) {
            return landing.clone();
        }
        let (sender, landing) = watch::channel(None);
        flights.insert(name.clone(), landing.clone());
        let listed = Listed(Arc::clone(self), name);
        let provider = provider.clone();
        self.flights.spawn(async move {
            let result = listed.0.fly(&wanted, &provider).await;
            listed.0.cache.written(wanted.key.wallet.record()).await;
            drop(listed);
            sender.send_replace(Some(result));
        });
        landing
    }

    async fn fly(&self, wanted: &Wanted, provider: &Provider) -> Result<(), VaultError> {
        let name = wanted.key.name();
        let mut landed = self.signals.subscribe(&name);
        let deadline = Instant::now() + OTHERS;
        while Instant::now() < deadline {
            if let Some(lease) = self.leases.acquire(&name, LEASE).await? {
                let result = self.renew(wanted, provider).await;
                self.give_back(lease, &name).await;
                return result;
            }
            let _ = timeout(LOOK, landed.wait()).await;
            if self.still(wanted).await?.is_none() {
                return Ok(());
            }
        }
        Err(VaultError::busy(&wanted.key.wallet))
    }

    /// The right to talk of this credential with its provider; `None` if others had it for too long.
    pub(super) async fn turn(&self, name: &str) -> Result<Option<Lease>, StoreError> {
        let mut over = self.signals.subscribe(name);
        let deadline = Instant::now() + OTHERS;
        while Instant::now() < deadline {
            if let Some(lease) = self.leases.acquire(name, LEASE).await? {
                return Ok(Some(lease));
            }
            let _ = timeout(LOOK, over.wait()).await;
        }
        Ok(None)
    }

    pub(super) async fn give_back(&self, lease: Lease, name: &str) {
        if let Err(error) = lease.release().await {
            tracing::debug!(%error, "a lease was not released and will be over by itself");
        }
        self.signals.raise(name);
    }

    /// The credential, if what was wanted of it is still to be done.
    async fn still(&self, wanted: &Wanted) -> Result<Option<Credential>, StoreError> {
        let entry = self.table.get(wanted.key.wallet.record()).await?;
        let now = self.clock.now();
        Ok(entry.and_then(|entry| {
            let credential = entry.value.get(&wanted.key.id)?;
            let may = credential.may_refresh(now) || wanted.ground == Ground::Operator;
            (credential.revision == wanted.seen && may).then(|| credential.clone())
        }))
    }

    async fn renew(&self, wanted: &Wanted, provider: &Provider) -> Result<(), VaultError> {
        let Some(credential) = self.still(wanted).await? else {
            return Ok(());
        };
        let opened = credential.refresh_token(&wanted.key, &self.sealer);
        let opened = opened.map_err(|error| VaultError::sealed(&wanted.key.wallet, error))?;
        let Some(refresh_token) = opened else {
            return Ok(());
        };
        let Some(provider) = provider.oauth() else {
            return Ok(());
        };
        match self.client.refresh(provider, &refresh_token).await {
            Ok(tokens) => {
                if self.store_refreshed(wanted, &tokens).await? {
                    self.tell(wanted, wanted.refreshed()).await;
                }
            }
            Err(error) => {
                if self.store_failure(wanted, &error).await? {
                    self.tell(wanted, noted::failed(&error)).await;
                }
            }
        }
        Ok(())
    }

    /// Whether they are kept: not if there are others by now.
    async fn store_refreshed(
        &self,
        wanted: &Wanted,
        tokens: &TokenSet,
    ) -> Result<bool, VaultError> {
        let (key, now) = (&wanted.key, self.clock.now());
        let refused = wanted.ground == Ground::Refused;
        let mut offers = 1;
        let kept = loop {
            let offered = self.change(wanted, |credential| {
                credential.refreshed(key, &self.sealer, tokens, now, refused)
            });
            match offered.await {
                Ok(kept) => break kept,
                Err(error) if offers == OFFERS => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(100 * offers)).await,
            }
            offers += 1;
        };
        tracing::info!(credential = ?wanted.key, ground = ?wanted.ground, "refreshed a credential");
        Ok(kept)
    }

    /// Whether that changes anything: not if there are other tokens by now.
    async fn store_failure(&self, wanted: &Wanted, error: &TokenError) -> Result<bool, VaultError> {
        let now = self.clock.now();
        tracing::warn!(credential = ?wanted.key, %error, "a credential was not refreshed");
        let setback = match error {
            TokenError::Refused { .. } => {
                let why = NeedsUser::RefreshRefused;
                return self
                    .change(wanted, |credential| credential.given_up(why))
                    .await;
            }
            TokenError::Misconfigured { error } => Setback::Operator(*error),
            TokenError::Unavailable { retry_after, .. } => Setback::Unavailable(*retry_after),
            TokenError::Unreadable { .. } => Setback::Unavailable(None),
        };
        self.change(wanted, |credential| credential.rested(&setback, now))
            .await
    }

    /// Changes the credential, unless there is another access token in it by now, or it is gone: then that is newer than
    /// what we know. Whether it did.
    pub(super) async fn change(
        &self,
        wanted: &Wanted,
        change: impl Fn(Credential) -> Credential + Send + Sync,
    ) -> Result<bool, VaultError> {
        let Wanted { key, seen, .. } = wanted;
        let mut changed = false;
        let edited = self.edit(&key.wallet, |mut wallet| {
            changed = wallet.change(&key.id, *seen, &change);
            if changed {
                Change::Keep(wallet)
            } else {
                Change::Leave(wallet)
            }
        });
        let there = edited.await?.is_some();
        Ok(there && changed)
    }
}
