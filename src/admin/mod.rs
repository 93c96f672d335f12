//! What operators' programs reach at `server.admin_listen`.
//!
//! | | |
//! |---|---|
//! | `GET /metrics`, `GET /healthz` | for Prometheus, and for whoever restarts it |
//! | `POST /admin/reload` | takes a changed file over |
//! | `GET /admin/audit` | the audit log as JSON lines |
//! | `/admin/secrets` | what tools need of the operator: list, set, remove ([`secrets`]) |
//! | `/admin/connections` | what users have connected: list, disconnect, renew ([`connections`]) |
//!
//! Nobody is asked who they are here. The listener is for this machine or a network of one's own; a browser is refused at
//! everything under `/admin`, so that no page can act, or look, through the operator's.

mod audit;
pub mod connections;
pub mod secrets;

use std::{net::Ipv4Addr, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, header, uri::Authority},
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
    secrets::Secrets,
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
    /// What tools need of the operator.
    pub secrets: Secrets,
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
        let sealer = Sealer::new(&ring, Arc::clone(&entropy));
        let secrets = Secrets::new(store, sealer.clone(), Arc::clone(&clock));
        let vault = Vault::new(vault::Parts {
            store: Arc::clone(store),
            sealer,
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
            secrets,
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
        .merge(secrets::routes(operators.clone()))
        .merge(connections::routes(operators))
        .layer(middleware::from_fn(not_for_browsers));
    Router::new()
        .route("/healthz", get(|| async { StatusCode::NO_CONTENT }))
        .route("/metrics", get(metrics))
        .with_state(admin)
        .merge(acts)
}

/// A page that got hold of an operator's browser says where it comes from, or comes by a name that is not ours.
async fn not_for_browsers(request: Request, next: Next) -> Response {
    let refused = |why: &'static str| (StatusCode::FORBIDDEN, why).into_response();
    if from_a_browser(request.headers()) {
        return refused("this is not for browsers\n");
    }
    if !by_a_local_name(request.headers(), request.uri()) {
        return refused("call this by its IP address, or by a name without dots\n");
    }
    next.run(request).await
}

/// Whether we were called by a number, or by a name that only this machine or network can have. A page of a site whose name server
/// gave out our address (DNS rebinding) has that site's name; and over plain http a browser says nothing else of where a GET
/// comes from (Fetch §3.2, W3C Fetch Metadata §2).
fn by_a_local_name(headers: &HeaderMap, uri: &Uri) -> bool {
    let authority = match headers.get(header::HOST) {
        Some(host) => Authority::try_from(host.as_bytes()).ok(),
        None => uri.authority().cloned(),
    };
    authority.is_some_and(|authority| {
        let name = authority.host();
        let number = name.starts_with('[') || name.parse::<Ipv4Addr>().is_ok();
        number || !(name.is_empty() || name.contains('.'))
    })
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
