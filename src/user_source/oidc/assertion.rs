//! Identity assertions (ID-JAG): what an OpenID provider says of a user to us as authorization server, without a browser.
//!
//! Whether the assertion may be used, and used again, is for the issuer to say; here is only whether the provider made it, for
//! us, now.

use jsonwebtoken::{
    Algorithm, DecodingKey, Header, Validation, decode, decode_header, errors::ErrorKind, jwk::Jwk,
};
use openidconnect::core::{CoreJsonWebKey, CoreJsonWebKeySet};
use serde_json::{Map, Value};

use super::{OidcError, OidcProviders, subject};
use crate::{
    base::id::{UserId, UserSourceName},
    config::Oidc,
    protocol::oauth::claims::Claims,
    user_source::{Proof, counts},
};

/// The `typ` of an ID-JAG (RFC 7519 §5.1: without `application/`).
const TYPE: &str = "oauth-id-jag+jwt";
/// What it may be signed with.
const ALGORITHMS: [Algorithm; 5] = [
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::RS256,
    Algorithm::PS256,
    Algorithm::EdDSA,
];
/// Longer ones are not looked at. Bytes.
const LONGEST: usize = 16 * 1024;

/// Why an assertion is worth nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AssertionError {
    /// It does not stand up. The text is fixed, and may be shown to the client.
    #[error("the assertion was refused: {0}")]
    Refused(&'static str),
    /// The provider cannot be asked for its keys: later it may.
    #[error("the assertion cannot be checked: {0}")]
    Unavailable(OidcError),
}

impl OidcProviders {
    /// The claims of an identity assertion that the provider of `oidc`, which configures `source`, made for `audience`.
    ///
    /// Its signature, type, issuer, audience and times are checked; `sub`, `client_id`, `jti` and all else is for the caller.
    ///
    /// # Errors
    /// See [`AssertionError`].
    pub async fn assertion(
        &self,
        source: &UserSourceName,
        oidc: &Oidc,
        jwt: &str,
        audience: &str,
    ) -> Result<Map<String, Value>, AssertionError> {
        let unavailable = |error: OidcError| {
            counts::idp_failure(source, error.why());
            AssertionError::Unavailable(error)
        };
        if jwt.len() > LONGEST {
            return Err(AssertionError::Refused("it is too long"));
        }
        let header =
            decode_header(jwt).map_err(|_| AssertionError::Refused("it is no signed JWT"))?;
        check_header(&header)?;
        let metadata = self.library.metadata(&oidc.issuer).await;
        let metadata = metadata.map_err(unavailable)?;
        let mut keys = self.library.keys(&metadata, None).await;
        let mut outworn = None;
        let claims = loop {
            let known = keys.map_err(unavailable)?;
            match signed(jwt, &header, &known, oidc, audience) {
                Err(Wrong::Key) if outworn.is_none() => {
                    keys = self.library.keys(&metadata, Some(&known)).await;
                    outworn = Some(known);
                }
                Err(Wrong::Key) => {
                    return Err(AssertionError::Refused("no key of the issuer made it"));
                }
                Err(Wrong::Other(why)) => return Err(AssertionError::Refused(why)),
                Ok(claims) => break claims,
            }
        };
        self.check_times(oidc, &claims)?;
        Ok(claims)
    }

    /// The user whom such an assertion is about, on what that rests, and what policy may look at; and the whole of it.
    ///
    /// # Errors
    /// See [`AssertionError`].
    pub async fn vouched(
        &self,
        source: &UserSourceName,
        oidc: &Oidc,
        jwt: &str,
        audience: &str,
    ) -> Result<(UserId, Proof, Claims, Map<String, Value>), AssertionError> {
        let claims = self.assertion(source, oidc, jwt, audience).await?;
        let subject = subject::subject(oidc, &claims)
            .map_err(|_| AssertionError::Refused("it does not name a user as it should"))?;
        let user = UserId::new(source.clone(), subject);
        let said = subject::claims(claims.clone());
        Ok((user, Proof::by_oidc(oidc), said, claims))
    }

