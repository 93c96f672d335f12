//! What every answer over HTTP has: a body of bounded size, its type, and when to come again.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use tokio::time::{Instant, timeout_at};

use super::{error::UpstreamError, http::in_words};

/// The whole body; a single frame is not copied.
pub(super) async fn whole(
    body: Incoming,
    limit: usize,
    until: Instant,
) -> Result<Bytes, UpstreamError> {
    let too_large = || UpstreamError::TooLarge { limit };
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    match timeout_at(until, Limited::new(body, limit).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => Err(UpstreamError::broken(in_words(error.as_ref()))),
        Err(_) => Err(UpstreamError::TimedOut),
    }
}

/// The media type without its parameters, in small letters.
pub(super) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let essence = value.split(';').next()?.trim();
    (!essence.is_empty()).then(|| essence.to_ascii_lowercase())
}

/// Seconds only; a date would need the peer's clock to be right.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn media_types_are_compared_without_parameters() {
        let typed = |value: &'static str| {
            media_type(&HeaderMap::from_iter([(
                header::CONTENT_TYPE,
                HeaderValue::from_static(value),
            )]))
        };
        assert_eq!(
            typed("Application/JSON; charset=utf-8").as_deref(),
            Some("application/json")
        );
        assert_eq!(typed(" ; x").as_deref(), None);
    }
}
