//! The one HTTP client to all upstreams: pooled, HTTP/1.1, no redirects, nothing of an inbound request in it.

use std::{error::Error, fmt::Write, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{HttpConnector, capture_connection},
    },
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore};
use tokio::time::{Instant, timeout, timeout_at};

use super::{Caller, error::UpstreamError};
use crate::{base::secret::ExposeSecret, config::Upstream};

/// Idle connections are closed sooner than most servers do it, so that we seldom write into one that is just being closed.
const IDLE: Duration = Duration::from_secs(20);
const IDLE_PER_HOST: usize = 64;
/// Bounds connection attempts that nobody waits for any more.
const CONNECT_AT_MOST: Duration = Duration::from_secs(60);
/// A peer that vanished without a word is noticed by TCP, so that a stream may be silent as long as its tool needs.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// The pool. Clones share it.
#[derive(Clone)]
pub(super) struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// How long a request may take until the head of its answer is there.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the head.
    pub head: Instant,
}

impl Patience {
    /// For what a server answers without working: the handshake, a list.
    pub fn control(upstream: &Upstream, until: Instant) -> Self {
        Self {
            connect: upstream.connect_timeout,
            head: until.min(Instant::now() + upstream.connect_timeout),
        }
    }
}

impl Http {
    /// Reads the system's root certificates. Without any, `https` upstreams are refused one by one, and the log says why.
    pub fn new() -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_AT_MOST));
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_keepalive_interval(Some(KEEPALIVE / 3));
        tcp.set_keepalive_retries(Some(3));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls())
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            // Only requests of which no byte was written; hyper gives those back.
            .retry_canceled_requests(true)
            .build(connector);
        Self { client }
    }

    /// Sends a request and waits for the head of the answer. Dropping the future closes the connection.
    pub async fn send(
        &self,
        method: Method,
        uri: &Uri,
        headers: HeaderMap,
        body: Bytes,
        patience: Patience,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = headers;
        let connection = capture_connection(&mut request);
        let connected = || connection.connection_metadata().is_some();

        let mut response = self.client.request(request);
        let wait = patience.connect.min(patience.head - Instant::now());
        let answered = match timeout(wait, &mut response).await {
            Ok(answered) => answered,
            Err(_) if !connected() => {
                return Err(UpstreamError::unreachable("no connection in time"));
            }
            Err(_) => timeout_at(patience.head, response)
                .await
                .map_err(|_| UpstreamError::TimedOut)?,
        };
        if matches!(&answered, Ok(response) if response.status() == StatusCode::INTERNAL_SERVER_ERROR)
            && let Some(connection) = connection.connection_metadata().as_ref()
        {
            // Servers that break close the connection without saying so; the next request must not go into it.
            connection.poison();
        }
        answered.map_err(|error| {
            let why = in_words(&error);
            if error.is_connect() || !connected() || was_never_written(&error) {
                UpstreamError::unreachable(why)
            } else {
                UpstreamError::broken(why)
            }
        })
    }
}

fn tls() -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider's own suites serve the default versions");
    match builder.clone().try_with_platform_verifier() {
        Ok(builder) => builder.with_no_client_auth(),
        Err(error) => {
            tracing::warn!(%error, "no root certificates on this system: https upstreams cannot be trusted");
            builder
                .with_root_certificates(RootCertStore::empty())
                .with_no_client_auth()
        }
    }
}

/// The headers of every request to an upstream: the operator's, then the user's credential, then what MCP demands.
pub(super) fn headers(upstream: &Upstream, caller: &Caller) -> Result<HeaderMap, UpstreamError> {
    let mut headers = HeaderMap::with_capacity(16);
    for (name, value) in &upstream.headers {
        let mut value = HeaderValue::from_str(value.expose_secret()).map_err(|_| {
            UpstreamError::unreachable(format!("the configured header `{name}` cannot be sent"))
        })?;
        value.set_sensitive(true);
        headers.insert(name.clone(), value);
    }
    for (name, value) in &caller.credentials {
        let mut value = value.clone();
        value.set_sensitive(true);
        headers.insert(name.clone(), value);
    }
    let fixed = [
        (header::ACCEPT, "application/json, text/event-stream"),
        (header::CONTENT_TYPE, "application/json"),
        (
            header::USER_AGENT,
            concat!("anteroom/", env!("CARGO_PKG_VERSION")),
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(headers)
}

/// An error with its causes, for a log.
pub(super) fn in_words(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(words, ": {error}");
        cause = error.source();
    }
    words
}

/// Hyper's word for a request that it still holds whole.
fn was_never_written(error: &hyper_util::client::legacy::Error) -> bool {
    error
        .source()
        .and_then(<dyn Error>::downcast_ref::<hyper::Error>)
        .is_some_and(hyper::Error::is_canceled)
}
