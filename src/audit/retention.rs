//! How long the log stays, and where an event stands in it.
//!
//! Records stand in the order of time and so end in the order of their keys: the store that sweeps looks no further than the
//! first that is alive ([`crate::store::IN_ORDER`]), however much was written since.

use std::time::Duration;

use serde_json::value::RawValue;

use crate::base::clock::{Span, Timestamp};

/// The table. [`crate::store::IN_ORDER`] knows it.
pub(super) const TABLE: &str = "audit";

/// The events of one record lie no further apart than this, so a reader knows where to begin.
pub(super) const SPAN: Span = Span::from_secs(10);

/// What a record holds: lines, the earliest first.
pub(super) type Lines = Vec<Box<RawValue>>;

/// The beginning of the key of a record whose first event was `at`: as text in the order of time.
pub(super) fn place(at: Timestamp) -> String {
    format!("{:016}", at.as_microsecond().max(0))
}

/// When the first event was of the record with this key; `None` for a key that is none of ours.
pub(super) fn first(key: &str) -> Option<Timestamp> {
    let (microseconds, _) = key.split_once('/')?;
    Timestamp::from_microsecond(microseconds.parse().ok()?).ok()
}

/// When a record ceases to be whose last event was at `last`.
pub(super) fn end(last: Timestamp, keep: Duration) -> Timestamp {
    let keep = Span::try_from(keep).unwrap_or(Span::MAX);
    last.saturating_add(keep).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_in_the_order_of_time() {
        let times = [
            "1970-01-01T00:00:00Z",
            "2001-09-09T01:46:39.999999Z",
            "2026-11-21T17:00:00Z",
            "2026-11-21T17:00:00.000001Z",
        ];
        let times = times.map(|time| time.parse::<Timestamp>().unwrap());
        let places = times.map(place);
        assert!(places.is_sorted());
        for (time, place) in times.into_iter().zip(places) {
            assert_eq!(first(&format!("{place}/w-1")), Some(time));
        }
    }
}
