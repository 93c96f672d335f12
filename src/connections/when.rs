//! Moments as people say them. No page knows its reader's time zone, so what is long ago is said by its day in UTC.

use crate::{
    base::clock::{Span, Timestamp},
    web::page_connections::When,
};

/// `at`, seen from `now`.
pub fn when(at: Timestamp, now: Timestamp) -> When {
    When {
        words: words(at, now),
        exact: at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    }
}

fn words(at: Timestamp, now: Timestamp) -> String {
    let ago = now.duration_since(at).max(Span::ZERO);
    let (minutes, hours) = (ago.as_mins(), ago.as_hours());
    match hours / 24 {
        0 if minutes < 2 => "just now".to_owned(),
        0 if hours < 1 => format!("{minutes} minutes ago"),
        0 if hours < 2 => "an hour ago".to_owned(),
        0 => format!("{hours} hours ago"),
        1 => "a day ago".to_owned(),
        days @ 2..=6 => format!("{days} days ago"),
        _ => at.strftime("%-d %B %Y").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_count_in_minutes_hours_days_and_dates() {
        let at: Timestamp = "2026-11-03T23:30:00Z".parse().unwrap();
        for (later, said) in [
            ("2026-11-03T23:29:00Z", "just now"),
            ("2026-11-03T23:31:59Z", "just now"),
            ("2026-11-03T23:59:00Z", "29 minutes ago"),
            ("2026-11-04T00:30:00Z", "an hour ago"),
            ("2026-11-04T20:30:00Z", "21 hours ago"),
            ("2026-11-05T00:00:00Z", "a day ago"),
            ("2026-11-09T23:30:00Z", "6 days ago"),
            ("2026-11-10T23:30:00Z", "3 November 2026"),
        ] {
            assert_eq!(words(at, later.parse().unwrap()), said, "{later}");
        }
        assert_eq!(when(at, at).exact, "2026-11-03T23:30:00Z");
    }
}
