//! The shapes of Arcade's worker protocol and of its engine's REST face: what a tool is, what it needs, and what came of a call.
//! Facts: `arcade-and-scalekit.md` §1.5 and §2. Webhooks: §4.6.

pub mod definition;
pub mod hook;
pub mod hook_answer;
pub mod invoke;
pub mod request;
pub mod schema;
