//! How a request is refused: one shape, one log line.
//!
//! Clients of Arcade's engine read `name` and `message`, those of its OAuth plane `code`, `error` and `msg`; every answer has both.
//! Nothing that was sent is repeated in it.

use std::borrow::Cow;

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::Caller;
use crate::{
    base::id::ApiKeyName,
    web::failure::{Fault, Faults},
};

/// What the body of a refusal says.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub struct ErrorBody {
    /// What is wrong, in a word that programs can tell apart.
    #[schema(example = "unknown_provider")]
    name: &'static str,
    /// What is wrong, for people: what to do next.
    message: String,
    /// The HTTP status once more.
    code: u16,
    /// The same as `name`.
    error: &'static str,
    /// The same as `message`.
    msg: String,
    /// What to write into `gateway.toml` instead, where that decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    toml: Option<String>,
}

/// Says to Arcade's clients whether to send the same again by themselves; it beats what they make of the status.
pub const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Why a request is not answered with what it asked for.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    name: &'static str,
    message: Cow<'static, str>,
    retry_after: Option<u64>,
    should_retry: Option<bool>,
    toml: Option<String>,
    key: Option<ApiKeyName>,
    /// It stands in the log already.
    logged: bool,
}

impl ApiError {
    pub fn new(
        status: StatusCode,
        name: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            name,
            message: message.into(),
            retry_after: None,
            should_retry: None,
            toml: None,
            key: None,
            logged: false,
        }
    }

    /// 400: what was sent cannot be meant.
    pub fn bad(name: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, name, message)
    }

    /// 401: the key is missing or wrong.
    pub fn unauthorized(message: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    /// 403: the key is good, and not for this.
    pub fn forbidden(name: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, name, message)
    }

    /// 409: what was to be changed is decided in `gateway.toml`, where these lines would do it. No secret may be in them.
    pub fn by_file(toml: String) -> Self {
        let message = "this is decided in gateway.toml: write there what `toml` says, and the gateway takes it over within seconds";
        let error = Self::new(StatusCode::CONFLICT, "configured_in_file", message);
        let error = error.should_retry(false);
        Self {
            toml: Some(toml),
            ..error
        }
    }

    /// 404: there is no such thing, or it belongs to another user source.
    pub fn not_found(message: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub fn no_such_path() -> Self {
        Self::not_found("there is nothing at this path")
    }

    pub fn wrong_method() -> Self {
        let message = "this path does not take this method";
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            message,
        )
    }

    /// 500: something broke, which is logged here.
    pub fn fault(faults: &Faults, doing: &str, error: &dyn std::error::Error) -> Self {
        Self::noted(&faults.note(doing, error))
    }

    fn noted(fault: &Fault) -> Self {
        let message = format!(
            "something broke in the gateway; its log says more under {}",
            fault.reference()
        );
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message).logged()
    }

    /// Good to try again in so many seconds.
    pub fn retry_after(self, seconds: u64) -> Self {
        Self {
            retry_after: Some(seconds),
            ..self
        }
    }

    /// Whether a client should send the same again by itself. Clients repeat 408, 409, 429 and 5xx unless they are told not to.
    pub fn should_retry(self, should: bool) -> Self {
        Self {
            should_retry: Some(should),
            ..self
        }
    }

    /// It stands in the log already.
    pub fn logged(self) -> Self {
        Self {
            logged: true,
            ..self
        }
    }

    /// Whose request it was.
    pub fn by(self, caller: &Caller) -> Self {
        Self {
            key: Some(caller.key.clone()),
            ..self
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, name, message) = (self.status, self.name, &self.message);
        if !self.logged {
            let key = self.key.as_ref().map(ApiKeyName::as_str);
            let status = status.as_u16();
            tracing::info!(status, name, key, "an API request was refused: {message}");
        }
        let body = ErrorBody {
            name,
            message: message.to_string(),
            code: status.as_u16(),
            error: name,
            msg: message.to_string(),
            toml: self.toml,
        };
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(should) = self.should_retry {
            let should = if should { "true" } else { "false" };
            headers.insert(SHOULD_RETRY, HeaderValue::from_static(should));
        }
        response
    }
}
