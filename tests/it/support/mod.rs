//! People, programs and far-away servers as values.

pub mod log;
pub mod upstream;
pub mod wire;
