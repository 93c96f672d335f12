//! What executes tools: MCP servers, and workers of the Arcade kind.
//!
//! A caller hands in the upstream's configuration and one user's credential, and gets tools ([`Upstreams::list_tools`]) or an
//! answer ([`Upstreams::call`]). Nothing here retries what may have run. `gateway` decides what to do about a [`UpstreamError`].

mod error;
mod health;
mod http;
mod incoming;
mod mcp;
mod tool;
mod worker;

use std::{fmt, sync::Arc};

pub use self::{
    error::UpstreamError,
    mcp::{Event, Outcome, Reply, ServerFacts, SessionLimits},
    tool::{Answered, Caller, RawTool, ToolCall, ToolList, WorkerContext},
};
use self::{http::Http, mcp::McpServers, worker::Workers};
use crate::{
    base::clock::Clock,
    config::{Upstream, UpstreamKind},
};

/// The way to every upstream. Clones share connections and what is known.
#[derive(Clone)]
pub struct Upstreams {
    mcp: McpServers,
    workers: Workers,
}

impl Upstreams {
    /// Sets up the connection pool. Nothing is contacted.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_limits(clock, SessionLimits::default())
    }

    /// As [`Self::new`], with other limits.
    pub fn with_limits(clock: Arc<dyn Clock>, limits: SessionLimits) -> Self {
        let http = Http::new();
        Self {
            workers: Workers::new(http.clone(), Arc::clone(&clock)),
            mcp: McpServers::new(http, clock, limits),
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
        match &upstream.kind {
            UpstreamKind::Mcp => self.mcp.list_tools(upstream, caller).await,
            UpstreamKind::Arcade(worker) => self.workers.list_tools(upstream, worker).await,
        }
    }

    /// Calls a tool and returns as soon as the upstream begins to answer.
    ///
    /// Dropping the future, or the [`Reply`], cancels the call at an MCP server. A worker is not told.
    ///
    /// # Errors
    /// Any. What an MCP server says about the call, including JSON-RPC errors, is an [`Outcome`]; what a worker says about it,
    /// an [`Invoked`](crate::protocol::arcade::invoke::Invoked).
    pub async fn call(
        &self,
        upstream: &Upstream,
        caller: &Caller,
        call: ToolCall<'_>,
    ) -> Result<Answered, UpstreamError> {
        match &upstream.kind {
            UpstreamKind::Mcp => {
                let reply = self.mcp.call(upstream, caller, call).await?;
                Ok(Answered::Reply(reply))
            }
            UpstreamKind::Arcade(worker) => {
                let invoked = self.workers.invoke(upstream, worker, caller, call).await?;
                Ok(Answered::Invoked(Box::new(invoked)))
            }
        }
    }

    /// How `upstream` introduced itself when it was last asked; `None` if it was not yet, or is no MCP server.
    pub fn facts(&self, upstream: &Upstream) -> Option<Arc<ServerFacts>> {
        self.mcp.facts(upstream)
    }

    /// Forgets what is known about all others: after the configuration changed.
    pub fn retain<'a>(&self, upstreams: impl IntoIterator<Item = &'a Upstream>) {
        let keep: Vec<_> = upstreams
            .into_iter()
            .map(|upstream| upstream.url.as_str())
            .collect();
        self.mcp.retain(&keep);
        self.workers.retain(&keep);
    }

    /// Ends legacy sessions that nobody used for a while; to be called every minute or so.
    pub async fn tidy(&self) {
        self.mcp.tidy().await;
    }
}

impl fmt::Debug for Upstreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstreams").finish_non_exhaustive()
    }
}
