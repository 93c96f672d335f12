//! The whole story on one machine: a toy provider, a toy upstream and a gateway in one process.
//!
//! The toys are honest: they hold the standards that Anteroom talks to them by, and share no protocol code with it, so that
//! a misunderstanding on our side is refused instead of confirmed. They keep nothing on disk and belong on loopback only.

pub mod acme;
pub mod check;
mod configuration;
mod folder;
mod gateway;
pub mod handout;
mod keepsakes;
pub mod notes;
pub mod run;

pub use folder::FolderError;
