//! What answers of providers mean, parted by who has to act.

use std::time::Duration;

use ::http::{HeaderMap, StatusCode, header};
use jiff::fmt::rfc2822;

use super::{TokenError, http::Answer};
use crate::{
    base::clock::Timestamp,
    config::provider::RequestAuth,
    protocol::oauth::{
        error::ErrorCode,
        token_response::{self, AnswerShape, NoTokens, TokenAnswer},
    },
};

/// A provider that asks for more patience than this is asked again after it all the same.
const LONGEST_PATIENCE: Duration = Duration::from_secs(60 * 60);

/// What an answer of the token endpoint means. The body's word counts before the status: some say errors with 200, and some
/// say them with 500.
pub(super) fn tokens(
    answer: &Answer,
    shape: &AnswerShape,
    now: Timestamp,
) -> Result<TokenAnswer, TokenError> {
    let status = answer.status;
    let busy = is_busy(status);
    let unavailable = |why| TokenError::Unavailable {
        retry_after: retry_after(&answer.headers, now),
        why,
    };
    Err(match token_response::parse(&answer.body, shape) {
        Ok(tokens) if status.is_success() => return Ok(tokens),
        Ok(_) => TokenError::Unreadable {
            why: "tokens came with the status of a failure",
        },
        Err(NoTokens::Error(ErrorCode::Other) | NoTokens::Unreadable(_)) if busy => {
            unavailable("it answers with an error status")
        }
        Err(NoTokens::Error(ErrorCode::ServerError | ErrorCode::TemporarilyUnavailable)) => {
            unavailable("it says that it cannot answer now")
        }
        Err(NoTokens::Error(error)) if is_about_the_grant(error, status) => {
            TokenError::Refused { error }
        }
        Err(NoTokens::Error(error)) => TokenError::Misconfigured { error },
        // RFC 6749 §5.2: 401 is for client authentication.
        Err(NoTokens::Unreadable(_)) if status == StatusCode::UNAUTHORIZED => {
            let error = ErrorCode::InvalidClient;
            TokenError::Misconfigured { error }
        }
        Err(NoTokens::Unreadable(_)) if status.is_redirection() => TokenError::Unreadable {
            why: "it redirects, which is not followed",
        },
        Err(NoTokens::Unreadable(why)) => TokenError::Unreadable { why },
    })
}

/// What an answer to a request about a token means: `Ok` if it was done or told, whatever the body is then.
pub(super) fn about_a_token(
    answer: &Answer,
    shape: &AnswerShape,
    auth: RequestAuth,
    now: Timestamp,
) -> Result<(), TokenError> {
    let status = answer.status;
    let said = token_response::error(&answer.body, shape);
    if is_busy(status) && matches!(said, None | Some(ErrorCode::Other)) {
        return Err(TokenError::Unavailable {
            retry_after: retry_after(&answer.headers, now),
            why: "it answers with an error status",
        });
    }
    let error = match (said, status) {
        (None, status) if status.is_success() => return Ok(()),
        (None, status) if status.is_redirection() => {
            return Err(TokenError::Unreadable {
                why: "it redirects, which is not followed",
            });
        }
        (Some(ErrorCode::ServerError | ErrorCode::TemporarilyUnavailable), _) => {
            return Err(TokenError::Unavailable {
                retry_after: retry_after(&answer.headers, now),
                why: "it says that it cannot answer now",
            });
        }
        // RFC 6750 §3.1: it is the token that was shown that is no good. And what is not there is gone.
        (None | Some(ErrorCode::Other), StatusCode::UNAUTHORIZED)
            if auth == RequestAuth::Bearer =>
        {
            ErrorCode::InvalidGrant
        }
        (None, StatusCode::UNAUTHORIZED) => ErrorCode::InvalidClient,
        (None, StatusCode::NOT_FOUND | StatusCode::GONE) => ErrorCode::InvalidGrant,
        (None, _) => ErrorCode::Other,
        (Some(error), _) => error,
    };
    Err(if is_about_the_grant(error, status) {
        TokenError::Refused { error }
    } else {
        TokenError::Misconfigured { error }
    })
}

fn is_busy(status: StatusCode) -> bool {
    status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT
}

/// Whether the user can mend it by connecting again; else the operator has to.
fn is_about_the_grant(error: ErrorCode, status: StatusCode) -> bool {
    match error {
        ErrorCode::AccessDenied
        | ErrorCode::InvalidGrant
        | ErrorCode::InvalidScope
        | ErrorCode::InteractionRequired => true,
        ErrorCode::InvalidClient
        | ErrorCode::InvalidRequest
        | ErrorCode::InvalidTarget
        | ErrorCode::UnauthorizedClient
        | ErrorCode::UnsupportedGrantType
        | ErrorCode::UnsupportedResponseType
        | ErrorCode::ServerError
        | ErrorCode::TemporarilyUnavailable => false,
        // A word nobody registered. 200 and 400 are where grants are refused; elsewhere it is our client or address.
        ErrorCode::Other => status.is_success() || status == StatusCode::BAD_REQUEST,
    }
}

/// RFC 9110 §10.2.3: seconds, or a date.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
            Duration::try_from(date.duration_since(now)).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST_PATIENCE))
}

#[cfg(test)]
#[path = "tests_judge.rs"]
mod tests;
