//! Legacy sessions: one per upstream, user and credential, kept while they are used.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use hyper::body::Incoming;
use moka::{future::Cache, notification::RemovalCause};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::{
    Caller, McpServers, Outcome, ServerFacts, SessionLimits,
    answer::{Answer, Content},
    body,
    error::UpstreamError,
    exchange::Target,
    http::{self as wire, Http, Patience},
};
use crate::{
    base::secret::ExposeSecret,
    config::Upstream,
    protocol::{
        jsonrpc::{self, ErrorObject, code},
        mirrored,
    },
};

/// For what is said in passing: cancellations, farewells, answers.
const ASIDE: Duration = Duration::from_secs(10);

/// Sessions in use. Clones share them.
#[derive(Clone)]
pub(super) struct Sessions(Cache<Key, Arc<Session>>);

type Key = [u8; 32];

/// One session with one legacy upstream. An upstream that gives no id gets every request by itself; what it negotiated holds.
pub(super) struct Session {
    key: Key,
    http: Http,
    uri: Uri,
    id: Option<HeaderValue>,
    version: Option<HeaderValue>,
    pub facts: ServerFacts,
    logging: bool,
    level: Mutex<Option<String>>,
    /// As they were at the handshake: for the farewell.
    headers: HeaderMap,
    calls: AtomicUsize,
    retired: AtomicBool,
}

/// A request within a session that has no answer yet. Dropped undone, it is cancelled: a closed connection does not do that
/// in the legacy era.
pub(super) struct InFlight {
    session: Arc<Session>,
    id: u64,
    headers: HeaderMap,
    done: bool,
}

impl Sessions {
    pub fn new(limits: SessionLimits) -> Self {
        let farewell = |_: Arc<Key>, session: Arc<Session>, cause: RemovalCause| match cause {
            RemovalCause::Expired | RemovalCause::Size => session.retire(),
            // The upstream ended it.
            RemovalCause::Explicit | RemovalCause::Replaced => {}
        };
        Self(
            Cache::builder()
                .max_capacity(limits.at_most)
                .time_to_idle(limits.idle)
                .eviction_listener(farewell)
                .build(),
        )
    }

    /// The upstream does not know this session any more. One that replaced it meanwhile stays.
    pub async fn forget(&self, session: &Arc<Session>) {
        if let Some(current) = self.0.get(&session.key).await
            && Arc::ptr_eq(&current, session)
        {
            self.0.invalidate(&session.key).await;
        }
    }

    /// Drops what was idle for too long.
    pub async fn tidy(&self) {
        self.0.run_pending_tasks().await;
    }
}

impl McpServers {
    /// The caller's session; opened now if there is none. Callers that come together open one.
    pub(super) async fn session(&self, target: &Target<'_>) -> Result<Arc<Session>, UpstreamError> {
        let key = key(target.upstream, target.caller);
        if let Some(session) = self.sessions.0.get(&key).await {
            return Ok(session);
        }
        let open = async { self.open(key, target).await.map(Arc::new) };
        let opened = self.sessions.0.try_get_with(key, open).await;
        opened.map_err(|error: Arc<UpstreamError>| (*error).clone())
    }

    async fn open(&self, key: Key, target: &Target<'_>) -> Result<Session, UpstreamError> {
        let negotiated = self.initialize(target).await?;
        let session = Session {
            key,
            http: self.http.clone(),
            uri: target.peer.uri.clone(),
            id: negotiated.id,
            version: negotiated.version,
            facts: negotiated.facts,
            logging: negotiated.logging,
            level: Mutex::default(),
            headers: wire::headers(target.upstream, target.caller)?,
            calls: AtomicUsize::new(0),
            retired: AtomicBool::new(false),
        };
        let mut headers = session.headers.clone();
        session.mark(&mut headers);
        self.say_initialized(target, headers).await?;
        Ok(session)
    }
}

impl Session {
    /// Puts the session into the headers of a request.
    pub fn mark(&self, headers: &mut HeaderMap) {
        if let Some(id) = &self.id {
            headers.insert(mirrored::SESSION, id.clone());
        }
        if let Some(version) = &self.version {
            headers.insert(mirrored::VERSION, version.clone());
        }
    }

