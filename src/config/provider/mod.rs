//! `[providers.*]`: what we know of a third-party authorization server. Its quirks are data, in presets and in the file.

mod key;
mod preset;
mod read;
mod request;
mod template;

use std::{collections::BTreeMap, time::Duration};

use http::HeaderName;
use serde_json_path::JsonPath;
use url::Url;

pub(super) use self::{
    preset::presets,
    read::{CLIENT_AUTH, providers, scope, scopes},
};
pub use self::{
    preset::{Preset, Tenancy, Unsupported, catalog, unsupported},
    template::{Template, Word},
};
use super::Config;
use crate::{
    base::{id::ProviderName, secret::Secret},
    protocol::oauth::{scope::ScopeSet, token_response::AnswerShape},
};

/// Somebody whose credentials tools need of their users.
#[derive(Clone, Debug)]
pub enum Provider {
    /// `type = "oauth2"`: an authorization server, where the user consents.
    OAuth(Box<OAuthProvider>),
    /// `type = "api_key"`: the user has a key from there, and types it on our page.
    ApiKey(Box<ApiKeyProvider>),
}

/// An issuer of API keys.
#[derive(Clone, Debug)]
pub struct ApiKeyProvider {
    /// What pages call it.
    pub title: String,
    /// What it calls such a key: `API token`.
    pub label: String,
    /// Where its users find theirs, in words.
    pub hint: Option<String>,
    /// The page where they find it.
    pub key_url: Option<Url>,
    /// How a key is tried before it is kept; `None`: the first call tries it.
    pub probe: Option<Probe>,
}

/// The request that tells whether a key is good.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The request, with the key as its token.
    pub request: Request,
    /// Where its answer says whose key it is.
    pub account: Option<AccountSource>,
    /// The statuses that say that the key is wrong.
    pub wrong: Vec<u16>,
}

impl Config {
    /// The provider that programs and tools mean by this word: the one of that name, else the only one that is made from the
    /// preset of that name.
    pub fn provider_called(&self, word: &str) -> Option<(&ProviderName, &Provider)> {
        let made = |(_, provider): &(&ProviderName, &Provider)| {
            provider.oauth().and_then(|it| it.preset.as_deref()) == Some(word)
        };
        self.providers.get_key_value(word).or_else(|| {
            let mut made = self.providers.iter().filter(made);
            made.next().filter(|_| made.next().is_none())
        })
    }
}

impl Provider {
    /// What pages call it, such as `GitHub`.
    pub fn title(&self) -> &str {
        match self {
            Self::OAuth(provider) => &provider.title,
            Self::ApiKey(provider) => &provider.title,
        }
    }

    /// The authorization server, if it is one.
    pub fn oauth(&self) -> Option<&OAuthProvider> {
        match self {
            Self::OAuth(provider) => Some(provider),
            Self::ApiKey(_) => None,
        }
    }
}

/// A third-party authorization server, with its quirks as data (preset and file merged).
#[derive(Clone, Debug)]
pub struct OAuthProvider {
    /// What pages call it, such as `GitHub`.
    pub title: String,
    /// The preset it is made from, if any: what tools mean by `provider_id`.
    pub preset: Option<String>,
    /// RFC 6749 §3.1.
    pub authorize_url: Url,
    /// RFC 6749 §3.2.
    pub token_url: Url,
    /// The expected `iss` of authorization responses (RFC 9207); checked when present, required when `iss_required`.
    pub issuer: Option<String>,
    /// The provider says it always sends `iss`.
    pub iss_required: bool,
    /// Our client there.
    pub client_id: String,
    /// Our secret there; absent for public clients.
    pub client_secret: Option<Secret>,
    /// How the client authenticates at the token endpoint.
    pub client_auth: ClientAuth,
    /// What the provider calls `client_id` and `client_secret` where they are parameters.
    pub client_parameters: ClientParameters,
    /// Whether the authorization request carries a PKCE challenge (S256).
    pub pkce: bool,
    /// Scopes always asked for, beside those that tools require.
    pub scopes: ScopeSet,
    /// The name of the scope parameter: `scope`, or `user_scope` at Slack.
    pub scope_parameter: String,
    /// What stands between scopes in that parameter.
    pub scope_delimiter: String,
    /// What a scope that was granted grants besides: at GitHub `repo` is `public_repo` and more.
    pub scope_includes: BTreeMap<String, ScopeSet>,
    /// Scopes that the provider never names among those it granted.
    pub scopes_unlisted: ScopeSet,
    /// What the provider may or may not write before the names of scopes.
    pub scope_prefix: Option<String>,
    /// More parameters of the authorization request, such as `access_type=offline`.
    pub authorize_parameters: BTreeMap<String, Template>,
    /// More parameters of token requests.
    pub token_parameters: BTreeMap<String, Template>,
    /// More headers of token requests.
    pub token_headers: Vec<(HeaderName, Template)>,
    /// How token requests are written.
    pub token_body: Body,
    /// How access tokens are renewed; `None` if they are not, whatever the token endpoint says.
    pub refresh: Option<Refresh>,
    /// How the token endpoint's answers are written.
    pub answer: AnswerShape,
    /// How we learn whose account it is.
    pub account: Option<AccountSource>,
    /// How a grant is ended.
    pub revocation: Option<Revocation>,
    /// How we learn what a token is good for, if the token answer does not say.
    pub introspection: Option<Introspection>,
    /// What each scope lets us do, in words for the consent page.
    pub scope_words: BTreeMap<String, String>,
}

