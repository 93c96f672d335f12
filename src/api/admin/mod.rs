//! What is the operator's: providers, connections of the key's users, secrets. For keys with `admin`.

mod auth_providers;
mod secrets;
mod user_connections;

use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::ApiFace;

pub(super) fn routes() -> OpenApiRouter<ApiFace> {
    auth_providers::routes()
        .merge(user_connections::routes())
        .merge(secrets::routes())
}

/// Who decides about something.
#[derive(Serialize, ToSchema)]
pub(super) struct Binding {
    /// `gateway.toml` or `store`
    id: &'static str,
    /// `static`: only the file can change it; `project`: this API can.
    #[serde(rename = "type")]
    kind: &'static str,
}

impl Binding {
    pub const FILE: Self = Self {
        id: "gateway.toml",
        kind: "static",
    };
    pub const STORE: Self = Self {
        id: "store",
        kind: "project",
    };
}

/// That there is a secret; never what it is.
#[derive(Serialize, ToSchema)]
pub(super) struct HiddenSecret {
    exists: bool,
    /// Whether this API can change it.
    editable: bool,
    binding: &'static str,
}

impl HiddenSecret {
    pub fn of_file(exists: bool) -> Self {
        Self {
            exists,
            editable: false,
            binding: "static",
        }
    }
}
