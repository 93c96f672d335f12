//! `/admin/connections`: what users have connected, for operators.
//!
//! | | |
//! |---|---|
//! | `GET /admin/connections?user_source&user&provider&after&limit` | `{connections, next}`; `next` is the `after` of the next page |
//! | `DELETE /admin/connections/{id}` | disconnects, telling the provider: `{connection, revoked, why?}` |
//! | `POST /admin/connections/{id}/refresh` | renews the token now: `{connection, renewed}`; if it was not, `state` says why |
//!
//! What is refused is said in one line of text.

use axum::{
    Json, Router,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Operators;
use crate::{
    audit::event::By,
    base::id::{ConnectionId, ProviderName, UserId, UserSourceName},
    vault::{Connection, ConnectionState, Filter, Revocation, VaultError},
};

/// How many connections are on a page when nothing is said, and how many may be.
const PAGE: usize = 100;
const LARGEST_PAGE: usize = 1000;

/// Which connections to list.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Of users of this source.
    pub user_source: Option<UserSourceName>,
    /// Of this user of that source.
    pub user: Option<String>,
    /// At this provider.
    pub provider: Option<ProviderName>,
    /// From here on: `next` of the page before.
    pub after: Option<String>,
    /// At most so many.
    pub limit: Option<usize>,
}

/// Why there is nothing to show, or nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Nobody can say which user is meant.
    #[error("a user is named with their source: user_source and user")]
    NoSource,
    /// No such connection.
    #[error("there is no connection `{0}`")]
    Unknown(String),
    /// What is connected cannot be renewed with a provider that is not there.
    #[error("the provider `{0}` is not configured any more, or inactive")]
    NotConfigured(ProviderName),
    /// The vault could not.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl Operators {
    /// A page of connections: `{connections, next}`.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn list(&self, asked: &Asked) -> Result<Value, Refused> {
        let user = match (&asked.user_source, &asked.user) {
            (Some(source), Some(user)) => Some(UserId::new(source.clone(), user.as_str())),
            (None, Some(_)) => return Err(Refused::NoSource),
            (_, None) => None,
        };
        let filter = Filter {
            user: user.as_ref(),
            provider: asked.provider.as_ref(),
        };
        let limit = asked.limit.unwrap_or(PAGE).clamp(1, LARGEST_PAGE);
        let page = self
            .vault
            .page(asked.after.as_deref(), limit, filter)
            .await?;
        let of_source = |connection: &&Connection| {
            let source = asked.user_source.as_ref();
            source.is_none_or(|source| source == connection.user.source())
        };
        let connections: Vec<_> = page
            .connections
            .iter()
            .filter(of_source)
            .map(shown)
            .collect();
        Ok(json!({ "connections": connections, "next": page.next }))
    }

    /// Disconnects, and tells the provider: `{connection, revoked, why?}`.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn revoke(&self, id: &str) -> Result<Value, Refused> {
        let connection = self.by_id(id).await?;
        let config = self.live.now();
        let provider = config.providers.get(&connection.provider);
        let Connection {
            user,
            provider: name,
            id,
            ..
        } = &connection;
        let ended = self
            .vault
            .disconnect(user, name, id, provider, By::Operator)
            .await?;
        let ended = ended.ok_or_else(|| Refused::Unknown(id.to_string()))?;
        let (revoked, why) = match &ended.revoked {
            Revocation::Failed(error) => ("failed", Some(error.to_string())),
            revoked if provider.is_none() => (
                revoked.word(),
                Some(Refused::NotConfigured(name.clone()).to_string()),
            ),
            revoked => (revoked.word(), None),
        };
        Ok(json!({ "connection": shown(&ended.connection), "revoked": revoked, "why": why }))
    }

    /// Renews the token now: `{connection, renewed}`. Where there is nothing to renew it with, it is `active` and not renewed.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn refresh(&self, id: &str) -> Result<Value, Refused> {
        let connection = self.by_id(id).await?;
        let config = self.live.now();
        let Connection {
            user,
            provider: name,
            id,
            renewed,
            ..
        } = &connection;
        let provider = config.providers.get(name);
        let provider = provider.ok_or_else(|| Refused::NotConfigured(name.clone()))?;
        let fresh = self.vault.refresh_now(user, name, id, provider).await?;
        let fresh = fresh.ok_or_else(|| Refused::Unknown(id.to_string()))?;
        let renewed = fresh.renewed != *renewed;
        Ok(json!({ "connection": shown(&fresh), "renewed": renewed }))
    }

    async fn by_id(&self, id: &str) -> Result<Connection, Refused> {
        let unknown =
            || Refused::Unknown(id.chars().take(60).flat_map(char::escape_debug).collect());
        let parsed: ConnectionId = id.parse().map_err(|_| unknown())?;
        self.vault.by_id(&parsed).await?.ok_or_else(unknown)
    }
}

/// A connection for programs. Nothing of it is secret.
fn shown(connection: &Connection) -> Value {
    let (state, until, why) = match &connection.state {
        ConnectionState::Active => ("active", None, None),
        ConnectionState::NeedsUser => ("needs_user", None, None),
        ConnectionState::Resting { until, operator } => {
            let why = operator.map_or("unavailable", |error| error.as_str());
            ("resting", Some(until), Some(why))
        }
    };
    let account = connection
        .account
        .as_ref()
        .map(|account| json!({ "id": account.id, "name": account.name, "email": account.email }));
    json!({
        "id": connection.id.to_string(),
        "user_source": connection.user.source(),
        "user": connection.user.subject(),
        "provider": connection.provider,
        "account": account,
        "labels": connection.labels.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "default": connection.is_default,
        "scopes": connection.scopes,
        "withheld": connection.withheld,
        "connected": connection.connected,
        "renewed": connection.renewed,
        "expires": connection.expires,
        "used": connection.used,
        "state": state,
        "until": until,
        "why": why,
    })
}

pub(super) fn routes(operators: Operators) -> Router {
    Router::new()
        .route("/admin/connections", get(list))
        .route("/admin/connections/{id}", delete(revoke))
        .route("/admin/connections/{id}/refresh", post(refresh))
        .with_state(operators)
}

async fn list(
    State(operators): State<Operators>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    match asked {
        Ok(Query(asked)) => answer(operators.list(&asked).await),
        Err(bad) => (StatusCode::BAD_REQUEST, format!("{}\n", bad.body_text())).into_response(),
    }
}

async fn revoke(State(operators): State<Operators>, Path(id): Path<String>) -> Response {
    answer(operators.revoke(&id).await)
}

async fn refresh(State(operators): State<Operators>, Path(id): Path<String>) -> Response {
    answer(operators.refresh(&id).await)
}

fn answer(done: Result<Value, Refused>) -> Response {
    let refused = match done {
        Ok(value) => return Json(value).into_response(),
        Err(refused) => refused,
    };
    let status = match &refused {
        Refused::NoSource => StatusCode::BAD_REQUEST,
        Refused::Unknown(_) => StatusCode::NOT_FOUND,
        Refused::NotConfigured(_) => StatusCode::CONFLICT,
        Refused::Vault(error) => {
            tracing::warn!(%error, "what an operator asked of the vault was not done");
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    (status, format!("{refused}\n")).into_response()
}
