//! `/v1/admin/secrets`: set, listed and removed; never read.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use toml::Table;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    super::{
        ApiFace,
        body::{Body, Named, Parameters},
        caller::{Admin, Caller},
        error::{ApiError, ErrorBody},
        file,
        page::{Page, Part},
    },
    Binding,
};
use crate::{
    base::{clock::Timestamp, secret::Secret},
    secrets::{Known, Place, SecretError},
};

/// A secret, but for what it says.
#[derive(Serialize, ToSchema)]
struct StoredSecret {
    /// The same as `key`.
    id: String,
    /// What tools ask for.
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    description: Option<String>,
    binding: Binding,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, required = false)]
    created_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, required = false)]
    updated_at: Option<Timestamp>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = SetSecret)]
struct Given {
    #[schema(min_length = 1, max_length = 5000)]
    value: String,
    /// What it is; when nothing is said, as it was.
    #[schema(max_length = 500)]
    description: Option<String>,
}

pub(super) fn routes() -> OpenApiRouter<ApiFace> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(set, remove))
}

/// Lists secrets; not what they say.
#[utoipa::path(
    get,
    path = "/v1/admin/secrets",
    operation_id = "admin_secrets_list",
    tag = "admin",
    params(Part),
    responses((status = OK, description = "A page of secrets", body = Page<StoredSecret>)),
)]
async fn list(
    State(face): State<ApiFace>,
    Admin(caller): Admin,
    Parameters(part): Parameters<Part>,
) -> Result<Json<Page<StoredSecret>>, ApiError> {
    let all = face.secrets.list(&caller.config).await;
    let all = all.map_err(|error| ApiError::fault(&face.faults, "listing secrets", &error));
    let page = all.and_then(|all| part.of(all, shown));
    page.map(Json).map_err(|error| error.by(&caller))
}

/// Sets a secret, new or in another's place.
#[utoipa::path(
    post,
    path = "/v1/admin/secrets/{key}",
    operation_id = "admin_secrets_create",
    tag = "admin",
    params(("key" = String, Path, description = "What tools ask for: 1 to 100 letters, digits, `_`, `-` or `.`")),
    request_body = Given,
    responses(
        (status = OK, description = "It is set", body = StoredSecret),
        (status = CONFLICT, description = "It is in gateway.toml, which wins", body = ErrorBody),
    ),
)]
async fn set(
    State(face): State<ApiFace>,
    Admin(caller): Admin,
    Named(key): Named<String>,
    Body(given): Body<Given>,
) -> Result<Json<StoredSecret>, ApiError> {
    let value = Secret::from(given.value);
    let description = given.description.as_deref();
    let set = face.secrets.set(&caller.config, &key, &value, description);
    match set.await {
        Ok(known) => Ok(Json(shown(known))),
        Err(error) => Err(refused(&face, &caller, &error)),
    }
}

/// Forgets a secret.
#[utoipa::path(
    delete,
    path = "/v1/admin/secrets/{key}",
    operation_id = "admin_secrets_delete",
    tag = "admin",
    params(("key" = String, Path, description = "The secret's `id`, which is its `key`")),
    responses(
        (status = NO_CONTENT, description = "It is forgotten"),
        (status = CONFLICT, description = "It is in gateway.toml", body = ErrorBody),
    ),
)]
async fn remove(
    State(face): State<ApiFace>,
    Admin(caller): Admin,
    Named(key): Named<String>,
) -> Result<StatusCode, ApiError> {
    match face.secrets.remove(&caller.config, &key).await {
        Ok(_) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(refused(&face, &caller, &error)),
    }
}

fn refused(face: &ApiFace, caller: &Caller, error: &SecretError) -> ApiError {
    let refused = match error {
        SecretError::InFile(name) => {
            let entry = Table::from_iter([(name.clone(), file::variable(&[name]))]);
            let table = Table::from_iter([("secrets".to_owned(), entry.into())]);
            ApiError::by_file(file::written(&table))
        }
        SecretError::Unknown => ApiError::not_found("there is no such secret"),
        SecretError::Name => ApiError::bad("invalid_key", error.to_string()),
        SecretError::Value => ApiError::bad("invalid_value", error.to_string()),
        SecretError::Description => ApiError::bad("invalid_description", error.to_string()),
        SecretError::Store(error) => ApiError::fault(&face.faults, "changing a secret", error),
    };
    refused.by(caller)
}

fn shown(known: Known) -> StoredSecret {
    StoredSecret {
        id: known.name.clone(),
        key: known.name,
        description: known.description,
        binding: match known.place {
            Place::File => Binding::FILE,
            Place::Store => Binding::STORE,
        },
        created_at: known.created,
        updated_at: known.updated,
    }
}
