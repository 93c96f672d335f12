//! The REST face: programs that speak for users of one source, with an API key.
//!
//! | path | what | file |
//! |---|---|---|
//! | `POST /v1/auth/authorize`, `GET /v1/auth/status` | a connection is asked for, and waited for | `auth` |
//! | `POST /v1/auth/confirm_user`, `/v1/oauth/confirm_user`, `/api/v1/oauth/confirm_user` | an application says who came | `confirm` |
//! | `POST /v1/auth/validate_custom_verifier` | the same, as a rehearsal | `confirm` |
//! | `POST /v1/connections/link`, `/v1/connections/verify` | a connection is asked for and verified at an address of its own | `connections` |
//! | `/v1/workers/…` | upstreams, for operators | `workers` |
//! | `/v1/admin/auth_providers/…`, `user_connections`, `secrets` | what is the operator's | `admin` |
//! | `GET /v1/health` | whether the gateway can serve | `health` |
//! | `GET /v1/openapi.json` | all of this for programs | `openapi` |
//! | `GET /v1/scheduled_tools`, `/v1/scheduled_tools/{id}` | what was ordered for later | `scheduled` |
//!
//! Who calls is told by the key in `Authorization` and by nothing else: no cookie is read here, and no page of another origin may
//! read an answer (there are no CORS headers). What a flow is and how it stands is `connect`'s; nothing is decided here.

mod admin;
mod asking;
mod auth;
mod body;
mod caller;
mod confirm;
mod connections;
mod error;
mod file;
mod health;
mod idempotency;
mod openapi;
mod page;
mod project;
mod scheduled;
mod tools;
mod workers;

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderValue, header},
    middleware::{from_fn_with_state, map_response},
    response::Response,
    routing::{any, any_service, post},
};
use tokio_util::sync::CancellationToken;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    audit::Trail,
    base::{clock::Clock, entropy::Entropy},
    config::live::Live,
    connect::{Connect, ConnectPages},
    execution::Executor,
    gateway::{Gateways, access::AccessControl},
    schedule::Schedule,
    secrets::Secrets,
    store::signal::Signals,
    upstream::Upstreams,
    vault::Vault,
    web::failure::Faults,
};
use error::ApiError;
pub use idempotency::Answers;

/// No body of these requests is larger. Bytes.
const LARGEST_BODY: usize = 64 * 1024;

/// What the handlers need. Cheap to clone.
#[derive(Clone)]
pub struct ApiFace {
    /// The configuration in force.
    pub live: Live,
    /// Where connections are asked for.
    pub connect: Connect,
    /// Where they are confirmed.
    pub pages: ConnectPages,
    /// Where they are.
    pub vault: Vault,
    /// Who speaks for whom, at which gateway.
    pub access: AccessControl,
    /// The way of every call.
    pub gateways: Gateways,
    /// What runs tools for programs.
    pub executor: Executor,
    /// What runs them later.
    pub schedule: Schedule,
    /// Told of tokens that are shown.
    pub trail: Trail,
    /// The way to whatever executes tools.
    pub upstreams: Upstreams,
    /// What is answered again as it was.
    pub answers: Answers,
    /// What tools need of the operator.
    pub secrets: Secrets,
    /// Says what time it is.
    pub clock: Arc<dyn Clock>,
    /// Makes ids.
    pub entropy: Arc<dyn Entropy>,
    /// What those who wait listen to.
    pub signals: Signals,
    /// Where faults go.
    pub faults: Faults,
    /// Nobody is held any more once this is cancelled.
    pub stopping: CancellationToken,
}

/// The paths of this face. Whatever else is under `/v1` and `/api/v1` is not found in its own words.
pub fn routes(face: ApiFace) -> Router {
    let (paths, document) = described().split_for_parts();
    let document = openapi::complete(document, face.access.urls());
    let paths = paths
        .method_not_allowed_fallback(|| async { ApiError::wrong_method() })
        .fallback(|| async { ApiError::no_such_path() })
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn_with_state(face.clone(), idempotency::once))
        .layer(map_response(private))
        .layer(Extension(document))
        .with_state(face);
    let in_project = paths.clone();
    Router::new()
        .route(
            "/v1/orgs/{org}/projects/{project}/{*rest}",
            any(move |request: Request| project::shorten(in_project, request)),
        )
        .route("/v1/{*path}", any_service(paths.clone()))
        .route("/api/v1/{*path}", any_service(paths))
}

/// The same with what is said of each path. One that is not made by `routes!` is in the document as an alias, or not at all.
fn described() -> OpenApiRouter<ApiFace> {
    openapi::routes()
        .routes(routes!(auth::authorize))
        .routes(routes!(auth::status))
        .routes(routes!(confirm::confirm_user))
        .route("/v1/oauth/confirm_user", post(confirm::confirm_user))
        .route("/api/v1/oauth/confirm_user", post(confirm::confirm_user))
        .routes(routes!(confirm::validate_custom_verifier))
        .routes(routes!(connections::link))
        .routes(routes!(connections::verify))
        .merge(tools::routes())
        .merge(scheduled::routes())
        .merge(workers::routes())
        .merge(admin::routes())
        .merge(health::routes())
}

/// Answers are for whoever holds the key.
async fn private(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}
