//! Who is at the token endpoint: each client proves itself as it registered to, in one way at a time.

use std::net::IpAddr;

use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::STANDARD};
use percent_encoding::percent_decode_str;

use super::{
    Client, ClientAuth, ClientError, Clients, DocumentProblem, Origin,
    assertion::{self, AssertionProblem},
};
use crate::{base::secret::TokenHash, config::Config, store::StoreError};

/// RFC 7523 §2.2.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What a form says of the client that sent it.
#[derive(Clone, Copy, Default)]
pub struct Presented<'a> {
    /// `client_id`
    pub client_id: Option<&'a str>,
    /// `client_secret`
    pub client_secret: Option<&'a str>,
    /// `client_assertion`
    pub client_assertion: Option<&'a str>,
    /// `client_assertion_type`
    pub client_assertion_type: Option<&'a str>,
}

/// Why we do not know who it is.
#[derive(Debug, thiserror::Error)]
pub enum ClientAuthError {
    /// `invalid_client`, status 401. Clients of RFC 7591 register anew when they see it.
    #[error("{why}")]
    Invalid {
        /// In words for the client's developer.
        why: &'static str,
        /// Whether it used the `Authorization` header; then the answer names the scheme (RFC 6749 §5.2).
        basic: bool,
    },
    /// `invalid_request`, status 400.
    #[error("{0}")]
    Request(&'static str),
    /// Its document or its keys cannot be read at present: `temporarily_unavailable`, status 503.
    #[error("{0}")]
    Unavailable(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The one proof of a request.
enum Proof<'a> {
    Nothing,
    Secret(std::borrow::Cow<'a, str>),
    Assertion(&'a str),
}

impl Clients {
    /// The client that sent a form, proven. Whoever is `from` there may make us fetch only so often: before a client is proven,
    /// anybody may have sent its name.
    ///
    /// # Errors
    /// See [`ClientAuthError`].
    pub async fn authenticate(
        &self,
        config: &Config,
        headers: &HeaderMap,
        form: &Presented<'_>,
        from: IpAddr,
    ) -> Result<Client, ClientAuthError> {
        let basic = headers.contains_key(header::AUTHORIZATION);
        let invalid = |why| ClientAuthError::Invalid { why, basic };
        let (id, proof) = presented(headers, form)?;
        let client = self
            .find(config, &id, from)
            .await
            .map_err(|error| match error {
                ClientError::Unknown => invalid("no client has this client_id; register again"),
                // A site that is out of order for an hour does not take its clients' grants away.
                ClientError::Document(problem)
                    if problem.may_pass() || problem == DocumentProblem::Status =>
                {
                    ClientAuthError::Unavailable(problem.to_string())
                }
                ClientError::Document(_) => invalid("the client's metadata document is not taken"),
                ClientError::Store(error) => error.into(),
            })?;
        match (&client.auth, proof) {
            (ClientAuth::None, Proof::Nothing) => {}
            (ClientAuth::None, _) => {
                return Err(invalid(
                    "this client is a public one: it has nothing to prove itself by",
                ));
            }
            (ClientAuth::Secret(hash), Proof::Secret(secret)) => {
                if TokenHash::of(&secret) != *hash {
                    return Err(invalid("the client secret is wrong"));
                }
            }
            (ClientAuth::Secret(_), _) => return Err(invalid("this client must send its secret")),
            (ClientAuth::PrivateKey(keys), Proof::Assertion(jwt)) => {
                let private = config.oauth.private_metadata_documents;
                let checked = self
                    .assertions
                    .check(&client, keys, jwt, (private, from))
                    .await;
                checked.map_err(|problem| match problem {
                    AssertionProblem::Wrong(why) => invalid(why),
                    AssertionProblem::Keys(problem) => {
                        ClientAuthError::Unavailable(problem.to_string())
                    }
                    AssertionProblem::Store(error) => error.into(),
                })?;
            }
            (ClientAuth::PrivateKey(_), _) => {
                return Err(invalid(
                    "this client must sign a client_assertion with its key",
                ));
            }
        }
        if client.origin == Origin::Dynamic {
            let refresh = config.oauth.refresh_token_lifetime;
            self.registry.used(&client.id, refresh).await?;
        }
        Ok(client)
    }
}

fn presented<'a>(
    headers: &HeaderMap,
    form: &Presented<'a>,
) -> Result<(String, Proof<'a>), ClientAuthError> {
    let header = headers.get(header::AUTHORIZATION).map(basic).transpose()?;
    let secret = form.client_secret.filter(|secret| !secret.is_empty());
    let assertion = form.client_assertion;
    let ways = [header.is_some(), secret.is_some(), assertion.is_some()];
    if ways.into_iter().filter(|way| *way).count() > 1 {
        return Err(ClientAuthError::Request(
            "a client proves itself in one way at a time (RFC 6749 §2.3)",
        ));
    }
    let (id, proof) = match (header, secret, assertion) {
        (Some((id, secret)), _, _) if secret.is_empty() => (Some(id), Proof::Nothing),
        (Some((id, secret)), _, _) => (Some(id), Proof::Secret(secret.into())),
        (_, Some(secret), _) => (None, Proof::Secret(secret.into())),
        (_, _, Some(assertion)) => {
            if form.client_assertion_type != Some(JWT_BEARER) {
                return Err(ClientAuthError::Request(
                    "client_assertion_type is urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                ));
            }
            let says = assertion::says(assertion).ok_or(ClientAuthError::Invalid {
                why: "the client_assertion is no JWT that says who made it",
                basic: false,
            })?;
            (Some(says), Proof::Assertion(assertion))
        }
        (None, None, None) => (None, Proof::Nothing),
    };
    let named = form.client_id.map(str::to_owned);
    if named.is_some() && id.is_some() && named != id {
        return Err(ClientAuthError::Request("two different clients are named"));
    }
    let id = id
        .or(named)
        .ok_or(ClientAuthError::Request("client_id is missing"))?;
    Ok((id, proof))
}

/// Id and secret of `client_secret_basic`: each form-encoded, then Basic (RFC 6749 §2.3.1).
fn basic(value: &axum::http::HeaderValue) -> Result<(String, String), ClientAuthError> {
    let wrong = ClientAuthError::Invalid {
        why: "the Authorization header is not Basic with client id and secret",
        basic: true,
    };
    let text = value.to_str().ok().and_then(|text| text.split_once(' '));
    let credentials = text
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
        .and_then(|(_, credentials)| STANDARD.decode(credentials.trim()).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let parts = credentials.as_deref().and_then(|text| text.split_once(':'));
    let decoded = parts.and_then(|(id, secret)| Some((form_decoded(id)?, form_decoded(secret)?)));
    decoded.ok_or(wrong)
}

fn form_decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().ok()?;
    Some(decoded.into_owned())
}
