//! Why a client gets no token, and how it is told (RFC 6749 §5.2).

use std::borrow::Cow;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::{approved::Lapsed, code::CodeProblem, keys::KeyError, resource::InvalidTarget};
use crate::{protocol::oauth::error::ErrorCode, store::StoreError, web::failure::Faults};

/// How much of a name from outside a log line holds. Characters.
const LOGGED: usize = 100;

/// Why a client gets no token.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The request: its grant, its parameters.
    #[error("{0}: {1}")]
    Request(ErrorCode, Cow<'static, str>),
    /// The client is unknown, or did not prove itself.
    #[error("invalid_client: {why}")]
    Client {
        /// For its developer. ASCII without quotes and backslashes (RFC 6749 §5.2).
        why: Cow<'static, str>,
        /// It tried HTTP Basic, and is challenged in the same scheme.
        basic: bool,
    },
    /// Somebody whom we have to ask does not answer; the client may try again.
    #[error("{0}")]
    Unavailable(String),
    /// The store failed; the client may try again.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing can be signed; the operator must act.
    #[error(transparent)]
    Key(#[from] KeyError),
}

#[derive(Serialize)]
struct Body<'a> {
    error: ErrorCode,
    #[serde(skip_serializing_if = "str::is_empty")]
    error_description: &'a str,
}

impl Refusal {
    pub(super) fn request(why: &'static str) -> Self {
        Self::Request(ErrorCode::InvalidRequest, why.into())
    }

    pub(super) fn grant(why: &'static str) -> Self {
        Self::Request(ErrorCode::InvalidGrant, why.into())
    }

    /// What it is called in answers and metrics.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Request(error, _) => error.as_str(),
            Self::Client { .. } => "invalid_client",
            Self::Unavailable(_) | Self::Store(_) | Self::Key(KeyError::Store(_)) => {
                "temporarily_unavailable"
            }
            Self::Key(_) => "server_error",
        }
    }

    /// The answer; and the one line in the log. `client` is who it says it is.
    pub(super) fn answer(
        self,
        faults: &Faults,
        doing: &'static str,
        client: Option<&str>,
    ) -> Response {
        let (status, error, why) = match &self {
            Self::Request(error, why) => (StatusCode::BAD_REQUEST, *error, why.as_ref()),
            Self::Client { why, .. } => {
                (StatusCode::UNAUTHORIZED, ErrorCode::InvalidClient, &**why)
            }
            Self::Unavailable(why) => {
                tracing::warn!(why, "could not answer {doing}");
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    ErrorCode::TemporarilyUnavailable,
                    "",
                )
            }
            Self::Store(error) | Self::Key(KeyError::Store(error)) => {
                faults.note(doing, error);
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    ErrorCode::TemporarilyUnavailable,
                    "",
                )
            }
            Self::Key(error) => {
                faults.note(doing, error);
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    ErrorCode::ServerError,
                    "",
                )
            }
        };
        if status.is_client_error() {
            let client: String = client.unwrap_or_default().chars().take(LOGGED).collect();
            tracing::info!(?client, %error, why, "refused {doing}");
        }
        let body = Body {
            error,
            error_description: why,
        };
        let mut response = (status, Json(body)).into_response();
        if let Self::Client { basic: true, .. } = self {
            let challenge = HeaderValue::from_static("Basic realm=\"anteroom\"");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl From<CodeProblem> for Refusal {
    fn from(problem: CodeProblem) -> Self {
        Self::Request(ErrorCode::InvalidGrant, problem.to_string().into())
    }
}

impl From<Lapsed> for Refusal {
    fn from(lapsed: Lapsed) -> Self {
        Self::Request(ErrorCode::InvalidGrant, lapsed.to_string().into())
    }
}

impl From<InvalidTarget> for Refusal {
    fn from(problem: InvalidTarget) -> Self {
        Self::Request(ErrorCode::InvalidTarget, problem.to_string().into())
    }
}
