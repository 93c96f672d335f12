//! `POST /v1/tools/execute`. What a tool has to say, well or not, is 200: programs repeat everything else by themselves.

use std::time::Duration;

use axum::{Json, extract::State, http::HeaderMap};
use serde::Deserialize;
use utoipa::ToSchema;

use super::refused::{is_named, refusal};
use crate::{
    api::{
        ApiFace,
        body::LargeBody,
        caller::Caller,
        error::{ApiError, ErrorBody},
        idempotency, scheduled,
    },
    execution::{Execution, Inputs, Order},
};

#[derive(Deserialize, ToSchema)]
pub(super) struct Execute {
    /// `Kit.Tool`, `Kit_Tool`, or as the tool is called at the gateway; in any case, and with `@version` if need be.
    tool_name: String,
    /// Of that version and no other.
    tool_version: Option<String>,
    /// By parameter.
    #[schema(value_type = Option<Object>)]
    input: Option<Inputs>,
    /// For whom; without it, only tools run that need nobody's account.
    user_id: Option<String>,
    /// Not at once but then: ISO 8601; UTC, if it says nothing else.
    #[schema(format = DateTime)]
    run_at: Option<String>,
    /// Whether an error is to come with what is for the tool's author.
    include_error_stacktrace: Option<bool>,
}

/// Runs a tool.
///
/// An answer with `success: false` says what the tool, its server or the way there has to say. A refusal means that it did not
/// run: 403 `authorization_required`, that the user has to connect an account first.
#[utoipa::path(
    post,
    path = "/v1/tools/execute",
    operation_id = "tools_execute",
    tag = "tools",
    params(("Idempotency-Key" = Option<String>, Header, description = "The same request with the same key is answered as it was, for an hour, and runs nothing again", min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    request_body = Execute,
    responses(
        (status = OK, description = "What came of it; with `run_at`, that it is kept and will run", body = Execution),
        (status = FORBIDDEN, description = "The user has to connect an account first, or has no tools here", body = ErrorBody),
        (status = NOT_FOUND, description = "There is no such tool, or not in that version", body = ErrorBody),
        (status = CONFLICT, description = "`Idempotency-Key`: the first request is under way, or what came of it is not known or was not kept", body = ErrorBody),
        (status = UNPROCESSABLE_ENTITY, description = "`Idempotency-Key` came with another body before", body = ErrorBody),
        (status = TOO_MANY_REQUESTS, description = "Too many runs of this key are waiting for their time", body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, description = "Nothing was executed; try again", body = ErrorBody),
    ),
)]
pub(super) async fn execute(
    State(face): State<ApiFace>,
    caller: Caller,
    headers: HeaderMap,
    LargeBody(wish): LargeBody<Execute>,
) -> Result<Json<Execution>, ApiError> {
    let executed = executed(&face, &caller, wish, patience(&headers)).await;
    executed.map(Json).map_err(|error| error.by(&caller))
}

async fn executed(
    face: &ApiFace,
    caller: &Caller,
    wish: Execute,
    patience: Option<Duration>,
) -> Result<Execution, ApiError> {
    is_named(&wish.tool_name)?;
    let user = wish.user_id.as_deref();
    let principal = caller.principal(face, user).await?;
    let order = Order {
        tool_name: wish.tool_name,
        tool_version: wish.tool_version,
        input: wish.input.unwrap_or_default(),
        stacktrace: wish.include_error_stacktrace.unwrap_or_default(),
        patience,
    };
    let executor = &face.executor;
    let run_at = wish.run_at.filter(|run_at| !run_at.trim().is_empty());
    if let Some(run_at) = run_at {
        let (name, version) = (&order.tool_name, order.tool_version.as_deref());
        let resolved = executor.resolve(&caller.config, &principal, name, version);
        let tool = resolved.await.map_err(|not| refusal(&not))?;
        let user = (!principal.is_program()).then(|| principal.user().clone());
        return scheduled::order(face, caller, user, &tool, (order, &run_at)).await;
    }
    let id = executor.new_id();
    let executed = executor
        .execute(&caller.config, &principal, &order, &id)
        .await;
    executed.map_err(|not| refusal(&not))
}

/// How long Arcade's clients wait for an answer. Seconds.
const READ_TIMEOUT: &str = "x-stainless-read-timeout";
/// How much sooner the answer has to set out, at most. Seconds.
const MARGIN: f64 = 2.0;
/// Who says that they wait longer is not cut short. Seconds.
const LONGEST: f64 = 24.0 * 60.0 * 60.0;

/// How long the client can be kept waiting. It sends the same again when it has given up, and without an `Idempotency-Key`
/// nobody knows it for the same: the tool would run again. With one, the run goes on, and the client is told of it then.
fn patience(headers: &HeaderMap) -> Option<Duration> {
    if headers.contains_key(idempotency::HEADER) {
        return None;
    }
    let said = headers.get(READ_TIMEOUT)?.to_str().ok()?;
    let said: f64 = said.parse().ok()?;
    let sane = (0.0..=LONGEST).contains(&said);
    sane.then(|| Duration::from_secs_f64((said - MARGIN).max(said / 2.0)))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_client_is_answered_before_it_gives_up() {
        let waits = |said: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(READ_TIMEOUT, HeaderValue::from_static(said));
            let patience = patience(&headers).map(|it| it.as_secs_f64());
            headers.insert(idempotency::HEADER, HeaderValue::from_static("one"));
            assert_eq!(super::patience(&headers), None);
            patience
        };
        assert_eq!(waits("60"), Some(58.0));
        assert_eq!(waits("60.5"), Some(58.5));
        assert_eq!(waits("1"), Some(0.5));
        for odd in ["", "soon", "-1", "NaN", "inf", "1e300"] {
            assert_eq!(waits(odd), None, "{odd}");
        }
        assert_eq!(patience(&HeaderMap::new()), None);
    }
}
