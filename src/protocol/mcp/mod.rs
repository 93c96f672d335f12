//! MCP words that both faces share: revisions, reserved keys, raw objects.

pub mod object;
pub mod revision;

/// `_meta` keys of 2026-07-28 requests and results.
pub mod meta {
    /// The revision a request speaks; its presence makes a request modern.
    pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    /// What the client can do, per request.
    pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    /// Who the client says it is.
    pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
    /// From which severity log messages are wanted.
    pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
    /// Who the server says it is.
    pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
    /// Which listen request a notification belongs to.
    pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
    /// The prefix reserved for the protocol.
    pub const RESERVED: &str = "io.modelcontextprotocol/";
    /// By what a request's progress notifications are known.
    pub const PROGRESS_TOKEN: &str = "progressToken";
}
