//! The checklist of the MCP digest, each item a test named by its number.
//!
//! Not here: what needs OAuth access or other kinds of upstream (they come with those), and what another item's test shows
//! already (items 12 to 14 are one test, for example).

mod authorization;
mod elicitation;
mod legacy;
mod modern;
mod refused;
mod relayed;
mod retries;
mod stale;
mod streams;
mod subscriptions;
