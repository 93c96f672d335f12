//! HTTP manners that all handlers share: the addresses we publish, pages and their security headers, cookies, form tokens,
//! failures as people see them, and requests of ours to other servers.
//!
//! Nothing here knows a domain; no records are kept here.

mod address;
pub mod authorize_failure;
pub mod connection_failure;
pub mod cookie;
pub mod csrf;
pub mod failure;
pub mod fetch;
pub mod outbound;
pub mod pace;
pub mod page;
pub mod page_authorize;
pub mod page_connections;
pub mod page_key;
pub mod peer;
pub mod sign_in_failure;
pub mod stop;
pub mod urls;
mod wording;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod gallery;
#[cfg(test)]
mod gallery_authorize;
#[cfg(test)]
mod gallery_connections;
#[cfg(test)]
mod gallery_key;
#[cfg(test)]
mod tests_fetch;
