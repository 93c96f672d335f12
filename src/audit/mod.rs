//! The audit log: who did what with whose connection, kept for as long as the operator says, and given out as JSON lines.
//!
//! This is the one place where users stand with their subject in full: it is there to say who. It is not the log file, whose
//! lines show a user as a hash, and it holds no token, key, argument or result of anything.
//!
//! | record | key | lives |
//! |---|---|---|
//! | events of a moment | `audit/{microseconds of the first}/{writer}-{number}` | `[audit] keep` after the last of them |
//!
//! [`event`] is what there is to say, [`entry`] how a line looks, [`trail`] gets it written without holding calls up, [`retention`]
//! says how long it stays, [`export`] reads it, as [`query`] asks.
//!
//! What is promised: an event that was [recorded](trail::Trail::record) is durable; one that was [noted](trail::Trail::note) is
//! written within a second, so a machine that loses power loses at most the notes of its last second. None is ever left out
//! because there are many: whoever notes waits.

pub mod entry;
pub mod event;
pub mod export;
pub mod query;
pub mod retention;
pub mod trail;

pub use entry::{Entry, Through};
pub use event::Event;
pub use export::Archive;
pub use query::Query;
pub use trail::{NotRecorded, Trail};
