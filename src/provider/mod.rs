//! We as client of third parties: authorization URLs, code exchange, refresh, whose account it is, revocation, and keys
//! that are tried.
//!
//! Owns the talk with a provider's endpoints and nothing that outlives it: what comes back goes to the vault. What
//! differs between providers is data in [`crate::config::OAuthProvider`], never a branch here.

mod account;
mod authorize;
mod exchange;
mod http;
mod judge;
mod key;
mod request;

#[cfg(test)]
mod tests_presets;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    base::clock::Timestamp,
    protocol::oauth::{error::ErrorCode, scope::ScopeSet},
};

pub use authorize::authorization_url;
pub use exchange::OAuthClient;
pub use key::{ApiKey, KeyError, NotAKey};

pub use crate::protocol::oauth::{
    pkce::CodeVerifier,
    token::{AccessToken, AuthorizationCode, RefreshToken},
};

/// What the token endpoint granted.
#[derive(Clone, Debug)]
pub struct TokenSet {
    /// For the upstream.
    pub access_token: AccessToken,
    /// For the next access token; `None` if the provider gave none (after a refresh: keep the old one).
    pub refresh_token: Option<RefreshToken>,
    /// When the access token ceases to work; `None` if the provider did not say.
    pub expires: Option<Timestamp>,
    /// What was granted; `None` means just what was asked for (RFC 6749 §5.1).
    pub scopes: Option<ScopeSet>,
    /// How to present the token, as the provider wrote it; `Bearer` when it said nothing.
    pub token_type: String,
    /// Whose account it is, if the token answer itself tells. [`OAuthClient::user_info`] answers for every provider.
    pub account: Option<Account>,
}

/// Whose account at a provider was connected. Somebody else chose these texts: shown, never trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Tells it from every other account at this provider.
    pub id: String,
    /// What its owner calls it.
    pub name: Option<String>,
    /// Its e-mail address, which nobody has verified.
    pub email: Option<String>,
}

impl Account {
    /// What is known of it, by OpenID Connect's names (Core §5.1).
    pub fn claims(&self) -> Map<String, Value> {
        let known = [
            ("sub", Some(&self.id)),
            ("name", self.name.as_ref()),
            ("email", self.email.as_ref()),
        ];
        let known = known.into_iter();
        let known =
            known.filter_map(|(name, value)| Some((name.to_owned(), value?.as_str().into())));
        known.collect()
    }

    /// What to call it on a page: its name, else its address, else what tells it from others.
    pub fn shown(&self) -> &str {
        let name = self.name.as_deref().or(self.email.as_deref());
        name.unwrap_or(&self.id)
    }
}

/// What came of ending a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// The provider ended it.
    Done,
    /// The provider offers no way: its owner can end it in the account's own settings.
    NotOffered,
}

/// Why the token endpoint gave nothing, parted by who has to act.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The code or refresh token is no good, or the person said no: the user has to connect again.
    #[error("the provider refused the grant ({error})")]
    Refused {
        /// Its word for why.
        error: ErrorCode,
    },
    /// Our client, or our request, is wrong there: the operator has to act; what the vault holds stays.
    #[error("the provider does not accept our client or request ({error})")]
    Misconfigured {
        /// Its word for why.
        error: ErrorCode,
    },
    /// 429, 5xx, silence or a broken connection: nothing is known, try again later.
    #[error("the provider is not available: {why}")]
    Unavailable {
        /// Not before this has passed, if the provider said so.
        retry_after: Option<Duration>,
        /// For the log.
        why: &'static str,
    },
    /// It answered, but not with anything we can use.
    #[error("the provider's token answer cannot be used: {why}")]
    Unreadable {
        /// For the log; fixed texts, nothing of the answer.
        why: &'static str,
    },
}

/// A provider without quirks, for unit tests.
#[cfg(test)]
pub(crate) fn example(token_url: &str) -> crate::config::OAuthProvider {
    use crate::config::{ClientAuth, OAuthProvider};
    OAuthProvider {
        preset: None,
        title: "Acme".into(),
        authorize_url: "https://acme.example/authorize".parse().unwrap(),
        token_url: token_url.parse().unwrap(),
        issuer: None,
        iss_required: false,
        client_id: "us".into(),
        client_secret: Some("hush".into()),
        client_auth: ClientAuth::Basic,
        pkce: true,
        scopes: ScopeSet::default(),
        scope_parameter: "scope".into(),
        scope_delimiter: " ".into(),
        authorize_parameters: Default::default(),
        token_parameters: Default::default(),
        scope_words: Default::default(),
        client_parameters: Default::default(),
        scope_includes: Default::default(),
        scopes_unlisted: Default::default(),
        scope_prefix: None,
        token_headers: Vec::new(),
        token_body: Default::default(),
        refresh: Some(Default::default()),
        answer: Default::default(),
        account: None,
        revocation: None,
        introspection: None,
    }
}
