//! Our authorization server for MCP clients (OAuth 2.1): who a client is, what a user approved, and the tokens for it.
//!
//! ```text
//! client     client_id                → Client            registered, dynamic (RFC 7591), metadata document (CIMD)
//! authorize  request in a URL         → Approved          consent, sign-in, policy
//! code       Approved                 → code → Approved    once
//! token      code, refresh, ID-JAG    → access token       grants, rotation
//! access     access token             → Access             at every request of `/mcp`
//! ```

pub mod approved;
pub mod client;
