//! One value of the file, asked for as what it should be.
//!
//! Every question that finds something else notes a problem at the value's place and answers `None`, so that the reading goes
//! on and all problems are found at once.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    path::PathBuf,
    time::Duration,
};

use jiff::{SignedDuration, SpanRelativeTo};
use toml::{Spanned, de::DeValue};
use url::Url;

use super::{
    problem::{Lines, Problem, Problems, Weight, listed, nearest, quoted},
    reference::{Surroundings, expand},
    section::Section,
};
use crate::base::secret::Secret;

/// One reading of one file: what it is read against, and what was found.
pub(super) struct Reader<'a> {
    pub surroundings: &'a Surroundings<'a>,
    found: RefCell<Vec<(Place, Weight, String)>>,
    keys: RefCell<Keys>,
    /// Files that references led to.
    pub files: RefCell<BTreeSet<PathBuf>>,
}

/// The keys that were asked for, by kind of section (`providers.*`) and key, with their default if they have one.
pub(super) type Keys = BTreeMap<(String, &'static str), Option<String>>;

/// Where something stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    /// The TOML path.
    pub path: String,
    /// The byte in the file.
    pub offset: usize,
}

/// A value and its place.
#[derive(Clone)]
pub(super) struct Value<'d> {
    pub reader: &'d Reader<'d>,
    pub place: Place,
    pub inner: &'d DeValue<'d>,
}

/// A string with its references replaced.
#[derive(Clone)]
pub(super) struct Text<'d> {
    pub value: String,
    /// Whether it stands so in the file.
    pub literal: bool,
    pub reader: &'d Reader<'d>,
    pub place: Place,
}

impl<'a> Reader<'a> {
    pub fn new(surroundings: &'a Surroundings<'a>) -> Self {
        Self {
            surroundings,
            found: RefCell::default(),
            keys: RefCell::default(),
            files: RefCell::default(),
        }
    }

    /// Notes that the file must be refused.
    pub fn problem(&self, place: &Place, message: impl Into<String>) {
        self.note(place, Weight::Error, message.into());
    }

    /// Notes something the operator should know.
    pub fn warning(&self, place: &Place, message: impl Into<String>) {
        self.note(place, Weight::Warning, message.into());
    }

    fn note(&self, place: &Place, weight: Weight, message: String) {
        self.found
            .borrow_mut()
            .push((place.clone(), weight, message));
    }

    /// Notes that a key may be written here.
    pub fn key(&self, kind: &str, key: &'static str, default: Option<String>) {
        self.keys
            .borrow_mut()
            .insert((kind.to_owned(), key), default);
    }

    /// Everything found, and every key asked for.
    pub fn finish(self, text: &str) -> (Problems, Keys) {
        let file = self.surroundings.path.display().to_string();
        let lines = Lines::new(text);
        let found = self.found.into_inner().into_iter();
        let problems = found.map(|(place, weight, message)| Problem {
            weight,
            position: Some(lines.position(place.offset)),
            path: place.path,
            message,
        });
        (
            Problems::new(file, problems.collect()),
            self.keys.into_inner(),
        )
    }
}

impl Place {
    /// The place of an entry of a table that stands here.
    pub fn key(&self, key: &str, offset: usize) -> Self {
        let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let key = if !key.is_empty() && key.len() <= 60 && key.chars().all(bare) {
            key.to_owned()
        } else {
            // As it would be written in TOML; escaped, so that a terminal obeys nothing.
            let shown: String = key.chars().take(60).flat_map(char::escape_debug).collect();
            format!("\"{shown}\"")
        };
        let path = if self.path.is_empty() {
            key
        } else {
            format!("{}.{key}", self.path)
        };
        Self { path, offset }
    }

    fn index(&self, index: usize, offset: usize) -> Self {
        let path = format!("{}[{index}]", self.path);
        Self { path, offset }
    }
}

impl<'d> Value<'d> {
    pub fn problem(&self, message: impl Into<String>) {
        self.reader.problem(&self.place, message);
    }

    /// Notes that this is of another type than it should be.
    pub fn mistyped<T>(&self, expected: &str) -> Option<T> {
        let found = match self.inner {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        self.problem(format!("expected {expected}, found {found}"));
        None
    }

    /// A string with its references replaced.
    pub fn text(&self) -> Option<Text<'d>> {
        self.text_or_hint("")
    }

