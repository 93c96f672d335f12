//! Enterprise-managed authorization: an identity assertion (ID-JAG) of a company's provider buys an access token without a
//! browser (RFC 7523, draft-ietf-oauth-identity-assertion-authz-grant).
//!
//! Which provider may speak is decided by the endpoint that the assertion is for: that gateway's user source, if it has
//! `id_jag`. Each assertion is taken once, `assertions/{user source}/{hash of jti}`, and gives no refresh token.

use std::time::Duration;

use async_trait::async_trait;
use jsonwebtoken::dangerous::insecure_decode_claims;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Issuer,
    approved::Approved,
    client::Client,
    form::Fields,
    grant::{Life, later},
    refusal::Refusal,
    resource, scope,
    token::Tokens,
};
use crate::{
    base::{
        clock::Timestamp,
        id::{UserId, UserSourceName},
        secret::TokenHash,
    },
    config::{Config, Gateway, Oidc, UserSourceKind},
    protocol::oauth::{claims::Claims, error::ErrorCode, scope::ScopeSet},
    user_source::{
        Proof,
        oidc::{AssertionError, OidcProviders},
    },
};

/// RFC 7523 §2.1.
pub(super) const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// What `authorization_grant_profiles_supported` says.
pub(super) const PROFILE: &str = "urn:ietf:params:oauth:grant-profile:id-jag";

/// Checks assertions. Signature, `typ`, algorithm, `iss`, `aud` and times are its business, the rest is ours.
#[async_trait]
pub trait Assertions: Send + Sync {
    /// What the provider `oidc`, the user source `source`, says to `audience` in `jwt`.
    async fn vouched(
        &self,
        source: &UserSourceName,
        oidc: &Oidc,
        jwt: &str,
        audience: &str,
    ) -> Result<Vouched, AssertionProblem>;
}

/// A user for whom their user source vouches.
#[derive(Clone, Debug)]
pub struct Vouched {
    /// Who.
    pub user: UserId,
    /// On what this rests.
    pub proof: Proof,
    /// What policy may look at.
    pub said: Claims,
    /// The whole assertion.
    pub claims: Map<String, Value>,
}

/// Why an assertion is worth nothing.
#[derive(Debug, thiserror::Error)]
pub enum AssertionProblem {
    /// It does not stand up; may be shown to the client. ASCII without quotes.
    #[error("the assertion was refused: {0}")]
    Refused(&'static str),
    /// The provider cannot be asked for its keys.
    #[error("the assertion cannot be checked: {0}")]
    Unavailable(String),
}

#[async_trait]
impl Assertions for OidcProviders {
    async fn vouched(
        &self,
        source: &UserSourceName,
        oidc: &Oidc,
        jwt: &str,
        audience: &str,
    ) -> Result<Vouched, AssertionProblem> {
        let vouched = self.vouched(source, oidc, jwt, audience).await;
        let (user, proof, said, claims) = vouched.map_err(|error| match error {
            AssertionError::Refused(why) => AssertionProblem::Refused(why),
            AssertionError::Unavailable(error) => AssertionProblem::Unavailable(error.to_string()),
        })?;
        Ok(Vouched {
            user,
            proof,
            said,
            claims,
        })
    }
}

/// What an assertion says before anybody checked it: good for finding out who has to.
#[derive(Deserialize)]
struct Unchecked {
    iss: String,
    resource: String,
}

/// What it has to say besides.
#[derive(Deserialize)]
struct Said {
    client_id: String,
    jti: String,
    exp: i64,
    scope: Option<String>,
}

/// Whether any endpoint takes assertions.
pub(super) fn is_offered(config: &Config) -> bool {
    let mut gateways = config.gateways.values();
    gateways.any(|gateway| gateway.oauth_access && provider(config, gateway).is_some())
}

fn provider<'c>(config: &'c Config, gateway: &Gateway) -> Option<&'c Oidc> {
    let source = config.user_sources.get(&gateway.user_source)?;
    match &source.kind {
        UserSourceKind::Oidc(oidc) if source.active && oidc.id_jag => Some(oidc),
        _ => None,
    }
}

