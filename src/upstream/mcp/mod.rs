//! Upstreams that are MCP servers: we are their client, over streamable HTTP, in the era each of them speaks.
//!
//! Bodies pass through unread but for their envelope. What is kept, all of it in memory and all of it only to be quick: the era
//! of each server, its health, and legacy sessions, each of one user and one credential.

mod answer;
mod body;
mod exchange;
mod handshake;
mod list;
mod peer;
mod probe;
mod reply;
mod session;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use self::{exchange::Ask, peer::Peers, session::Sessions};
pub use self::{
    peer::ServerFacts,
    reply::{Event, Outcome, Reply},
};
use super::{
    Caller, ToolCall, error,
    error::UpstreamError,
    health,
    http::{self, Http},
    incoming,
    tool::{RawTool, ToolList},
};
use crate::{
    base::clock::Clock,
    config::{Era, Upstream},
};

/// The way to every MCP server. Clones share connections and what is known.
#[derive(Clone)]
pub(super) struct McpServers {
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

impl McpServers {
    pub fn new(http: Http, clock: Arc<dyn Clock>, limits: SessionLimits) -> Self {
        Self {
            http,
            peers: Arc::default(),
            sessions: Sessions::new(limits),
            clock,
            next_id: Arc::new(AtomicU64::new(1)),
        }
    }

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

    pub fn facts(&self, upstream: &Upstream) -> Option<Arc<ServerFacts>> {
        self.peers.known(upstream.url.as_str())?.facts()
    }

    pub fn retain(&self, addresses: &[&str]) {
        self.peers.retain(addresses);
    }

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
