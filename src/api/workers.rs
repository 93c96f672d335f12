//! Upstreams, as programs of operators see them. They are changed in `gateway.toml`: who asks for a change here gets the lines
//! that would make it.

mod shown;
mod test;
mod wish;

use axum::{Json, extract::State};
use utoipa_axum::{router::OpenApiRouter, routes};

use self::{
    shown::{Worker, WorkerHealth, WorkerTool, shown},
    wish::{WorkerChange, WorkerWish},
};
use super::{
    ApiFace,
    body::{Body, Named, Parameters},
    caller::{Admin, Caller},
    error::{ApiError, ErrorBody},
    file,
    page::{Page, Paging},
};
use crate::{
    base::id::UpstreamName,
    config::Upstream,
    upstream::{Caller as Nobody, UpstreamError},
};

pub(super) fn routes() -> OpenApiRouter<ApiFace> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(test::test))
        .routes(routes!(get, patch, remove))
        .routes(routes!(health))
        .routes(routes!(tools))
}

/// Lists the upstreams.
#[utoipa::path(
    get,
    path = "/v1/workers",
    operation_id = "workers_list",
    tag = "workers",
    params(Paging),
    responses((status = OK, description = "A page of upstreams", body = Page<Worker>)),
)]
async fn list(
    Admin(caller): Admin,
    Parameters(paging): Parameters<Paging>,
) -> Result<Json<Page<Worker>>, ApiError> {
    let page = paging.of(&caller.config.upstreams, shown);
    page.map(Json).map_err(|error| error.by(&caller))
}

/// Describes an upstream.
#[utoipa::path(
    get,
    path = "/v1/workers/{id}",
    operation_id = "workers_get",
    tag = "workers",
    params(("id" = String, Path, description = "The upstream's name")),
    responses((status = OK, description = "The upstream", body = Worker)),
)]
async fn get(Admin(caller): Admin, Named(id): Named<String>) -> Result<Json<Worker>, ApiError> {
    let found = known(&caller, &id).map(shown);
    found.map(Json).map_err(|error| error.by(&caller))
}

/// Says how an upstream is added: in gateway.toml.
#[utoipa::path(
    post,
    path = "/v1/workers",
    operation_id = "workers_create",
    tag = "workers",
    request_body = WorkerWish,
    responses((status = CONFLICT, description = "Upstreams are decided in gateway.toml; `toml` says how", body = ErrorBody)),
)]
async fn create(Admin(caller): Admin, Body(wish): Body<WorkerWish>) -> ApiError {
    let refused = wish.toml().map_or_else(|bad| bad, ApiError::by_file);
    refused.by(&caller)
}

/// Says how an upstream is changed: in gateway.toml.
#[utoipa::path(
    patch,
    path = "/v1/workers/{id}",
    operation_id = "workers_update",
    tag = "workers",
    params(("id" = String, Path, description = "The upstream's name")),
    request_body = WorkerChange,
    responses((status = CONFLICT, description = "Upstreams are decided in gateway.toml; `toml` says how", body = ErrorBody)),
)]
async fn patch(
    Admin(caller): Admin,
    Named(id): Named<String>,
    Body(change): Body<WorkerChange>,
) -> ApiError {
    let refused = known(&caller, &id).and_then(|(name, _)| change.toml(name));
    refused
        .map_or_else(|bad| bad, ApiError::by_file)
        .by(&caller)
}

/// Says how an upstream is removed: in gateway.toml.
#[utoipa::path(
    delete,
    path = "/v1/workers/{id}",
    operation_id = "workers_delete",
    tag = "workers",
    params(("id" = String, Path, description = "The upstream's name")),
    responses((status = CONFLICT, description = "Upstreams are decided in gateway.toml; `toml` says how", body = ErrorBody)),
)]
async fn remove(Admin(caller): Admin, Named(id): Named<String>) -> ApiError {
    let refused = known(&caller, &id).map(|_| file::without("upstreams", &id));
    refused
        .map_or_else(|bad| bad, ApiError::by_file)
        .by(&caller)
}

/// Asks an upstream for its tools, and says how that went.
#[utoipa::path(
    get,
    path = "/v1/workers/{id}/health",
    operation_id = "workers_health",
    tag = "workers",
    params(("id" = String, Path, description = "The upstream's name")),
    responses((status = OK, description = "How it went", body = WorkerHealth)),
)]
async fn health(
    State(face): State<ApiFace>,
    Admin(caller): Admin,
    Named(id): Named<String>,
) -> Result<Json<WorkerHealth>, ApiError> {
    let (name, upstream) = known(&caller, &id).map_err(|error| error.by(&caller))?;
    let listed = face
        .upstreams
        .list_tools(upstream, &Nobody::default())
        .await;
    let (healthy, message) = match listed {
        Ok(list) => (true, format!("it offers {} tools", list.tools.len())),
        Err(error) => said(name, upstream, &error),
    };
    Ok(Json(WorkerHealth {
        id: name.clone(),
        enabled: true,
        healthy,
        message,
    }))
}

/// Lists what an upstream offers to nobody in particular.
#[utoipa::path(
    get,
    path = "/v1/workers/{id}/tools",
    operation_id = "workers_tools",
    tag = "workers",
    params(("id" = String, Path, description = "The upstream's name"), Paging),
    responses(
        (status = OK, description = "A page of tools", body = Page<WorkerTool>),
        (status = BAD_GATEWAY, description = "The upstream does not say", body = ErrorBody),
    ),
)]
async fn tools(
    State(face): State<ApiFace>,
    Admin(caller): Admin,
    Named(id): Named<String>,
    Parameters(paging): Parameters<Paging>,
) -> Result<Json<Page<WorkerTool>>, ApiError> {
    let page = offered(&face, &caller, &id, paging).await;
    page.map(Json).map_err(|error| error.by(&caller))
}

async fn offered(
    face: &ApiFace,
    caller: &Caller,
    id: &str,
    paging: Paging,
) -> Result<Page<WorkerTool>, ApiError> {
    let (name, upstream) = known(caller, id)?;
    let nobody = Nobody::default();
    let listed = face.upstreams.list_tools(upstream, &nobody).await;
    let listed = listed.map_err(|error| {
        let status = axum::http::StatusCode::BAD_GATEWAY;
        let (_, message) = said(name, upstream, &error);
        ApiError::new(status, "upstream_unavailable", message).should_retry(false)
    })?;
    paging.of(listed.tools, |tool| WorkerTool::of(name, &tool))
}

fn known<'c>(caller: &'c Caller, id: &str) -> Result<(&'c UpstreamName, &'c Upstream), ApiError> {
    let found = caller.config.upstreams.get_key_value(id);
    found.ok_or_else(|| ApiError::not_found("there is no such upstream"))
}

/// Whether an upstream that gave no list is well all the same, and what to tell.
fn said(name: &UpstreamName, upstream: &Upstream, error: &UpstreamError) -> (bool, String) {
    let wants_a_user = !upstream.requirements.is_empty();
    match error {
        UpstreamError::Unauthorized { .. } | UpstreamError::InsufficientScope { .. }
            if wants_a_user =>
        {
            let message = "it answers; which tools it offers depends on the user";
            (true, message.to_owned())
        }
        // Which setting that is concerns operators alone, as these are.
        UpstreamError::NotTrusted { .. } => (false, error.to_string()),
        error => {
            tracing::info!(upstream = name.as_str(), %error, "an operator was told that an upstream is not well");
            (false, error.public().to_owned())
        }
    }
}
