//! `/admin/secrets`: what tools need of the operator. Values come in and never go out.
//!
//! | | |
//! |---|---|
//! | `GET /admin/secrets` | `{secrets}`: name, description, place (`gateway.toml` or `store`), created, updated |
//! | `PUT /admin/secrets/{name}` | `{value, description?}` sets one, new or in another's place |
//! | `DELETE /admin/secrets/{name}` | forgets one |
//!
//! What is refused is said in one line of text.

use axum::{
    Json, Router,
    extract::{Path, State, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, put},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Operators;
use crate::{
    base::secret::Secret,
    secrets::{Known, SecretError},
};

/// A secret to set. Prints nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    value: String,
    #[serde(default)]
    description: Option<String>,
}

impl Given {
    /// This value, with this description; without one it keeps the one it had.
    pub fn new(value: String, description: Option<String>) -> Self {
        Self { value, description }
    }
}

impl Operators {
    /// `{secrets}`, by name.
    ///
    /// # Errors
    /// [`SecretError::Store`].
    pub async fn list_secrets(&self) -> Result<Value, SecretError> {
        let all = self.secrets.list(&self.live.now()).await?;
        Ok(json!({ "secrets": all }))
    }

    /// Sets one; what is known of it then.
    ///
    /// # Errors
    /// See [`SecretError`].
    pub async fn set_secret(&self, name: &str, given: Given) -> Result<Value, SecretError> {
        let (config, value) = (self.live.now(), Secret::from(given.value));
        let description = given.description.as_deref();
        let set = self.secrets.set(&config, name, &value, description);
        set.await.map(|known| shown(&known))
    }

    /// Forgets one; what was known of it.
    ///
    /// # Errors
    /// See [`SecretError`].
    pub async fn remove_secret(&self, name: &str) -> Result<Value, SecretError> {
        let removed = self.secrets.remove(&self.live.now(), name).await;
        removed.map(|known| shown(&known))
    }
}

fn shown(known: &Known) -> Value {
    json!(known)
}

pub(super) fn routes(operators: Operators) -> Router {
    Router::new()
        .route("/admin/secrets", get(list))
        .route("/admin/secrets/{name}", put(set).delete(remove))
        .with_state(operators)
}

async fn list(State(operators): State<Operators>) -> Response {
    answer(operators.list_secrets().await)
}

async fn set(
    State(operators): State<Operators>,
    Path(name): Path<String>,
    given: Result<Json<Given>, JsonRejection>,
) -> Response {
    match given {
        Ok(Json(given)) => answer(operators.set_secret(&name, given).await),
        // What it would say of the body may quote the value.
        Err(_) => {
            let why = "send {\"value\": \"…\", \"description\": \"…\"} as JSON\n";
            (StatusCode::BAD_REQUEST, why).into_response()
        }
    }
}

async fn remove(State(operators): State<Operators>, Path(name): Path<String>) -> Response {
    answer(operators.remove_secret(&name).await)
}

fn answer(done: Result<Value, SecretError>) -> Response {
    let error = match done {
        Ok(value) => return Json(value).into_response(),
        Err(error) => error,
    };
    let status = match &error {
        SecretError::Name | SecretError::Value | SecretError::Description => {
            StatusCode::BAD_REQUEST
        }
        SecretError::Unknown => StatusCode::NOT_FOUND,
        SecretError::InFile(_) => StatusCode::CONFLICT,
        SecretError::Store(error) => {
            tracing::warn!(%error, "what an operator asked of the secrets was not done");
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    (status, format!("{error}\n")).into_response()
}
