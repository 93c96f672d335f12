//! `Idempotency-Key`: a request to run a tool that comes again is answered as it was, and runs nothing again.
//!
//! Records: `idempotency/{hash of API key and Idempotency-Key}`, for an hour; the answer sealed beside it in `idempotency_answer`.
//! The key is taken before anything runs. Whoever is slower waits for the first. The run goes on when its caller hangs up, so that
//! the caller finds the answer when it asks again. Where the process that ran it is gone, nobody knows what was done, and nothing
//! is done again. An answer that says that nothing was executed gives the key back.

mod answers;

use axum::{
    body::to_bytes,
    extract::{FromRequestParts, Request, State},
    http::{HeaderName, Method, StatusCode, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

pub use self::answers::Answers;
use self::answers::{Asked, Turn};
use super::{ApiFace, caller::Caller, error::ApiError};
use crate::base::secret::TokenHash;

pub(super) const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// The one path whose repetition does harm.
const PATH: &str = "/v1/tools/execute";
const LONGEST_KEY: usize = 255;

/// Answers a request with a key as it was answered before, if it was.
pub(super) async fn once(State(face): State<ApiFace>, request: Request, next: Next) -> Response {
    let meant = request.method() == Method::POST && request.uri().path() == PATH;
    if !meant || !request.headers().contains_key(HEADER) {
        return next.run(request).await;
    }
    let answer = answered(face, request, next).await;
    answer.unwrap_or_else(IntoResponse::into_response)
}

async fn answered(face: ApiFace, request: Request, next: Next) -> Result<Response, ApiError> {
    let (mut head, body) = request.into_parts();
    let caller = Caller::from_request_parts(&mut head, &face).await?;
    let key = key(&head).ok_or_else(|| {
        let message = "`Idempotency-Key` must be one key of 1 to 255 visible characters";
        ApiError::bad("invalid_idempotency_key", message).by(&caller)
    })?;
    let limit = caller.config.server.max_request_bytes;
    let body = to_bytes(body, limit).await.map_err(|_| {
        let message = "the body is larger than any request of this API";
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message).by(&caller)
    })?;
    let asked = Asked {
        place: TokenHash::of(&format!("{}\n{key}", caller.key)).to_hex(),
        hash: base16ct::lower::encode_string(&Sha256::digest(&body)),
    };
    // The key is taken where the run is: whoever hangs up in between would leave it taken, and nothing run.
    let (answers, faults) = (face.answers.clone(), face.faults.clone());
    let place = asked.place.clone();
    let see = async move {
        match face.answers.turn(&face, &asked).await {
            Err(error) => error.by(&caller).into_response(),
            Ok(Turn::Replay(response)) => response,
            Ok(Turn::Run) => {
                let request = Request::from_parts(head, body.into());
                face.answers.run(&asked, request, next).await
            }
        }
    };
    match answers.see_through(see).await {
        Ok(response) => Ok(response),
        Err(broken) => {
            answers.lose(&place).await;
            let fault = ApiError::fault(&faults, "running a tool", &broken);
            Err(fault.should_retry(false))
        }
    }
}

fn key(head: &Parts) -> Option<String> {
    let mut sent = head.headers.get_all(HEADER).iter();
    let (Some(key), None) = (sent.next(), sent.next()) else {
        return None;
    };
    let key = key.to_str().ok()?.trim();
    let fine = (1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(|c| c.is_ascii_graphic());
    fine.then(|| key.to_owned())
}

fn conflict(name: &'static str, message: &'static str) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, name, message)
}

fn still_under_way() -> ApiError {
    let message = "the first request with this `Idempotency-Key` is still under way; send it again to hear what came of it";
    let error = conflict("request_under_way", message);
    error.should_retry(true).retry_after(1)
}

fn not_kept() -> ApiError {
    let message = "the tool ran for the first request with this `Idempotency-Key`, whose answer was too large to be kept; it is not run again";
    conflict("answer_not_kept", message).should_retry(false)
}

fn lost() -> ApiError {
    let message = "the gateway was stopped, or broke, while the first request with this `Idempotency-Key` ran: whether the tool did anything is not known, and it is not run again; use a new key to run it";
    conflict("outcome_unknown", message).should_retry(false)
}
