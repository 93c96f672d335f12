//! Who is calling: the holder of an API key, who may speak for the users of one source and of no other.

use std::sync::Arc;

use axum::{extract::FromRequestParts, http::request::Parts};
use url::Url;

use super::{ApiFace, error::ApiError};
use crate::{
    audit::Through,
    base::{
        id::{ApiKeyName, UserId, UserSourceName},
        secret::TokenHash,
    },
    config::{Config, UserSource},
    connect::flow::Asker,
    gateway::access::{self, Denied, Principal},
};

/// The proof that a request came with a good key. Only the request itself makes one.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Which key.
    pub key: ApiKeyName,
    /// Whose users it may speak for.
    pub source: UserSourceName,
    /// The configuration by which that is so; the request finishes on it.
    pub config: Arc<Config>,
}

impl FromRequestParts<ApiFace> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, face: &ApiFace) -> Result<Self, ApiError> {
        const HINT: &str = "send an API key as `Authorization: Bearer arc_…`";
        let presented = access::credential(&parts.headers);
        let presented = presented
            .map_err(|_| ApiError::unauthorized("the `Authorization` header must be one API key"))?
            .ok_or_else(|| ApiError::unauthorized(HINT))?;
        let config = face.live.now();
        let hash = TokenHash::of(presented);
        let known = config.api_keys.iter().find(|(_, key)| key.hash == hash);
        let active = |source: &UserSourceName| {
            let source = config.user_sources.get(source);
            source.is_some_and(|source| source.active)
        };
        let (key, api_key) = known
            .filter(|(_, key)| active(&key.user_source))
            .ok_or_else(|| ApiError::unauthorized("the API key is not valid"))?;
        Ok(Self {
            key: key.clone(),
            source: api_key.user_source.clone(),
            config: Arc::clone(&config),
        })
    }
}

/// The proof that the key may see and change what is the operator's.
#[derive(Clone, Debug)]
pub struct Admin(pub Caller);

impl FromRequestParts<ApiFace> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, face: &ApiFace) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, face).await?;
        let key = &caller.key;
        if caller.config.api_keys[key].admin {
            return Ok(Self(caller));
        }
        let message = format!(
            "this path is for operators: write `admin = true` under [api_keys.{key}] in gateway.toml, or use a key that has it"
        );
        Err(ApiError::forbidden("admin_required", message).by(&caller))
    }
}

impl Caller {
    /// Whether its users' tokens may be in an answer.
    pub fn may_see_tokens(&self) -> bool {
        self.config.api_keys[&self.key].expose_tokens
    }

    /// For whom tools are looked up and run: the user, or, without one, the program itself.
    ///
    /// # Errors
    /// As [`Self::user`]; 403 when the key has no gateway, or the gateway is not for this user.
    pub async fn principal(
        &self,
        face: &ApiFace,
        user_id: Option<&str>,
    ) -> Result<Principal, ApiError> {
        let user = user_id.map(|user_id| self.user(user_id)).transpose()?;
        let spoken = face.access.spoken_for(&self.config, &self.key, user).await;
        spoken.map_err(|denied| match denied {
            Denied::NoGateway => {
                let key = &self.key;
                let message = format!(
                    "this API key has no gateway, and so no tools: its operator names one as `gateway` under [api_keys.{key}] in gateway.toml"
                );
                ApiError::forbidden("no_gateway", message)
            }
            Denied::Unavailable(error) => {
                ApiError::fault(&face.faults, "looking up what a user may use", &error)
            }
            _ => ApiError::forbidden("not_for_this_user", "there are no tools here for this user"),
        })
    }

    /// The user source.
    pub fn user_source(&self) -> &UserSource {
        &self.config.user_sources[&self.source]
    }

    /// The user whom a request names.
    ///
    /// # Errors
    /// 400 when nobody can be called that, or the user source keeps a list and this user is not on it.
    pub fn user(&self, user_id: &str) -> Result<UserId, ApiError> {
        let subject = access::user_id(user_id).ok_or_else(|| {
            let message = "`user_id` must be one id of 1 to 256 printable characters";
            ApiError::bad("invalid_user_id", message)
        })?;
        let source = self.user_source();
        if !source.may_know(subject) {
            let message = "the user source has no such user";
            return Err(ApiError::bad("unknown_user", message));
        }
        Ok(UserId::new(self.source.clone(), source.subject(subject)))
    }

    /// Where a browser is to be sent on to.
    ///
    /// # Errors
    /// 400 when that is no address, or of an origin that the user source does not allow.
    pub fn address(&self, name: &'static str, text: &str) -> Result<Url, ApiError> {
        let url = Url::parse(text)
            .map_err(|_| ApiError::bad("invalid_url", format!("`{name}` is not a URL")))?;
        if self.user_source().may_lead_to(&url) {
            return Ok(url);
        }
        let source = &self.source;
        Err(ApiError::bad(
            "origin_not_allowed",
            format!(
                "`{name}` is not of an origin that browsers may be sent to; the operator lists those in `allowed_origins` of the user source `{source}`"
            ),
        ))
    }

    /// The caller as the person at the browser is told.
    pub fn asker(&self) -> Asker {
        let (key, source) = (&self.key, self.user_source());
        let label = match source.app() {
            Some(_) => source.title.clone(),
            None => key.to_string(),
        };
        Asker {
            key: format!("api/{key}"),
            label,
            note: Some(format!("with the API key “{key}”")),
            through: Through::ApiKey {
                api_key: key.clone(),
            },
        }
    }
}