    /// The same; a reference that leads nowhere is explained further with the hint.
    pub fn text_or_hint(&self, hint: &str) -> Option<Text<'d>> {
        let DeValue::String(written) = self.inner else {
            return self.mistyped("a string");
        };
        match expand(written, self.reader.surroundings) {
            Ok(expanded) => {
                self.reader.files.borrow_mut().extend(expanded.files);
                Some(Text {
                    value: expanded.text,
                    literal: expanded.literal,
                    reader: self.reader,
                    place: self.place.clone(),
                })
            }
            Err(why) => {
                self.problem(why + hint);
                None
            }
        }
    }

    /// A string that nobody may print.
    pub fn secret(&self) -> Option<Secret> {
        let text = self.text()?;
        if text.value.trim().is_empty() {
            text.problem("is empty");
            return None;
        }
        Some(Secret::from(text.value))
    }

    pub fn flag(&self) -> Option<bool> {
        self.inner
            .as_bool()
            .or_else(|| self.mistyped("true or false"))
    }

    pub fn integer(&self, range: &RangeInclusive<u64>) -> Option<u64> {
        let DeValue::Integer(written) = self.inner else {
            return self.mistyped("an integer");
        };
        let number = i128::from_str_radix(written.as_str(), written.radix()).ok();
        let number = number.and_then(|number| u64::try_from(number).ok());
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            self.problem(format!(
                "must be between {} and {}",
                range.start(),
                range.end()
            ));
        }
        number
    }

    pub fn duration(&self, range: &RangeInclusive<Duration>) -> Option<Duration> {
        const EXPECTED: &str = "a duration in quotes, such as \"45s\", \"1h 30m\" or \"90d\"";
        let DeValue::String(_) = self.inner else {
            return self.mistyped(EXPECTED);
        };
        let text = self.text()?;
        let days = SpanRelativeTo::days_are_24_hours();
        let span = text.value.parse::<jiff::Span>();
        let Ok(span) = span.and_then(|span| span.to_duration(days)) else {
            text.problem(format!("expected {EXPECTED}"));
            return None;
        };
        let duration = Duration::try_from(span).ok();
        let duration = duration.filter(|duration| range.contains(duration));
        if duration.is_none() {
            let (least, most) = (friendly(*range.start()), friendly(*range.end()));
            text.problem(format!("must be between {least} and {most}"));
        }
        duration
    }

    pub fn is_list(&self) -> bool {
        matches!(self.inner, DeValue::Array(_))
    }

    /// The members of an array.
    pub fn list(&self) -> Option<Vec<Self>> {
        let DeValue::Array(members) = self.inner else {
            return self.mistyped("an array");
        };
        let member = |(index, member): (usize, &'d Spanned<DeValue<'d>>)| Self {
            reader: self.reader,
            place: self.place.index(index, member.span().start),
            inner: member.get_ref(),
        };
        Some(members.iter().enumerate().map(member).collect())
    }

    /// An array of strings.
    pub fn texts(&self) -> Option<Vec<Text<'d>>> {
        let DeValue::Array(_) = self.inner else {
            return self.mistyped("an array of strings, such as [\"a\", \"b\"]");
        };
        self.list()?.iter().map(Self::text).collect()
    }

    /// A table.
    pub fn section(&self, kind: String) -> Option<Section<'d>> {
        let DeValue::Table(table) = self.inner else {
            return self.mistyped("a table");
        };
        Some(Section::new(self.reader, self.place.clone(), kind, table))
    }

    /// One word of a few.
    pub fn choice<T: Copy>(&self, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| *word == text.value);
        if found.is_none() {
            let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            text.problem(format!(
                "{} is not known here; {}",
                text.quoted(),
                did_you_mean(&text.value, &known)
            ));
        }
        found.map(|(_, meaning)| *meaning)
    }
}

impl Text<'_> {
    pub fn problem(&self, message: impl Into<String>) {
        self.reader.problem(&self.place, message);
    }

    pub fn warning(&self, message: impl Into<String>) {
        self.reader.warning(&self.place, message);
    }

    /// The text between backticks, if it stands so in the file: what a reference brought may be secret.
    pub fn quoted(&self) -> String {
        if self.literal {
            quoted(&self.value)
        } else {
            "what this reference brings".to_owned()
        }
    }

    /// Something people read on one line: not empty, not long, nothing invisible.
    pub fn label(self) -> Option<String> {
        let fine = !self.value.trim().is_empty()
            && self.value.chars().count() <= 200
            && !self.value.chars().any(char::is_control);
        if !fine {
            self.problem("expected one line of 1 to 200 characters");
        }
        fine.then_some(self.value)
    }

    /// An `http` or `https` address without user name, password or fragment.
    pub fn url(&self) -> Option<Url> {
        let why = match Url::parse(&self.value) {
            Err(error) => format!("is not a URL: {error}"),
            Ok(url) if !matches!(url.scheme(), "http" | "https") => {
                "expected a URL that begins with https:// or http://".to_owned()
            }
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                "a URL with a user name or password in it is refused: it would end in logs"
                    .to_owned()
            }
            Ok(url) if url.fragment().is_some() => "a URL with a `#` part is refused".to_owned(),
            Ok(url) => return Some(url),
        };
        self.problem(why);
        None
    }

    /// The same, over TLS unless it stays on this machine.
    pub fn secure_url(&self, why: &str) -> Option<Url> {
        let url = self.url()?;
        if url.scheme() == "http" && !is_loopback(&url) {
            self.problem(format!(
                "expected https:// ({why}); http:// is only for addresses of this machine"
            ));
            return None;
        }
        Some(url)
    }
}

/// Whether an address never leaves this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// How a duration is written in the file.
pub(super) fn friendly(duration: Duration) -> String {
    const DAY: u64 = 24 * 60 * 60;
    let seconds = duration.as_secs();
    if duration.subsec_nanos() == 0 && seconds > DAY && seconds.is_multiple_of(DAY) {
        return format!("{}d", seconds / DAY);
    }
    SignedDuration::try_from(duration)
        .map_or_else(|_| "for ever".to_owned(), |span| format!("{span:#}"))
}

/// The nearest word, or all of them.
pub(super) fn did_you_mean(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean {}?", quoted(near)),
        None if known.is_empty() => "nothing is".to_owned(),
        None => format!("known: {}", listed(known)),
    }
}
