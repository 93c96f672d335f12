//! Users' tokens and keys at providers: kept sealed, handed out fresh.
//!
//! Owns the records `credentials/{user key}/{provider}` (no expiry; each a wallet: all connections of that user there, their
//! tokens sealed for just that user, provider and connection) and the leases `credential/{user key}/{provider}/{connection}`
//! while one is refreshed or revoked. Leaves to `connect` how a credential is obtained, to `provider` the talk with its
//! endpoints, and to the caller what to tell whom.
//!
//! What was opened stays in memory for five seconds. Within one process a write is seen by the next look; a change made by
//! another replica (a disconnect, say) after five seconds at most.

mod answer;
mod cache;
mod connection;
mod credential;
mod keep;
mod list;
mod manage;
mod noted;
mod refresh;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_bench;
#[cfg(test)]
mod tests_kinds;
#[cfg(test)]
mod tests_managed;
#[cfg(test)]
mod tests_refused;
#[cfg(test)]
mod tests_several;
mod verdict;
mod wallet;

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    audit::Trail,
    base::{clock::Clock, entropy::Entropy, seal::Sealer},
    provider::OAuthClient,
    store::{Store, StoreError, lease::Leases, signal::Signals, table::Table},
};

pub use answer::{HeldToken, Lack, TokenLookup, VaultError};
pub use connection::{
    Connection, ConnectionState, Disconnected, Filter, Grant, Kept, KeptAs, Page, Revocation, Slot,
    Wish,
};

use cache::{Cache, Opened};
use credential::{Credential, NeedsUser, WalletKey};
use refresh::{Flights, Ground, Wanted};
use verdict::Verdict;
use wallet::Wallet;

/// How long a call waits for a refresh while the old token still serves.
const SHORT_WAIT: Duration = Duration::from_secs(2);
/// How often a look-up begins again because the record changed under it.
const LOOKS: u8 = 4;

/// Where tokens are. Clones are the same vault.
#[derive(Clone)]
pub struct Vault {
    inner: Arc<Inner>,
}

/// What a vault is made of.
pub struct Parts {
    /// Where connections are kept.
    pub store: Arc<dyn Store>,
    /// Seals their tokens.
    pub sealer: Sealer,
    /// Sees to it that one of many talks of a connection with its provider.
    pub leases: Leases,
    /// Talks with providers.
    pub client: OAuthClient,
    /// Says what time it is.
    pub clock: Arc<dyn Clock>,
    /// Makes the ids of connections.
    pub entropy: Arc<dyn Entropy>,
    /// Tells those who wait for a connection to change.
    pub signals: Signals,
    /// Is told what becomes of connections.
    pub trail: Trail,
}

struct Inner {
    table: Table<Wallet>,
    sealer: Sealer,
    leases: Leases,
    client: OAuthClient,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    signals: Signals,
    trail: Trail,
    cache: Cache,
    flights: Flights,
}

