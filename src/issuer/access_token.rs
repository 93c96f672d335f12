//! Access tokens (RFC 9068): signed for one endpoint, short-lived, and good only while their grant is there.
//!
//! A token is verified in full once; after that its hash finds what it said. What may change is asked at every request: the
//! time, the endpoint, the grant in the store, and whether the configuration still lets the user in.

use std::{sync::Arc, time::Duration};

use jsonwebtoken::{Algorithm, Validation};
use moka::future::Cache;
use serde::{Deserialize, Serialize};

use super::{
    Issuer,
    approved::Approved,
    grant::GrantId,
    keys::{self, Key, KeyError},
    resource,
};
use crate::{
    base::{clock::Timestamp, secret::TokenHash},
    config::Config,
    protocol::oauth::{scope::ScopeSet, token::AccessToken},
    store::StoreError,
};

/// A longer text is no token of ours. Bytes.
const LONGEST: usize = 4096;
/// Tokens whose verification is remembered.
const REMEMBERED: u64 = 10_000;
const REMEMBERED_UNUSED: Duration = Duration::from_secs(15 * 60);

/// What verified tokens said.
pub(super) type Verified = Cache<TokenHash, Arc<Claims>>;

/// A request with a good token: who it speaks for.
#[derive(Clone, Debug)]
pub struct Access {
    /// Who, through which client, at which gateway; the scopes are those of the token.
    pub approved: Approved,
    /// [`crate::base::id::UserId::key`] of the user.
    pub user_key: Arc<str>,
    /// What the token stands for; [`GrantId::revoked_topic`] tells of its end.
    pub grant: GrantId,
}

/// Why a request is not let in.
#[derive(Debug, thiserror::Error)]
pub enum TokenProblem {
    /// The token is not good here and now (RFC 6750 §3.1 `invalid_token`). The text may be shown to the client.
    #[error("{0}")]
    Invalid(&'static str),
    /// It cannot be told.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a token says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    iss: String,
    aud: String,
    sub: Arc<str>,
    client_id: String,
    scope: String,
    iat: i64,
    exp: i64,
    jti: String,
    /// The grant.
    gid: GrantId,
}

/// Room for what verified tokens said.
pub(super) fn cache() -> Verified {
    Cache::builder()
        .max_capacity(REMEMBERED)
        .time_to_idle(REMEMBERED_UNUSED)
        .build()
}

impl Issuer {
    /// Who speaks at the endpoint `resource` ([`Urls::resource`](crate::web::urls::Urls::resource)) with `token`.
    ///
    /// # Errors
    /// [`TokenProblem::Invalid`] for whatever is not a token of ours, for this endpoint, in its time, of a grant that stands.
    pub async fn verify(
        &self,
        config: &Config,
        token: &str,
        resource: &str,
    ) -> Result<Access, TokenProblem> {
        let claims = self.claims(token).await?;
        if self.0.parts.clock.now().as_second() >= claims.exp {
            return Err(TokenProblem::Invalid("the token has expired"));
        }
        const ELSEWHERE: TokenProblem = TokenProblem::Invalid("the token is for another endpoint");
        let urls = &self.0.parts.urls;
        let (here, _) = resource::served_at(config, urls, resource).ok_or(ELSEWHERE)?;
        let meant = resource::served_at(config, urls, &claims.aud);
        if meant.is_none_or(|(meant, _)| meant != here) {
            return Err(ELSEWHERE);
        }
        let grant = self.0.grants.get(&claims.gid).await?;
        let grant = grant.ok_or(TokenProblem::Invalid("the token was revoked"))?;
        let mut approved = grant.approved;
        // The default gateway may be another one by now.
        if approved.gateway != *here {
            return Err(ELSEWHERE);
        }
        if approved.standing(config).is_err() {
            return Err(TokenProblem::Invalid(
                "the sign-in behind the token no longer holds",
            ));
        }
        approved.scopes = ScopeSet::parse(&claims.scope);
        Ok(Access {
            approved,
            user_key: Arc::clone(&claims.sub),
            grant: claims.gid.clone(),
        })
    }

    /// An access token of `grant` for what was `approved`, and for how many seconds it is good: not longer than the grant,
    /// which lives until `end`.
    pub(super) fn issue(
        &self,
        key: &Key,
        lifetime: Duration,
        (grant, end): (&GrantId, Timestamp),
        approved: &Approved,
    ) -> Result<(AccessToken, i64), KeyError> {
        let parts = &self.0.parts;
        let now = parts.clock.now().as_second();
        let lifetime = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        let lifetime = lifetime.min(end.as_second() - now);
        let claims = Claims {
            iss: self.id().to_owned(),
            aud: approved.resource.clone(),
            sub: approved.user.key().into(),
            client_id: approved.client_id.clone(),
            scope: approved.scopes.to_string(),
            iat: now,
            exp: now + lifetime,
            jti: parts.entropy.handle(),
            gid: grant.clone(),
        };
        Ok((key.sign(&claims)?.into(), lifetime))
    }

    /// The grant and the client of a token of ours, for whatever endpoint and however old. `None` for anything else.
    pub(super) async fn grant_of(&self, token: &str) -> Result<Option<GrantId>, StoreError> {
        match self.claims(token).await {
            Ok(claims) => Ok(Some(claims.gid.clone())),
            Err(TokenProblem::Invalid(_)) => Ok(None),
            Err(TokenProblem::Store(error)) => Err(error),
        }
    }

    /// What `token` says, if we signed it as an access token. Whether it has expired is not asked.
    async fn claims(&self, token: &str) -> Result<Arc<Claims>, TokenProblem> {
        const NOT_OURS: TokenProblem = TokenProblem::Invalid("the token is not one of this server");
        if token.len() > LONGEST {
            return Err(NOT_OURS);
        }
        let hash = TokenHash::of(token);
        if let Some(claims) = self.0.verified.get(&hash).await {
            return Ok(claims);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| NOT_OURS)?;
        let kid = header.kid.as_deref().filter(|_| keys::is_ours(&header));
        let key = self.0.keys.named(kid.ok_or(NOT_OURS)?).await?;
        let key = key.ok_or(NOT_OURS)?;
        let claims = jsonwebtoken::decode(token, key.public(), &self.validation());
        let claims: Arc<Claims> = Arc::new(claims.map_err(|_| NOT_OURS)?.claims);
        self.0.verified.insert(hash, Arc::clone(&claims)).await;
        Ok(claims)
    }

    fn validation(&self) -> Validation {
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_issuer(&[self.id()]);
        validation.set_required_spec_claims(&["iss"]);
        // The library knows only the machine's clock, and one endpoint at a time; both are asked at every request.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation
    }
}
