//! What a client says of itself (RFC 7591 §2), in a registration or a metadata document, and what of it we take.

use jsonwebtoken::jwk::{AlgorithmParameters, JwkSet};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::Keys;
use crate::{
    protocol::oauth::redirect::{NotARedirectUri, RedirectUri},
    web::page,
};

/// More redirect URIs than any program needs.
const MOST_REDIRECTS: usize = 32;
/// What is said of a client that does not say.
const NAMELESS: &str = "Unnamed client";

/// The metadata as they come. What is not listed is ignored, as RFC 7591 §2 has it; `application_type` among it, for loopback
/// addresses are as good for the one type as for the other.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Metadata {
    pub client_id: Option<String>,
    pub client_name: Option<String>,
    pub redirect_uris: Option<Vec<String>>,
    pub token_endpoint_auth_method: Option<String>,
    pub grant_types: Option<Vec<String>>,
    pub response_types: Option<Vec<String>>,
    pub jwks: Option<Value>,
    pub jwks_uri: Option<String>,
}

/// A client as it asks to be known: every part is fit.
#[derive(Clone, Debug)]
pub struct Application {
    /// What it calls itself, cleaned.
    pub name: String,
    /// Where codes may be sent; at least one.
    pub redirect_uris: Vec<RedirectUri>,
    /// How it wants to prove itself.
    pub auth: AuthMethod,
}

/// How a client wants to prove itself at the token endpoint.
#[derive(Clone, Debug)]
pub enum AuthMethod {
    /// Not at all. Also of those who say nothing: RFC 7591 has `client_secret_basic` then, but those are programs on people's
    /// machines that do not know what the word means.
    None,
    /// By a secret, sent so.
    Secret(SecretMethod),
    /// By a key of its own.
    PrivateKey(Keys),
}

/// How a secret is sent. We take either; the answer to a registration repeats what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretMethod {
    /// `client_secret_basic`
    Basic,
    /// `client_secret_post`
    Post,
}

/// Why metadata are not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// RFC 7591 §3.2.2 `invalid_redirect_uri`.
    #[error("redirect_uris: {0}")]
    Redirect(NotARedirectUri),
    /// RFC 7591 §3.2.2 `invalid_redirect_uri`.
    #[error("redirect_uris: {0}")]
    Redirects(&'static str),
    /// RFC 7591 §3.2.2 `invalid_client_metadata`.
    #[error("{0}")]
    Metadata(&'static str),
}

impl Application {
    /// Reads a registration request.
    ///
    /// # Errors
    /// See [`Unfit`].
    pub fn read(body: &[u8]) -> Result<Self, Unfit> {
        let metadata: Metadata = serde_json::from_slice(body).map_err(|_| {
            Unfit::Metadata("the body is a JSON object of client metadata (RFC 7591 §2)")
        })?;
        metadata.check()
    }
}

impl AuthMethod {
    /// The word for it (RFC 7591 §2).
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Secret(SecretMethod::Basic) => "client_secret_basic",
            Self::Secret(SecretMethod::Post) => "client_secret_post",
            Self::PrivateKey(_) => "private_key_jwt",
        }
    }
}

impl Metadata {
    pub(super) fn check(self) -> Result<Application, Unfit> {
        let has = |list: &Option<Vec<String>>, word: &str| {
            list.as_ref()
                .is_none_or(|list| list.iter().any(|item| item == word))
        };
        if !has(&self.grant_types, "authorization_code") {
            return Err(Unfit::Metadata("grant_types must have authorization_code"));
        }
        if !has(&self.response_types, "code") {
            return Err(Unfit::Metadata("response_types must have code"));
        }
        let name = page::label(self.client_name.as_deref().unwrap_or_default());
        Ok(Application {
            name: if name.is_empty() {
                NAMELESS.to_owned()
            } else {
                name
            },
            redirect_uris: redirects(&self.redirect_uris.unwrap_or_default())?,
            auth: auth(
                self.token_endpoint_auth_method.as_deref(),
                self.jwks,
                self.jwks_uri.as_deref(),
            )?,
        })
    }
}

fn redirects(texts: &[String]) -> Result<Vec<RedirectUri>, Unfit> {
    if texts.is_empty() {
        return Err(Unfit::Redirects("at least one is needed"));
    }
    if texts.len() > MOST_REDIRECTS {
        return Err(Unfit::Redirects("more than 32"));
    }
    let redirect = |text: &String| {
        let uri: RedirectUri = text.parse().map_err(Unfit::Redirect)?;
        if uri.looks_like_an_answer() {
            return Err(Unfit::Redirects(
                "one has a parameter that answers have (code, state, iss, error)",
            ));
        }
        Ok(uri)
    };
    texts.iter().map(redirect).collect()
}

fn auth(method: Option<&str>, jwks: Option<Value>, at: Option<&str>) -> Result<AuthMethod, Unfit> {
    match method {
        None | Some("none") => Ok(AuthMethod::None),
        Some("client_secret_basic") => Ok(AuthMethod::Secret(SecretMethod::Basic)),
        Some("client_secret_post") => Ok(AuthMethod::Secret(SecretMethod::Post)),
        Some("private_key_jwt") => keys(jwks, at).map(AuthMethod::PrivateKey),
        Some(_) => Err(Unfit::Metadata(
            "token_endpoint_auth_method is none, client_secret_basic, client_secret_post or private_key_jwt",
        )),
    }
}

fn keys(jwks: Option<Value>, at: Option<&str>) -> Result<Keys, Unfit> {
    match (jwks, at) {
        (Some(jwks), None) => {
            if !is_public(&jwks) {
                return Err(Unfit::Metadata(
                    "jwks is a set of public keys: RSA, EC or OKP, without a private part",
                ));
            }
            Ok(Keys::Inline(jwks.to_string()))
        }
        (None, Some(at)) => Url::parse(at)
            .ok()
            .filter(|url| url.scheme() == "https")
            .map(Keys::At)
            .ok_or(Unfit::Metadata("jwks_uri is an https URL")),
        (Some(_), Some(_)) => Err(Unfit::Metadata("either jwks or jwks_uri, not both")),
        (None, None) => Err(Unfit::Metadata("private_key_jwt needs jwks or jwks_uri")),
    }
}

/// Whether a JWK set has keys, all of them public: who publishes a secret has none.
pub(super) fn is_public(jwks: &Value) -> bool {
    let Ok(set) = serde_json::from_value::<JwkSet>(jwks.clone()) else {
        return false;
    };
    let symmetric =
        |key: &jsonwebtoken::jwk::Jwk| matches!(key.algorithm, AlgorithmParameters::OctetKey(_));
    let private = |key: &Value| {
        ["d", "k", "p", "q"]
            .iter()
            .any(|part| key.get(part).is_some())
    };
    let keys = jwks["keys"].as_array();
    !set.keys.is_empty()
        && !set.keys.iter().any(symmetric)
        && keys.is_some_and(|keys| !keys.iter().any(private))
}