    /// Asks for log messages of this level from now on, if the upstream has any.
    pub async fn set_level(&self, level: &str, id: u64, headers: &HeaderMap) {
        {
            let mut current = self.level.lock().unwrap_or_else(PoisonError::into_inner);
            if !self.logging || current.as_deref() == Some(level) {
                return;
            }
            *current = Some(level.to_owned());
        }
        // A level that could not be set costs log messages, not the call.
        let said = say(
            &self.http,
            Method::POST,
            &self.uri,
            headers.clone(),
            body::set_level(id, level),
        );
        let _ = said.await;
    }

    /// Nobody will use it any more: says farewell when the last answer is there.
    fn retire(&self) {
        self.retired.store(true, Ordering::SeqCst);
        if self.calls.load(Ordering::SeqCst) == 0 {
            self.close();
        }
    }

    /// MCP: a client that is done with a session SHOULD delete it.
    fn close(&self) {
        if self.id.is_some() && self.retired.swap(false, Ordering::SeqCst) {
            let mut headers = self.headers.clone();
            self.mark(&mut headers);
            self.aside(Method::DELETE, headers, Bytes::new());
        }
    }

    /// Says something without waiting for what comes of it.
    fn aside(&self, method: Method, headers: HeaderMap, body: Bytes) {
        let (http, uri) = (self.http.clone(), self.uri.clone());
        // There is no runtime while the process ends; then nothing is said.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = say(&http, method, &uri, headers, body).await {
                    tracing::debug!(%error, "an upstream did not hear an aside");
                }
            });
        }
    }
}

impl InFlight {
    /// The request `id` is about to be sent, with these headers.
    pub fn begin(session: &Arc<Session>, id: u64, headers: HeaderMap) -> Self {
        session.calls.fetch_add(1, Ordering::SeqCst);
        Self {
            session: Arc::clone(session),
            id,
            headers,
            done: false,
        }
    }

    /// It was answered, or never arrived: there is nothing to cancel.
    pub fn done(&mut self) {
        self.done = true;
    }

    /// Opens the stream of the request again, behind the event `last`.
    pub async fn resume(
        &self,
        last: HeaderValue,
        until: Instant,
    ) -> Result<Incoming, UpstreamError> {
        let mut headers = self.headers.clone();
        headers.remove(header::CONTENT_TYPE);
        headers.insert(
            header::ACCEPT,
            HeaderValue::from_static("text/event-stream"),
        );
        headers.insert("last-event-id", last);
        let patience = Patience {
            connect: ASIDE,
            head: until.min(Instant::now() + ASIDE),
        };
        let (http, uri) = (&self.session.http, &self.session.uri);
        let response = http
            .send(Method::GET, uri, headers, Bytes::new(), patience)
            .await?;
        match Answer::read(response, 0, until).await?.content {
            Content::Stream(body) => Ok(body),
            _ => Err(UpstreamError::protocol("a stream cannot be taken up again")),
        }
    }

    /// Answers what the upstream asks while it works: we declared no capability, so there is only `ping`.
    pub fn answer(&self, id: &RawValue, method: &str) {
        let body = if method == "ping" {
            let nothing = Outcome::none();
            match &nothing {
                Outcome::Result(empty) => jsonrpc::result_body(id, empty),
                Outcome::Error { .. } => return,
            }
        } else {
            let error = ErrorObject {
                code: code::METHOD_NOT_FOUND,
                message: "this client declared no such capability".into(),
                data: None,
            };
            jsonrpc::error_body(Some(id), &error)
        };
        self.session
            .aside(Method::POST, self.headers.clone(), body.into());
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if !self.done {
            let headers = std::mem::take(&mut self.headers);
            self.session
                .aside(Method::POST, headers, body::cancelled(self.id));
        }
        if self.session.calls.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.session.close();
        }
    }
}

async fn say(
    http: &Http,
    method: Method,
    uri: &Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(), UpstreamError> {
    let patience = Patience {
        connect: ASIDE,
        head: Instant::now() + ASIDE,
    };
    http.send(method, uri, headers, body, patience)
        .await
        .map(|_| ())
}

/// Everything that must be equal for two requests to share a session, the operator's headers included. Each part is preceded
/// by its length.
fn key(upstream: &Upstream, caller: &Caller) -> Key {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    for text in [upstream.url.as_str(), &caller.user, &caller.credential] {
        part(text.as_bytes());
    }
    for (name, value) in &upstream.headers {
        part(name.as_str().as_bytes());
        part(value.expose_secret().as_bytes());
    }
    hash.finalize().into()
}
