//! "Acme Notes": a toy third-party OAuth 2.1 authorization server.
//!
//! It stands for any company that is not ours: accounts, sign-in page, consent page and tokens of its own. Authorization
//! code with PKCE S256, `state`, `iss` (RFC 9207), rotating refresh tokens with reuse detection, revocation (RFC 7009).

mod authorize;
mod ledger;
mod page;
mod parameters;
#[cfg(test)]
mod refusals;
#[cfg(test)]
pub(crate) mod tests;
mod token;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::json;

use self::ledger::Ledger;
use crate::base::{
    clock::{Clock, Span, Timestamp},
    entropy::Entropy,
    secret::TokenHash,
};

/// What Acme lets a client ask for: scope, and what the consent page says about it.
pub const SCOPES: [(&str, &str); 2] = [
    ("notes", "Read your notes and write new ones"),
    ("profile", "See your name"),
];

/// Acme Notes. Clones are the same company.
#[derive(Clone)]
pub struct Acme(Arc<Inner>);

/// What Acme is told when it is founded.
#[derive(Debug)]
pub struct Settings {
    /// Its own origin without a trailing slash; its issuer identifier (RFC 8414 §2).
    pub issuer: String,
    /// Its one registered client; it authenticates with `client_secret_basic`.
    pub client: Client,
    /// The people who have an account there.
    pub accounts: Vec<Account>,
    /// How long an access token is good.
    pub access_lifetime: Span,
}

/// A client registered at Acme.
#[derive(Debug)]
pub struct Client {
    /// RFC 6749 §2.2.
    pub id: String,
    /// Hash of the secret.
    pub secret: TokenHash,
    /// What the consent page calls it.
    pub title: String,
    /// The redirect URIs it may use, compared as text (RFC 9700 §2.1).
    pub redirect_uris: Vec<String>,
}

/// A person at Acme.
#[derive(Debug)]
pub struct Account {
    /// What the person types at the sign-in page.
    pub name: String,
    /// Hash of the password. Fast, unlike the gateway's: these are long random ones, and nothing real is behind them.
    pub password: TokenHash,
    /// What Acme calls the person.
    pub display_name: String,
}

/// Whom an access token speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The account's name.
    pub account: String,
    /// What Acme calls the person.
    pub display_name: String,
    /// What was granted, in order.
    pub scopes: Vec<String>,
}

struct Inner {
    settings: Settings,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    ledger: Mutex<Ledger>,
}

impl Acme {
    /// Founds the company.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self(Arc::new(Inner {
            settings,
            clock,
            entropy,
            ledger: Mutex::default(),
        }))
    }

    /// Its website and endpoints.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/", get(page::front))
            .route("/style.css", get(page::style))
            .route("/.well-known/oauth-authorization-server", get(metadata))
            .route("/oauth/authorize", get(authorize::begin))
            .route("/oauth/authorize/{request}", get(authorize::step))
            .route(
                "/oauth/authorize/{request}/sign-in",
                post(authorize::sign_in),
            )
            .route(
                "/oauth/authorize/{request}/sign-out",
                post(authorize::sign_out),
            )
            .route("/oauth/authorize/{request}/decide", post(authorize::decide))
            .route("/oauth/token", post(token::token))
            .route("/oauth/revoke", post(token::revoke))
            .route("/oauth/userinfo", get(userinfo))
            .with_state(self.clone())
    }

    /// Whom `access_token` speaks for; `None` when it is unknown, expired or revoked.
    pub fn owner(&self, access_token: &str) -> Option<Owner> {
        let grant = self
            .ledger()
            .owner(TokenHash::of(access_token), self.now())?;
        let account = self.account(&grant.account)?;
        Some(Owner {
            account: account.name.clone(),
            display_name: account.display_name.clone(),
            scopes: grant.scopes,
        })
    }

    /// How often an access token was renewed with a refresh token.
    pub fn refreshes(&self) -> u64 {
        self.ledger().refreshes
    }

    /// Takes back every access token at once and keeps the refresh tokens: what an upstream's 401 before the time is like.
    pub fn forget_access_tokens(&self) {
        self.ledger().forget_access_tokens();
    }

    /// Ends every grant: what it is like when people remove the application at the provider.
    pub fn end_grants(&self) {
        self.ledger().end_grants();
    }

    /// The issuer identifier.
    pub fn issuer(&self) -> &str {
        &self.0.settings.issuer
    }

    fn account(&self, name: &str) -> Option<&Account> {
        let accounts = &self.0.settings.accounts;
        accounts.iter().find(|account| account.name == name)
    }

    fn client(&self) -> &Client {
        &self.0.settings.client
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.0.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Acme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Acme({})", self.issuer())
    }
}

/// The token of an `Authorization: Bearer …` header (RFC 6750 §2.1).
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim_matches(' '))
}

/// RFC 8414.
async fn metadata(State(acme): State<Acme>) -> Json<serde_json::Value> {
    let issuer = acme.issuer();
    let scopes = SCOPES.map(|(scope, _)| scope);
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/oauth/authorize"),
        "token_endpoint": format!("{issuer}/oauth/token"),
        "revocation_endpoint": format!("{issuer}/oauth/revoke"),
        "userinfo_endpoint": format!("{issuer}/oauth/userinfo"),
        "scopes_supported": scopes,
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
    }))
}

/// Who the bearer of a token is.
async fn userinfo(State(acme): State<Acme>, headers: HeaderMap) -> Response {
    match bearer(&headers).map(|token| acme.owner(token)) {
        Some(Some(owner)) => {
            Json(json!({ "sub": owner.account, "name": owner.display_name })).into_response()
        }
        Some(None) => unauthorized(r#"Bearer realm="Acme Notes", error="invalid_token""#),
        None => unauthorized(r#"Bearer realm="Acme Notes""#),
    }
}

fn unauthorized(challenge: &'static str) -> Response {
    (
        StatusCode::UNAUTHORIZED,
        [(header::WWW_AUTHENTICATE, challenge)],
    )
        .into_response()
}
