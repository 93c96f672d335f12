//! Upstream MCP servers: we are their client, over streamable HTTP, in the era each of them speaks.
//!
//! A caller hands in the upstream's configuration and one user's credential, and gets tools ([`Upstreams::list_tools`]) or a
//! [`Reply`] ([`Upstreams::call`]). Bodies pass through unread but for their envelope. What is kept, all of it in memory and
//! all of it only to be quick: the era of each upstream, its health, and legacy sessions, each of one user and one credential.
//!
//! Nothing here retries what may have run. `gateway` decides what to do about a [`UpstreamError`].

mod answer;
mod body;
mod error;
mod exchange;
mod handshake;
mod health;
mod http;
mod list;
mod peer;
mod probe;
mod reply;
mod session;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ::http::{HeaderName, HeaderValue};
use serde_json::value::RawValue;
use tokio::time::Instant;

pub use self::{
    error::UpstreamError,
    list::{RawTool, ToolList},
    peer::ServerFacts,
    reply::{Event, Outcome, Reply},
};
use self::{exchange::Ask, http::Http, peer::Peers, session::Sessions};
use crate::{
    base::clock::Clock,
    config::{Era, Upstream},
};

/// The way to every upstream. Clones share connections and what is known.
#[derive(Clone)]
pub struct Upstreams {
    http: Http,
    peers: Arc<Peers>,
    sessions: Sessions,
    clock: Arc<dyn Clock>,
    next_id: Arc<AtomicU64>,
}

/// How many legacy sessions are kept. Those that go are deleted at their upstream.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// The least recently used ones go when there are more.
    pub at_most: u64,
    /// Unused for so long, a session goes.
    pub idle: Duration,
}

/// For whom a request is made. Legacy sessions are shared only between requests whose `user` and `credential` are equal.
#[derive(Clone)]
pub struct Caller {
    /// [`crate::base::id::UserId::key`].
    pub user: String,
    /// What the upstream is to get, ready for the wire.
    pub credentials: Vec<(HeaderName, HeaderValue)>,
    /// Which credential that is; no secret. The same text as long as a legacy session may be kept.
    pub credential: String,
}

/// One call of a tool.
#[derive(Clone, Copy, Default)]
pub struct ToolCall<'a> {
    /// As the upstream calls it.
    pub name: &'a str,
    /// As the client wrote them.
    pub arguments: Option<&'a RawValue>,
    /// Other members of `params`, such as `inputResponses`.
    pub rest: &'a [(&'a str, &'a RawValue)],
    /// Members of `_meta` to pass on, such as `traceparent`. Those the protocol defines are left out: they are made per hop.
    pub meta: &'a [(&'a str, &'a RawValue)],
    /// What can be served for this user, as `ClientCapabilities`; nothing if absent. Modern upstreams only.
    pub capabilities: Option<&'a RawValue>,
    /// Which log messages the client asked for.
    pub log_level: Option<&'a str>,
    /// The client's progress token. The upstream gets another one; notifications come back with this one in them.
    pub progress: Option<&'a RawValue>,
    /// Headers for annotated arguments, see [`crate::protocol::mirrored::headers`]. Modern upstreams only.
    pub mirrored: &'a [(HeaderName, HeaderValue)],
}

impl Upstreams {
    /// Sets up the connection pool. Nothing is contacted.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_limits(clock, SessionLimits::default())
    }

    /// As [`Self::new`], with other limits.
    pub fn with_limits(clock: Arc<dyn Clock>, limits: SessionLimits) -> Self {
        Self {
            http: Http::new(),
            peers: Arc::default(),
            sessions: Sessions::new(limits),
            clock,
            next_id: Arc::new(AtomicU64::new(1)),
        }
    }

    /// The tools `caller` has at `upstream`.
    ///
    /// # Errors
    /// Any. An upstream that could not be reached lately is left alone for a while, and the error comes at once.
    pub async fn list_tools(
        &self,
        upstream: &Upstream,
        caller: &Caller,
    ) -> Result<ToolList, UpstreamError> {
        let peer = self.peers.of(upstream)?;
        if peer.health.rests(self.clock.now()) {
            return Err(UpstreamError::unreachable("it could not be reached lately"));
        }
        list::all_pages(self, upstream, caller).await
    }

    /// Calls a tool and returns as soon as the upstream begins to answer.
    ///
    /// Dropping the future, or the [`Reply`], cancels the call at the upstream.
    ///
    /// # Errors
    /// Any. What the upstream says about the call, including JSON-RPC errors, is an [`Outcome`].
    pub async fn call(
        &self,
        upstream: &Upstream,
        caller: &Caller,
        call: ToolCall<'_>,
    ) -> Result<Reply, UpstreamError> {
        let until = Instant::now() + upstream.call_timeout;
        let ask = Ask {
            method: "tools/call",
            name: Some(call.name),
            mirrored: call.mirrored,
            log_level: call.log_level,
            progress: call.progress,
            // An upstream that answers in JSON sends the head when the tool is done.
            head: until,
            until,
            body: &|era: Era, id: u64| body::tools_call(era, id, &call),
        };
        self.exchange(upstream, caller, &ask).await
    }

    /// How `upstream` introduced itself when it was last asked; `None` if it was not yet.
    pub fn facts(&self, upstream: &Upstream) -> Option<Arc<ServerFacts>> {
        self.peers.known(upstream.url.as_str())?.facts()
    }

    /// Forgets what is known about all others: after the configuration changed.
    pub fn retain<'a>(&self, upstreams: impl IntoIterator<Item = &'a Upstream>) {
        let keep: Vec<_> = upstreams
            .into_iter()
            .map(|upstream| upstream.url.as_str())
            .collect();
        self.peers.retain(&keep);
    }

    /// Ends legacy sessions that nobody used for a while; to be called every minute or so.
    pub async fn tidy(&self) {
        self.sessions.tidy().await;
    }

    fn id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            at_most: 10_000,
            idle: Duration::from_secs(600),
        }
    }
}

impl<'a> ToolCall<'a> {
    /// A call of `name` with nothing else.
    pub fn named(name: &'a str) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }
}

impl fmt::Debug for Upstreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstreams").finish_non_exhaustive()
    }
}

/// Names of headers, never their values.
impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.credentials.iter().map(|(name, _)| name).collect();
        f.debug_struct("Caller")
            .field("credential", &self.credential)
            .field("credentials", &names)
            .finish_non_exhaustive()
    }
}
