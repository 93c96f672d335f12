//! What operators' programs reach at `server.admin_listen`.
//!
//! | | |
//! |---|---|
//! | `GET /metrics`, `GET /healthz` | for Prometheus, and for whoever restarts it |
//! | `POST /admin/reload` | takes a changed file over |
//! | `GET /admin/audit` | the audit log as JSON lines ([`audit`]) |
//! | `/admin/connections` | what users have connected: list, disconnect, renew ([`connections`]) |
//!
//! Nobody is asked who they are here. The listener is for this machine or a network of one's own; a browser is refused at
//! everything under `/admin`, so that no page can act, or look, through the operator's.

mod audit;
pub mod connections;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use metrics_exporter_prometheus::PrometheusHandle;

use crate::{
    audit::{Archive, Trail, trail::Queue},
    base::{clock::Clock, entropy::Entropy, seal::Sealer},
    config::{Config, RootKeyError, live::Live},
    provider::OAuthClient,
    reload::Reloader,
    store::{Store, lease::Leases, signal::Signals},
    vault::{self, Vault},
};

/// What the handlers need. Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    /// Renders what was counted.
    pub metrics: PrometheusHandle,
    /// Takes a changed file over.
    pub reloader: Reloader,
    /// The rest.
    pub operators: Operators,
}

/// What operators may look at and take away. Cheap to clone.
#[derive(Clone)]
pub struct Operators {
    /// Where the audit log is told what operators do.
    pub trail: Trail,
    /// The audit log.
    pub archive: Archive,
    /// What users have connected.
    pub vault: Vault,
    /// The configuration in force.
    pub live: Live,
    /// Says what time it is.
    pub clock: Arc<dyn Clock>,
}

impl Operators {
    /// For a program that has the store to itself, while no gateway runs. The queue is to be written, else the audit log does
    /// not hear of what is done.
    ///
    /// # Errors
    /// When there is no root key.
    pub fn of_store(
        config: Config,
        store: &Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<(Self, Queue), RootKeyError> {
        let ring = config.store.root_keys.ring(entropy.as_ref())?;
        let (trail, queue) = Trail::new(Arc::clone(&clock));
        let vault = Vault::new(vault::Parts {
            store: Arc::clone(store),
            sealer: Sealer::new(&ring, Arc::clone(&entropy)),
            leases: Leases::new(Arc::clone(store), Arc::clone(&clock)),
            client: OAuthClient::new(Arc::clone(&clock)),
            clock: Arc::clone(&clock),
            entropy,
            signals: Signals::new(),
            trail: trail.clone(),
        });
        let operators = Self {
            trail,
            archive: Archive::new(Arc::clone(store)),
            vault,
            live: Live::new(config),
            clock,
        };
        Ok((operators, queue))
    }
}

/// The routes of the listener.
pub fn routes(admin: Admin) -> Router {
    let operators = admin.operators.clone();
    let acts = Router::new()
        .route("/admin/reload", post(reload))
        .with_state(admin.clone())
        .merge(audit::routes(operators.clone()))
        .merge(connections::routes(operators))
        .layer(middleware::from_fn(not_for_browsers));
    Router::new()
        .route("/healthz", get(|| async { StatusCode::NO_CONTENT }))
        .route("/metrics", get(metrics))
        .with_state(admin)
        .merge(acts)
}

/// A page that got hold of an operator's browser says where it comes from; programs do not. A page elsewhere that was given
/// our address by its own name server (DNS rebinding) says `same-origin` all the same.
async fn not_for_browsers(request: Request, next: Next) -> Response {
    if from_a_browser(request.headers()) {
        let why = "this is not for browsers\n";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    next.run(request).await
}

fn from_a_browser(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site")
}

/// `GET /metrics`: the Prometheus text format.
async fn metrics(State(admin): State<Admin>) -> Response {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], admin.metrics.render()).into_response()
}

/// `POST /admin/reload`: 204 when the file is in force, 422 with its problems when it is not.
async fn reload(State(admin): State<Admin>) -> Response {
    match admin.reloader.reload().await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(problems) => {
            (StatusCode::UNPROCESSABLE_ENTITY, format!("{problems}\n")).into_response()
        }
    }
}