/// RFC 6749 §2.3.1 and RFC 7591 `token_endpoint_auth_method`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// `client_secret_basic`
    Basic,
    /// `client_secret_post`
    Post,
    /// `none`
    None,
}

/// What a provider calls the two parameters of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientParameters {
    /// `client_id`, but `client_key` at some.
    pub id: String,
    /// `client_secret`.
    pub secret: String,
}

impl Default for ClientParameters {
    fn default() -> Self {
        Self {
            id: "client_id".to_owned(),
            secret: "client_secret".to_owned(),
        }
    }
}

/// How the parameters of a request are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Body {
    /// `application/x-www-form-urlencoded`
    #[default]
    Form,
    /// `application/json`: one object, every value a string.
    Json,
    /// In the query, and no body.
    Query,
}

/// How an access token is renewed (RFC 6749 §6), where that differs from how it was obtained.
#[derive(Clone, Debug, Default)]
pub struct Refresh {
    /// `None`: the token endpoint.
    pub url: Option<Url>,
    /// More parameters; `None`: the same as of other token requests.
    pub parameters: Option<BTreeMap<String, Template>>,
}

/// A request about somebody's token.
#[derive(Clone, Debug)]
pub struct Request {
    /// May have places for tokens in its path; always a URL over TLS, or of this machine.
    pub url: Template,
    /// How it is asked.
    pub method: Method,
    /// How its parameters are written. Those of a GET are always in the query.
    pub body: Body,
    /// Who asks.
    pub auth: RequestAuth,
    /// More headers.
    pub headers: Vec<(HeaderName, Template)>,
    /// Its parameters.
    pub parameters: BTreeMap<String, Template>,
}

/// The methods that such requests have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// POST
    Post,
    /// DELETE
    Delete,
}

/// What a request shows to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestAuth {
    /// `Authorization: Bearer` and the access token (RFC 6750 §2.1).
    Bearer,
    /// Our client, in the way it shows itself at the token endpoint.
    Client,
    /// Our client, by HTTP Basic, whatever it does at the token endpoint.
    ClientBasic,
    /// Nothing but its headers and parameters.
    None,
}

/// Where it says whose account was connected.
#[derive(Clone, Debug)]
pub struct AccountSource {
    /// The request that tells; `None`: the token answer does.
    pub request: Option<Request>,
    /// What tells the account from any other there; several are joined by `:`, and none may be missing.
    pub id: Vec<JsonPath>,
    /// What its owner calls it; several are joined by blanks.
    pub name: Vec<JsonPath>,
    /// Its e-mail address.
    pub email: Option<JsonPath>,
}

/// How a grant is ended: RFC 7009, or the provider's own call.
#[derive(Clone, Debug)]
pub struct Revocation {
    /// The request.
    pub request: Request,
    /// Which token ends it.
    pub token: WhichToken,
}

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhichToken {
    /// The refresh token; the access token if there is none.
    Refresh,
    /// The access token.
    Access,
}

/// RFC 7662, or the provider's own call.
#[derive(Clone, Debug)]
pub struct Introspection {
    /// The request.
    pub request: Request,
    /// Where it says the scopes: a text or an array.
    pub scope: JsonPath,
    /// Where it says when the token ceases to work: seconds since 1970.
    pub expires_at: JsonPath,
}

/// What may be relied on when the provider says nothing about a token's life.
pub(super) const LIFETIMES: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(366 * 24 * 60 * 60);
