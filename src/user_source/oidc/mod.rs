//! User sources of type `oidc`: we as relying party of a company's OpenID provider (OpenID Connect Core §3.1).
//!
//! ```text
//! GET /sign-in/{user_source}              begin      state, nonce, PKCE verifier → record; 303 to the provider
//! GET /oauth2/intermediate_callback       callback   state taken once, same browser, iss → code
//!                                         redeem     code → tokens → ID token verified (→ userinfo)
//!                                         subject    claims → user
//! POST /sign-out                          logout     the provider is told, where it wants to be (RP-Initiated Logout)
//! ```
//! One callback address serves every user source and gateway; `provider` keeps what providers publish of themselves.
//!
//! | record | key | lives |
//! |---|---|---|
//! | sign-in | `sign_ins/{hash of state}` | 10 minutes, and is taken by the first answer |

mod assertion;
pub(super) mod begin;
pub(super) mod callback;
mod client;
mod failed;
mod http;
mod logout;
mod provider;
mod redeem;
mod refusal;
mod subject;

use std::{net::IpAddr, sync::Arc, time::Duration};

use crate::{
    base::{
        clock::{Clock, Span, Timestamp},
        entropy::Entropy,
        seal::Sealer,
    },
    config::Oidc,
    store::{Store, StoreError, table::Table},
    web::urls::Urls,
};

use self::http::Http;
use super::{
    accounts::address_key,
    profile::Profiles,
    throttle::{Attempt, Rule, Throttle},
};
use begin::Pending;
use provider::Library;

pub use assertion::AssertionError;
pub use refusal::OidcError;

/// Sixty sign-ins begun at once from an address, then one a second: each leaves a record.
const PER_ADDRESS: Rule = Rule {
    burst: 60,
    every: Span::from_secs(1),
};

/// Our side of the talk with OpenID providers, for all user sources. Cheap to clone; clones share what is known of providers.
///
/// How a provider is talked to is in the [`Oidc`] of the configuration in force, which each call is given.
#[derive(Clone)]
pub struct OidcProviders {
    library: Library,
    http: Http,
    pending: Table<Pending>,
    throttle: Throttle,
    profiles: Profiles,
    sealer: Sealer,
    urls: Urls,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl OidcProviders {
    /// Knows of no provider yet, and contacts none before somebody signs in. Sign-ins under way are kept in `store`, what is
    /// said of users in `profiles`.
    pub fn new(
        store: &Arc<dyn Store>,
        profiles: Profiles,
        sealer: Sealer,
        urls: Urls,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let http = Http::new();
        Self {
            library: Library::new(http.clone(), Arc::clone(&clock)),
            http,
            pending: Table::new(Arc::clone(store), "sign_ins"),
            throttle: Throttle::new(Arc::clone(store), "sign_in_attempts", Arc::clone(&clock)),
            profiles,
            sealer,
            urls,
            clock,
            entropy,
        }
    }

    /// How long whoever comes from this address has to wait before they may begin a sign-in.
    async fn wait_for(&self, from: IpAddr) -> Result<Option<Duration>, StoreError> {
        let key = format!("begun/{}", address_key(from));
        match self.throttle.spend(&key, PER_ADDRESS).await? {
            Attempt::Granted => Ok(None),
            Attempt::Wait(wait) => Ok(Some(wait)),
        }
    }

    /// Now, by the kindest clock that `oidc` allows: the latest and the earliest time it may be at the provider.
    fn there(&self, oidc: &Oidc) -> (Timestamp, Timestamp) {
        let leeway = Span::try_from(oidc.leeway).unwrap_or(Span::ZERO);
        let now = self.clock.now();
        (
            now.saturating_add(leeway).unwrap_or(Timestamp::MAX),
            now.saturating_sub(leeway).unwrap_or(Timestamp::MIN),
        )
    }
}
