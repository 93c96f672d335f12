//! Time, handed in.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

pub use jiff::{SignedDuration as Span, Timestamp};

/// Tells what time it is. Held by the parts that need it, never looked up.
pub trait Clock: Send + Sync + 'static {
    /// The current instant, to the millisecond or better.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// A clock that moves only when told. Clones share the same hands.
#[derive(Clone, Debug)]
pub struct ManualClock {
    milliseconds: Arc<AtomicI64>,
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the machine's clock"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

impl ManualClock {
    /// A clock stopped at `start`.
    pub fn new(start: Timestamp) -> Self {
        Self {
            milliseconds: Arc::new(AtomicI64::new(start.as_millisecond())),
        }
    }

    /// Moves the hands forward (or back, with a negative span).
    pub fn advance(&self, by: Span) {
        let step = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.milliseconds.fetch_add(step, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.milliseconds.load(Ordering::SeqCst))
            .unwrap_or(Timestamp::MAX)
    }
}
