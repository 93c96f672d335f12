//! Every URL we serve, in groups with their layers.

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::{
    api::{self, ApiFace},
    config::live::Live,
    connect::{self, ConnectPages},
    connections::{self, ConnectionsPages},
    issuer::{self, Issuer},
    mcp::{self, McpFace, guard},
    user_source::sign_in::{self, SignIn},
    web::failure::PageFailure,
};

/// What is served.
pub struct Faces {
    /// `/mcp/{gateway}`
    pub mcp: McpFace,
    /// `/`, `/sign-in/…`, `/sign-out`
    pub sign_in: SignIn,
    /// `/connect/…`, `/oauth2/intermediate_callback/…`
    pub connect: ConnectPages,
    /// `/v1/…`
    pub api: ApiFace,
    /// `/connections/…`, `/applications/…`
    pub connections: ConnectionsPages,
    /// `/oauth2/…` of our authorization server, and what is well known of it
    pub issuer: Issuer,
}

/// The whole router.
pub fn all(faces: Faces, live: Live) -> Router {
    let browser = Router::new()
        .merge(sign_in::routes(faces.sign_in))
        .merge(connect::routes(faces.connect))
        .merge(connections::routes(faces.connections))
        .merge(issuer::routes(faces.issuer))
        .merge(api::routes(faces.api))
        .fallback(|| async { PageFailure::NotFound })
        .layer(middleware::from_fn_with_state(live, at_the_door));
    let health = Router::new().route("/healthz", get(|| async { StatusCode::NO_CONTENT }));
    // `/mcp` looks at the door itself, for it answers in JSON-RPC.
    mcp::routes(faces.mcp).merge(health).merge(browser)
}

/// A page must not be reached under a name that is not ours, either.
async fn at_the_door(State(live): State<Live>, request: Request, next: Next) -> Response {
    match guard::check_host(&live.now().server, request.headers(), request.uri()) {
        Ok(()) => next.run(request).await,
        Err(away) => (away.status(), away.to_string()).into_response(),
    }
}
