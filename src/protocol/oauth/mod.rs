//! OAuth words shared by every role we play: pure values, no I/O.

pub mod authorization_response;
pub mod claims;
pub mod error;
pub mod pkce;
pub mod redirect;
pub mod scope;
pub mod token;
pub mod token_response;
