//! What requests carry, read with the same words of refusal everywhere.

use std::str::FromStr;

use axum::{
    Json,
    extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Query, RawPathParams, Request},
    http::{StatusCode, request::Parts},
};
use serde::de::DeserializeOwned;

use super::{ApiFace, caller::Caller, error::ApiError};
use crate::{base::id::ProviderName, config::Provider, protocol::oauth::scope::ScopeSet};

/// More scopes than this no provider has.
const MOST_SCOPES: usize = 200;
const LONGEST_SCOPE: usize = 500;

/// A JSON object.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<ApiFace> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, face: &ApiFace) -> Result<Self, ApiError> {
        let refused = match Json::<T>::from_request(request, face).await {
            Ok(Json(body)) => return Ok(Self(body)),
            Err(refused) => refused,
        };
        Err(match refused.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                let message = "the body is larger than any request of this API";
                ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
            }
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                let message = "send the body as `Content-Type: application/json`";
                let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
                ApiError::new(status, "unsupported_media_type", message)
            }
            _ => ApiError::bad(
                "invalid_request",
                "the body is not the JSON object that this path takes: a member is missing, repeated or of another type",
            ),
        })
    }
}

/// A JSON object that may be as large as a request to a tool: `server.max_request_bytes`.
pub struct LargeBody<T>(pub T);

impl<T: DeserializeOwned> FromRequest<ApiFace> for LargeBody<T> {
    type Rejection = ApiError;

    async fn from_request(mut request: Request, face: &ApiFace) -> Result<Self, ApiError> {
        let limit = face.live.now().server.max_request_bytes;
        DefaultBodyLimit::max(limit).apply(&mut request);
        let Body(body) = Body::from_request(request, face).await?;
        Ok(Self(body))
    }
}

/// The parameters of the query.
pub struct Parameters<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<ApiFace> for Parameters<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, face: &ApiFace) -> Result<Self, ApiError> {
        let read = Query::<T>::from_request_parts(parts, face).await;
        let Query(read) = read.map_err(|_| {
            ApiError::bad(
                "invalid_request",
                "a parameter of the query is missing, repeated or of another type",
            )
        })?;
        Ok(Self(read))
    }
}

/// What the path names; what nothing can be called is not found.
pub struct Named<T>(pub T);

impl<T: FromStr + Send> FromRequestParts<ApiFace> for Named<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, face: &ApiFace) -> Result<Self, ApiError> {
        let unknown = || ApiError::not_found("there is nothing called that");
        let read = RawPathParams::from_request_parts(parts, face).await;
        let read = read.map_err(|_| unknown())?;
        // Those before it are of the way to this face.
        let (_, last) = read.iter().last().ok_or_else(unknown)?;
        last.parse().map(Self).map_err(|_| unknown())
    }
}

/// The provider that a request names.
pub fn provider<'c>(
    caller: &'c Caller,
    name: &str,
) -> Result<(&'c ProviderName, &'c Provider), ApiError> {
    let providers = &caller.config.providers;
    caller.config.provider_called(name).ok_or_else(|| {
        let known: Vec<_> = providers.keys().map(ProviderName::as_str).collect();
        let known = known.join(", ");
        let message = format!("there is no such provider; this gateway has: {known}");
        ApiError::bad("unknown_provider", message)
    })
}

/// The scopes that a request lists.
pub fn scopes(listed: &[String]) -> Result<ScopeSet, ApiError> {
    // RFC 6749 §3.3
    let legal = |c: u8| matches!(c, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    let fine = |scope: &String| {
        !scope.is_empty() && scope.len() <= LONGEST_SCOPE && scope.bytes().all(legal)
    };
    if listed.len() > MOST_SCOPES || !listed.iter().all(fine) {
        let message = "`scopes` must be a list of scopes, each without blanks";
        return Err(ApiError::bad("invalid_scope", message));
    }
    Ok(listed.iter().cloned().collect())
}
