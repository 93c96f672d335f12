//! A clock that runs, and can be put forward.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use crate::base::clock::{Clock, Span, SystemClock, Timestamp};

/// The machine's clock and what was skipped. Clones share what was skipped.
#[derive(Clone, Debug, Default)]
pub struct SkippingClock {
    skipped: Arc<AtomicI64>,
}

impl SkippingClock {
    /// Passes over so much time at once; whole seconds.
    pub fn skip(&self, span: Span) {
        self.skipped.fetch_add(span.as_secs(), Ordering::SeqCst);
    }
}

impl Clock for SkippingClock {
    fn now(&self) -> Timestamp {
        let skipped = Span::from_secs(self.skipped.load(Ordering::SeqCst));
        let now = SystemClock.now();
        now.checked_add(skipped).unwrap_or(Timestamp::MAX)
    }
}
