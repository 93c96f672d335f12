//! Users' tokens at providers: kept sealed, handed out fresh.
//!
//! Owns the records `credentials/{user}/{provider}` (no expiry; in them the tokens sealed for just this user and provider)
//! and the leases `credential/{user}/{provider}` while one is refreshed. Leaves to `connect` how a credential is obtained, to
//! `provider` the talk with token endpoints, and to the caller what to tell whom.
//!
//! What was opened stays in memory for five seconds. Within one process a write is seen by the next look; a change made by
//! another replica (a disconnect, say) after five seconds at most.

mod cache;
mod credential;
mod refresh;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_refused;
mod verdict;

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    base::{
        clock::Clock,
        id::{ProviderName, UserId},
        seal::{OpenError, Sealer},
    },
    config::Provider,
    protocol::oauth::{error::ErrorCode, scope::ScopeSet},
    provider::{AccessToken, OAuthClient, TokenSet},
    store::{
        Store, StoreError,
        lease::Leases,
        signal::Signals,
        table::{Change, Table},
    },
};

use cache::{Cache, Opened};
use credential::{Credential, CredentialKey, NeedsUser};
use refresh::{Flights, Wanted};
use verdict::Verdict;

/// How long a call waits for a refresh while the old token still serves.
const SHORT_WAIT: Duration = Duration::from_secs(2);
/// How often a look-up begins again because the record changed under it.
const LOOKS: u8 = 4;

/// Where tokens are. Clones are the same vault.
#[derive(Clone)]
pub struct Vault {
    inner: Arc<Inner>,
}

struct Inner {
    table: Table<Credential>,
    sealer: Sealer,
    leases: Leases,
    client: OAuthClient,
    clock: Arc<dyn Clock>,
    signals: Signals,
    cache: Cache,
    flights: Flights,
}

/// The answer to "a token of this user at this provider, please".
#[derive(Clone, Debug)]
pub enum TokenLookup {
    /// Here.
    Ready(HeldToken),
    /// Only the user can give it.
    Missing(Lack),
}

/// An access token that should work now. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HeldToken {
    /// The token, for the upstream and nobody else.
    pub token: Arc<AccessToken>,
    /// What it was granted.
    pub scopes: Arc<ScopeSet>,
    /// Which one it is; for [`Vault::refused`].
    pub revision: u64,
    /// Which connection of the user's it comes from: the same after a refresh, another after a connection made anew, with
    /// which the user may have chosen another account.
    pub connection: u64,
}

/// Why a token is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// The user never connected this provider, or disconnected it.
    NotConnected,
    /// The user did, but the tokens are of no use any more.
    Reconnect {
        /// What had been granted.
        granted: ScopeSet,
    },
    /// The tokens are good for less than is required.
    MoreScopes {
        /// What is not granted.
        missing: ScopeSet,
        /// What is.
        granted: ScopeSet,
    },
}

/// Neither a token nor anything the user could do about it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum VaultError {
    /// The store could not say, or not keep.
    #[error(transparent)]
    Store(Arc<StoreError>),
    /// The provider does not accept our client: the operator has to mend its configuration. The credential stays.
    #[error(
        "the provider `{provider}` does not accept our client ({error}); see to `providers.{provider}`"
    )]
    Operator {
        /// Which provider.
        provider: ProviderName,
        /// Its word for it.
        error: ErrorCode,
    },
    /// The provider is not available and the old token is over. The credential stays.
    #[error("the provider `{provider}` is not available")]
    Unavailable {
        /// Which provider.
        provider: ProviderName,
        /// Before this has passed, asking again is of no use.
        retry_after: Duration,
    },
    /// The tokens do not open: a root key is missing, or the row is not what was written.
    #[error("a credential at the provider `{provider}` does not open")]
    Sealed {
        /// Which provider.
        provider: ProviderName,
        /// Why.
        source: OpenError,
    },
}

