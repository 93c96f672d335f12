//! `confirm_user` and its rehearsal: an application says who came to its verifier URL.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

use super::{
    ApiFace,
    body::Body,
    caller::Caller,
    error::{ApiError, ErrorBody},
};
use crate::{
    base::{clock::Timestamp, id::FlowId},
    config::app,
    connect::{ConfirmError, Confirmed, Vouching},
};

/// Seconds after which one who confirmed what is being confirmed should ask again.
const BUSY_RETRY: u64 = 2;
/// Longer verifier URLs no browser takes. Bytes.
const LONGEST_URL: usize = 2048;

#[derive(Deserialize, ToSchema)]
#[schema(as = ConfirmUser)]
pub(super) struct Confirm {
    /// As it stood in the address that the browser came to.
    flow_id: String,
    /// Who is signed in there.
    user_id: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ConfirmedUser)]
pub(super) struct Answer {
    /// The authorization.
    #[schema(value_type = String)]
    auth_id: FlowId,
    /// Where the browser is to go on to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = "uri", required = false)]
    next_uri: Option<Url>,
}

/// An application says who came to its verifier URL.
#[utoipa::path(
    post,
    path = "/v1/auth/confirm_user",
    operation_id = "auth_confirm_user",
    tag = "auth",
    request_body = Confirm,
    responses(
        (status = OK, description = "The user was whom the connection was asked for; it is made", body = Answer),
        (status = NOT_FOUND, description = "Nobody waits to be verified with this id", body = ErrorBody),
        (status = CONFLICT, description = "It is being confirmed at this moment", body = ErrorBody),
    ),
)]
pub(super) async fn confirm_user(
    State(face): State<ApiFace>,
    caller: Caller,
    Body(said): Body<Confirm>,
) -> Result<Json<Answer>, ApiError> {
    let confirmed = confirmed(&face, &caller, (&said.flow_id, &said.user_id), false).await;
    let Confirmed { id, next, .. } = confirmed.map_err(|error| error.by(&caller))?;
    Ok(Json(Answer {
        auth_id: id,
        next_uri: next,
    }))
}

/// What came of the word that the user came with the ticket.
pub(super) async fn confirmed(
    face: &ApiFace,
    caller: &Caller,
    (ticket, user_id): (&str, &str),
    by_link: bool,
) -> Result<Confirmed, ApiError> {
    let user = caller.user(user_id)?;
    let word = Vouching {
        user: &user,
        ticket,
        by_link,
    };
    let said = face.pages.confirm(word).await;
    said.map_err(|error| refused(face, &error, by_link))
}

fn refused(face: &ApiFace, error: &ConfirmError, by_link: bool) -> ApiError {
    let gone = || ApiError::not_found("nobody waits to be verified with this id");
    match error {
        ConfirmError::Unknown => gone(),
        // Whoever gave the address for one flow knows only of flows that wait.
        ConfirmError::NotAwaited | ConfirmError::Ended(_) if by_link => gone(),
        ConfirmError::OtherPerson => {
            let status = if by_link {
                StatusCode::FORBIDDEN
            } else {
                StatusCode::BAD_REQUEST
            };
            ApiError::new(status, "user_mismatch", error.to_string())
        }
        ConfirmError::NotAwaited => ApiError::bad("not_awaiting_verification", error.to_string()),
        ConfirmError::Ended(_) => ApiError::bad("connection_failed", error.to_string()),
        ConfirmError::Failed(why) => {
            let reference = why
                .reference()
                .map(|reference| format!(" (reference {reference})"));
            let message = format!(
                "the connection was not made: {why}{}",
                reference.unwrap_or_default()
            );
            ApiError::bad("connection_failed", message).logged()
        }
        ConfirmError::Busy => {
            ApiError::new(StatusCode::CONFLICT, "busy", error.to_string()).retry_after(BUSY_RETRY)
        }
        ConfirmError::Store(store) => ApiError::fault(&face.faults, "confirming a user", store),
    }
}

#[derive(Deserialize, ToSchema)]
#[schema(as = ValidateVerifier)]
pub(super) struct Validate {
    /// Who is to come.
    user_id: String,
    /// The address to try.
    verifier_url: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = VerifierRehearsal)]
pub(super) struct Rehearsing {
    /// What the application is to confirm.
    flow_id: String,
    /// Where the user's browser is to go: the verifier URL with the `flow_id`.
    #[schema(value_type = String, format = "uri")]
    next_uri: Url,
    /// To ask `GET /v1/auth/status` how it went.
    #[schema(value_type = String)]
    auth_id: FlowId,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// Tries a verifier URL out; nothing is connected.
#[utoipa::path(
    post,
    path = "/v1/auth/validate_custom_verifier",
    operation_id = "auth_validate_custom_verifier",
    tag = "auth",
    request_body = Validate,
    responses((status = OK, description = "Where the browser is to go", body = Rehearsing)),
)]
pub(super) async fn validate_custom_verifier(
    State(face): State<ApiFace>,
    caller: Caller,
    Body(wish): Body<Validate>,
) -> Result<Json<Rehearsing>, ApiError> {
    let rehearsal = rehearse(&face, &caller, &wish).await;
    rehearsal.map(Json).map_err(|error| error.by(&caller))
}

async fn rehearse(
    face: &ApiFace,
    caller: &Caller,
    wish: &Validate,
) -> Result<Rehearsing, ApiError> {
    must_vouch(caller)?;
    let user = caller.user(&wish.user_id)?;
    let url = Url::parse(&wish.verifier_url).ok();
    let url = url.filter(|url| {
        let taken = url.query_pairs().any(|(name, _)| name == "flow_id");
        app::is_plain(url) && !taken && wish.verifier_url.len() <= LONGEST_URL
    });
    let url = url.ok_or_else(|| {
        ApiError::bad(
            "invalid_url",
            "`verifier_url` must be an https:// address (http:// only on this machine) without a user name and without a `flow_id` of its own",
        )
    })?;
    let begun = face.connect.rehearse(&user, &url).await;
    let begun =
        begun.map_err(|error| ApiError::fault(&face.faults, "beginning a rehearsal", &error))?;
    Ok(Rehearsing {
        flow_id: begun.flow_id().to_owned(),
        next_uri: begun.url,
        auth_id: begun.id,
        expires_at: begun.expires,
    })
}

/// Only of users that an application vouches for there is anything to verify.
pub(super) fn must_vouch(caller: &Caller) -> Result<(), ApiError> {
    if caller.user_source().app().is_some() {
        return Ok(());
    }
    Err(ApiError::bad(
        "no_verifier",
        "the users of this API key sign in with the gateway itself, which verifies them: use `POST /v1/auth/authorize`",
    ))
}
