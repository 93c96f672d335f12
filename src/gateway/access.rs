//! Who is asking: the only maker of [`Principal`].

use std::sync::Arc;

use http::HeaderMap;

use super::{
    policy::Rights,
    presented::{is_token, presented, user_of},
};
use crate::{
    base::{
        id::{ApiKeyName, GatewayName, UserId},
        secret::TokenHash,
    },
    config::{Config, Gateway},
    issuer::{
        Issuer,
        access_token::{Access, TokenProblem},
        scope,
    },
    store::StoreError,
    user_source::profile::Profiles,
    web::urls::Urls,
};

pub use super::presented::{NotACredential, credential, user_id};

/// What the subject of a program that acts for nobody begins with: no user's id has it ([`user_id`]).
const PROGRAM: char = '\u{0}';

/// A verified user at a gateway, who spoke for them, and what they may use.
#[derive(Clone, Debug)]
pub struct Principal {
    user: UserId,
    user_key: Arc<str>,
    gateway: GatewayName,
    voucher: Voucher,
    rights: Rights,
}

/// On whose word a user is a [`Principal`].
#[derive(Clone, Debug)]
pub enum Voucher {
    /// A program's, which holds this key.
    ApiKey(ApiKeyName),
    /// Our own access token's: the user signed in, and let a client in.
    Client(Arc<Access>),
}

/// Why a request has no principal.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// No `Authorization` header.
    #[error("{}", hint(*.oauth, *.headers))]
    NoCredentials {
        /// The gateway signs users in.
        oauth: bool,
        /// The gateway takes API keys.
        headers: bool,
    },
    /// Not a key we know, or a scheme we do not take.
    #[error("the API key is not valid at this gateway")]
    WrongKey,
    /// Not an access token for this endpoint, or one no more.
    #[error("{0}")]
    InvalidToken(&'static str),
    /// A good access token that was granted for something else.
    #[error("the access token lacks the scope {}", scope::TOOLS)]
    InsufficientScope,
    /// A good key, but nobody to speak for.
    #[error("send the user's id in the header `Arcade-User-ID`")]
    NoUser,
    /// Two ids, an empty one, one too long or with control characters.
    #[error("the header `Arcade-User-ID` must hold one user id of 1 to 256 printable characters")]
    BadUser,
    /// The user source keeps a list, and this user is not on it.
    #[error("the user source has no such user")]
    UnknownUser,
    /// The user source signs nobody in at present.
    #[error("the user source of this gateway is inactive")]
    InactiveSource,
    /// The gateway asks for claims that this user lacks.
    #[error("there is no such gateway")]
    NotForThem {
        /// Whom.
        user: UserId,
        /// The first claim that is missing; for the operator, not for them.
        claim: String,
    },
    /// It is not said which gateway's tools the key gets.
    #[error("this API key has no gateway: its operator names one as `gateway` of the key")]
    NoGateway,
    /// The store could not be read.
    #[error("who is asking cannot be looked up right now; try again later")]
    Unavailable(#[source] StoreError),
}

fn hint(oauth: bool, headers: bool) -> &'static str {
    match (oauth, headers) {
        (true, false) => "sign in: this gateway takes access tokens of its authorization server",
        (true, true) => {
            "sign in, or send an API key as `Authorization: Bearer arc_…` and the user's id as `Arcade-User-ID`"
        }
        (false, _) => {
            "send an API key as `Authorization: Bearer arc_…` and the user's id as `Arcade-User-ID`"
        }
    }
}

impl Principal {
    /// Whether it is a program that acts for nobody. It has a user's place, under a name that no user can have.
    pub fn is_program(&self) -> bool {
        self.user.subject().starts_with(PROGRAM)
    }

    /// The user's id as programs know it; `None` if a program acts for nobody.
    pub fn program_user(&self) -> Option<&str> {
        (!self.is_program()).then(|| self.user.subject())
    }

    /// Who it is.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// [`UserId::key`], computed once.
    pub fn user_key(&self) -> &Arc<str> {
        &self.user_key
    }

