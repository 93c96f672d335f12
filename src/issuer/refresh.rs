//! Refresh tokens: sealed, in the client's keeping only, each good once and for a short grace.

use super::{
    Issuer,
    client::Client,
    form::Fields,
    grant::{GrantId, Life, Rotation},
    refusal::Refusal,
    scope,
    token::Tokens,
};
use crate::{
    base::{
        clock::Timestamp,
        seal::{Purpose, Sealer},
    },
    config::Config,
    protocol::oauth::{error::ErrorCode, scope::ScopeSet, token::RefreshToken},
};

/// No refresh token of ours is longer. Bytes.
const LONGEST: usize = 1024;
const OWNER: [&str; 1] = ["refresh"];

/// A refresh token of one generation of a grant, good until `end`.
pub(super) fn seal(
    sealer: &Sealer,
    grant: &GrantId,
    generation: u64,
    end: Timestamp,
) -> RefreshToken {
    let mut content = generation.to_be_bytes().to_vec();
    content.extend_from_slice(grant.as_str().as_bytes());
    sealer
        .seal_text(Purpose::RefreshToken, &OWNER, end, &content)
        .into()
}

/// Grant and generation of a refresh token; `None` if it is not one of ours, or too old.
pub(super) fn open(sealer: &Sealer, now: Timestamp, token: &str) -> Option<(GrantId, u64)> {
    if token.len() > LONGEST {
        return None;
    }
    let content = sealer.open_text(Purpose::RefreshToken, &OWNER, now, token);
    let content = content.ok()?;
    let (generation, grant) = content.split_first_chunk()?;
    let grant = std::str::from_utf8(grant).ok().and_then(GrantId::parse)?;
    Some((grant, u64::from_be_bytes(*generation)))
}

impl Issuer {
    /// Changes nothing unless it gives tokens, or finds the token reused.
    pub(super) async fn by_refresh_token(
        &self,
        config: &Config,
        client: &Client,
        fields: &Fields,
    ) -> Result<Tokens, Refusal> {
        let parts = &self.0.parts;
        let token = fields.required("refresh_token")?;
        let gone =
            || Refusal::grant("the refresh token is expired, revoked, or not of this server");
        let opened = open(&parts.sealer, parts.clock.now(), token);
        let (id, generation) = opened.ok_or_else(gone)?;
        let grant = self.0.grants.get(&id).await?.ok_or_else(gone)?;
        let approved = grant.approved;
        if approved.client_id != client.id {
            return Err(Refusal::grant(
                "the refresh token was issued to another client",
            ));
        }
        let resource = self.same_target(config, &approved, fields)?;
        let scopes = asked_scopes(&approved.scopes, fields)?;
        let gateway = approved.standing(config)?;
        let claims = parts.profiles.of(config, &approved.user).await?;
        if !gateway.require.is_met_by(&claims) {
            return Err(Refusal::grant(
                "the user may no longer use this gateway; its operator can say why",
            ));
        }
        let key = self.0.keys.current().await?;
        let life = Life::of(&config.oauth);
        let grace = config.oauth.refresh_grace;
        match self.0.grants.rotate(&id, generation, life, grace).await? {
            Rotation::Done(mut grant) => {
                // The grant keeps what was approved; the token says what was asked for.
                grant.approved.resource = resource;
                grant.approved.scopes = scopes;
                self.tokens_of(config, &key, &id, &grant, life)
            }
            Rotation::Gone => Err(gone()),
            Rotation::Reused => {
                tracing::warn!(user = ?approved.user, grant = ?id, "an old refresh token was used again; somebody may have a copy, so its grant is revoked");
                Err(Refusal::grant(
                    "the refresh token was used before; its grant is revoked",
                ))
            }
        }
    }
}

/// What the access token is to be good for: not more than was granted (RFC 6749 §6).
fn asked_scopes(granted: &ScopeSet, fields: &Fields) -> Result<ScopeSet, Refusal> {
    let Some(asked) = fields.get("scope") else {
        return Ok(granted.clone());
    };
    scope::narrowed(granted, ScopeSet::parse(asked)).ok_or_else(|| {
        Refusal::Request(
            ErrorCode::InvalidScope,
            "scope is more than was granted; send the user to sign in again".into(),
        )
    })
}
