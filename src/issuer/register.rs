//! `POST /oauth2/register`: a client registers itself (RFC 7591 §3).

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{ConnectInfo, DefaultBodyLimit, State, rejection::BytesRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};

use super::client::{Application, Clients, Registered, Unfit};
use super::{Issuer, open_to_pages};
use crate::{
    base::secret::ExposeSecret,
    config::live::Live,
    web::{
        failure::Faults,
        pace::{self, Pace},
        peer,
        urls::Urls,
    },
};

/// Larger requests are no registration: those of clients have one or two thousand bytes. What they say is kept for a month, for
/// whoever asks. Bytes.
const LARGEST: usize = 16 * 1024;

/// What registering needs. Cheap to clone.
#[derive(Clone)]
pub(super) struct Registering {
    live: Live,
    urls: Urls,
    clients: Clients,
    faults: Faults,
    /// Each registration may be a record: thirty at once of one address, then six a minute.
    askers: Pace<IpAddr>,
    /// And of all of them together.
    all: Pace<()>,
}

impl Registering {
    pub(super) fn new(issuer: &Issuer) -> Self {
        let parts = &issuer.0.parts;
        Self {
            live: parts.live.clone(),
            urls: parts.urls.clone(),
            clients: issuer.0.clients.clone(),
            faults: parts.faults.clone(),
            askers: Pace::new(30, Duration::from_secs(10), Arc::clone(&parts.clock)),
            all: Pace::new(300, Duration::from_secs(1), Arc::clone(&parts.clock)),
        }
    }
}

/// `/oauth2/register`, and the path it had in 2025-03-26.
pub(super) fn routes(state: Registering) -> Router {
    Router::new()
        .route("/oauth2/register", post(register))
        .route("/register", post(register))
        .layer(DefaultBodyLimit::max(LARGEST))
        .layer(open_to_pages())
        .with_state(state)
}

async fn register(
    State(state): State<Registering>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let from = peer::address(&headers, &state.urls, from.ip());
    if !state.live.now().oauth.dynamic_registration {
        let why = "clients cannot register themselves here; ask the people who run this gateway for a client_id";
        return refuse(StatusCode::FORBIDDEN, "access_denied", why);
    }
    let spent = state.askers.spend(&pace::network(from));
    if let Err(wait) = spent.and_then(|()| state.all.spend(&())) {
        tracing::warn!(address = %from, "too many registrations");
        return wait_for(wait);
    }
    let Ok(body) = body else {
        let why = "the body is at most 16 kB of JSON";
        return refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            "invalid_client_metadata",
            why,
        );
    };
    let application = match Application::read(&body) {
        Ok(application) => application,
        Err(unfit) => {
            tracing::info!(address = %from, "a registration was refused: {unfit}");
            return refuse(StatusCode::BAD_REQUEST, code(unfit), &unfit.to_string());
        }
    };
    match state.clients.register(&application).await {
        Ok(registered) => {
            tracing::info!(address = %from, client = registered.client_id, "a client registered itself");
            accepted(&application, &registered, &body)
        }
        Err(error) => {
            let fault = state.faults.note("registering a client", &error);
            let why = format!("reference {}", fault.reference());
            refuse(StatusCode::INTERNAL_SERVER_ERROR, "server_error", &why)
        }
    }
}

/// RFC 7591 §3.2.1: what was registered, which is what was understood.
fn accepted(application: &Application, registered: &Registered, body: &[u8]) -> Response {
    let uris = application.redirect_uris.iter();
    let mut answer = json!({
        "client_id": registered.client_id,
        "client_id_issued_at": registered.issued_at.as_second(),
        "client_name": application.name,
        "redirect_uris": uris.map(|uri| uri.as_str()).collect::<Vec<_>>(),
        "token_endpoint_auth_method": application.auth.as_str(),
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
    });
    if let Some(secret) = &registered.client_secret {
        answer["client_secret"] = secret.expose_secret().into();
        answer["client_secret_expires_at"] = 0.into();
    }
    // Not acted on, and the same for everybody; said again for clients that look for it.
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    if let Some(kind @ ("native" | "web")) = said["application_type"].as_str() {
        answer["application_type"] = kind.into();
    }
    json(StatusCode::CREATED, &answer)
}

fn code(unfit: Unfit) -> &'static str {
    match unfit {
        Unfit::Redirect(_) | Unfit::Redirects(_) => "invalid_redirect_uri",
        Unfit::Metadata(_) => "invalid_client_metadata",
    }
}

fn wait_for(wait: Duration) -> Response {
    let why = "too many registrations; wait a little";
    let mut response = refuse(
        StatusCode::TOO_MANY_REQUESTS,
        "temporarily_unavailable",
        why,
    );
    let seconds = HeaderValue::from(wait.as_secs() + 1);
    response.headers_mut().insert(header::RETRY_AFTER, seconds);
    response
}

fn refuse(status: StatusCode, error: &str, why: &str) -> Response {
    json(status, &json!({ "error": error, "error_description": why }))
}

fn json(status: StatusCode, answer: &Value) -> Response {
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (header::PRAGMA, "no-cache"),
    ];
    (status, headers, Json(answer)).into_response()
}