    /// Where they are.
    pub fn gateway(&self) -> &GatewayName {
        &self.gateway
    }

    /// Whose word we took for it.
    pub fn voucher(&self) -> &Voucher {
        &self.voucher
    }

    /// What they may use of the gateway.
    pub fn rights(&self) -> &Rights {
        &self.rights
    }

    /// The topic ([`crate::store::signal`]) that tells when what let them in was revoked.
    pub fn revoked_topic(&self) -> Option<String> {
        match &self.voucher {
            Voucher::ApiKey(_) => None,
            Voucher::Client(access) => Some(access.grant.revoked_topic()),
        }
    }
}

/// Knows how to tell who is asking. Cheap to clone.
#[derive(Clone)]
pub struct AccessControl {
    issuer: Issuer,
    profiles: Profiles,
    urls: Urls,
}

/// One knock at a gateway's door.
#[derive(Clone, Copy)]
pub struct Door<'a> {
    /// The configuration in force.
    pub config: &'a Config,
    /// The gateway.
    pub name: &'a GatewayName,
    /// What is said of it.
    pub gateway: &'a Gateway,
    /// The address that was called, as we spell it (RFC 8707 `resource`).
    pub resource: &'a str,
    /// What was sent.
    pub headers: &'a HeaderMap,
}

impl AccessControl {
    /// Asks our own authorization server, and what is known of users.
    pub fn new(issuer: Issuer, profiles: Profiles, urls: Urls) -> Self {
        Self {
            issuer,
            profiles,
            urls,
        }
    }

    /// Where we say we are.
    pub fn urls(&self) -> &Urls {
        &self.urls
    }

    /// Verifies who is at the door: by an access token, or by an API key and `Arcade-User-ID`; whichever the gateway takes.
    ///
    /// # Errors
    /// [`Denied`]. A key of another user source is [`Denied::WrongKey`] like any unknown one.
    pub async fn principal(&self, door: Door<'_>) -> Result<Principal, Denied> {
        let (gateway, presented) = (door.gateway, presented(door)?);
        let (user, user_key, voucher) = if is_token(gateway, presented) {
            let access = self.by_token(door, presented).await?;
            let (user, key) = (access.approved.user.clone(), Arc::clone(&access.user_key));
            (user, key, Voucher::Client(Arc::new(access)))
        } else {
            let (user, key) = by_key(door, presented)?;
            let user_key = user.key().into();
            (user, user_key, Voucher::ApiKey(key))
        };
        let rights = self.rights(door.config, gateway, &user).await;
        let rights = rights.map_err(Denied::Unavailable)?;
        Ok(Principal {
            rights: rights.map_err(|claim| {
                let user = user.clone();
                Denied::NotForThem { user, claim }
            })?,
            user,
            user_key,
            gateway: door.name.clone(),
            voucher,
        })
    }

    /// The user for whom the holder of `key` speaks, at the gateway of that key; without a `user`, the program itself.
    ///
    /// # Errors
    /// [`Denied`]. `user` must be of the key's user source, which must be active: whoever verified the key knows that.
    pub async fn spoken_for(
        &self,
        config: &Config,
        key: &ApiKeyName,
        user: Option<UserId>,
    ) -> Result<Principal, Denied> {
        let known = config.api_keys.get(key).ok_or(Denied::WrongKey)?;
        let named = known.gateway.as_ref();
        let (name, gateway) = named
            .and_then(|name| config.gateways.get_key_value(name))
            .ok_or(Denied::NoGateway)?;
        let user = user
            .unwrap_or_else(|| UserId::new(known.user_source.clone(), format!("{PROGRAM}{key}")));
        let rights = self.rights(config, gateway, &user).await;
        let rights = rights.map_err(Denied::Unavailable)?;
        Ok(Principal {
            rights: rights.map_err(|claim| Denied::NotForThem {
                user: user.clone(),
                claim,
            })?,
            user_key: user.key().into(),
            user,
            gateway: name.clone(),
            voucher: Voucher::ApiKey(key.clone()),
        })
    }

