//! A server of the operator's that is asked about calls: it keeps what it is asked, says what the test wants, and misbehaves on
//! demand.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    response::{IntoResponse, Response},
};
use futures_util::stream;
use http::{HeaderMap, StatusCode, Uri, header};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// A running hook; gone when dropped.
pub struct Hook {
    pub base: String,
    inside: Arc<Inside>,
    server: JoinHandle<()>,
}

#[derive(Default)]
struct Inside {
    seen: Mutex<Vec<Asked>>,
    manners: Mutex<BTreeMap<&'static str, Manner>>,
}

/// One question as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `access`, `pre` or `post`.
    pub point: String,
    pub headers: HeaderMap,
    pub body: Value,
}

/// How it answers.
#[derive(Clone)]
pub enum Manner {
    Say(Value),
    /// By the question.
    By(Arc<dyn Fn(&Value) -> Value + Send + Sync>),
    Answer(u16, &'static str),
    Hang,
    /// The head of an answer, and then nothing.
    HangInside,
    /// A hundred megabytes.
    Endless,
    Redirect(String),
}

/// What a site shows, and what it wants to see.
pub struct Identity {
    pub certificate: CertificateDer<'static>,
    pub key: PrivateKeyDer<'static>,
    /// Whoever connects must show a certificate of this authority.
    pub wants: Option<CertificateDer<'static>>,
}

impl Hook {
    /// One that has nothing against anything.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let inside = Arc::new(Inside::default());
        let router = router(&inside);
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            base,
            inside,
            server,
        }
    }

    /// The same behind TLS, at `https://localhost:…`.
    pub async fn behind_tls(identity: Identity) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!(
            "https://localhost:{}",
            listener.local_addr().unwrap().port()
        );
        let inside = Arc::new(Inside::default());
        let router = router(&inside);
        let listener = Guarded {
            listener,
            acceptor: acceptor(identity),
        };
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            base,
            inside,
            server,
        }
    }

    /// Its section, asked at these points, with `more` in it.
    pub fn section(&self, name: &str, points: &[&str], more: &str) -> String {
        let mut section = format!("\n[hooks.{name}]\n{more}\n");
        for point in points {
            let url = format!("{}/{point}", self.base);
            section.push_str(&format!("{point}.url = \"{url}\"\n"));
        }
        section
    }

    pub fn answers(&self, point: &'static str, manner: Manner) {
        self.inside.manners.lock().unwrap().insert(point, manner);
    }

    pub fn says(&self, point: &'static str, answer: Value) {
        self.answers(point, Manner::Say(answer));
    }

    /// Everything it was asked at a point.
    pub fn asked(&self, point: &str) -> Vec<Asked> {
        let seen = self.inside.seen.lock().unwrap();
        let of_point = seen.iter().filter(|asked| asked.point == point);
        of_point.cloned().collect()
    }

    /// The points it was asked at, in order.
    pub fn points(&self) -> Vec<String> {
        let seen = self.inside.seen.lock().unwrap();
        seen.iter().map(|asked| asked.point.clone()).collect()
    }

    pub fn forget(&self) {
        self.inside.seen.lock().unwrap().clear();
    }

    /// All that was ever said to it.
    pub fn everything(&self) -> String {
        let seen = self.inside.seen.lock().unwrap();
        format!("{seen:?}")
    }

    /// Nobody is there any more.
    pub async fn dies(&mut self) {
        self.server.abort();
        let _ = (&mut self.server).await;
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn router(inside: &Arc<Inside>) -> Router {
    Router::new()
        .fallback(answer)
        .with_state(Arc::clone(inside))
}

async fn answer(
    State(inside): State<Arc<Inside>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let point = uri.path().trim_start_matches('/').to_owned();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let manner = {
        let manners = inside.manners.lock().unwrap();
        manners.get(point.as_str()).cloned()
    };
    let usual = match point.as_str() {
        "access" => json!({}),
        _ => json!({ "code": "OK" }),
    };
    inside.seen.lock().unwrap().push(Asked {
        point,
        headers,
        body: body.clone(),
    });
    match manner.unwrap_or(Manner::Say(usual)) {
        Manner::Say(answer) => axum::Json(answer).into_response(),
        Manner::By(decide) => axum::Json(decide(&body)).into_response(),
        Manner::Answer(status, text) => {
            (StatusCode::from_u16(status).unwrap(), text).into_response()
        }
        Manner::Hang => std::future::pending().await,
        Manner::HangInside => {
            let begun = stream::iter([Ok::<_, Infallible>(Bytes::from("{\"code\":"))]);
            let hangs = futures_util::StreamExt::chain(begun, stream::pending());
            Body::from_stream(hangs).into_response()
        }
        Manner::Endless => {
            let megabyte = Bytes::from(vec![b' '; 1 << 20]);
            let body = stream::iter((0..100).map(move |_| Ok::<_, Infallible>(megabyte.clone())));
            Body::from_stream(body).into_response()
        }
        Manner::Redirect(to) => {
            (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)], "").into_response()
        }
    }
}

struct Guarded {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for Guarded {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, from) = self.listener.accept().await.unwrap();
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, from);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

fn acceptor(identity: Identity) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match identity.wants {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let config = builder.with_single_cert(vec![identity.certificate], identity.key);
    TlsAcceptor::from(Arc::new(config.unwrap()))
}
