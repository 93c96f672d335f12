//! What is the operator's: providers, connections of all users, secrets. For keys with `admin`.

use utoipa_axum::router::OpenApiRouter;

use super::ApiFace;

pub(super) fn routes() -> OpenApiRouter<ApiFace> {
    OpenApiRouter::new()
}
