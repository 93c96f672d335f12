//! Upstream MCP servers that speak one era or both, check what they get as the specification wants it, remember all of it,
//! and misbehave on demand.

mod speech;

use std::{
    collections::{HashSet, VecDeque},
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anteroom::config::{self, Era};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use self::speech::{events, legacy, modern, refuse};

const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";

/// A running stand-in; gone when dropped.
pub struct StandIn {
    pub url: url::Url,
    pub inside: Arc<Inside>,
    server: JoinHandle<()>,
}

/// What a test looks at and turns.
pub struct Inside {
    pub speaks: Mutex<Vec<Era>>,
    /// Answers to `tools/call` and `tools/list` as event streams.
    pub streams: Mutex<bool>,
    /// For one method, or all with `*`.
    pub manner: Mutex<Option<(&'static str, Manner)>>,
    pub tools: Mutex<Vec<Value>>,
    /// What a page of tools adds to its result.
    pub caching: Mutex<Value>,
    pub page: AtomicUsize,
    pub revision: Mutex<&'static str>,
    pub seen: Mutex<Vec<Seen>>,
    pub sessions: Mutex<HashSet<String>>,
    sessions_made: AtomicUsize,
    /// The id of a call of `polled`, answered at the next GET.
    pub polled: Mutex<Option<Value>>,
    /// Connections accepted.
    pub connections: AtomicUsize,
    /// Calls of `hold` that are waiting now.
    pub held: AtomicUsize,
}

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub http: Method,
    pub headers: HeaderMap,
    pub body: Value,
}

/// What to do instead of answering well. `{id}` stands for the id of the request.
#[derive(Clone)]
pub enum Manner {
    Hang,
    Answer(u16, &'static [(&'static str, &'static str)], String),
    /// An event stream of this text; then it ends, or hangs, or it comes late.
    Events(String, Then),
    /// A hundred megabytes of this type.
    Endless(&'static str),
    /// One of these for each request, then good manners.
    InTurn(Arc<Mutex<VecDeque<Manner>>>),
}

impl Manner {
    pub fn in_turn(manners: impl IntoIterator<Item = Self>) -> Self {
        Self::InTurn(Arc::new(Mutex::new(manners.into_iter().collect())))
    }

    /// What it is for this request.
    pub fn now(self) -> Option<Self> {
        match self {
            Self::InTurn(turns) => turns.lock().unwrap().pop_front(),
            manner => Some(manner),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Then {
    End,
    Hang,
    /// The text comes so long after the head.
    Late(Duration),
}

impl StandIn {
    pub async fn start(speaks: &[Era]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let inside = Arc::new(Inside::new(speaks));
        let router = Router::new()
            .fallback(serve)
            .with_state(Arc::clone(&inside));
        let counted = Arc::clone(&inside);
        let listener = axum::serve::ListenerExt::tap_io(listener, move |stream| {
            stream.set_nodelay(true).unwrap();
            counted.connections.fetch_add(1, Ordering::SeqCst);
        });
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            url: url.parse().unwrap(),
            inside,
            server,
        }
    }

    /// The configuration of an upstream at this stand-in.
    pub fn upstream(&self) -> config::Upstream {
        upstream_at(self.url.as_str())
    }

    pub fn misbehave(&self, method: &'static str, manner: Manner) {
        *self.inside.manner.lock().unwrap() = Some((method, manner));
    }

    pub fn behave(&self) {
        *self.inside.manner.lock().unwrap() = None;
    }

    /// The JSON-RPC methods, or HTTP methods of requests without a body, in order.
    pub fn methods(&self) -> Vec<String> {
        let seen = self.inside.seen.lock().unwrap();
        seen.iter().map(Seen::method).collect()
    }

    pub fn last(&self, method: &str) -> Seen {
        let seen = self.inside.seen.lock().unwrap();
        let last = seen.iter().rev().find(|seen| seen.method() == method);
        last.unwrap_or_else(|| panic!("no {method} was seen"))
            .clone()
    }

    /// Waits until `method` was seen `times` times.
    pub async fn wait_for(&self, method: &str, times: usize) {
        let count = || self.methods().iter().filter(|seen| *seen == method).count();
        eventually(|| count() >= times, &format!("{times} × {method}")).await;
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Seen {
    pub fn method(&self) -> String {
        match &self.body["method"] {
            Value::String(method) => method.clone(),
            _ if self.body.is_null() => self.http.to_string(),
            _ => "(answer)".to_owned(),
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// An upstream with small limits, in time only as small as a busy machine allows.
pub fn upstream_at(url: &str) -> config::Upstream {
    config::Upstream {
        kind: config::UpstreamKind::Mcp,
        url: url.parse().unwrap(),
        requirements: Vec::new(),
        headers: Vec::new(),
        era: None,
        connect_timeout: Duration::from_secs(2),
        call_timeout: Duration::from_secs(3),
        max_response_bytes: 64 * 1024,
        list_ttl: Duration::from_secs(60),
    }
}

pub async fn eventually(mut is: impl FnMut() -> bool, what: &str) {
    for _ in 0..300 {
        if is() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never came: {what}");
}

pub fn tool(name: &str) -> Value {
    json!({"name": name, "inputSchema": {"type": "object"}})
}

impl Inside {
    fn new(speaks: &[Era]) -> Self {
        Self {
            speaks: Mutex::new(speaks.to_vec()),
            streams: Mutex::default(),
            manner: Mutex::default(),
            tools: Mutex::new(vec![tool("echo")]),
            caching: Mutex::new(json!({})),
            page: AtomicUsize::new(1000),
            revision: Mutex::new("2025-11-25"),
            seen: Mutex::default(),
            sessions: Mutex::default(),
            sessions_made: AtomicUsize::new(0),
            polled: Mutex::default(),
            connections: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
        }
    }

    fn speaks(&self, era: Era) -> bool {
        self.speaks.lock().unwrap().contains(&era)
    }
}

async fn serve(
    State(inside): State<Arc<Inside>>,
    http: Method,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let seen = Seen {
        http,
        headers,
        body,
    };
    inside.seen.lock().unwrap().push(seen.clone());
    let manner = inside.manner.lock().unwrap().clone();
    if let Some((on, manner)) = manner
        && (on == "*" || on == seen.method())
        && let Some(manner) = manner.now()
    {
        return misbehave(manner, seen.body["id"].to_string()).await;
    }
    let (text, json) = ("text/event-stream", "application/json");
    let accept = seen.header("accept").unwrap_or_default();
    if seen.http == Method::POST && !(accept.contains(text) && accept.contains(json)) {
        return StatusCode::NOT_ACCEPTABLE.into_response();
    }
    match seen.body["params"]["_meta"][VERSION_KEY].is_string() {
        true if inside.speaks(Era::Modern) => modern(inside, &seen).await,
        true => refuse(
            400,
            &Value::Null,
            -32000,
            "Bad Request: Server not initialized",
        ),
        false if inside.speaks(Era::Legacy) => legacy(inside, &seen).await,
        false => refuse(
            400,
            &seen.body["id"],
            -32602,
            "no protocol version in _meta",
        ),
    }
}

/// The answer of a server with these manners to the request with this id.
pub async fn misbehave(manner: Manner, id: String) -> Response {
    let filled = move |text: String| text.replace("{id}", &id);
    match manner {
        Manner::Hang | Manner::InTurn(_) => std::future::pending().await,
        Manner::Answer(status, headers, body) => {
            let mut response =
                (StatusCode::from_u16(status).unwrap(), filled(body)).into_response();
            response.headers_mut().remove(header::CONTENT_TYPE);
            for (name, value) in headers {
                let name: HeaderName = name.parse().unwrap();
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            response
        }
        Manner::Events(text, then) => {
            let wait = match then {
                Then::Late(wait) => wait,
                Then::End | Then::Hang => Duration::ZERO,
            };
            let text = stream::once(async move {
                tokio::time::sleep(wait).await;
                Ok::<_, Infallible>(Bytes::from(filled(text)))
            });
            match then {
                Then::End | Then::Late(_) => events(Body::from_stream(text)),
                Then::Hang => events(Body::from_stream(text.chain(stream::pending()))),
            }
        }
        Manner::Endless(content_type) => {
            let megabyte = Bytes::from(vec![b' '; 1 << 20]);
            let body = stream::iter((0..100).map(move |_| Ok::<_, Infallible>(megabyte.clone())));
            (
                [(header::CONTENT_TYPE, content_type)],
                Body::from_stream(body),
            )
                .into_response()
        }
    }
}
