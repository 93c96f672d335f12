//! `POST /oauth/token` (RFC 6749 §3.2) and `POST /oauth/revoke` (RFC 7009).

use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use percent_encoding::percent_decode_str;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Acme, Client, ledger::Issued, parameters::Parameters};
use crate::base::secret::TokenHash;

/// The errors of RFC 6749 §5.2 that Acme answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    InvalidRequest(&'static str),
    InvalidClient,
    InvalidGrant,
    InvalidScope,
    UnsupportedGrantType,
    UnsupportedTokenType,
}

/// Gives out tokens for a code or a refresh token.
pub(super) async fn token(State(acme): State<Acme>, headers: HeaderMap, body: Bytes) -> Response {
    match grant(&acme, &headers, &body) {
        Ok(issued) => answer(&acme, &issued),
        Err(refusal) => refusal.into_response(),
    }
}

/// Takes a token back. Unknown tokens are fine too (RFC 7009 §2.2).
pub(super) async fn revoke(State(acme): State<Acme>, headers: HeaderMap, body: Bytes) -> Response {
    let revoked = read(&acme, &headers, &body).and_then(|parameters| {
        match parameters.get("token_type_hint") {
            None | Some("access_token" | "refresh_token") => {}
            Some(_) => return Err(Refusal::UnsupportedTokenType),
        }
        let token = parameters.get("token").ok_or(MISSING_TOKEN)?;
        acme.ledger().revoke(TokenHash::of(token));
        Ok(())
    });
    match revoked {
        Ok(()) => (StatusCode::OK, NO_STORE).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

const NO_STORE: [(header::HeaderName, &str); 2] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::PRAGMA, "no-cache"),
];
const MISSING_TOKEN: Refusal = Refusal::InvalidRequest("token is missing");

fn grant(acme: &Acme, headers: &HeaderMap, body: &[u8]) -> Result<Issued, Refusal> {
    let parameters = read(acme, headers, body)?;
    let required = |name, complaint| {
        parameters
            .get(name)
            .ok_or(Refusal::InvalidRequest(complaint))
    };
    match required("grant_type", "grant_type is missing")? {
        "authorization_code" => {
            let code = required("code", "code is missing")?;
            let redirect_uri = required("redirect_uri", "redirect_uri is missing")?;
            let verifier = required("code_verifier", "code_verifier is missing (RFC 7636)")?;
            let mint = acme.mint();
            acme.ledger()
                .redeem_code(
                    TokenHash::of(code),
                    redirect_uri,
                    &challenge(verifier)?,
                    &mint,
                )
                .ok_or(Refusal::InvalidGrant)
        }
        "refresh_token" => {
            let token = required("refresh_token", "refresh_token is missing")?;
            if parameters.get("scope").is_some() {
                // Narrowing (RFC 6749 §6) is optional, and nobody needs it here.
                return Err(Refusal::InvalidScope);
            }
            let mint = acme.mint();
            acme.ledger()
                .refresh(TokenHash::of(token), &mint)
                .ok_or(Refusal::InvalidGrant)
        }
        _ => Err(Refusal::UnsupportedGrantType),
    }
}

/// Authenticates the client, then reads the form.
fn read(acme: &Acme, headers: &HeaderMap, body: &[u8]) -> Result<Parameters, Refusal> {
    let form = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.split(';').next() == Some("application/x-www-form-urlencoded"));
    if !form {
        return Err(Refusal::InvalidRequest("the body must be a form"));
    }
    let parameters = Parameters::parse(body)
        .map_err(|_| Refusal::InvalidRequest("a parameter came more than once"))?;
    authenticate(acme.client(), headers)?;
    if parameters.get("client_secret").is_some() {
        return Err(Refusal::InvalidRequest("authenticate in one way only"));
    }
    match parameters.get("client_id") {
        Some(id) if id != acme.client().id => Err(Refusal::InvalidClient),
        Some(_) | None => Ok(parameters),
    }
}

/// `client_secret_basic` (RFC 6749 §2.3.1): both halves are form-encoded before they are joined.
fn authenticate(client: &Client, headers: &HeaderMap) -> Result<(), Refusal> {
    let (id, secret) = basic(headers).ok_or(Refusal::InvalidClient)?;
    if id == client.id && TokenHash::of(&secret) == client.secret {
        Ok(())
    } else {
        Err(Refusal::InvalidClient)
    }
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credentials) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let credentials = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (id, secret) = credentials.split_once(':')?;
    let decode = |half: &str| {
        let half = half.replace('+', " ");
        Some(percent_decode_str(&half).decode_utf8().ok()?.into_owned())
    };
    Some((decode(id)?, decode(secret)?))
}

/// S256 of a verifier that has the length and alphabet of RFC 7636 §4.1.
fn challenge(verifier: &str) -> Result<String, Refusal> {
    let unreserved = |c: u8| c.is_ascii_alphanumeric() || b"-._~".contains(&c);
    if (43..=128).contains(&verifier.len()) && verifier.bytes().all(unreserved) {
        Ok(URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)))
    } else {
        Err(Refusal::InvalidRequest("code_verifier is malformed"))
    }
}

fn answer(acme: &Acme, issued: &Issued) -> Response {
    let body = json!({
        "access_token": issued.access_token,
        "token_type": "Bearer",
        "expires_in": acme.0.settings.access_lifetime.as_secs(),
        "refresh_token": issued.refresh_token,
        "scope": issued.scopes.join(" "),
    });
    (NO_STORE, Json(body)).into_response()
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, error, description) = match self {
            Self::InvalidRequest(why) => (StatusCode::BAD_REQUEST, "invalid_request", why),
            Self::InvalidClient => (
                StatusCode::UNAUTHORIZED,
                "invalid_client",
                "unknown client, or not authenticated with client_secret_basic",
            ),
            Self::InvalidGrant => (
                StatusCode::BAD_REQUEST,
                "invalid_grant",
                "the code or refresh token is unknown, expired, spent, or not for this request",
            ),
            Self::InvalidScope => (
                StatusCode::BAD_REQUEST,
                "invalid_scope",
                "a refresh keeps the scopes of its grant",
            ),
            Self::UnsupportedGrantType => (
                StatusCode::BAD_REQUEST,
                "unsupported_grant_type",
                "use authorization_code or refresh_token",
            ),
            Self::UnsupportedTokenType => (
                StatusCode::BAD_REQUEST,
                "unsupported_token_type",
                "use access_token or refresh_token",
            ),
        };
        let body = Json(json!({ "error": error, "error_description": description }));
        let mut response = (status, NO_STORE, body).into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                header::HeaderValue::from_static(r#"Basic realm="Acme Notes""#),
            );
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s256_is_that_of_the_rfc() {
        // RFC 7636 Appendix B.
        assert_eq!(
            challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").unwrap(),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
        assert!(challenge("too-short").is_err());
    }

    #[test]
    fn basic_credentials_are_form_decoded() {
        let mut headers = HeaderMap::new();
        let value = format!("Basic {}", STANDARD.encode("a%3Ab:c+d%25"));
        headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        assert_eq!(basic(&headers), Some(("a:b".into(), "c d%".into())));
    }
}
