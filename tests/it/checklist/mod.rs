//! The checklist of the MCP digest, each item a test named by its number.
//!
//! Not here: 14, 20 on pages and 26–28 where another item's test shows them already (each says so); what needs OAuth access
//! or other kinds of upstream.

mod elicitation;
mod legacy;
mod modern;
mod streams;
mod subscriptions;
mod walkthrough;
