//! Upstreams that speak the worker protocol of Arcade's tool servers (`arcade-and-scalekit.md` §2): a catalogue that is polled,
//! and one request per call, each signed with the worker's secret.

use std::sync::Arc;

use super::{Caller, ToolCall, ToolList, error::UpstreamError, http::Http};
use crate::{
    base::clock::Clock,
    config::{ArcadeWorker, Upstream},
    protocol::arcade::invoke::Invoked,
};

/// The way to every worker. Clones share connections and what is known.
#[derive(Clone)]
pub(super) struct Workers {
    #[expect(dead_code, reason = "the worker protocol is on its way")]
    http: Http,
    #[expect(dead_code, reason = "the worker protocol is on its way")]
    clock: Arc<dyn Clock>,
}

impl Workers {
    pub fn new(http: Http, clock: Arc<dyn Clock>) -> Self {
        Self { http, clock }
    }

    pub async fn list_tools(
        &self,
        _upstream: &Upstream,
        _worker: &ArcadeWorker,
    ) -> Result<ToolList, UpstreamError> {
        Err(UpstreamError::unreachable("workers are not asked yet"))
    }

    pub async fn invoke(
        &self,
        _upstream: &Upstream,
        _worker: &ArcadeWorker,
        _caller: &Caller,
        _call: ToolCall<'_>,
    ) -> Result<Invoked, UpstreamError> {
        Err(UpstreamError::unreachable("workers are not asked yet"))
    }

    pub fn retain(&self, _addresses: &[&str]) {}
}
