//! The shapes of Arcade's worker protocol and of its engine's REST face: what a tool is, what it needs, and what came of a call.
//! Facts: `arcade-and-scalekit.md` §1.5 and §2.

pub mod definition;
pub mod invoke;
pub mod request;
pub mod schema;
