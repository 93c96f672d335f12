//! Upstreams, as programs of operators see them.

use utoipa_axum::router::OpenApiRouter;

use super::ApiFace;

pub(super) fn routes() -> OpenApiRouter<ApiFace> {
    OpenApiRouter::new()
}
