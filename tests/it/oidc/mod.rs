//! Signing in at a company's OpenID provider: the way it should go, the ways it fails, and the attacks on it.

mod attacks;
mod claims;
mod failures;
mod office;
mod story;
mod tokens;
