//! An HTTP answer, read as far as its kind tells: a message, a stream, an acceptance, or a refusal.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use hyper::body::{Body, Incoming};
use tokio::time::Instant;

use super::{
    error::UpstreamError,
    incoming::{media_type, retry_after, whole},
};
use crate::protocol::oauth::scope::ScopeSet;

/// What explains a refusal is short.
const REFUSAL_AT_MOST: usize = 64 * 1024;

/// The head's fields, and what came after it.
pub(super) struct Answer {
    pub headers: HeaderMap,
    pub content: Content,
}

/// The kinds of answer that streamable HTTP has.
pub(super) enum Content {
    /// 2xx with a JSON body, read whole.
    Message(Bytes),
    /// 2xx with an event stream, not begun.
    Stream(Incoming),
    /// 2xx with nothing in it.
    Nothing,
    /// Any other status, with its body if that is JSON.
    Refusal(Refusal),
}

/// A status that is neither 2xx, 3xx nor about the credential.
pub(super) struct Refusal {
    pub status: StatusCode,
    /// The JSON body; empty if there was none.
    pub body: Bytes,
    retry_after: Option<Duration>,
}

impl Answer {
    /// Reads what belongs to `response`, at most `limit` bytes of a JSON body, until `until`.
    pub async fn read(
        response: Response<Incoming>,
        limit: usize,
        until: Instant,
    ) -> Result<Self, UpstreamError> {
        let (head, body) = response.into_parts();
        let content = match head.status {
            StatusCode::UNAUTHORIZED => return Err(unauthorized(&head.headers)),
            StatusCode::FORBIDDEN => match insufficient_scope(&head.headers) {
                Some(error) => return Err(error),
                None => {
                    Content::Refusal(Refusal::read(head.status, &head.headers, body, until).await)
                }
            },
            status if status.is_success() => success(&head.headers, body, limit, until).await?,
            status if status.is_redirection() || status.is_informational() => {
                return Err(UpstreamError::protocol(format!(
                    "it answered {status}; redirects are not followed, configure the address it has now"
                )));
            }
            status => Content::Refusal(Refusal::read(status, &head.headers, body, until).await),
        };
        Ok(Self {
            headers: head.headers,
            content,
        })
    }
}

impl Refusal {
    async fn read(status: StatusCode, headers: &HeaderMap, body: Incoming, until: Instant) -> Self {
        let body = match media_type(headers).as_deref() {
            // The status says enough if its explanation cannot be had.
            Some("application/json") => whole(body, REFUSAL_AT_MOST, until)
                .await
                .unwrap_or_default(),
            _ => Bytes::new(),
        };
        Self {
            status,
            body,
            retry_after: retry_after(headers),
        }
    }

    /// The error it is if its body does not say more.
    pub fn into_error(self) -> UpstreamError {
        if self.status.is_server_error() || self.status == StatusCode::TOO_MANY_REQUESTS {
            UpstreamError::Unavailable {
                why: format!("it answered {}", self.status),
                sent: true,
                retry_after: self.retry_after,
            }
        } else {
            UpstreamError::Refused {
                status: self.status.as_u16(),
            }
        }
    }
}

async fn success(
    headers: &HeaderMap,
    body: Incoming,
    limit: usize,
    until: Instant,
) -> Result<Content, UpstreamError> {
    match media_type(headers).as_deref() {
        Some("application/json") => {
            let body = whole(body, limit, until).await?;
            // Some servers name a type even when they accept a notification and say nothing.
            Ok(if body.is_empty() {
                Content::Nothing
            } else {
                Content::Message(body)
            })
        }
        Some("text/event-stream") => Ok(Content::Stream(body)),
        _ if body.is_end_stream() => Ok(Content::Nothing),
        other => Err(UpstreamError::protocol(format!(
            "it answered {:.60?} where JSON or an event stream belongs",
            other.unwrap_or("a body without a type")
        ))),
    }
}

fn unauthorized(headers: &HeaderMap) -> UpstreamError {
    UpstreamError::Unauthorized {
        error: challenge(headers, "error"),
        scope: challenge(headers, "scope").map(|scope| ScopeSet::parse(&scope)),
    }
}

fn insufficient_scope(headers: &HeaderMap) -> Option<UpstreamError> {
    (challenge(headers, "error")? == "insufficient_scope").then(|| {
        UpstreamError::InsufficientScope {
            scope: challenge(headers, "scope").map(|scope| ScopeSet::parse(&scope)),
        }
    })
}

/// A parameter of the `Bearer` challenge (RFC 6750 §3), at most 1 KiB of it.
fn challenge(headers: &HeaderMap, parameter: &str) -> Option<String> {
    headers
        .get_all(header::WWW_AUTHENTICATE)
        .iter()
        .filter_map(|value| http_auth::parse_challenges(value.to_str().ok()?).ok())
        .flatten()
        .filter(|challenge| challenge.scheme.eq_ignore_ascii_case("bearer"))
        .flat_map(|challenge| challenge.params)
        .find(|(name, _)| name.eq_ignore_ascii_case(parameter))
        .map(|(_, value)| value.to_unescaped())
        .filter(|value| value.len() <= 1024)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn with(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::WWW_AUTHENTICATE, HeaderValue::from_static(value))])
    }

    #[test]
    fn challenges_say_what_is_missing() {
        let headers = with(
            r#"Basic realm="x", Bearer error="insufficient_scope", scope="repo read:org", resource_metadata="https://x/y""#,
        );
        let Some(UpstreamError::InsufficientScope { scope }) = insufficient_scope(&headers) else {
            panic!("insufficient scope");
        };
        assert_eq!(scope, Some(ScopeSet::parse("read:org repo")));
    }

    #[test]
    fn a_challenge_that_cannot_be_read_says_nothing() {
        for value in [
            "",
            "Bearer",
            "Bearer error=",
            "\u{7f}",
            "Bearer x y z",
            "Basic error=\"insufficient_scope\"",
        ] {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                headers.insert(header::WWW_AUTHENTICATE, value);
            }
            assert!(insufficient_scope(&headers).is_none(), "{value}");
            assert!(matches!(
                unauthorized(&headers),
                UpstreamError::Unauthorized {
                    error: None,
                    scope: None
                }
            ));
        }
    }
}
