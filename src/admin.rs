//! What operators' programs reach at `server.admin_listen`: `/metrics`, `/healthz`, and `POST /admin/reload`.
//!
//! Nobody is asked who they are here. The listener is for this machine or a network of one's own; a browser is refused, so
//! that no page can act through the operator's.

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use metrics_exporter_prometheus::PrometheusHandle;

use crate::reload::Reloader;

/// What the handlers need. Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    /// Renders what was counted.
    pub metrics: PrometheusHandle,
    /// Takes a changed file over.
    pub reloader: Reloader,
}

/// The routes of the listener.
pub fn routes(admin: Admin) -> Router {
    Router::new()
        .route("/healthz", get(|| async { StatusCode::NO_CONTENT }))
        .route("/metrics", get(metrics))
        .route("/admin/reload", post(reload))
        .with_state(admin)
}

/// `GET /metrics`: the Prometheus text format.
async fn metrics(State(admin): State<Admin>) -> Response {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], admin.metrics.render()).into_response()
}

/// `POST /admin/reload`: 204 when the file is in force, 422 with its problems when it is not.
async fn reload(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    if headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site") {
        let why = "this is not for browsers\n";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    match admin.reloader.reload().await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(problems) => {
            (StatusCode::UNPROCESSABLE_ENTITY, format!("{problems}\n")).into_response()
        }
    }
}
