//! Tools: listed, described in the formats of models, authorized and executed.
//!
//! | path | file |
//! |---|---|
//! | `GET /v1/tools`, `/v1/tools/{name}` | `listing`, `filter`, `shown` |
//! | `GET /v1/formatted_tools`, `/v1/formatted_tools/{name}` | `formatted`, `strict` |
//! | `POST /v1/tools/authorize`, `/v1/tools/requirements` | `authorize`, `requirements` |
//! | `POST /v1/tools/execute` | `execute` |

mod authorize;
mod execute;
mod filter;
mod formatted;
mod listing;
mod refused;
mod requirements;
mod shown;
mod standing;
mod strict;

use utoipa_axum::{router::OpenApiRouter, routes};

use super::ApiFace;

pub(super) fn routes() -> OpenApiRouter<ApiFace> {
    OpenApiRouter::new()
        .routes(routes!(listing::list))
        .routes(routes!(listing::get))
        .routes(routes!(formatted::list))
        .routes(routes!(formatted::get))
        .routes(routes!(authorize::authorize))
        .routes(routes!(requirements::requirements))
        .routes(routes!(execute::execute))
}