    /// `principal`, who was let in under `old`, as they would be let in now; `None` if they would not. For what lasts longer
    /// than a request.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn renewed(
        &self,
        old: &Config,
        new: &Config,
        principal: &Principal,
    ) -> Result<Option<Principal>, StoreError> {
        let Some(gateway) = new.gateways.get(&principal.gateway) else {
            return Ok(None);
        };
        let welcome = match &principal.voucher {
            Voucher::ApiKey(key) => still_speaks(old, new, gateway, &principal.user, key),
            Voucher::Client(access) => {
                let grant = self.issuer.grants().get(&access.grant).await?;
                grant.is_some_and(|grant| grant.approved.standing(new).is_ok())
            }
        };
        if !welcome {
            return Ok(None);
        }
        let rights = self.rights(new, gateway, &principal.user).await?;
        Ok(rights.ok().map(|rights| Principal {
            rights,
            ..principal.clone()
        }))
    }

    /// What `user` may use of `gateway`; or the claim for want of which that is nothing at all.
    async fn rights(
        &self,
        config: &Config,
        gateway: &Gateway,
        user: &UserId,
    ) -> Result<Result<Rights, String>, StoreError> {
        let claims = if Rights::depend_on_claims(gateway) {
            self.profiles.of(config, user).await?
        } else {
            Default::default()
        };
        let unmet = || gateway.require.first_unmet(&claims).unwrap_or_default();
        Ok(Rights::of(gateway, &claims).ok_or_else(|| unmet().to_owned()))
    }

    async fn by_token(&self, door: Door<'_>, token: &str) -> Result<Access, Denied> {
        let verified = self.issuer.verify(door.config, token, door.resource).await;
        let access = verified.map_err(|problem| match problem {
            TokenProblem::Invalid(why) => Denied::InvalidToken(why),
            TokenProblem::Store(error) => Denied::Unavailable(error),
        })?;
        // One of the same resource but another gateway means that `default` moved since.
        if access.approved.gateway != *door.name {
            return Err(Denied::InvalidToken(
                "the access token is for another gateway",
            ));
        }
        if scope::allows_tools(&access.approved.scopes) {
            Ok(access)
        } else {
            Err(Denied::InsufficientScope)
        }
    }
}

fn by_key(door: Door<'_>, key: &str) -> Result<(UserId, ApiKeyName), Denied> {
    let Door {
        config, gateway, ..
    } = door;
    let hash = TokenHash::of(key);
    let known = config
        .api_keys
        .iter()
        .find(|(_, known)| known.hash == hash && known.user_source == gateway.user_source);
    let (api_key, _) = known
        .filter(|_| gateway.headers_access)
        .ok_or(Denied::WrongKey)?;
    let subject = user_of(door.headers)?;
    let source = config.user_sources.get(&gateway.user_source);
    let source = source.filter(|source| source.active);
    let source = source.ok_or(Denied::InactiveSource)?;
    if !source.may_know(subject) {
        return Err(Denied::UnknownUser);
    }
    let user = UserId::new(gateway.user_source.clone(), source.subject(subject));
    Ok((user, api_key.clone()))
}

/// Whether a key that spoke for a user speaks for them still: the same key, at the same gateway, of a source that knows them.
fn still_speaks(
    old: &Config,
    new: &Config,
    gateway: &Gateway,
    user: &UserId,
    key: &ApiKeyName,
) -> bool {
    let hash = |config: &Config| {
        let key = config.api_keys.get(key);
        key.filter(|key| key.user_source == *user.source())
            .map(|key| key.hash)
    };
    let source = new.user_sources.get(user.source());
    gateway.headers_access
        && gateway.user_source == *user.source()
        && source.is_some_and(|source| source.active && source.may_know(user.subject()))
        && hash(new).is_some()
        && hash(new) == hash(old)
}
