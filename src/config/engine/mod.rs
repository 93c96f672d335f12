//! Providers and workers as Arcade's engine describes them, in its `engine.yaml` and in its API, as sections of `gateway.toml`.
//!
//! What cannot be carried is noted by its path; nothing is read beside the document, and no secret in it is carried.

mod about;
mod convert;
mod node;
mod requests;
mod workers;

pub use self::{convert::provider, node::Node, workers::upstreams};
