//! Routing and permission: from a verified principal and a tool's name to the upstream's answer. No HTTP, no JSON-RPC.
//!
//! ```text
//! access    token, or key + user id  → Principal           policy: which tools there are for them
//! catalog   gateway × upstream lists → Tool                       offered: which of them hooks let be seen
//! admit     Tool + Principal         → Permit | NeedsUser
//! call      Permit + arguments       → Reply                      hooked: what hooks say before and after
//! ```
//! Each value can only be made by the step before it. Owns no records.

pub mod access;
pub mod account;
pub mod admit;
pub mod call;
pub mod catalog;
mod context;
mod hooked;
mod hooked_answer;
mod lists;
pub mod names;
mod not_admitted;
mod noted;
mod offered;
pub mod policy;
mod presented;
pub mod qualified;
pub mod required;
pub mod view;

use std::sync::Arc;

use crate::{audit::Trail, base::entropy::Entropy, hooks::Hooks, upstream::Upstreams};

/// The way of every call, whichever face it came through. Clones share.
#[derive(Clone)]
pub struct Gateways {
    catalog: catalog::Catalog,
    admitting: admit::Admitting,
    upstreams: Upstreams,
    hooks: Hooks,
    trail: Trail,
    entropy: Arc<dyn Entropy>,
}
