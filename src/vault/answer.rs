//! What the vault says to "a token of this user at this provider, please".

use std::{sync::Arc, time::Duration};

use super::credential::WalletKey;
use crate::{
    base::{
        clock::Span,
        id::{ConnectionId, ProviderName},
        seal::OpenError,
    },
    protocol::oauth::{error::ErrorCode, scope::ScopeSet},
    provider::{AccessToken, Account},
    store::StoreError,
};

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
    /// Which one it is; for [`super::Vault::refused`].
    pub revision: u64,
    /// The user's act of connecting that it comes from: the same after a refresh, another after a connection made anew.
    pub connection: u64,
    /// Which connection of the user's it comes from.
    pub account: ConnectionId,
    /// Whose account it is at the provider, if that was told.
    pub info: Option<Arc<Account>>,
}

/// Why a token is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// The user never connected such an account, or disconnected it; or the provider took a key then and gives tokens now, or the
    /// other way round.
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
    /// The same, but the user was just asked for it, and the provider would not grant it: asking at once again is of no use.
    Withheld {
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
    /// The user has as many accounts there as there may be, or labels for them. Nothing was kept.
    #[error("there are too many accounts, or labels, of one user at the provider `{provider}`")]
    Full {
        /// Which provider.
        provider: ProviderName,
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

impl Lack {
    /// What to ask the provider for when `required` is: that, and all that was granted before, since some providers take
    /// away what is not asked for again.
    pub fn to_ask_for(&self, required: &ScopeSet) -> ScopeSet {
        match self {
            Self::NotConnected => required.clone(),
            Self::Reconnect { granted }
            | Self::MoreScopes { granted, .. }
            | Self::Withheld { granted, .. } => required.union(granted),
        }
    }
}

impl VaultError {
    pub(super) fn operator(provider: &ProviderName, error: ErrorCode) -> Self {
        let provider = provider.clone();
        Self::Operator { provider, error }
    }

    pub(super) fn unavailable(provider: &ProviderName, rest: Span) -> Self {
        Self::Unavailable {
            provider: provider.clone(),
            retry_after: rest.unsigned_abs(),
        }
    }

    /// Others talk with the provider about this credential, and do not come to an end.
    pub(super) fn busy(key: &WalletKey) -> Self {
        Self::unavailable(&key.provider, Span::from_secs(1))
    }

    pub(super) fn full(key: &WalletKey) -> Self {
        let provider = key.provider.clone();
        Self::Full { provider }
    }

    pub(super) fn sealed(key: &WalletKey, source: OpenError) -> Self {
        let provider = key.provider.clone();
        Self::Sealed { provider, source }
    }
}

impl From<StoreError> for VaultError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}
