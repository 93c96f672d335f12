//! What an upstream offers, and one call of it, whatever its dialect.

use std::{fmt, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue};
use serde_json::value::RawValue;

use crate::{
    base::secret::Secret,
    protocol::{
        arcade::{definition::ToolDefinition, invoke::Invoked},
        mirrored::MirroredArgument,
    },
};

use super::mcp::Reply;

/// The tools of one upstream, for one caller.
#[derive(Debug)]
pub struct ToolList {
    /// In the upstream's order; names are unique.
    pub tools: Vec<RawTool>,
    /// How long the list is good: `ttlMs`, or what is configured. May be zero.
    pub ttl: Duration,
    /// Whether it is this caller's alone (`cacheScope`; where the upstream does not say: whether it got a user's credential).
    pub private: bool,
}

/// One tool, as its upstream defines it. Everything in it is untrusted.
#[derive(Clone, Debug)]
pub struct RawTool {
    /// The upstream's name for it. Of a worker's tool: `Kit.Tool`.
    pub name: String,
    /// The whole definition in MCP's words; unchanged, if the upstream is an MCP server.
    pub raw: Box<RawValue>,
    /// `annotations.readOnlyHint`; false if absent.
    pub read_only: bool,
    /// `annotations.idempotentHint`; false if absent.
    pub idempotent: bool,
    /// Arguments that travel in headers too (`x-mcp-header`).
    pub mirrored: Vec<MirroredArgument>,
    /// The definition in the worker protocol's words, if the upstream is a worker.
    pub worker: Option<Arc<ToolDefinition>>,
}

/// For whom a request is made. Legacy sessions are shared only between requests whose `user` and `credential` are equal.
#[derive(Clone, Default)]
pub struct Caller {
    /// [`crate::base::id::UserId::key`].
    pub user: String,
    /// What the upstream is to get in headers, ready for the wire.
    pub credentials: Vec<(HeaderName, HeaderValue)>,
    /// Which credential that is; no secret. The same text as long as a legacy session may be kept.
    pub credential: String,
    /// What a worker's tool is told beside its inputs. MCP servers are told nothing of it.
    pub context: WorkerContext,
}

/// What a worker's tool is told beside its inputs: only what it asked for.
#[derive(Clone, Default)]
pub struct WorkerContext {
    /// The user's id as programs know it; `None` when a program runs the tool for nobody.
    pub user_id: Option<String>,
    /// The user's token.
    pub token: Option<Secret>,
    /// What is known of the account the token is for; members are strings.
    pub user_info: serde_json::Map<String, serde_json::Value>,
    /// The secrets it named, in its order.
    pub secrets: Vec<(String, Secret)>,
    /// The facts it named (`client_id`, `coordinator_url`).
    pub metadata: Vec<(String, String)>,
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
    /// What the call is known by, in its worker's log and to whoever asked for it: `te_…`. Workers and hooks only; may be empty.
    pub execution_id: &'a str,
    /// The definition the caller went by; workers only.
    pub worker: Option<&'a ToolDefinition>,
}

/// How a call began to be answered.
#[derive(Debug)]
pub enum Answered {
    /// By an MCP server.
    Reply(Reply),
    /// By a worker, which answers once.
    Invoked(Box<Invoked>),
}

impl Answered {
    /// The reply of an MCP server; `None` from a worker.
    pub fn reply(self) -> Option<Reply> {
        match self {
            Self::Reply(reply) => Some(reply),
            Self::Invoked(_) => None,
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
