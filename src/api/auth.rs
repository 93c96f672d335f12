//! `authorize` and `status`: a connection is asked for, and waited for.

use std::time::Duration;

use axum::{Json, extract::State};
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};

use super::{
    ApiFace,
    asking::{self, Accounts, Authorization, Wanted, Word},
    body::{self, Body, Parameters},
    caller::Caller,
    error::{ApiError, ErrorBody},
};
use crate::{
    base::id::{FlowId, UserId},
    config::Provider,
    connect::{
        Ending,
        flow::{Flow, Status},
        rehearsal::Heard,
    },
    vault::Slot,
};

/// Nobody is held longer: programs give a request up after a minute. Seconds.
const LONGEST_WAIT: u64 = 59;

#[derive(Deserialize, ToSchema)]
pub(super) struct Authorize {
    auth_requirement: Requirement,
    /// Whose account is to be connected; the id that the application knows them by.
    user_id: String,
    /// Where the user's browser goes afterwards.
    next_uri: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = AuthRequirement)]
struct Requirement {
    /// Of a provider in `gateway.toml`; wins over `provider_id`.
    id: Option<String>,
    /// The same.
    provider_id: Option<String>,
    /// `oauth2` or `api_key`.
    provider_type: Option<String>,
    oauth2: Option<OAuth2>,
}

#[derive(Deserialize, ToSchema)]
struct OAuth2 {
    /// What the token must be good for.
    scopes: Option<Vec<String>>,
}

/// Asks for a connection.
///
/// If there is none that is good for the scopes, the answer has the link at which the user connects one.
#[utoipa::path(
    post,
    path = "/v1/auth/authorize",
    operation_id = "auth_authorize",
    tag = "auth",
    request_body = Authorize,
    responses(
        (status = OK, description = "How the connection stands", body = Authorization),
        (status = TOO_MANY_REQUESTS, description = "Too many links for this user", body = ErrorBody),
    ),
)]
pub(super) async fn authorize(
    State(face): State<ApiFace>,
    caller: Caller,
    Body(wish): Body<Authorize>,
) -> Result<Json<Authorization>, ApiError> {
    let authorization = authorization(&face, &caller, &wish).await;
    authorization.map(Json).map_err(|error| error.by(&caller))
}

async fn authorization(
    face: &ApiFace,
    caller: &Caller,
    wish: &Authorize,
) -> Result<Authorization, ApiError> {
    let user = caller.user(&wish.user_id)?;
    let requirement = &wish.auth_requirement;
    let name = requirement.id.as_deref().filter(|id| !id.is_empty());
    let name = name.or(requirement.provider_id.as_deref());
    let (provider, config) = body::provider(caller, name.unwrap_or_default())?;
    right_type(requirement, config)?;
    let listed = requirement.oauth2.as_ref();
    let listed = listed.and_then(|oauth2| oauth2.scopes.as_deref());
    let scopes = body::scopes(listed.unwrap_or_default())?;
    let next_uri = wish.next_uri.as_deref();
    let next_uri = next_uri.map(|next| caller.address("next_uri", next));
    let ending = Ending {
        next_uri: next_uri.transpose()?,
        ..Ending::default()
    };
    let wanted = Wanted {
        user: &user,
        provider,
        config,
        slot: &Slot::Default,
        scopes: &scopes,
        ending: &ending,
    };
    asking::ask(face, caller, wanted).await
}

fn right_type(requirement: &Requirement, config: &Provider) -> Result<(), ApiError> {
    let kind = match config {
        Provider::OAuth(_) => "oauth2",
        Provider::ApiKey(_) => "api_key",
    };
    let asked = requirement.provider_type.as_deref();
    if asked.is_none_or(|asked| asked.is_empty() || asked == kind) {
        return Ok(());
    }
    let message = format!("the provider is of the type {kind}");
    Err(ApiError::bad("wrong_provider_type", message))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// The authorization.
    id: String,
    /// How many seconds to wait for it to be completed; more than 59 are 59.
    wait: Option<u64>,
}

