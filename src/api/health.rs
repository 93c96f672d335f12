//! Whether the gateway can serve.

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::ApiFace;

/// How the gateway is.
#[derive(Serialize, ToSchema)]
struct Health {
    healthy: bool,
    /// Why it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    reason: Option<&'static str>,
}

pub(super) fn routes() -> OpenApiRouter<ApiFace> {
    OpenApiRouter::new().routes(routes!(health))
}

/// Says whether the gateway can serve.
#[utoipa::path(
    get,
    path = "/v1/health",
    operation_id = "health",
    tag = "gateway",
    security(()),
    responses(
        (status = OK, description = "It can", body = Health),
        (status = SERVICE_UNAVAILABLE, description = "It cannot, for now", body = Health),
    ),
)]
async fn health(State(face): State<ApiFace>) -> (StatusCode, Json<Health>) {
    let reason = if face.stopping.is_cancelled() {
        Some("the gateway is stopping")
    } else if let Err(error) = face.secrets.reach().await {
        tracing::warn!(%error, "not healthy: the store cannot be read");
        Some("the store cannot be read")
    } else {
        None
    };
    let status = if reason.is_none() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let healthy = reason.is_none();
    (status, Json(Health { healthy, reason }))
}
