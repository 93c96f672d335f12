//! The shapes of Arcade's worker protocol and of its engine's REST face: what a tool is, what it needs, what came of a
//! call, and what hooks are asked about it.

pub mod definition;
pub mod hook;
pub mod hook_answer;
pub mod invoke;
pub mod request;
pub mod schema;
