//! `authorize` and `status`: a connection is asked for, and waited for. Tokens are in no answer.

use std::time::Duration;

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::Instant;
use url::Url;
use utoipa::{IntoParams, ToSchema};

use super::{
    ApiFace,
    body::{self, Body, Parameters},
    caller::Caller,
    error::{ApiError, ErrorBody},
};
use crate::{
    base::id::{FlowId, ProviderName, UserId},
    config::Provider,
    connect::{
        Ask, ConnectError, Ending, Offer,
        flow::{Flow, Status},
        rehearsal::Heard,
    },
    protocol::oauth::scope::ScopeSet,
    vault::{ConnectionState, Filter, Slot},
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

/// How a connection stands.
#[derive(Serialize, ToSchema)]
pub(super) struct Authorization {
    /// To wait for it with; absent when nothing had to be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    id: Option<FlowId>,
    status: Word,
    /// Where the user goes to connect the account, while it is pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = "uri", required = false)]
    url: Option<Url>,
    scopes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    provider_id: Option<ProviderName>,
    user_id: String,
    /// Programs look for a token in it; it never has one.
    #[schema(value_type = Object)]
    context: Map<String, Value>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AuthorizationStatus)]
#[serde(rename_all = "snake_case")]
enum Word {
    Pending,
    Completed,
    Failed,
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
    let answer = Authorization {
        id: None,
        status: Word::Completed,
        url: None,
        scopes: list(&scopes),
        provider_id: Some(provider.clone()),
        user_id: user.subject().to_owned(),
        context: Map::new(),
    };
    let Some(scopes) = lacking(face, &user, (provider, config), &scopes).await? else {
        return Ok(answer);
    };
    let wanted = Wanted {
        user: &user,
        provider,
        config,
        slot: &Slot::Default,
        scopes: &scopes,
        ending: &ending,
    };
    let offer = offer(face, caller, wanted).await?;
    Ok(Authorization {
        id: Some(offer.flow),
        status: Word::Pending,
        url: Some(offer.url),
        scopes: list(&offer.scopes),
        ..answer
    })
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

/// What to ask the user for; `None` if the connection is there. Nobody is asked, and no token is touched.
async fn lacking(
    face: &ApiFace,
    user: &UserId,
    (name, provider): (&ProviderName, &Provider),
    required: &ScopeSet,
) -> Result<Option<ScopeSet>, ApiError> {
    let filter = Filter {
        user: Some(user),
        provider: Some(name),
    };
    let page = face.vault.page(None, usize::MAX, filter).await;
    let page =
        page.map_err(|error| ApiError::fault(&face.faults, "looking up a connection", &error))?;
    let default = page.connections.into_iter().find(|known| known.is_default);
    let Some(connection) = default.filter(|known| known.fits(provider)) else {
        return Ok(Some(required.clone()));
    };
    let enough = connection.by_key || required.missing_from(&connection.scopes).is_empty();
    let there = enough && connection.state != ConnectionState::NeedsUser;
    Ok((!there).then(|| required.union(&connection.scopes)))
}

/// A connection to be asked for.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub user: &'a UserId,
    pub provider: &'a ProviderName,
    pub config: &'a Provider,
    pub slot: &'a Slot,
    pub scopes: &'a ScopeSet,
    pub ending: &'a Ending,
}

/// The link for it.
pub(super) async fn offer(
    face: &ApiFace,
    caller: &Caller,
    wanted: Wanted<'_>,
) -> Result<Offer, ApiError> {
    let ask = Ask {
        user: wanted.user,
        asker: &caller.asker(),
        gateway: None,
        provider: wanted.provider,
        config: wanted.config,
        slot: wanted.slot,
        scopes: wanted.scopes,
        ending: wanted.ending,
        notify: None,
    };
    face.connect.offer(ask).await.map_err(|error| match error {
        ConnectError::TooMany(wait) => {
            let (status, seconds) = (StatusCode::TOO_MANY_REQUESTS, wait.as_secs().max(1));
            ApiError::new(status, "rate_limit", error.to_string()).retry_after(seconds)
        }
        ConnectError::Store(error) => ApiError::fault(&face.faults, "offering a link", &error),
    })
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
    let (user, now) = look(face, caller, &id).await?.ok_or_else(unknown)?;
    if wait.is_zero() || now.status == Word::Completed {
        return Ok(now);
    }
    let mut signal = face.signals.subscribe(&format!("connected/{}", user.key()));
    loop {
        let (_, now) = look(face, caller, &id).await?.ok_or_else(unknown)?;
        if now.status == Word::Completed {
            return Ok(now);
        }
        tokio::select! {
            () = signal.wait() => {}
            () = tokio::time::sleep_until(deadline) => return Ok(now),
            () = face.stopping.cancelled() => return Ok(now),
        }
    }
}

/// How it stands now; `None` if there is no such flow of the caller's users.
async fn look(
    face: &ApiFace,
    caller: &Caller,
    id: &FlowId,
) -> Result<Option<(UserId, Authorization)>, ApiError> {
    let fault = |error| ApiError::fault(&face.faults, "looking up a flow", &error);
    let found = match face.connect.load(id).await.map_err(fault)? {
        Some(flow) => Some(of_flow(face, flow)),
        None => {
            let rehearsal = face.connect.rehearsal(id).await.map_err(fault)?;
            rehearsal.map(|rehearsal| {
                let word = match rehearsal.heard {
                    None => Word::Pending,
                    Some(Heard::Them) => Word::Completed,
                    Some(Heard::AnotherPerson) => Word::Failed,
                };
                let answer = answer(id.clone(), word, &rehearsal.user);
                (rehearsal.user, answer)
            })
        }
    };
    Ok(found.filter(|(user, _)| *user.source() == caller.source))
}

fn of_flow(face: &ApiFace, flow: Flow) -> (UserId, Authorization) {
    let word = match flow.status(face.connect.now()) {
        Status::Open => Word::Pending,
        Status::Completed => Word::Completed,
        Status::Failed(_) | Status::Expired => Word::Failed,
    };
    let pending = word == Word::Pending;
    let answer = Authorization {
        url: pending.then(|| face.connect.url(&flow)),
        scopes: list(&flow.scopes),
        provider_id: Some(flow.provider),
        ..answer(flow.id, word, &flow.user)
    };
    (flow.user, answer)
}

fn answer(id: FlowId, status: Word, user: &UserId) -> Authorization {
    Authorization {
        id: Some(id),
        status,
        url: None,
        scopes: Vec::new(),
        provider_id: None,
        user_id: user.subject().to_owned(),
        context: Map::new(),
    }
}

fn list(scopes: &ScopeSet) -> Vec<String> {
    scopes.iter().map(str::to_owned).collect()
}
