//! The secrets of an OAuth client, each its own type, so that none is passed for another and none is printed.

use crate::base::secret::{ExposeSecret, Secret};

/// What a resource server accepts (RFC 6749 §1.4).
#[derive(Clone, Debug)]
pub struct AccessToken(Secret);

/// What the token endpoint changes for a fresh access token (RFC 6749 §1.5).
#[derive(Clone, Debug)]
pub struct RefreshToken(Secret);

/// What the browser brings back and the token endpoint changes for tokens, once (RFC 6749 §1.3.1).
#[derive(Debug)]
pub struct AuthorizationCode(Secret);

impl AccessToken {
    /// The token itself: for the upstream's header and for sealing, nothing else.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl<T: Into<Secret>> From<T> for AccessToken {
    fn from(token: T) -> Self {
        Self(token.into())
    }
}

impl RefreshToken {
    /// The token itself: for the token endpoint and for sealing, nothing else.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl<T: Into<Secret>> From<T> for RefreshToken {
    fn from(token: T) -> Self {
        Self(token.into())
    }
}

impl AuthorizationCode {
    /// The code itself: for the token endpoint, nothing else.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl<T: Into<Secret>> From<T> for AuthorizationCode {
    fn from(code: T) -> Self {
        Self(code.into())
    }
}
