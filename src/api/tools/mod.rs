//! Tools: listed, described in the formats of models, authorized and executed.

use utoipa_axum::router::OpenApiRouter;

use super::ApiFace;

pub(super) fn routes() -> OpenApiRouter<ApiFace> {
    OpenApiRouter::new()
}
