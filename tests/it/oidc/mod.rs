//! Signing in at a company's OpenID provider: the way it should go, the ways it fails, and the attacks on it.

mod assertions;
mod attacks;
mod claims;
mod counts;
mod failures;
pub mod office;
mod story;
mod tokens;
