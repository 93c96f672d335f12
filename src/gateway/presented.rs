//! What a request shows of who is asking, before anything of it is believed.

use http::HeaderMap;

use super::access::{Denied, Door};
use crate::config::Gateway;

/// Longer user ids are refused: nothing that names a person is.
const LONGEST_USER_ID: usize = 256;

/// What API keys begin with; access tokens are JWTs, which never do.
const KEY_PREFIX: &str = "arc_";

/// The key or token of the one `Authorization` header: `Bearer …`, or bare.
pub(super) fn presented<'a>(door: Door<'a>) -> Result<&'a str, Denied> {
    let wrong = if door.gateway.oauth_access {
        Denied::InvalidToken("the `Authorization` header must be one `Bearer` token")
    } else {
        Denied::WrongKey
    };
    match credential(door.headers) {
        Ok(Some(presented)) => Ok(presented),
        Ok(None) => Err(Denied::NoCredentials {
            oauth: door.gateway.oauth_access,
            headers: door.gateway.headers_access,
        }),
        Err(NotACredential) => Err(wrong),
    }
}

/// The `Authorization` header is there more than once, or of another scheme than `Bearer`.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the `Authorization` header must be one key or token")]
pub struct NotACredential;

/// The key or token of the one `Authorization` header: `Bearer …`, or bare, as Arcade's SDKs send it. `None` without a header.
///
/// # Errors
/// [`NotACredential`].
pub fn credential(headers: &HeaderMap) -> Result<Option<&str>, NotACredential> {
    let mut values = headers.get_all(http::header::AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => value.to_str().map_err(|_| NotACredential)?.trim(),
        (Some(_), Some(_)) => return Err(NotACredential),
    };
    match value.split_once(' ') {
        Some((scheme, presented)) if scheme.eq_ignore_ascii_case("bearer") => {
            Ok(Some(presented.trim()))
        }
        Some(_) => Err(NotACredential),
        None => Ok(Some(value)),
    }
}

pub(super) fn is_token(gateway: &Gateway, presented: &str) -> bool {
    gateway.oauth_access && !(gateway.headers_access && presented.starts_with(KEY_PREFIX))
}

/// The user whom the one `Arcade-User-ID` header names.
pub(super) fn user_of(headers: &HeaderMap) -> Result<&str, Denied> {
    let mut values = headers.get_all("arcade-user-id").iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Err(Denied::NoUser),
        (Some(value), None) => value,
        (Some(_), Some(_)) => return Err(Denied::BadUser),
    };
    let text = std::str::from_utf8(value.as_bytes()).ok();
    text.and_then(user_id).ok_or(Denied::BadUser)
}

/// A user's id as a program sent it, without what surrounds it; `None` if nobody can be called that.
pub fn user_id(sent: &str) -> Option<&str> {
    let id = sent.trim();
    let fine = !id.is_empty() && id.len() <= LONGEST_USER_ID && !id.chars().any(char::is_control);
    fine.then_some(id)
}
