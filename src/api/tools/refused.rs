//! Why a tool is not there, or did not run, in the words and statuses that programs go by.
//!
//! SDKs repeat 409, 429 and 5xx by themselves, so whatever is not sure to have done nothing says that they should not.

use axum::http::StatusCode;

use crate::{
    execution::{Judgement, NotExecuted},
    gateway::admit::AdmitError,
    vault::VaultError,
};

use crate::api::error::ApiError;

/// What a tool needs is missing, and no consent of the user's would help.
const NOT_MET: &str = "tool_requirements_not_met";

/// That a request names a tool at all.
///
/// # Errors
/// 400.
pub(super) fn is_named(tool_name: &str) -> Result<(), ApiError> {
    if !tool_name.trim().is_empty() {
        return Ok(());
    }
    let message = "`tool_name` is empty; list the tools to see what they are called";
    Err(ApiError::bad("invalid_request", message))
}

/// The refusal for it. What an operator has to see to stands in the log.
pub(super) fn refusal(not: &NotExecuted) -> ApiError {
    let message = not.public();
    match not {
        NotExecuted::UnknownTool
        | NotExecuted::WrongVersion { .. }
        | NotExecuted::Admit(AdmitError::Gone(_)) => {
            ApiError::new(StatusCode::NOT_FOUND, "not_found", message)
        }
        NotExecuted::NeedsUser(_) => ApiError::forbidden("authorization_required", message),
        NotExecuted::Admit(AdmitError::Withheld { .. }) => ApiError::forbidden(NOT_MET, message),
        NotExecuted::Admit(AdmitError::NoUser) => ApiError::bad("user_id_required", message),
        NotExecuted::Admit(AdmitError::Vault(
            error @ (VaultError::Store(_)
            | VaultError::Sealed { .. }
            | VaultError::Unavailable { .. }),
        )) => unavailable(not, error, message),
        NotExecuted::Admit(AdmitError::Secret(error)) => unavailable(not, error, message),
        NotExecuted::Unrecorded(error) => unavailable(not, error, message),
        NotExecuted::Unlisted => unavailable(not, not, message),
        NotExecuted::Admit(error) => {
            tracing::warn!(%error, "a tool was not run");
            ApiError::bad(NOT_MET, message)
        }
    }
}

/// Nothing was executed; to send the same again is right where it may go well by itself.
fn unavailable(not: &NotExecuted, error: &dyn std::error::Error, message: String) -> ApiError {
    tracing::warn!(%error, "a tool was not run");
    let refusal = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message).logged();
    match not.judgement() {
        Judgement::Later { after: Some(after) } => {
            let refusal = refusal.retry_after(after.as_secs().max(1));
            refusal.should_retry(true)
        }
        Judgement::Later { after: None } => refusal.should_retry(true),
        Judgement::Final => refusal.should_retry(false),
    }
}
