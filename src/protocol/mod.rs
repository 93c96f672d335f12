//! The words of the wire as pure values: OAuth, JSON-RPC and MCP. No I/O.

pub mod arcade;
pub mod jsonrpc;
pub mod mcp;
pub mod members;
pub mod mirrored;
pub mod oauth;
pub mod sse;
