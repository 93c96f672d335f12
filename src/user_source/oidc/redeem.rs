//! The second half of a sign-in: the code is changed for tokens, and the ID token checked in full (OpenID Connect Core
//! §3.1.3). `openidconnect` does the protocol; which algorithms, whose clock and which keys is decided here.

use std::{sync::Arc, time::SystemTime};

use openidconnect::{
    AccessToken, AccessTokenHash, AuthorizationCode, ClaimsVerificationError, IdTokenVerifier,
    Nonce, OAuth2TokenResponse, RequestTokenError, SignatureVerificationError, TokenResponse,
    UserInfoError,
    core::{CoreJsonWebKey, CoreJsonWebKeySet, CoreJwsSigningAlgorithm},
};
use serde_json::{Map, Value};

use super::{
    OidcError, OidcProviders,
    begin::Secrets,
    client::{self, ErrorAnswer, IdToken, IdTokenClaims, Tokens, UserInfoClaims},
    http::HttpError,
    provider::Metadata,
};
use crate::{
    config::Oidc,
    protocol::oauth::{error::ErrorCode, token},
};

/// What an ID token may be signed with: never with our own secret (`HS256`), never with nothing (`none`).
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// What a provider said of whoever is at the browser, checked.
pub(super) struct Said {
    /// Of the ID token, and of userinfo where the ID token says nothing.
    pub claims: Map<String, Value>,
    /// The ID token itself, to sign out with.
    pub id_token: String,
}

/// Why an ID token was refused.
enum Flaw {
    /// New keys may help.
    Key(&'static str),
    Other(OidcError),
}

type Verifier<'a> = IdTokenVerifier<'a, CoreJsonWebKey>;

impl OidcProviders {
    /// Changes the code for what the provider says of the user. Sent once: a code is used up by the first attempt.
    pub(super) async fn redeem(
        &self,
        oidc: &Oidc,
        metadata: &Metadata,
        code: &token::AuthorizationCode,
        secrets: Secrets,
    ) -> Result<Said, OidcError> {
        let (tokens, nonce) = self.exchange(oidc, metadata, code, secrets).await?;
        let id_token = tokens.id_token();
        let id_token = id_token.ok_or(OidcError::Tokens("there is no ID token in it"))?;
        let (claims, keys) = self
            .verify(oidc, metadata, id_token, tokens.access_token(), &nonce)
            .await?;
        let mut said = object(&claims);
        if needs_more(oidc, metadata, &said) {
            let sub = claims.subject().clone();
            let client = client::of(metadata, oidc, &self.urls, CoreJsonWebKeySet::clone(&keys));
            let request = client.user_info(tokens.access_token().clone(), Some(sub));
            let request = request.map_err(|_| OidcError::UserInfo("there is no endpoint"))?;
            let call = self.http.caller();
            let more: UserInfoClaims = request
                .request_async(&call)
                .await
                .map_err(|error| no_userinfo(&error))?;
            for (name, value) in object(&more) {
                said.entry(name).or_insert(value);
            }
        }
        Ok(Said {
            claims: said,
            id_token: id_token.to_string(),
        })
    }

    async fn exchange(
        &self,
        oidc: &Oidc,
        metadata: &Metadata,
        code: &token::AuthorizationCode,
        secrets: Secrets,
    ) -> Result<(Tokens, Nonce), OidcError> {
        let client = client::of(metadata, oidc, &self.urls, CoreJsonWebKeySet::default());
        let request = client
            .exchange_code(AuthorizationCode::new(code.expose().to_owned()))
            .map_err(|_| OidcError::Discovery("it names no token endpoint".to_owned()))?
            .set_pkce_verifier(secrets.verifier);
        let call = self.http.caller();
        let tokens = request.request_async(&call).await.map_err(no_tokens)?;
        Ok((tokens, secrets.nonce))
    }

    /// With the keys we have, and if they are not the right ones with those that the provider has now.
    async fn verify(
        &self,
        oidc: &Oidc,
        metadata: &Metadata,
        id_token: &IdToken,
        access_token: &AccessToken,
        nonce: &Nonce,
    ) -> Result<(IdTokenClaims, Arc<CoreJsonWebKeySet>), OidcError> {
        let mut keys = self.library.keys(metadata, None).await?;
        let mut checked = self.check(oidc, metadata, &keys, id_token, access_token, nonce);
        if matches!(checked, Err(Flaw::Key(_))) {
            keys = self.library.keys(metadata, Some(&keys)).await?;
            checked = self.check(oidc, metadata, &keys, id_token, access_token, nonce);
        }
        match checked {
            Ok(claims) => Ok((claims, keys)),
            Err(Flaw::Key(why)) => Err(OidcError::IdToken(why)),
            Err(Flaw::Other(error)) => Err(error),
        }
    }

