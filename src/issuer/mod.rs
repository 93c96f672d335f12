//! Our authorization server for MCP clients (OAuth 2.1): who a client is, what a user approved, and the tokens for it.
//!
//! ```text
//! client         client_id                → Client            registered, dynamic (RFC 7591), metadata document (CIMD)
//! register       metadata                 → client_id         whoever asks (RFC 7591)
//! authorize      request in a URL         → Approved          consent, sign-in, policy
//! code           Approved                 → code → Approved   once
//! token          code, refresh, ID-JAG    → access token      grants, rotation
//! access_token   access token             → Access            at every request of `/mcp`
//! ```
//!
//! | record | key | lives |
//! |---|---|---|
//! | grant: what tokens stand for | `grants/{id}` | `refresh_token_lifetime` after its last use, `grant_lifetime` at most |
//! | index of a user's grants | `grants_of/{user key}/{id}` | `grant_lifetime` |
//! | authorization code | `codes/{hash}` | 60 seconds; 10 minutes more once spent, to notice replays |
//! | consent | `consents/{user key}/{hash}` | a year |
//! | authorization whose user is signing in | `authorizations/{hash}` | 10 minutes |
//! | registered client | `clients/{client_id}` | 30 days; once used, 30 days longer than its refresh tokens may |
//! | client's assertion that was used | `client_assertions/{hash}` | until it would have expired |
//! | assertion that was used | `assertions/{user source}/{hash of jti}` | as long as it could be used again |
//! | signing key | `signing_keys/{month}` | its 30 days, and as long as tokens of it may live |

pub mod access_token;
pub mod approved;
mod authorize;
pub mod client;
pub mod code;
mod consent;
mod consents;
mod form;
pub mod grant;
pub mod id_jag;
pub mod keys;
mod let_in;
mod metadata;
mod refresh;
pub mod refusal;
mod register;
mod request;
pub mod resource;
mod resume;
mod revoke;
pub mod scope;
mod token;

#[cfg(test)]
mod door;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_attacks;
#[cfg(test)]
mod tests_authorize;
#[cfg(test)]
mod tests_consent;
#[cfg(test)]
mod tests_id_jag;
#[cfg(test)]
mod tests_keys;
#[cfg(test)]
mod tests_refresh;
#[cfg(test)]
mod tests_register;

use std::sync::Arc;

use axum::{Router, http::Method};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

pub use self::let_in::LetIn;
use self::{
    access_token::Verified, authorize::AuthorizePages, client::Clients, code::Codes, grant::Grants,
    id_jag::Assertions, keys::Keys, register::Registering,
};
use crate::{
    base::{clock::Clock, entropy::Entropy, seal::Sealer},
    config::live::Live,
    store::{Store, signal::Signals, table::Table},
    user_source::{profile::Profiles, session::BrowserSessions},
    web::{failure::Faults, fetch::Fetcher, urls::Urls},
};

/// Larger requests are no request for a token. Bytes.
const LARGEST_FORM: usize = 64 * 1024;

/// What the issuer is made of.
pub struct Parts {
    /// The configuration in force.
    pub live: Live,
    /// Our addresses; the origin is the issuer.
    pub urls: Urls,
    /// Where grants, codes and keys live.
    pub store: Arc<dyn Store>,
    /// Seals signing keys and refresh tokens.
    pub sealer: Sealer,
    /// Where the end of a grant is told.
    pub signals: Signals,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// For codes and ids.
    pub entropy: Arc<dyn Entropy>,
    /// Who is at a browser.
    pub sessions: BrowserSessions,
    /// What user sources say of users.
    pub profiles: Profiles,
    /// Checks identity assertions.
    pub assertions: Arc<dyn Assertions>,
    /// Where faults go.
    pub faults: Faults,
    /// Fetches what clients publish about themselves.
    pub fetcher: Fetcher,
}

/// The authorization server. Cheap to clone.
#[derive(Clone)]
pub struct Issuer(Arc<Inner>);

struct Inner {
    parts: Parts,
    keys: Keys,
    grants: Grants,
    codes: Codes,
    clients: Clients,
    assertions: Table<()>,
    verified: Verified,
}

impl Issuer {
    /// An issuer over these parts. Contacts nobody, reads nothing.
    pub fn new(parts: Parts) -> Self {
        let Parts {
            urls,
            fetcher,
            store,
            sealer,
            signals,
            clock,
            entropy,
            ..
        } = &parts;
        Self(Arc::new(Inner {
            keys: Keys::new(Arc::clone(store), sealer.clone(), Arc::clone(clock)),
            grants: Grants::new(
                store,
                signals.clone(),
                Arc::clone(clock),
                Arc::clone(entropy),
            ),
            codes: Codes::new(Arc::clone(store), Arc::clone(clock), Arc::clone(entropy)),
            clients: Clients::new(store, urls, fetcher, clock, Arc::clone(entropy)),
            assertions: Table::new(Arc::clone(store), "assertions"),
            verified: access_token::cache(),
            parts,
        }))
    }

    /// The issuer identifier (RFC 8414 §2): our origin, spelt the same in metadata, tokens and answers.
    pub fn id(&self) -> &str {
        self.0.parts.urls.origin()
    }

    /// What tokens stand for: to list a user's grants, and to end them.
    pub fn grants(&self) -> &Grants {
        &self.0.grants
    }
}

/// All routes of the authorization server.
pub fn routes(issuer: Issuer) -> Router {
    Router::new()
        .merge(authorize::routes(AuthorizePages::new(&issuer)))
        .merge(register::routes(Registering::new(&issuer)))
        .merge(metadata::routes(issuer.clone()))
        .merge(token::routes(issuer.clone()))
        .merge(revoke::routes(issuer))
}

/// Lets pages of any origin read the answer: clients that live in a browser have no other way. No cookie counts here.
fn open_to_pages() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::any())
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
}
