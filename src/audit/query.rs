//! What of the log is asked for, as operators say it: on the command line and in an address.

use std::fmt;

use jiff::{SignedDuration, SpanRelativeTo, civil::DateTime, tz::TimeZone};
use serde::Deserialize;

use super::event::KINDS;
use crate::base::clock::Timestamp;

/// What to give out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Not what was before this.
    pub since: Option<Timestamp>,
    /// Not what was then or later.
    pub until: Option<Timestamp>,
    /// Only of users of this source.
    pub user_source: Option<String>,
    /// Only of this user: the source's word for them.
    pub user: Option<String>,
    /// Only of this provider.
    pub provider: Option<String>,
    /// Only this, one of [`KINDS`].
    pub event: Option<String>,
    /// Only the latest so many.
    pub limit: Option<usize>,
}

/// Why a text asks for nothing. For operators.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadQuery {
    /// Neither a time nor a duration.
    #[error(
        "`{0}` is no time: write one such as 2026-11-21T10:00:00Z, a day such as 2026-11-21 (UTC), or how long ago, such as 2h or 7d"
    )]
    Time(String),
    /// Not a word for an event.
    #[error("there is no event `{0}`; there are: {list}", list = KINDS.join(", "))]
    Event(String),
    /// Not a number.
    #[error("the limit must be a number from 1 to {MOST}")]
    Limit,
    /// Said twice, or nothing that can be said.
    #[error(
        "`{0}` can be said once, if at all; known: since, until, user_source, user, provider, event, limit"
    )]
    Parameter(String),
}

/// The largest limit. Who wants more asks without.
const MOST: usize = 100_000;

/// What of a line decides whether it is asked for. Lines of a newer version are read as well.
#[derive(Deserialize)]
pub(super) struct Seen {
    pub(super) at: Timestamp,
    event: String,
    user_source: String,
    user: String,
    provider: String,
}

impl Query {
    /// Reads names and values: those of this struct. `now` is what durations are counted back from.
    ///
    /// # Errors
    /// See [`BadQuery`].
    pub fn read<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
        now: Timestamp,
    ) -> Result<Self, BadQuery> {
        let mut query = Self::default();
        for (name, value) in pairs {
            let taken = match name {
                "since" => query.since.replace(moment(value, now)?).is_some(),
                "until" => query.until.replace(moment(value, now)?).is_some(),
                "user_source" => query.user_source.replace(value.to_owned()).is_some(),
                "user" => query.user.replace(value.to_owned()).is_some(),
                "provider" => query.provider.replace(value.to_owned()).is_some(),
                "event" => query.event.replace(event(value)?).is_some(),
                "limit" => query.limit.replace(limit(value)?).is_some(),
                _ => true,
            };
            if taken {
                return Err(BadQuery::Parameter(name.to_owned()));
            }
        }
        Ok(query)
    }

    pub(super) fn asks_for(&self, line: &Seen) -> bool {
        let is =
            |asked: &Option<String>, said: &str| asked.as_ref().is_none_or(|asked| asked == said);
        self.since.is_none_or(|since| line.at >= since)
            && self.until.is_none_or(|until| line.at < until)
            && is(&self.user_source, &line.user_source)
            && is(&self.user, &line.user)
            && is(&self.provider, &line.provider)
            && is(&self.event, &line.event)
    }
}

fn moment(text: &str, now: Timestamp) -> Result<Timestamp, BadQuery> {
    // A day is its beginning.
    let utc = |text: &str| {
        Some(
            text.parse::<DateTime>()
                .ok()?
                .to_zoned(TimeZone::UTC)
                .ok()?
                .timestamp(),
        )
    };
    let ago = |text: &str| {
        let span = text.parse::<jiff::Span>().ok()?;
        let span = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        let span = (span >= SignedDuration::ZERO).then_some(span)?;
        now.checked_sub(span).ok()
    };
    let time = text
        .parse()
        .ok()
        .or_else(|| utc(text))
        .or_else(|| ago(text));
    time.ok_or_else(|| BadQuery::Time(printable(text)))
}

fn event(text: &str) -> Result<String, BadQuery> {
    let known = KINDS.contains(&text).then(|| text.to_owned());
    known.ok_or_else(|| BadQuery::Event(printable(text)))
}

fn limit(text: &str) -> Result<usize, BadQuery> {
    let number = text.parse().ok();
    number
        .filter(|number| (1..=MOST).contains(number))
        .ok_or(BadQuery::Limit)
}

/// Fit to be shown on a terminal.
fn printable(text: &str) -> String {
    text.chars().take(60).flat_map(char::escape_debug).collect()
}

/// As it stands in an address.
impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let mut say = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                query.append_pair(name, &value);
            }
        };
        say("since", self.since.map(|since| since.to_string()));
        say("until", self.until.map(|until| until.to_string()));
        say("user_source", self.user_source.clone());
        say("user", self.user.clone());
        say("provider", self.provider.clone());
        say("event", self.event.clone());
        say("limit", self.limit.map(|limit| limit.to_string()));
        f.write_str(&query.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }

    fn since(text: &str) -> Result<String, BadQuery> {
        let query = Query::read([("since", text)], now())?;
        Ok(query.since.unwrap().to_string())
    }

    #[test]
    fn a_time_is_said_in_several_ways() {
        assert_eq!(since("2h").unwrap(), "2026-11-21T10:00:00Z");
        assert_eq!(since("7d").unwrap(), "2026-11-14T12:00:00Z");
        assert_eq!(since("2026-11-20").unwrap(), "2026-11-20T00:00:00Z");
        assert_eq!(since("2026-11-20T18:30").unwrap(), "2026-11-20T18:30:00Z");
        assert_eq!(
            since("2026-11-20T01:00:00+01:00").unwrap(),
            "2026-11-20T00:00:00Z"
        );
        for bad in [
            "",
            "yesterday",
            "-2h",
            "9999999999h",
            "2026-13-01",
            "2\u{1b}[m",
        ] {
            let words = since(bad).unwrap_err().to_string();
            assert!(
                words.contains("is no time") && !words.contains('\u{1b}'),
                "{words}"
            );
        }
    }

    #[test]
    fn what_is_asked_survives_its_address() {
        let pairs = [
            ("since", "2h"),
            ("user_source", "team"),
            ("user", "a+b&c=d@example.com"),
            ("provider", "acme"),
            ("event", "used"),
            ("limit", "10"),
        ];
        let query = Query::read(pairs, now()).unwrap();
        let address = query.to_string();
        let read: Vec<_> = url::form_urlencoded::parse(address.as_bytes()).collect();
        let read = read.iter().map(|(name, value)| (&**name, &**value));
        assert_eq!(Query::read(read, now()).unwrap(), query);
    }

    #[test]
    fn what_cannot_be_asked_is_said() {
        let bad = |pairs: &[(&str, &str)]| Query::read(pairs.iter().copied(), now()).unwrap_err();
        assert!(bad(&[("event", "usd")]).to_string().contains("use_refused"));
        for limit in ["0", "-1", "many", "100001"] {
            assert_eq!(bad(&[("limit", limit)]), BadQuery::Limit);
        }
        assert_eq!(bad(&[("users", "x")]), BadQuery::Parameter("users".into()));
        let twice = [("user", "x"), ("user", "y")];
        assert_eq!(bad(&twice), BadQuery::Parameter("user".into()));
    }
}