    fn check(
        &self,
        oidc: &Oidc,
        metadata: &Metadata,
        keys: &CoreJsonWebKeySet,
        id_token: &IdToken,
        access_token: &AccessToken,
        nonce: &Nonce,
    ) -> Result<IdTokenClaims, Flaw> {
        let (latest, earliest) = self.there(oidc);
        // As of a public client: then no signature with a shared secret is ever looked at.
        let verifier = IdTokenVerifier::new_public_client(
            openidconnect::ClientId::new(oidc.client_id.clone()),
            metadata.issuer().clone(),
            keys.clone(),
        )
        .set_allowed_algs(ALGORITHMS)
        .set_time_fn(move || SystemTime::from(earliest).into())
        .set_issue_time_verifier_fn(move |issued| {
            let early = issued.timestamp() > latest.as_second();
            (!early).then_some(()).ok_or_else(String::new)
        });
        let claims = id_token.claims(&verifier, nonce).map_err(flaw)?;
        let refused = |why| Err(Flaw::Other(OidcError::IdToken(why)));
        let authorized = claims.authorized_party();
        if authorized.is_some_and(|client| client.as_str() != oidc.client_id) {
            return refused("it was made for another client (azp)");
        }
        if !belongs(id_token, &verifier, claims, access_token) {
            return refused("it belongs to another access token (at_hash)");
        }
        let not_before = object(claims).get("nbf").and_then(Value::as_f64);
        #[expect(clippy::cast_precision_loss, reason = "seconds of this era are exact")]
        if not_before.is_some_and(|at| at > latest.as_second() as f64) {
            return Err(Flaw::Other(OidcError::Clock(
                "the ID token is not good yet",
            )));
        }
        Ok(claims.clone())
    }
}

/// OpenID Connect Core §3.1.3.8: checked where it is given.
fn belongs(
    id_token: &IdToken,
    verifier: &Verifier<'_>,
    claims: &IdTokenClaims,
    access_token: &AccessToken,
) -> bool {
    let Some(expected) = claims.access_token_hash() else {
        return true;
    };
    let (Ok(algorithm), Ok(key)) = (id_token.signing_alg(), id_token.signing_key(verifier)) else {
        return false;
    };
    AccessTokenHash::from_token(access_token, algorithm, key).is_ok_and(|hash| hash == *expected)
}

/// Whether the ID token leaves open what userinfo may tell: who it is, or what the scopes beyond `openid` were asked for.
fn needs_more(oidc: &Oidc, metadata: &Metadata, said: &Map<String, Value>) -> bool {
    let more_was_asked = oidc.scopes.iter().any(|scope| scope != "openid");
    metadata.userinfo_endpoint().is_some()
        && (more_was_asked || !said.contains_key(&oidc.subject_claim))
}

fn object<T: serde::Serialize>(claims: &T) -> Map<String, Value> {
    match serde_json::to_value(claims) {
        Ok(Value::Object(claims)) => claims,
        _ => Map::new(),
    }
}

fn flaw(error: ClaimsVerificationError) -> Flaw {
    use ClaimsVerificationError as E;
    Flaw::Other(match error {
        E::SignatureVerification(error) => return bad_signature(&error),
        E::Expired(why) if why.is_empty() => OidcError::Clock("the ID token is of the future"),
        E::Expired(_) => OidcError::Clock("the ID token has expired"),
        E::InvalidAudience(_) => OidcError::IdToken("it was made for another client (aud)"),
        E::InvalidIssuer(_) => OidcError::IdToken("another issuer made it (iss)"),
        E::InvalidNonce(_) => OidcError::IdToken("it belongs to another sign-in (nonce)"),
        E::Unsupported(_) => OidcError::IdToken("its header has what we do not understand"),
        _ => OidcError::IdToken("its claims do not stand up"),
    })
}

fn bad_signature(error: &SignatureVerificationError) -> Flaw {
    use SignatureVerificationError as E;
    Flaw::Other(OidcError::IdToken(match error {
        E::NoMatchingKey => return Flaw::Key("no key of the provider made it"),
        E::CryptoError(_) => return Flaw::Key("its signature is wrong"),
        E::AmbiguousKeyId(_) => "it does not say which of several keys made it",
        E::DisallowedAlg(_) | E::UnsupportedAlg(_) => {
            "it is signed with an algorithm we do not take"
        }
        E::NoSignature => "it is not signed",
        _ => "its signature cannot be checked",
    }))
}

fn no_tokens(error: RequestTokenError<HttpError, ErrorAnswer>) -> OidcError {
    match error {
        RequestTokenError::Request(HttpError::Silent(why)) => OidcError::Silent(why),
        // RFC 6749 §5.2: 401 is for client authentication.
        RequestTokenError::Request(HttpError::Unauthorized) => {
            OidcError::Client(ErrorCode::InvalidClient)
        }
        RequestTokenError::Request(HttpError::Redirects) => OidcError::Tokens("it redirects"),
        RequestTokenError::Request(HttpError::TooLarge) => OidcError::Tokens("it is too large"),
        RequestTokenError::ServerResponse(answer) => {
            match ErrorCode::parse(answer.error().as_ref()) {
                code @ (ErrorCode::InvalidClient | ErrorCode::UnauthorizedClient) => {
                    OidcError::Client(code)
                }
                code @ ErrorCode::InvalidGrant => OidcError::Code(code),
                ErrorCode::ServerError | ErrorCode::TemporarilyUnavailable => {
                    OidcError::Silent("it says that it cannot answer now")
                }
                code => OidcError::Request(code),
            }
        }
        // OpenID Connect Core §2 wants a `sub` that is a text; without one the crate reads no ID token at all.
        RequestTokenError::Parse(error, _) => match error.inner().to_string() {
            why if why.contains("missing field `sub`") => OidcError::NoClaim("sub".to_owned()),
            _ => OidcError::Tokens("it cannot be read"),
        },
        RequestTokenError::Other(_) => OidcError::Tokens("it is not JSON"),
    }
}

fn no_userinfo(error: &UserInfoError<HttpError>) -> OidcError {
    match error {
        UserInfoError::Request(HttpError::Silent(why)) => OidcError::Silent(why),
        UserInfoError::Request(HttpError::Unauthorized) => {
            OidcError::UserInfo("it does not accept the access token")
        }
        UserInfoError::ClaimsVerification(_) => {
            OidcError::UserInfo("it is about somebody else, or its signature is wrong")
        }
        _ => OidcError::UserInfo("it cannot be read"),
    }
}
