//! Why a request to `/mcp` gets no further than the door, and how a client learns what to do about it.

use axum::response::Response;
use http::{HeaderValue, StatusCode, header};

use super::{
    answer::{self, Refusal},
    guard::TurnedAway,
};
use crate::{gateway::access::Denied, issuer::scope, protocol::jsonrpc::code};

/// Why a request gets no further than the door.
#[derive(Debug, thiserror::Error)]
pub enum Rejection {
    /// Sent from a place, or to a name, that we do not serve.
    #[error(transparent)]
    TurnedAway(#[from] TurnedAway),
    /// No gateway has that name.
    #[error("there is no such gateway")]
    UnknownGateway,
    /// Nobody knows who is asking, or they may not.
    #[error("{denied}")]
    Denied {
        /// Why.
        denied: Denied,
        /// Where the endpoint's protected-resource metadata is, if it signs users in (RFC 9728 §5.1).
        metadata: Option<String>,
    },
    /// Not POST, GET or DELETE.
    #[error("this method is not served here; use POST, GET or DELETE")]
    Method,
    /// Not JSON.
    #[error("send `Content-Type: application/json`")]
    ContentType,
    /// See `server.max_request_bytes`.
    #[error("the request body is larger than this gateway takes")]
    TooLarge,
    /// The connection broke.
    #[error("the request body could not be read")]
    Unreadable,
}

impl Rejection {
    /// Notes why, once; a client that merely asks how to sign in is no event.
    pub fn log(&self, gateway: Option<&str>, method: &http::Method) {
        match self {
            Self::Denied {
                denied: Denied::Unavailable(error),
                ..
            } => {
                tracing::error!(gateway, %method, %error, "who is asking at /mcp could not be looked up");
            }
            Self::Denied {
                denied: Denied::NoCredentials { oauth: true, .. },
                ..
            } => {
                tracing::debug!(gateway, %method, "a client without credentials was told where to sign in");
            }
            Self::Denied {
                denied: Denied::NotForThem { user, claim },
                ..
            } => {
                tracing::info!(gateway, %method, ?user, claim, "a user lacks a claim that the gateway requires, and was told that there is none");
            }
            reason => {
                tracing::info!(gateway, %method, %reason, "a request to /mcp was refused");
            }
        }
    }

    /// What the client gets.
    pub fn response(&self) -> Response {
        let refusal = Refusal::new(code::INVALID_REQUEST, self.to_string());
        let mut response = answer::refusal(self.status(), None, &refusal);
        let headers = response.headers_mut();
        if let Some(challenge) = self.challenge() {
            let challenge = HeaderValue::try_from(challenge);
            let challenge = challenge.expect("our own words and addresses are visible ASCII");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Self::Method = self {
            headers.insert(header::ALLOW, HeaderValue::from_static("POST, GET, DELETE"));
        }
        response
    }

    fn status(&self) -> StatusCode {
        let denied = match self {
            Self::TurnedAway(away) => return away.status(),
            Self::UnknownGateway => return StatusCode::NOT_FOUND,
            Self::Unreadable => return StatusCode::BAD_REQUEST,
            Self::Method => return StatusCode::METHOD_NOT_ALLOWED,
            Self::ContentType => return StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => return StatusCode::PAYLOAD_TOO_LARGE,
            Self::Denied { denied, .. } => denied,
        };
        match denied {
            Denied::NoCredentials { .. } | Denied::WrongKey | Denied::InvalidToken(_) => {
                StatusCode::UNAUTHORIZED
            }
            // Not 400: clients take that for another era and never show what it says.
            Denied::NoUser
            | Denied::BadUser
            | Denied::UnknownUser
            | Denied::InactiveSource
            | Denied::NoGateway
            | Denied::InsufficientScope => StatusCode::FORBIDDEN,
            Denied::NotForThem { .. } => StatusCode::NOT_FOUND,
            Denied::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// RFC 6750 §3, with the address of the metadata (RFC 9728 §5.1) and the scope to ask for.
    fn challenge(&self) -> Option<String> {
        let Self::Denied { denied, metadata } = self else {
            return None;
        };
        let mut parts = match denied {
            // No `error` where nothing was sent (RFC 6750 §3.1).
            Denied::NoCredentials { .. } => Vec::new(),
            Denied::WrongKey | Denied::InvalidToken(_) => error("invalid_token", denied),
            Denied::InsufficientScope => error("insufficient_scope", denied),
            _ => return None,
        };
        if let Some(metadata) = metadata {
            parts.push(format!(r#"resource_metadata="{metadata}""#));
            parts.push(format!(r#"scope="{}""#, scope::TOOLS));
        }
        Some(match parts.as_slice() {
            [] => "Bearer".to_owned(),
            parts => format!("Bearer {}", parts.join(", ")),
        })
    }
}

/// `error_description` holds neither quotes nor backslashes (RFC 6750 §3).
fn error(word: &str, denied: &Denied) -> Vec<String> {
    let description = denied.to_string().replace(['"', '\\'], "'");
    let description: String = description.chars().filter(char::is_ascii).collect();
    vec![
        format!(r#"error="{word}""#),
        format!(r#"error_description="{description}""#),
    ]
}