/// Says how a connection stands, and waits for it.
///
/// One that failed is held for the whole wait, too.
#[utoipa::path(
    get,
    path = "/v1/auth/status",
    operation_id = "auth_status",
    tag = "auth",
    params(Which),
    responses(
        (status = OK, description = "How the connection stands", body = Authorization),
        (status = NOT_FOUND, description = "There is no such authorization of this key's users", body = ErrorBody),
    ),
)]
pub(super) async fn status(
    State(face): State<ApiFace>,
    caller: Caller,
    Parameters(which): Parameters<Which>,
) -> Result<Json<Authorization>, ApiError> {
    let standing = standing(&face, &caller, &which).await;
    standing.map(Json).map_err(|error| error.by(&caller))
}

/// How it stands, at the latest after the wait. Programs ask again until it is completed, so what has failed is held for the
/// whole wait: else they would ask without end and without pause.
async fn standing(
    face: &ApiFace,
    caller: &Caller,
    which: &Which,
) -> Result<Authorization, ApiError> {
    let unknown = || ApiError::not_found("there is no such authorization");
    let id = FlowId::parse(&which.id).ok_or_else(unknown)?;
    let wait = Duration::from_secs(which.wait.unwrap_or_default().min(LONGEST_WAIT));
    let deadline = Instant::now() + wait;
    let found = look(face, caller, &id).await?.ok_or_else(unknown)?;
    if wait.is_zero() || found.now.status == Word::Completed {
        return found.told(face, caller).await;
    }
    let Found { user, .. } = found;
    let mut signal = face.signals.subscribe(&format!("connected/{}", user.key()));
    loop {
        let found = look(face, caller, &id).await?.ok_or_else(unknown)?;
        if found.now.status == Word::Completed {
            return found.told(face, caller).await;
        }
        let now = found.now;
        tokio::select! {
            () = signal.wait() => {}
            () = tokio::time::sleep_until(deadline) => return Ok(now),
            () = face.stopping.cancelled() => return Ok(now),
        }
    }
}

/// A flow that was looked up.
struct Found {
    user: UserId,
    slot: Slot,
    now: Authorization,
}

impl Found {
    /// Once it is there: with what it is good for, and with the token, if the caller may see it.
    async fn told(self, face: &ApiFace, caller: &Caller) -> Result<Authorization, ApiError> {
        let Self { user, slot, now } = self;
        let known = now.provider_id.as_ref();
        let known = known.and_then(|name| caller.config.providers.get_key_value(name));
        let (Word::Completed, Some((name, provider))) = (now.status, known) else {
            return Ok(now);
        };
        let accounts = Accounts::at(face, &user, name).await?;
        let now = now.good_for(accounts.find(name, provider, &slot));
        asking::with_token(face, caller, now, &user, &slot).await
    }
}

/// How it stands now; `None` if there is no such flow of the caller's users.
async fn look(face: &ApiFace, caller: &Caller, id: &FlowId) -> Result<Option<Found>, ApiError> {
    let fault = |error| ApiError::fault(&face.faults, "looking up a flow", &error);
    let found = match face.connect.load(id).await.map_err(fault)? {
        Some(flow) => Some(of_flow(face, flow)),
        None => {
            let rehearsal = face.connect.rehearsal(id).await.map_err(fault)?;
            rehearsal.map(|rehearsal| {
                let status = match rehearsal.heard {
                    None => Word::Pending,
                    Some(Heard::Them) => Word::Completed,
                    Some(Heard::AnotherPerson) => Word::Failed,
                };
                let now = Authorization {
                    id: Some(id.clone()),
                    status,
                    ..Authorization::completed(Some(&rehearsal.user))
                };
                Found {
                    user: rehearsal.user,
                    slot: Slot::Default,
                    now,
                }
            })
        }
    };
    Ok(found.filter(|found| *found.user.source() == caller.source))
}

fn of_flow(face: &ApiFace, flow: Flow) -> Found {
    let status = match flow.status(face.connect.now()) {
        Status::Open => Word::Pending,
        Status::Completed => Word::Completed,
        Status::Failed(_) | Status::Expired => Word::Failed,
    };
    let pending = status == Word::Pending;
    let now = Authorization {
        url: pending.then(|| face.connect.url(&flow)),
        scopes: asking::list(&flow.scopes),
        provider_id: Some(flow.provider),
        id: Some(flow.id),
        status,
        ..Authorization::completed(Some(&flow.user))
    };
    Found {
        user: flow.user,
        slot: flow.slot,
        now,
    }
}
