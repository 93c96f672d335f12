//! `/v1/admin/user_connections`: what the key's users have connected.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::super::{
    ApiFace,
    body::{Named, Parameters},
    caller::{Admin, Caller},
    error::{ApiError, ErrorBody},
    page::{Page, Paging},
};
use crate::{
    audit::event::By,
    base::id::{ConnectionId, ProviderName, UserId},
    vault::{Connection, ConnectionState, Filter, VaultError},
};

/// Seconds after which a disconnection that did not go through is worth another try.
const PAUSE: u64 = 5;

/// One account of a user's.
#[derive(Serialize, ToSchema)]
struct UserConnection {
    /// What it is disconnected by.
    #[schema(value_type = String)]
    id: ConnectionId,
    /// The same.
    #[schema(value_type = String)]
    connection_id: ConnectionId,
    connection_status: Status,
    #[schema(value_type = String)]
    provider_id: ProviderName,
    /// `oauth2` or `api_key`
    provider_type: &'static str,
    /// What pages call the provider; empty when it is not configured any more.
    provider_description: String,
    provider_user_info: UserInfo,
    scopes: Vec<String>,
    user_id: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ConnectionStatus)]
#[serde(rename_all = "snake_case")]
enum Status {
    /// Tools can use it.
    Active,
    /// Its user has to connect it again.
    Inactive,
}

/// Whose account it is there, if the provider told.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = ConnectionUserInfo)]
struct UserInfo {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    email: Option<String>,
}

/// Whose and where; either form of a name will do.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Whose {
    /// Only connections at this provider.
    provider_id: Option<String>,
    /// The same.
    #[serde(rename = "provider[id]")]
    #[param(rename = "provider[id]")]
    provider: Option<String>,
    /// Only this user's connections.
    user_id: Option<String>,
    /// The same.
    #[serde(rename = "user[id]")]
    #[param(rename = "user[id]")]
    user: Option<String>,
}

pub(super) fn routes() -> OpenApiRouter<ApiFace> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(disconnect))
}

/// Lists the connections of the key's users.
#[utoipa::path(
    get,
    path = "/v1/admin/user_connections",
    operation_id = "admin_user_connections_list",
    tag = "admin",
    params(Whose, Paging),
    responses((status = OK, description = "A page of connections", body = Page<UserConnection>)),
)]
async fn list(
    State(face): State<ApiFace>,
    Admin(caller): Admin,
    Parameters(whose): Parameters<Whose>,
    Parameters(paging): Parameters<Paging>,
) -> Result<Json<Page<UserConnection>>, ApiError> {
    let all = connections(&face, &caller, whose).await;
    let page = all.and_then(|all| paging.of(all, |connection| shown(&caller, connection)));
    page.map(Json).map_err(|error| error.by(&caller))
}

async fn connections(
    face: &ApiFace,
    caller: &Caller,
    whose: Whose,
) -> Result<Vec<Connection>, ApiError> {
    let user = one(whose.user_id, whose.user)?;
    let user = user.map(|user| known_user(caller, &user)).transpose()?;
    let provider = one(whose.provider_id, whose.provider)?;
    // Nothing is connected at what cannot be a provider.
    let Ok(provider) = provider.map(|name| name.parse()).transpose() else {
        return Ok(Vec::new());
    };
    let filter = Filter {
        user: user.as_ref(),
        provider: provider.as_ref(),
    };
    let page = face.vault.page(None, usize::MAX, filter).await;
    let page = page.map_err(|error| fault(face, "listing connections", &error))?;
    let mut all = page.connections;
    all.retain(|connection| *connection.user.source() == caller.source);
    Ok(all)
}

/// A user who is not on the list any more may have connections still.
fn known_user(caller: &Caller, sent: &str) -> Result<UserId, ApiError> {
    let subject = crate::gateway::access::user_id(sent).ok_or_else(|| {
        let message = "`user_id` must be one id of 1 to 256 printable characters";
        ApiError::bad("invalid_user_id", message)
    })?;
    let subject = caller.user_source().subject(subject);
    Ok(UserId::new(caller.source.clone(), subject))
}

fn one(plain: Option<String>, bracketed: Option<String>) -> Result<Option<String>, ApiError> {
    match (plain, bracketed) {
        (Some(one), Some(other)) if one != other => {
            let message = "the two forms of a parameter say different things";
            Err(ApiError::bad("invalid_request", message))
        }
        (one, other) => Ok(one.or(other).filter(|text| !text.is_empty())),
    }
}

/// Disconnects an account of one of the key's users, and tells the provider.
#[utoipa::path(
    delete,
    path = "/v1/admin/user_connections/{id}",
    operation_id = "admin_user_connections_delete",
    tag = "admin",
    params(("id" = String, Path, description = "The connection")),
    responses(
        (status = NO_CONTENT, description = "It is disconnected, whatever the provider made of it"),
        (status = SERVICE_UNAVAILABLE, description = "Not now; it is as it was", body = ErrorBody),
    ),
)]
async fn disconnect(
    State(face): State<ApiFace>,
    Admin(caller): Admin,
    Named(id): Named<String>,
) -> Result<StatusCode, ApiError> {
    let ended = end(&face, &caller, &id).await;
    ended.map_err(|error| error.by(&caller))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn end(face: &ApiFace, caller: &Caller, id: &str) -> Result<(), ApiError> {
    let unknown = || ApiError::not_found("no user of this key has such a connection");
    let id: ConnectionId = id.parse().map_err(|_| unknown())?;
    let found = face.vault.by_id(&id).await;
    let found = found.map_err(|error| fault(face, "looking for a connection", &error))?;
    let own = found.filter(|connection| *connection.user.source() == caller.source);
    let connection = own.ok_or_else(unknown)?;
    let (user, name) = (&connection.user, &connection.provider);
    let provider = caller.config.providers.get(name);
    let ended = face
        .vault
        .disconnect(user, name, &id, provider, By::Operator);
    let ended = ended.await;
    let ended = ended.map_err(|error| fault(face, "disconnecting an account", &error))?;
    ended.map(drop).ok_or_else(unknown)
}

fn fault(face: &ApiFace, doing: &str, error: &VaultError) -> ApiError {
    match error {
        VaultError::Unavailable { .. } => {
            let message = "the connection is in use at this moment; try again";
            let status = StatusCode::SERVICE_UNAVAILABLE;
            ApiError::new(status, "busy", message).retry_after(PAUSE)
        }
        error => ApiError::fault(&face.faults, doing, error),
    }
}

fn shown(caller: &Caller, connection: Connection) -> UserConnection {
    let provider = caller.config.providers.get(&connection.provider);
    let account = connection.account.map(|account| UserInfo {
        sub: Some(account.id),
        name: account.name,
        email: account.email,
    });
    UserConnection {
        id: connection.id.clone(),
        connection_id: connection.id,
        connection_status: match connection.state {
            ConnectionState::NeedsUser => Status::Inactive,
            ConnectionState::Active | ConnectionState::Resting { .. } => Status::Active,
        },
        provider_type: if connection.by_key {
            "api_key"
        } else {
            "oauth2"
        },
        provider_description: provider.map_or_else(String::new, |it| it.title().to_owned()),
        provider_id: connection.provider,
        provider_user_info: account.unwrap_or_default(),
        scopes: connection.scopes.iter().map(str::to_owned).collect(),
        user_id: connection.user.subject().to_owned(),
    }
}
