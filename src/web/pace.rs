//! How often one may ask: buckets in memory, for what costs us something before we know who asks.
//!
//! They are this process's own: with n replicas, n times as much is let through. What must be counted exactly is counted in the
//! store (`user_source::throttle`).

use std::{fmt, hash::Hash, net::IpAddr, num::NonZeroU32, sync::Arc, time::Duration};

use governor::{Quota, RateLimiter, clock, state::keyed::DashMapStateStore};
use ipnet::Ipv6Net;

use crate::base::clock::{Clock, Timestamp};

/// Beyond so many buckets those that are full again are forgotten.
const ROOM: usize = 10_000;

/// A bucket per key, all of one size. Cheap to clone.
pub struct Pace<K: Hash + Eq + Clone> {
    limiter: Arc<RateLimiter<K, DashMapStateStore<K>, Hands, Unobserved>>,
    hands: Hands,
}

type Unobserved = governor::middleware::NoOpMiddleware<Duration>;

/// The clock as the limiter reads it.
#[derive(Clone)]
struct Hands(Arc<dyn Clock>);

/// Whose bucket an address takes from: an IPv6 network counts as one, for whoever has one address has them all.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Net::new_assert(address, 64).network().into(),
    }
}

impl<K: Hash + Eq + Clone> Pace<K> {
    /// `burst` at once, and one more after each `every`.
    ///
    /// # Panics
    /// When one of them is zero.
    pub fn new(burst: u32, every: Duration, clock: Arc<dyn Clock>) -> Self {
        let burst = NonZeroU32::new(burst).expect("a bucket holds something");
        let quota = Quota::with_period(every).expect("a bucket fills in some time");
        let hands = Hands(clock);
        let limiter = RateLimiter::dashmap_with_clock(quota.allow_burst(burst), hands.clone());
        Self {
            limiter: Arc::new(limiter),
            hands,
        }
    }

    /// Takes one from the bucket of `key`.
    ///
    /// # Errors
    /// It is empty; there will be one after so long.
    pub fn spend(&self, key: &K) -> Result<(), Duration> {
        if self.limiter.len() > ROOM {
            self.limiter.retain_recent();
        }
        let now = clock::Clock::now(&self.hands);
        self.limiter
            .check_key(key)
            .map_err(|wait| wait.wait_time_from(now))
    }
}

impl<K: Hash + Eq + Clone> Clone for Pace<K> {
    fn clone(&self) -> Self {
        Self {
            limiter: Arc::clone(&self.limiter),
            hands: self.hands.clone(),
        }
    }
}

impl clock::Clock for Hands {
    /// Since 1970.
    type Instant = Duration;

    fn now(&self) -> Duration {
        let since = self.0.now().duration_since(Timestamp::UNIX_EPOCH);
        since.unsigned_abs()
    }
}

impl<K: Hash + Eq + Clone> fmt::Debug for Pace<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pace(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::{ManualClock, Span};

    #[test]
    fn a_burst_then_one_at_a_time_and_everybody_for_themselves() {
        let clock = ManualClock::new("2026-11-06T08:00:00Z".parse().unwrap());
        let pace = Pace::new(3, Duration::from_secs(10), Arc::new(clock.clone()));
        for _ in 0..3 {
            assert_eq!(pace.spend(&"a"), Ok(()));
        }
        assert_eq!(pace.spend(&"a"), Err(Duration::from_secs(10)));
        assert_eq!(pace.spend(&"b"), Ok(()));
        clock.advance(Span::from_secs(9));
        assert_eq!(pace.spend(&"a"), Err(Duration::from_secs(1)));
        clock.advance(Span::from_secs(1));
        assert_eq!(pace.spend(&"a"), Ok(()));
        assert!(pace.spend(&"a").is_err());
    }
}