impl Issuer {
    pub(super) async fn by_assertion(
        &self,
        config: &Config,
        client: &Client,
        fields: &Fields,
    ) -> Result<Tokens, Refusal> {
        let parts = &self.0.parts;
        let jwt = fields.required("assertion")?;
        const NOT_FOR_US: Refusal = Refusal::Request(
            ErrorCode::InvalidGrant,
            std::borrow::Cow::Borrowed(
                "the assertion is not one of a provider whose users this endpoint takes",
            ),
        );
        let unchecked: Unchecked = insecure_decode_claims(jwt).map_err(|_| NOT_FOR_US)?;
        let target = resource::find(config, &parts.urls, Some(&unchecked.resource));
        let target = target.map_err(|_| NOT_FOR_US)?;
        let gateway = config.gateways.get(&target.gateway).ok_or(NOT_FOR_US)?;
        let oidc = provider(config, gateway).ok_or(NOT_FOR_US)?;
        if oidc.issuer != unchecked.iss {
            return Err(NOT_FOR_US);
        }
        let source = &gateway.user_source;
        let vouched = parts
            .assertions
            .vouched(source, oidc, jwt, self.id())
            .await?;
        let said = said(&vouched.claims, client)?;
        let scopes = scopes(said.scope.as_deref(), fields.get("scope"))?;
        let mut approved = Approved {
            user: vouched.user,
            proof: vouched.proof,
            client_id: client.id.clone(),
            client_name: client.name.clone(),
            gateway: target.gateway,
            resource: target.uri,
            scopes,
        };
        approved.resource = self.same_target(config, &approved, fields)?;
        approved.standing(config)?;
        let key = self.0.keys.current().await?;
        self.take_once(source, &said, oidc.leeway).await?;
        parts.profiles.learn(&approved.user, vouched.said).await?;
        let known = parts.profiles.of(config, &approved.user).await?;
        if !gateway.require.is_met_by(&known) {
            return Err(Refusal::grant(
                "the user may not use this gateway; its operator can say why",
            ));
        }
        let id = self.0.grants.fresh_id();
        let life = Life::Until(later(parts.clock.now(), config.oauth.access_token_lifetime));
        let grant = self.0.grants.create(&id, approved, life).await?;
        tracing::info!(user = ?grant.approved.user, gateway = %grant.approved.gateway, grant = ?id, "a client was let in by its user's company");
        self.tokens_of(config, &key, &id, &grant, life)
    }

    /// An assertion that was used is remembered for as long as it could be used again.
    async fn take_once(
        &self,
        source: &UserSourceName,
        said: &Said,
        leeway: Duration,
    ) -> Result<(), Refusal> {
        let name = format!("{source}/{}", TokenHash::of(&said.jti).to_hex());
        let end = Timestamp::from_second(said.exp).unwrap_or(Timestamp::MAX);
        // A second more, for times in tokens are cut to seconds.
        let end = later(end, leeway + Duration::from_secs(1));
        if self.0.assertions.create(&name, &(), Some(end)).await? {
            Ok(())
        } else {
            Err(Refusal::grant(
                "the assertion was used already; get another",
            ))
        }
    }
}

fn said(claims: &Map<String, Value>, client: &Client) -> Result<Said, Refusal> {
    let said: Result<Said, _> = serde_json::from_value(Value::Object(claims.clone()));
    let said = said.ok().filter(|said| !said.jti.is_empty());
    let said = said.ok_or_else(|| Refusal::grant("the assertion needs client_id, jti and exp"))?;
    if said.client_id != client.id {
        return Err(Refusal::grant(
            "the assertion was issued for another client",
        ));
    }
    Ok(said)
}

/// What both the company and the client want; to use tools, where neither says.
fn scopes(vouched: Option<&str>, asked: Option<&str>) -> Result<ScopeSet, Refusal> {
    let set = |text: Option<&str>| ScopeSet::parse(text.unwrap_or(scope::TOOLS));
    let (vouched, asked) = (set(vouched), set(asked.or(vouched)));
    let both: ScopeSet = [scope::TOOLS, scope::ALL]
        .into_iter()
        .filter(|scope| scope::covers(&vouched, scope) && scope::covers(&asked, scope))
        .map(str::to_owned)
        .collect();
    if both.is_empty() {
        let why = "the assertion and the request have no scope of this server in common";
        return Err(Refusal::Request(ErrorCode::InvalidScope, why.into()));
    }
    Ok(both)
}

impl From<AssertionProblem> for Refusal {
    fn from(problem: AssertionProblem) -> Self {
        match problem {
            AssertionProblem::Refused(why) => Self::Request(
                ErrorCode::InvalidGrant,
                format!("the assertion was refused: {why}").into(),
            ),
            AssertionProblem::Unavailable(_) => Self::Unavailable(problem.to_string()),
        }
    }
}
