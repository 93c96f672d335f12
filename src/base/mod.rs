//! What everything else stands on: time, chance, secret types, sealing, ids and what is fit to be read. No I/O and no domain.

pub mod clock;
pub mod entropy;
pub mod id;
mod purpose;
pub mod seal;
pub mod secret;
pub mod text;