impl Vault {
    /// A vault made of `parts`.
    pub fn new(parts: Parts) -> Self {
        let inner = Inner {
            table: Table::new(parts.store, "credentials"),
            sealer: parts.sealer,
            leases: parts.leases,
            client: parts.client,
            clock: parts.clock,
            entropy: parts.entropy,
            signals: parts.signals,
            trail: parts.trail,
            cache: Cache::new(),
            flights: Flights::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The token that is wished for, refreshed if its end is near.
    ///
    /// # Errors
    /// Any [`VaultError`].
    pub async fn find(&self, wish: Wish<'_>) -> Result<TokenLookup, VaultError> {
        let key = WalletKey::new(wish.user, wish.name);
        for look in 0..LOOKS {
            let Some(opened) = self.inner.look(&key).await? else {
                return Ok(TokenLookup::Missing(Lack::NotConnected));
            };
            let Some(index) = opened.wallet.meant(wish.slot) else {
                return Ok(TokenLookup::Missing(Lack::NotConnected));
            };
            let credential = &opened.wallet.connections[index];
            if !credential.fits(wish.provider) {
                return Ok(TokenLookup::Missing(Lack::NotConnected));
            }
            let now = self.inner.clock.now();
            let wanted = || credential.wanted(&key, Ground::NearEnd);
            match credential.judge(wish.required, now) {
                Verdict::RefreshSoon if look == 0 => {
                    let refresh = self.inner.refresh(wanted(), wish.provider);
                    // Whatever comes of it, or nothing in time: the next look judges.
                    let _ = tokio::time::timeout(SHORT_WAIT, refresh).await;
                }
                Verdict::Use | Verdict::RefreshSoon => {
                    let token = opened.token(&key, index)?;
                    self.inner.note_use(&key, &opened, index, now);
                    return Ok(TokenLookup::Ready(token));
                }
                Verdict::RefreshFirst => self.inner.refresh(wanted(), wish.provider).await?,
                Verdict::Wait(rest) => return Err(VaultError::unavailable(wish.name, rest)),
                Verdict::Operator(error) => return Err(VaultError::operator(wish.name, error)),
                Verdict::Lacks(lack) => return Ok(TokenLookup::Missing(lack)),
            }
        }
        Err(StoreError::Contended(key.record().to_owned()).into())
    }

    /// An upstream answered 401 to `held`: another token, refreshed once however many ask, or [`Lack::Reconnect`] if there is
    /// none to be had or the refreshed one was refused as well. Ask again for each refusal; it comes to an end by itself.
    ///
    /// # Errors
    /// Any [`VaultError`].
    pub async fn refused(
        &self,
        wish: Wish<'_>,
        held: &HeldToken,
    ) -> Result<TokenLookup, VaultError> {
        let key = WalletKey::new(wish.user, wish.name);
        // What another replica did about the same refusal counts, so nothing remembered will do.
        self.inner.cache.written(key.record()).await;
        for _ in 0..LOOKS {
            let opened = self.inner.look(&key).await?;
            let refused = opened.as_ref().and_then(|opened| {
                let credential = opened.wallet.get(&held.account)?;
                let same = credential.revision == held.revision;
                (same && credential.fits(wish.provider)).then_some(credential)
            });
            let Some(credential) = refused else {
                return self.find(wish).await;
            };
            let wanted = credential.wanted(&key, Ground::Refused);
            match credential.judge_refused(self.inner.clock.now()) {
                Verdict::Use | Verdict::RefreshSoon | Verdict::RefreshFirst => {
                    self.inner.refresh(wanted, wish.provider).await?;
                }
                Verdict::Wait(rest) => return Err(VaultError::unavailable(wish.name, rest)),
                Verdict::Operator(error) => return Err(VaultError::operator(wish.name, error)),
                Verdict::Lacks(lack) if credential.is_given_up() => {
                    return Ok(TokenLookup::Missing(lack));
                }
                Verdict::Lacks(_) => self.inner.give_up(&wanted).await?,
            }
        }
        Err(StoreError::Contended(key.record().to_owned()).into())
    }

    /// Whether the user connected the account of `held` so lately that they should not be asked to do so again.
    pub fn just_connected(&self, held: &HeldToken) -> bool {
        verdict::is_recent(held.connection, self.inner.clock.now())
    }

    /// Waits until no refresh is under way: before the process ends, else a provider that rotates has forgotten the refresh
    /// token we keep, and we never kept the one it remembers.
    pub async fn drain(&self) {
        self.inner.flights.landed().await;
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(…)")
    }
}

impl Inner {
    /// The wallet and its tokens, from memory or from the store.
    async fn look(&self, key: &WalletKey) -> Result<Option<Arc<Opened>>, VaultError> {
        let record = key.record();
        if let Some(opened) = self.cache.get(record).await {
            return Ok(Some(opened));
        }
        let before = self.cache.before(record);
        let Some(entry) = self.table.get(record).await? else {
            return Ok(None);
        };
        let opened = Arc::new(Opened::new(key, entry.value, &self.sealer));
        self.cache.put(record, before, Arc::clone(&opened)).await;
        Ok(Some(opened))
    }

    async fn give_up(&self, wanted: &Wanted) -> Result<(), VaultError> {
        let why = NeedsUser::TokenRefused;
        let given_up = self.change(wanted, |credential| credential.given_up(why));
        if given_up.await? {
            self.tell(wanted, why.event()).await;
        }
        Ok(())
    }
}

impl Credential {
    fn wanted(&self, key: &WalletKey, ground: Ground) -> Wanted {
        Wanted {
            key: key.of(&self.id),
            seen: self.revision,
            account: self
                .account
                .as_ref()
                .map(|account| account.shown().to_owned()),
            ground,
        }
    }
}
