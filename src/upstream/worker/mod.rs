//! Upstreams that speak the worker protocol of Arcade's tool servers: a catalogue that is polled,
//! and one request per call, each signed with the worker's secret.
//!
//! A worker checks nothing but our signature: who may call which tool, and whether what it needs is there, was decided before.

mod catalogue;
mod invoke;
mod line;
mod tool;

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use tokio::time::Instant;

use self::line::{Asked, Line};
use super::{
    Caller, RawTool, ToolCall, ToolList,
    error::UpstreamError,
    health::Health,
    http::{self, Http, Patience},
    incoming,
};
use crate::{
    base::clock::Clock,
    config::{ArcadeWorker, Upstream},
    protocol::arcade::invoke::Invoked,
};

/// The way to every worker. Clones share connections and what is known.
#[derive(Clone)]
pub(super) struct Workers {
    http: Http,
    clock: Arc<dyn Clock>,
    /// By address, so that a reloaded configuration finds what is known.
    lines: Arc<RwLock<HashMap<String, Arc<Line>>>>,
}

impl Workers {
    pub fn new(http: Http, clock: Arc<dyn Clock>) -> Self {
        Self {
            http,
            clock,
            lines: Arc::default(),
        }
    }

    /// The catalogue. It is the same for everybody: a worker asks no user's leave to show it.
    pub async fn list_tools(
        &self,
        upstream: &Upstream,
        worker: &ArcadeWorker,
    ) -> Result<ToolList, UpstreamError> {
        let line = self.line(upstream)?;
        if line.health.rests(self.clock.now()) {
            return Err(UpstreamError::unreachable("it could not be reached lately"));
        }
        let until = Instant::now() + upstream.call_timeout;
        let asked = Asked {
            line: &line,
            upstream,
            worker,
            until,
        };
        let listed = catalogue::tools(self, &asked).await;
        match &listed {
            Err(UpstreamError::Unavailable { sent: false, .. } | UpstreamError::TimedOut) => {
                line.health.missed(self.clock.now());
            }
            _ => line.health.reached(),
        }
        Ok(ToolList {
            tools: listed?,
            ttl: upstream.list_ttl,
            private: false,
        })
    }

    /// Runs a tool, once.
    pub async fn invoke(
        &self,
        upstream: &Upstream,
        worker: &ArcadeWorker,
        caller: &Caller,
        call: ToolCall<'_>,
    ) -> Result<Invoked, UpstreamError> {
        let line = self.line(upstream)?;
        let asked = Asked {
            line: &line,
            upstream,
            worker,
            until: Instant::now() + upstream.call_timeout,
        };
        let invoked = invoke::invoke(self, &asked, caller, call).await;
        match &invoked {
            Err(UpstreamError::Unavailable { sent: false, .. }) => {
                line.health.missed(self.clock.now());
            }
            // A tool may take its time.
            Err(UpstreamError::TimedOut) => {}
            _ => line.health.reached(),
        }
        invoked
    }

    /// Forgets what is known about workers at other addresses.
    pub fn retain(&self, addresses: &[&str]) {
        let mut lines = self.lines.write().unwrap_or_else(PoisonError::into_inner);
        lines.retain(|address, _| addresses.contains(&address.as_str()));
    }

    /// The one to `upstream`; made when first needed.
    fn line(&self, upstream: &Upstream) -> Result<Arc<Line>, UpstreamError> {
        let address = upstream.url.as_str();
        let known = {
            let lines = self.lines.read().unwrap_or_else(PoisonError::into_inner);
            lines.get(address).cloned()
        };
        if let Some(line) = known {
            return Ok(line);
        }
        let line = Arc::new(Line::to(&upstream.url)?);
        let mut lines = self.lines.write().unwrap_or_else(PoisonError::into_inner);
        let line = lines.entry(address.to_owned()).or_insert(line);
        Ok(Arc::clone(line))
    }
}
