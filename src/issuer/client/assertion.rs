//! `private_key_jwt` (RFC 7523 §2.2 and §3): a client proves itself by a short word signed with its key, each word once.
//!
//! | record | key | lives |
//! |---|---|---|
//! | assertion that was used | `client_assertions/{hash of client and jti}` | until it would have expired |

use std::{net::IpAddr, sync::Arc};

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;

use super::{
    Client, Keys,
    keys::{KeySets, KeysProblem},
};
use crate::{
    base::{
        clock::{Clock, Span, Timestamp},
        secret::TokenHash,
    },
    store::{Store, StoreError, table::Table},
    web::urls::Urls,
};

/// Signatures that are taken. None that a public key could be mistaken for the secret of.
pub const ALGORITHMS: [Algorithm; 5] = [
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
    Algorithm::PS256,
    Algorithm::RS256,
];
/// How far a client's clock may be off.
const LEEWAY: Span = Span::from_secs(60);
/// Who needs longer is keeping the word for later.
const LONGEST_LIFE: Span = Span::from_mins(10);

#[derive(Clone)]
pub(super) struct Assertions {
    used: Table<()>,
    keys: KeySets,
    audiences: [String; 2],
    clock: Arc<dyn Clock>,
}

/// Why an assertion is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum AssertionProblem {
    #[error("{0}")]
    Wrong(&'static str),
    #[error("{0}")]
    Keys(#[from] KeysProblem),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What must be there; `iss`, `sub` and `aud` are checked by the decoder.
#[derive(Deserialize)]
struct Claims {
    jti: String,
    exp: f64,
    nbf: Option<f64>,
}

/// Who an assertion says it is, before anything is believed: to find the keys.
pub(super) fn says(assertion: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Issuer {
        iss: String,
    }
    let claims = jsonwebtoken::dangerous::insecure_decode::<Issuer>(assertion);
    claims.ok().map(|token| token.claims.iss)
}

impl Assertions {
    pub(super) fn new(
        store: Arc<dyn Store>,
        urls: &Urls,
        keys: KeySets,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            used: Table::new(store, "client_assertions"),
            keys,
            audiences: [urls.origin().to_owned(), urls.oauth("token").into()],
            clock,
        }
    }

    /// Whether `client` made this, just now, for us, and it was not used before.
    pub(super) async fn check(
        &self,
        client: &Client,
        keys: &Keys,
        assertion: &str,
        (private, from): (bool, IpAddr),
    ) -> Result<(), AssertionProblem> {
        let wrong = |why| AssertionProblem::Wrong(why);
        let header = decode_header(assertion).map_err(|_| wrong("the assertion is no JWT"))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(wrong(
                "its alg is none of ES256, ES384, EdDSA, PS256, RS256",
            ));
        }
        let kid = header.kid.as_deref();
        let keys = self.keys.find(keys, kid, (private, from)).await?;
        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[&client.id]);
        validation.sub = Some(client.id.clone());
        validation.set_audience(&self.audiences);
        validation.set_required_spec_claims(&["exp", "iss", "sub", "aud"]);
        // By our clock, below.
        validation.validate_exp = false;
        let claims = keys
            .iter()
            .filter_map(|key| DecodingKey::from_jwk(key).ok())
            .find_map(|key| decode::<Claims>(assertion, &key, &validation).ok())
            .ok_or_else(|| {
                wrong("its signature, iss, sub or aud is wrong, or jti or exp is missing")
            })?
            .claims;
        let now = self.clock.now();
        let exp = at(claims.exp);
        if later(exp, LEEWAY) <= now {
            return Err(wrong("it has expired"));
        }
        if exp > later(later(now, LONGEST_LIFE), LEEWAY) {
            return Err(wrong("it is good for longer than ten minutes"));
        }
        if claims.nbf.is_some_and(|nbf| at(nbf) > later(now, LEEWAY)) {
            return Err(wrong("it is not good yet"));
        }
        // No id of a client has a newline, so the two parts cannot be confused.
        let key = TokenHash::of(&format!("{}\n{}", client.id, claims.jti)).to_hex();
        if self
            .used
            .create(&key, &(), Some(later(exp, LEEWAY)))
            .await?
        {
            Ok(())
        } else {
            Err(wrong("it was used before"))
        }
    }
}

/// RFC 7519 NumericDate.
#[expect(
    clippy::cast_possible_truncation,
    reason = "what is out of range is as far away as can be"
)]
fn at(seconds: f64) -> Timestamp {
    let end = if seconds < 0.0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    Timestamp::from_second(seconds as i64).unwrap_or(end)
}

fn later(time: Timestamp, by: Span) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}
