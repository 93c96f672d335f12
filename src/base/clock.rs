//! Time, handed in.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
pub use jiff::{SignedDuration as Span, Timestamp};
use tokio::sync::watch;

/// A machine's clock may be set while somebody waits for a time: it is looked at again this often.
const LOOK: Duration = Duration::from_secs(10);

/// Tells what time it is. Held by the parts that need it, never looked up.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// The current instant, to the millisecond or better.
    fn now(&self) -> Timestamp;

    /// Returns when it is `when` or later: at once if it is.
    async fn reached(&self, when: Timestamp) {
        while let Ok(left) = Duration::try_from(when.duration_since(self.now())) {
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LOOK)).await;
        }
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// A clock that moves only when told. Clones share the same hands.
#[derive(Clone, Debug)]
pub struct ManualClock {
    milliseconds: Arc<watch::Sender<i64>>,
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
            milliseconds: Arc::new(watch::Sender::new(start.as_millisecond())),
        }
    }

    /// Moves the hands forward (or back, with a negative span).
    pub fn advance(&self, by: Span) {
        let step = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.milliseconds
            .send_modify(|hands| *hands = hands.saturating_add(step));
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(*self.milliseconds.borrow()).unwrap_or(Timestamp::MAX)
    }

    async fn reached(&self, when: Timestamp) {
        let mut hands = self.milliseconds.subscribe();
        let there = |hands: &i64| *hands >= when.as_millisecond();
        // Cannot fail: the clock outlives the wait.
        drop(hands.wait_for(there).await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_for_a_time_wakes_when_the_hands_are_there() {
        let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
        let when = Timestamp::from_second(100).unwrap();
        let waiting = tokio::spawn({
            let clock = clock.clone();
            async move { clock.reached(when).await }
        });
        clock.advance(Span::from_secs(99));
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        clock.advance(Span::from_secs(1));
        waiting.await.unwrap();
        clock.reached(when).await;
    }

    #[tokio::test]
    async fn the_machines_clock_is_waited_for_too() {
        let when = SystemClock.now() + Span::from_millis(20);
        SystemClock.reached(when).await;
        assert!(SystemClock.now() >= when);
        SystemClock.reached(Timestamp::UNIX_EPOCH).await;
    }
}
