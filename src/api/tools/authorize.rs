//! `POST /v1/tools/authorize`: the account that a tool needs is asked for.

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::ToSchema;

use super::refused::{is_named, refusal};
use crate::{
    api::{
        ApiFace,
        asking::{self, Accounts, Authorization, Wanted, Word},
        body::Body,
        caller::Caller,
        error::{ApiError, ErrorBody},
    },
    connect::Ending,
    execution::NotExecuted,
    gateway::{admit::AdmitError, required},
};

#[derive(Deserialize, ToSchema)]
pub(super) struct AuthorizeTool {
    /// In any of the forms that `execute` takes.
    tool_name: String,
    /// Of that version and no other.
    tool_version: Option<String>,
    /// Whose account is to be connected.
    user_id: Option<String>,
    /// Where the user's browser goes afterwards.
    next_uri: Option<String>,
}

/// Asks for the account that a tool needs.
///
/// If it is there, or the tool needs none, the answer is `completed` at once; else it has the link at which the user connects
/// it. Of a tool that needs several, the first that is missing: ask again once it is connected.
#[utoipa::path(
    post,
    path = "/v1/tools/authorize",
    operation_id = "tools_authorize",
    tag = "tools",
    request_body = AuthorizeTool,
    responses(
        (status = OK, description = "How the connection stands", body = Authorization),
        (status = FORBIDDEN, description = "The user has no tools here", body = ErrorBody),
        (status = NOT_FOUND, description = "There is no such tool, or not in that version", body = ErrorBody),
        (status = TOO_MANY_REQUESTS, description = "Too many links for this user", body = ErrorBody),
    ),
)]
pub(super) async fn authorize(
    State(face): State<ApiFace>,
    caller: Caller,
    Body(wish): Body<AuthorizeTool>,
) -> Result<Json<Authorization>, ApiError> {
    let authorization = authorization(&face, &caller, &wish).await;
    authorization.map(Json).map_err(|error| error.by(&caller))
}

async fn authorization(
    face: &ApiFace,
    caller: &Caller,
    wish: &AuthorizeTool,
) -> Result<Authorization, ApiError> {
    is_named(&wish.tool_name)?;
    let config = &caller.config;
    let principal = caller.principal(face, wish.user_id.as_deref()).await?;
    let next_uri = wish.next_uri.as_deref();
    let next_uri = next_uri.map(|next| caller.address("next_uri", next));
    let ending = Ending {
        next_uri: next_uri.transpose()?,
        ..Ending::default()
    };
    let (name, version) = (&wish.tool_name, wish.tool_version.as_deref());
    let tool = face.executor.resolve(config, &principal, name, version);
    let tool = tool.await.map_err(|not| refusal(&not))?;
    let needed = required::accounts(config, &principal, &tool);
    let needed = needed.map_err(|error| refusal(&error.into()))?;
    if needed.is_empty() {
        let user = (!principal.is_program()).then(|| principal.user());
        return Ok(Authorization::completed(user));
    }
    if principal.is_program() {
        return Err(refusal(&NotExecuted::Admit(AdmitError::NoUser)));
    }
    let accounts = Accounts::of(face, principal.user()).await?;
    let missing = needed.iter().find(|needed| {
        let provider = &config.providers[needed.provider];
        let found = accounts.find(needed.provider, provider, &needed.slot);
        asking::status(found, &needed.scopes) != Word::Completed
    });
    let first = missing.unwrap_or(&needed[0]);
    let wanted = Wanted {
        user: principal.user(),
        provider: first.provider,
        config: &config.providers[first.provider],
        slot: &first.slot,
        scopes: &first.scopes,
        ending: &ending,
    };
    asking::ask(face, caller, wanted).await
}
