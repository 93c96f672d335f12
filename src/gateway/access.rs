//! Who is asking: the only maker of [`Principal`].

use std::sync::Arc;

use http::HeaderMap;

use crate::{
    base::{
        id::{ApiKeyName, GatewayName, UserId},
        secret::TokenHash,
    },
    config::{Config, Gateway, UserSourceKind},
};

/// Longer user ids are refused: nothing that names a person is.
const LONGEST_USER_ID: usize = 256;

/// A verified user at a gateway, and the key that spoke for them.
#[derive(Clone, Debug)]
pub struct Principal {
    user: UserId,
    user_key: Arc<str>,
    gateway: GatewayName,
    api_key: ApiKeyName,
}

/// Why a request has no principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No `Authorization` header.
    #[error(
        "send an API key as `Authorization: Bearer arc_…` and the user's id as `Arcade-User-ID`"
    )]
    NoKey,
    /// Not a key we know, or a scheme we do not take.
    #[error("the API key is not valid at this gateway")]
    WrongKey,
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
}

impl Principal {
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
    pub fn api_key(&self) -> &ApiKeyName {
        &self.api_key
    }
}

/// Verifies `headers` access at one gateway: `Authorization: Bearer <key>` (or the bare key) and `Arcade-User-ID`.
///
/// # Errors
/// [`Denied`]. A key of another user source is [`Denied::WrongKey`] like any unknown one.
pub fn by_headers(
    config: &Config,
    name: &GatewayName,
    gateway: &Gateway,
    headers: &HeaderMap,
) -> Result<Principal, Denied> {
    let api_key = key_of(config, gateway, headers)?;
    let subject = user_of(headers)?;
    let source = config
        .user_sources
        .get(&gateway.user_source)
        .filter(|source| source.active)
        .ok_or(Denied::InactiveSource)?;
    match &source.kind {
        UserSourceKind::Accounts(accounts) if !accounts.contains_key(subject) => {
            return Err(Denied::UnknownUser);
        }
        UserSourceKind::Accounts(_) | UserSourceKind::Oidc(_) => {}
    }
    let user = UserId::new(gateway.user_source.clone(), subject);
    Ok(Principal {
        user_key: user.key().into(),
        user,
        gateway: name.clone(),
        api_key,
    })
}

fn key_of(config: &Config, gateway: &Gateway, headers: &HeaderMap) -> Result<ApiKeyName, Denied> {
    let mut values = headers.get_all(http::header::AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Err(Denied::NoKey),
        (Some(value), None) => value.to_str().map_err(|_| Denied::WrongKey)?.trim(),
        (Some(_), Some(_)) => return Err(Denied::WrongKey),
    };
    let key = match value.split_once(' ') {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => key.trim(),
        Some(_) => return Err(Denied::WrongKey),
        None => value,
    };
    let hash = TokenHash::of(key);
    config
        .api_keys
        .iter()
        .find(|(_, known)| known.hash == hash && known.user_source == gateway.user_source)
        .map(|(name, _)| name.clone())
        .filter(|_| gateway.headers_access)
        .ok_or(Denied::WrongKey)
}

fn user_of(headers: &HeaderMap) -> Result<&str, Denied> {
    let mut values = headers.get_all("arcade-user-id").iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Err(Denied::NoUser),
        (Some(value), None) => value,
        (Some(_), Some(_)) => return Err(Denied::BadUser),
    };
    std::str::from_utf8(value.as_bytes())
        .map(str::trim)
        .ok()
        .filter(|id| {
            !id.is_empty() && id.len() <= LONGEST_USER_ID && !id.chars().any(char::is_control)
        })
        .ok_or(Denied::BadUser)
}