    fn check_times(&self, oidc: &Oidc, claims: &Map<String, Value>) -> Result<(), AssertionError> {
        let (latest, earliest) = self.there(oidc);
        let at = |name| claims.get(name).map(Value::as_i64);
        match (at("exp"), at("iat"), at("nbf")) {
            (Some(Some(exp)), _, _) if exp <= earliest.as_second() => {
                Err(AssertionError::Refused("it has expired"))
            }
            (_, Some(Some(iat)), _) if iat > latest.as_second() => {
                Err(AssertionError::Refused("it is of the future"))
            }
            (_, _, Some(Some(nbf))) if nbf > latest.as_second() => {
                Err(AssertionError::Refused("it is not good yet"))
            }
            (Some(Some(_)), Some(Some(_)), None | Some(Some(_))) => Ok(()),
            _ => Err(AssertionError::Refused("it does not say when it is good")),
        }
    }
}

enum Wrong {
    /// New keys may help.
    Key,
    Other(&'static str),
}

fn check_header(header: &Header) -> Result<(), AssertionError> {
    let typ = header
        .typ
        .as_deref()
        .unwrap_or_default()
        .to_ascii_lowercase();
    if typ.strip_prefix("application/").unwrap_or(&typ) != TYPE {
        return Err(AssertionError::Refused("its type is not oauth-id-jag+jwt"));
    }
    if !ALGORITHMS.contains(&header.alg) {
        return Err(AssertionError::Refused(
            "it is signed with an algorithm we do not take",
        ));
    }
    if header.crit.is_some() || header.enc.is_some() || header.zip.is_some() {
        return Err(AssertionError::Refused(
            "its header has what we do not understand",
        ));
    }
    Ok(())
}

/// The claims, if one of the keys that may have made it did, for us. Times are not looked at: the crate has a clock of its own.
fn signed(
    jwt: &str,
    header: &Header,
    keys: &CoreJsonWebKeySet,
    oidc: &Oidc,
    audience: &str,
) -> Result<Map<String, Value>, Wrong> {
    let mut validation = Validation::new(header.alg);
    validation.validate_exp = false;
    validation.set_audience(&[audience]);
    validation.set_issuer(&[&oidc.issuer]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    for key in keys.keys().iter().filter_map(|key| fitting(key, header)) {
        match decode::<Map<String, Value>>(jwt, &key, &validation) {
            Ok(token) if alone(&token.claims, audience, &oidc.issuer) => return Ok(token.claims),
            Ok(_) => return Err(Wrong::Other("it is for others too, or has two issuers")),
            Err(error) => match error.kind() {
                ErrorKind::InvalidSignature => {}
                ErrorKind::InvalidAudience => {
                    return Err(Wrong::Other("it was made for somebody else (aud)"));
                }
                ErrorKind::InvalidIssuer => {
                    return Err(Wrong::Other("another issuer made it (iss)"));
                }
                ErrorKind::MissingRequiredClaim(_) => {
                    return Err(Wrong::Other("it needs iss, sub, aud and exp"));
                }
                _ => return Err(Wrong::Other("it cannot be read")),
            },
        }
    }
    Err(Wrong::Key)
}

/// One audience, one issuer: the crate is content with one among many.
fn alone(claims: &Map<String, Value>, audience: &str, issuer: &str) -> bool {
    let only = match claims.get("aud") {
        Some(Value::Array(audiences)) => match audiences.as_slice() {
            [one] => one.as_str(),
            _ => None,
        },
        Some(one) => one.as_str(),
        None => None,
    };
    only == Some(audience) && claims.get("iss").and_then(Value::as_str) == Some(issuer)
}

/// The key in the other crate's shape, if it may have made a token with this header.
fn fitting(key: &CoreJsonWebKey, header: &Header) -> Option<DecodingKey> {
    let jwk: Jwk = serde_json::from_value(serde_json::to_value(key).ok()?).ok()?;
    let common = &jwk.common;
    let named = header.kid.is_none() || header.kid == common.key_id;
    let signs = common
        .public_key_use
        .as_ref()
        .is_none_or(|used| *used == jsonwebtoken::jwk::PublicKeyUse::Signature);
    let right = common
        .key_algorithm
        .is_none_or(|of| of.to_string() == format!("{:?}", header.alg));
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    let family = key.family().algorithms().contains(&header.alg);
    (named && signs && right && family).then_some(key)
}
