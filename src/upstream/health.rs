//! Whether an upstream is worth waiting for: after repeated failures to reach it, lists leave it out for a while.
//!
//! Calls always try; what they find out counts here too.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use crate::base::clock::{Span, Timestamp};

/// Failures in a row until an upstream rests.
const PATIENCE: u32 = 3;
const FIRST_REST: Span = Span::from_secs(5);
const LONGEST_REST: Span = Span::from_secs(60);

/// What is known about reaching one upstream.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// Whether there is anything to know: the usual case touches no lock.
    ailing: AtomicBool,
    illness: Mutex<Illness>,
}

#[derive(Debug, Default)]
struct Illness {
    failures: u32,
    rests: u32,
    resting_until: Option<Timestamp>,
    /// Someone was let through while it rests.
    on_trial: bool,
}

impl Health {
    /// It answered, whatever it said.
    pub fn reached(&self) {
        if self.ailing.load(Ordering::Relaxed) {
            *self.illness() = Illness::default();
            self.ailing.store(false, Ordering::Relaxed);
        }
    }

    /// It could not be reached, or kept silent. Of many who fail together, those after the one that sends it to rest do not
    /// count.
    pub fn missed(&self, now: Timestamp) {
        self.ailing.store(true, Ordering::Relaxed);
        let mut illness = self.illness();
        if illness.rests_at(now) && !illness.on_trial {
            return;
        }
        illness.on_trial = false;
        illness.failures = illness.failures.saturating_add(1);
        if illness.failures >= PATIENCE {
            let rest = (FIRST_REST * (1 << illness.rests.min(8))).min(LONGEST_REST);
            illness.resting_until = now.checked_add(rest).ok();
            illness.rests = illness.rests.saturating_add(1);
        }
    }

    /// Whether lists should do without it now. When a rest is over, one asker is let through to see.
    pub fn rests(&self, now: Timestamp) -> bool {
        if !self.ailing.load(Ordering::Relaxed) {
            return false;
        }
        let mut illness = self.illness();
        if illness.rests_at(now) {
            return true;
        }
        if illness.failures >= PATIENCE {
            illness.on_trial = true;
            illness.resting_until = now.checked_add(FIRST_REST).ok();
        }
        false
    }

    fn illness(&self) -> MutexGuard<'_, Illness> {
        self.illness.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Illness {
    fn rests_at(&self, now: Timestamp) -> bool {
        self.resting_until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn it_rests_after_the_third_failure_and_one_asker_wakes_it() {
        let health = Health::default();
        health.missed(at(0));
        health.missed(at(0));
        assert!(!health.rests(at(0)));
        health.missed(at(0));
        assert!(health.rests(at(4)));
        assert!(!health.rests(at(5)), "one is let through");
        assert!(health.rests(at(5)), "the next is not");
        health.reached();
        assert!(!health.rests(at(5)));
    }

    #[test]
    fn rests_grow_to_a_minute_however_many_fail_together() {
        let health = Health::default();
        let mut second = 0;
        for rest in [5, 10, 20, 40, 60, 60] {
            for _ in 0..100 {
                health.missed(at(second));
            }
            assert!(health.rests(at(second + rest - 1)), "{rest}");
            assert!(!health.rests(at(second + rest)), "{rest}");
            second += rest;
        }
    }
}
