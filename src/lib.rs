//! Anteroom: an MCP gateway that knows its users.
//!
//! # A call
//!
//! Each arrow's value can only be made by the step before it.
//!
//! ```text
//! POST /mcp/{gateway}      mcp::endpoint        bytes, headers      → message of one era
//!   who                    gateway::access      token, or API key   → Principal         | 401, 403
//!     └ whose grant        issuer               access token        → Access
//!     └ what they may use  gateway::policy      claims × rules      → Rights            | as if it were not there
//!   which tool             gateway::catalog     name                → Tool              | -32602
//!     └ is it to be seen   hooks                access              → yes or no         | as if it were not there
//!   may it                 gateway::admit       requirements        → Permit ─────────┐ | a tool error
//!     └ whose token        vault                credential, refresh → HeldToken       │
//!     └ or ask             connect              what is missing     → Offer ───────┐  │
//!   do it                  gateway::call        Permit + arguments  → Reply ◄──────┼──┘
//!     └ may it, may that   hooks                pre, post           → Changes          | a tool error
//!     └ upstream           upstream             in its own era                     │
//!   ask                    mcp::elicitation     in this client's dialect ◄─────────┘
//!   answer                 mcp::relay, dress    JSON, or server-sent events
//! ```
//!
//! # A connection
//!
//! Every step ends by redirecting to `/connect/{flow}`; `connect::dispatch` alone maps the stored stage to the next step.
//!
//! ```text
//! /connect/{flow}    Offered      who is at the browser? (user_source::sign_in); anybody else is refused, the flow untouched
//!                                 the page: which client asks for what, where, for whom; POST to go on
//! provider           AtProvider   state and PKCE verifier are made now, not before (or: the user types a key, `connect::api_key`)
//! /oauth2/intermediate_callback/{provider}
//!                                 state taken once, same browser, same user, iss → code exchanged → vault → signal
//! /connect/{flow}    Completed | Failed
//! ```
//!
//! Where an application vouches for its users, nobody signs in with us; after the provider, and before the exchange, comes
//!
//! ```text
//! verifier_url?flow_id=…
//!                    AwaitingVerification   code or key sealed, a ticket that is good once
//! /v1/auth/confirm_user                     api::confirm: who came? somebody else → Failed
//!                    Settling               ticket spent → code exchanged → vault → signal
//! ```
//!
//! What is connected its user sees at `/connections` (`connections`); who did what with it stands in the `audit` log.
//!
//! # A sign-in
//!
//! An MCP client that knows nothing but the address gets a 401, and finds the rest by itself (RFC 9728, RFC 8414).
//!
//! ```text
//! /oauth2/register, or a document      issuer::client       who the client says it is
//! /oauth2/authorize                    issuer::authorize    the page: which client, where to, as whom; POST to allow it
//! /sign-in/{user_source}               user_source          a password, or the company's OpenID provider
//! /oauth2/intermediate_callback        user_source::oidc    state taken once, same browser, ID token in full → browser session
//! /oauth2/authorize/{handle}           issuer::resume       who signed in, what they may → consent kept, code minted
//! /oauth2/token                        issuer::token        code or refresh token, once → grant → access token
//! ```
//!
//! # The layers
//!
//! The modules stand here in layer order; a file uses only layers above its own (`tests/it/tidy.rs` holds this).

pub mod base;

pub mod protocol;

pub mod config;

pub mod store;
pub mod web;

pub mod audit;

pub mod hooks;
pub mod provider;
pub mod upstream;
pub mod user_source;

pub mod issuer;
pub mod secrets;
pub mod vault;

pub mod connect;

pub mod gateway;

pub mod execution;

pub mod schedule;

pub mod api;
pub mod connections;
pub mod mcp;

pub mod admin;
pub mod app;
pub mod reload;
pub mod routes;
pub mod server;
pub mod tasks;

pub mod demo;

pub mod cli;