impl Vault {
    /// A vault in `store`.
    pub fn new(
        store: Arc<dyn Store>,
        sealer: Sealer,
        leases: Leases,
        client: OAuthClient,
        clock: Arc<dyn Clock>,
        signals: Signals,
    ) -> Self {
        let inner = Inner {
            table: Table::new(store, "credentials"),
            sealer,
            leases,
            client,
            clock,
            signals,
            cache: Cache::new(),
            flights: Flights::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// A token of `user` at `provider` that covers `required`, refreshed if its end is near.
    ///
    /// # Errors
    /// Any [`VaultError`].
    pub async fn find(
        &self,
        user: &UserId,
        name: &ProviderName,
        provider: &Provider,
        required: &ScopeSet,
    ) -> Result<TokenLookup, VaultError> {
        let key = CredentialKey::new(user, name);
        for look in 0..LOOKS {
            let Some(opened) = self.inner.look(&key).await? else {
                return Ok(TokenLookup::Missing(Lack::NotConnected));
            };
            let wanted = || opened.wanted(&key, false);
            match opened.credential.judge(required, self.inner.clock.now()) {
                Verdict::RefreshSoon if look == 0 => {
                    let refresh = self.inner.refresh(wanted(), provider);
                    // Whatever comes of it, or nothing in time: the next look judges.
                    let _ = tokio::time::timeout(SHORT_WAIT, refresh).await;
                }
                Verdict::Use | Verdict::RefreshSoon => return Ok(TokenLookup::Ready(opened.token)),
                Verdict::RefreshFirst => self.inner.refresh(wanted(), provider).await?,
                Verdict::Wait(rest) => return Err(VaultError::unavailable(name, rest)),
                Verdict::Operator(error) => return Err(VaultError::operator(name, error)),
                Verdict::Lacks(lack) => return Ok(TokenLookup::Missing(lack)),
            }
        }
        Err(StoreError::Contended(key.record()).into())
    }

    /// An upstream answered 401 to `held`: another token, refreshed once however many ask, or [`Lack::Reconnect`] if there is
    /// none to be had or the refreshed one was refused as well. Ask again for each refusal; it comes to an end by itself.
    ///
    /// # Errors
    /// Any [`VaultError`].
    pub async fn refused(
        &self,
        user: &UserId,
        name: &ProviderName,
        provider: &Provider,
        held: &HeldToken,
        required: &ScopeSet,
    ) -> Result<TokenLookup, VaultError> {
        let key = CredentialKey::new(user, name);
        // What another replica did about the same refusal counts, so nothing remembered will do.
        self.inner.cache.written(&key.record()).await;
        for _ in 0..LOOKS {
            let opened = self.inner.look(&key).await?;
            let Some(opened) = opened.filter(|opened| opened.token.revision == held.revision)
            else {
                return self.find(user, name, provider, required).await;
            };
            let wanted = opened.wanted(&key, true);
            match opened.credential.judge_refused(self.inner.clock.now()) {
                Verdict::Use | Verdict::RefreshSoon | Verdict::RefreshFirst => {
                    self.inner.refresh(wanted, provider).await?;
                }
                Verdict::Wait(rest) => return Err(VaultError::unavailable(name, rest)),
                Verdict::Operator(error) => return Err(VaultError::operator(name, error)),
                Verdict::Lacks(lack) if opened.credential.is_given_up() => {
                    return Ok(TokenLookup::Missing(lack));
                }
                Verdict::Lacks(_) => self.inner.give_up(&wanted).await?,
            }
        }
        Err(StoreError::Contended(key.record()).into())
    }

    /// Keeps what a code brought, in place of whatever was there. `asked` is what was granted if `tokens` do not say.
    /// Durable when this returns.
    ///
    /// # Errors
    /// [`VaultError::Store`].
    pub async fn keep(
        &self,
        user: &UserId,
        name: &ProviderName,
        tokens: TokenSet,
        asked: &ScopeSet,
    ) -> Result<(), VaultError> {
        let key = CredentialKey::new(user, name);
        let kept = self.inner.keep(&key, &tokens, asked).await;
        self.inner.cache.written(&key.record()).await;
        kept.map_err(VaultError::from)
    }

    /// What `user` has granted at `provider`, however the tokens are; nothing if there are none.
    ///
    /// # Errors
    /// [`VaultError::Store`].
    pub async fn granted(
        &self,
        user: &UserId,
        name: &ProviderName,
    ) -> Result<ScopeSet, VaultError> {
        let record = CredentialKey::new(user, name).record();
        let found = self.inner.table.get(&record).await?;
        Ok(found.map_or_else(ScopeSet::default, |entry| entry.value.scopes))
    }

    /// Waits until no refresh is under way: before the process ends, else a provider that rotates has forgotten the refresh
    /// token we keep, and we never kept the one it remembers.
    pub async fn drain(&self) {
        self.inner.flights.landed().await;
    }

    /// Removes the credential; `false` if there was none.
    ///
    /// # Errors
    /// [`VaultError::Store`].
    pub async fn forget(&self, user: &UserId, name: &ProviderName) -> Result<bool, VaultError> {
        let key = CredentialKey::new(user, name);
        let taken = self.inner.table.take(&key.record()).await;
        self.inner.cache.written(&key.record()).await;
        Ok(taken?.is_some())
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(…)")
    }
}

impl Inner {
    /// The credential and its token, from memory or from the store.
    async fn look(&self, key: &CredentialKey) -> Result<Option<Opened>, VaultError> {
        let record = key.record();
        if let Some(opened) = self.cache.get(&record).await {
            return Ok(Some(opened));
        }
        let before = self.cache.before(&record);
        let Some(entry) = self.table.get(&record).await? else {
            return Ok(None);
        };
        let token = entry.value.hold(key, &self.sealer);
        let opened = Opened {
            token: token.map_err(|error| VaultError::sealed(key, error))?,
            credential: Arc::new(entry.value),
        };
        self.cache.put(&record, before, opened.clone()).await;
        Ok(Some(opened))
    }

    async fn keep(
        &self,
        key: &CredentialKey,
        tokens: &TokenSet,
        asked: &ScopeSet,
    ) -> Result<(), StoreError> {
        let (record, now) = (key.record(), self.clock.now());
        let granted = |before: Option<Credential>| {
            Credential::granted(key, &self.sealer, tokens, asked, now, before.as_ref())
        };
        for _ in 0..LOOKS {
            let over = |before| Ok::<_, StoreError>(Change::Keep(granted(Some(before))));
            let updated = self.table.update(&record, over).await?;
            if updated.is_some() || self.table.create(&record, &granted(None), None).await? {
                return Ok(());
            }
        }
        Err(StoreError::Contended(record))
    }

    async fn give_up(&self, wanted: &Wanted) -> Result<(), VaultError> {
        let why = NeedsUser::TokenRefused;
        self.change(wanted, |credential| credential.given_up(why))
            .await
    }
}

impl Opened {
    fn wanted(&self, key: &CredentialKey, refused: bool) -> Wanted {
        Wanted {
            key: key.clone(),
            seen: self.token.revision,
            refused,
        }
    }
}

impl Lack {
    /// What to ask the provider for when `required` is: that, and all that was granted before, since some providers take
    /// away what is not asked for again.
    pub fn to_ask_for(&self, required: &ScopeSet) -> ScopeSet {
        match self {
            Self::NotConnected => required.clone(),
            Self::Reconnect { granted } | Self::MoreScopes { granted, .. } => {
                required.union(granted)
            }
        }
    }
}

impl VaultError {
    fn operator(provider: &ProviderName, error: ErrorCode) -> Self {
        let provider = provider.clone();
        Self::Operator { provider, error }
    }

    fn unavailable(provider: &ProviderName, rest: crate::base::clock::Span) -> Self {
        Self::Unavailable {
            provider: provider.clone(),
            retry_after: rest.unsigned_abs(),
        }
    }

    fn sealed(key: &CredentialKey, source: OpenError) -> Self {
        let provider = key.provider.clone();
        Self::Sealed { provider, source }
    }
}

impl From<StoreError> for VaultError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}
