//! One table of the file, read key by key.
//!
//! What was asked for is what may be written: when a section goes out of scope, every key in it that nobody asked for is a
//! problem, and so is every key that was needed and is not there. So the code that reads a section *is* its list of keys.

use std::{cell::RefCell, ops::RangeInclusive, time::Duration};

use toml::de::{DeTable, DeValue};

use super::{
    problem::{nearest, quoted},
    value::{Place, Reader, Text, Value, did_you_mean, friendly},
};
use crate::base::id::Name;

/// A table and the keys it may hold. Where it says nothing, the preset's table speaks.
pub(super) struct Section<'d> {
    pub reader: &'d Reader<'d>,
    pub place: Place,
    /// What sections like this have in common: `providers.*`.
    kind: String,
    table: Option<&'d DeTable<'d>>,
    preset: Option<&'d DeTable<'d>>,
    known: RefCell<Vec<&'static str>>,
    missing: RefCell<Vec<(&'static str, String)>>,
    /// None of its keys is unknown or missing: the operator chooses them, or nobody can tell.
    open: bool,
}

impl<'d> Section<'d> {
    pub fn new(reader: &'d Reader<'d>, place: Place, kind: String, table: &'d DeTable<'d>) -> Self {
        let mut section = Self::absent(reader, place, kind);
        section.table = Some(table);
        section
    }

    fn absent(reader: &'d Reader<'d>, place: Place, kind: String) -> Self {
        Self {
            reader,
            place,
            kind,
            table: None,
            preset: None,
            known: RefCell::default(),
            missing: RefCell::default(),
            open: false,
        }
    }

    /// From here on, what the section does not say is read from `preset`.
    pub fn fall_back_to(&mut self, preset: Option<&'d DeTable<'d>>) {
        self.preset = preset;
    }

    /// Notes a problem at a key, or at the section if it does not say it.
    pub fn problem_at(&self, key: &str, message: impl Into<String>) {
        let own = self.table.and_then(|table| table.get_key_value(key));
        let offset = own.map_or(self.place.offset, |(name, _)| name.span().start);
        self.reader.problem(&self.place.key(key, offset), message);
    }

    /// Where something stands that was read before, by its path from here.
    pub fn place_of(&self, path: &[&str]) -> Place {
        let mut place = self.place.clone();
        let mut table = self.table;
        for key in path {
            let found = table.and_then(|table| table.get_key_value(*key));
            let offset = found.map_or(place.offset, |(name, _)| name.span().start);
            place = place.key(key, offset);
            table = found.and_then(|(_, value)| value.get_ref().as_table());
        }
        place
    }

    /// Whether there is something at this path from here.
    pub fn has(&self, path: &[&str]) -> bool {
        let mut table = self.table;
        let Some((last, before)) = path.split_last() else {
            return true;
        };
        for key in before {
            let found = table.and_then(|table| table.get(*key));
            table = found.and_then(|value| value.get_ref().as_table());
        }
        table.is_some_and(|table| table.contains_key(*last))
    }

    /// Says no more about keys: something else is wrong that decides which there may be.
    pub fn forgive(&mut self) {
        self.open = true;
    }

    /// Whether the section itself, not its preset, says something at `key`.
    pub fn says(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    fn ask(&self, key: &'static str, default: Option<String>) -> Option<Value<'d>> {
        self.known.borrow_mut().push(key);
        self.reader.key(&self.kind, key, default);
        let own = self.table.and_then(|table| table.get_key_value(key));
        if let Some((name, value)) = own {
            // A table written under a header of its own has its interesting place at that header.
            let offset = match value.get_ref() {
                DeValue::Table(_) => name.span().start,
                _ => value.span().start,
            };
            return Some(self.value(key, offset, value.get_ref()));
        }
        let preset = self.preset.and_then(|preset| preset.get(key));
        preset.map(|value| self.value(key, self.place.offset, value.get_ref()))
    }

    fn value(&self, key: &str, offset: usize, inner: &'d DeValue<'d>) -> Value<'d> {
        Value {
            reader: self.reader,
            place: self.place.key(key, offset),
            inner,
        }
    }

    /// What stands at a key that may be absent.
    pub fn optional(&self, key: &'static str) -> Option<Value<'d>> {
        self.ask(key, None)
    }

    /// What stands at a key that must be there; the hint says what to write.
    pub fn required(&self, key: &'static str, hint: &str) -> Option<Value<'d>> {
        let found = self.ask(key, None);
        if found.is_none() {
            self.missing.borrow_mut().push((key, hint.to_owned()));
        }
        found
    }

    /// A string that may be absent.
    pub fn text(&self, key: &'static str) -> Option<Text<'d>> {
        self.optional(key)?.text()
    }

    /// A string that must be there.
    pub fn required_text(&self, key: &'static str, hint: &str) -> Option<Text<'d>> {
        self.required(key, hint)?.text()
    }

    /// A string with a default.
    pub fn text_or(&self, key: &'static str, default: &str) -> Text<'d> {
        let value = self.ask(key, Some(format!("{default:?}")));
        value
            .as_ref()
            .and_then(Value::text)
            .unwrap_or_else(|| Text {
                value: default.to_owned(),
                literal: true,
                reader: self.reader,
                place: self.place.key(key, self.place.offset),
            })
    }

    pub fn flag_or(&self, key: &'static str, default: bool) -> bool {
        let value = self.ask(key, Some(default.to_string()));
        value.and_then(|value| value.flag()).unwrap_or(default)
    }

    pub fn bytes_or(&self, key: &'static str, default: u32, range: &RangeInclusive<u64>) -> usize {
        let value = self.ask(key, Some(default.to_string()));
        let bytes = value.and_then(|value| value.integer(range));
        let bytes = bytes.unwrap_or(u64::from(default));
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    pub fn duration_or(
        &self,
        key: &'static str,
        default: Duration,
        range: &RangeInclusive<Duration>,
    ) -> Duration {
        let value = self.ask(key, Some(format!("{:?}", friendly(default))));
        value
            .and_then(|value| value.duration(range))
            .unwrap_or(default)
    }

    /// One of a few words; the first is the default.
    pub fn choice<T: Copy>(&self, key: &'static str, words: &[(&'static str, T)]) -> T {
        let (word, default) = words[0];
        let value = self.ask(key, Some(format!("{word:?}")));
        value
            .and_then(|value| value.choice(words))
            .unwrap_or(default)
    }

    /// The same; `None` if it says another word, which is a problem already.
    pub fn choice_if_known<T: Copy>(
        &self,
        key: &'static str,
        words: &[(&'static str, T)],
    ) -> Option<T> {
        let (word, default) = words[0];
        match self.ask(key, Some(format!("{word:?}"))) {
            Some(value) => value.choice(words),
            None => Some(default),
        }
    }

    /// Whether `status` leaves this switched on.
    pub fn is_active(&self) -> bool {
        self.choice("status", &[("active", true), ("inactive", false)])
    }

    /// An array of strings; an absent one is empty.
    pub fn texts(&self, key: &'static str) -> Vec<Text<'d>> {
        self.texts_or(key, "[]").unwrap_or_default()
    }

    /// An array of strings; `None` stands for the default, which is given as TOML.
    pub fn texts_or(&self, key: &'static str, default: &str) -> Option<Vec<Text<'d>>> {
        let value = self.ask(key, Some(default.to_owned()))?;
        Some(value.texts().unwrap_or_default())
    }

    /// Statuses of HTTP answers that are no success.
    pub fn statuses_or(&self, key: &'static str, default: &[u16]) -> Vec<u16> {
        let Some(value) = self.ask(key, Some(format!("{default:?}"))) else {
            return default.to_vec();
        };
        let members = value.list().unwrap_or_default();
        let status = |member: &Value<'d>| member.integer(&(300..=599))?.try_into().ok();
        members.iter().filter_map(status).collect()
    }

    /// A table that may be absent, and then everything in it is. It falls back to the preset's table of that name.
    pub fn section(&self, key: &'static str) -> Self {
        let kind = self.kind_of(key);
        let mut section = self
            .ask(key, None)
            .and_then(|value| value.section(kind.clone()))
            .unwrap_or_else(|| {
                let place = self.place.key(key, self.place.offset);
                Self::absent(self.reader, place, kind)
            });
        if self.says(key) {
            let preset = self.preset.and_then(|preset| preset.get(key));
            section.preset = preset.and_then(|preset| preset.get_ref().as_table());
        }
        section
    }

    /// Whether anything is said of it, by the file or the preset.
    pub fn is_there(&self) -> bool {
        self.table.is_some() || self.preset.is_some()
    }

    /// The tables of an array of tables. A single table does for an array of one.
    pub fn sections(&self, key: &'static str) -> Vec<Self> {
        let Some(value) = self.ask(key, None) else {
            return Vec::new();
        };
        let kind = format!("{}[]", self.kind_of(key));
        match value.inner {
            DeValue::Table(_) => value.section(kind).into_iter().collect(),
            DeValue::Array(_) => {
                let members = value.list().unwrap_or_default();
                let section = |member: &Value<'d>| member.section(kind.clone());
                members.iter().filter_map(section).collect()
            }
            _ => value
                .mistyped("a table or an array of tables")
                .unwrap_or_default(),
        }
    }

    /// The entries of a table whose keys the operator chooses; the preset's join them.
    pub fn entries(&self, key: &'static str) -> Vec<(String, Value<'d>)> {
        let mut section = self.section(key);
        section.open = true;
        let own = section.table.into_iter().flatten();
        let mut entries: Vec<_> = own
            .map(|(name, value)| {
                let inner = section.value(name.get_ref(), name.span().start, value.get_ref());
                (name.get_ref().to_string(), inner)
            })
            .collect();
        let preset = self.preset.and_then(|preset| preset.get(key));
        for (name, value) in preset
            .and_then(|preset| preset.get_ref().as_table())
            .into_iter()
            .flatten()
        {
            if !section.says(name.get_ref()) {
                let inner = section.value(name.get_ref(), section.place.offset, value.get_ref());
                entries.push((name.get_ref().to_string(), inner));
            }
        }
        entries
    }

    /// The tables of a table whose keys are names, as in `[providers.github]`.
    pub fn named(&self, key: &'static str) -> Vec<(Name, Self)> {
        let kind = format!("{}.*", self.kind_of(key));
        let mut named = Vec::new();
        for (text, value) in self.entries(key) {
            // A section with a wrong name is read under a right one, if one is near, for the other problems in it.
            if let Some(name) = name(&text, &value)
                && let Some(section) = value.section(kind.clone())
            {
                named.push((name, section));
            }
        }
        named
    }

    /// What sections like this have in common.
    pub fn kind(&self) -> String {
        self.kind.clone()
    }

    fn kind_of(&self, key: &str) -> String {
        if self.kind.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.kind)
        }
    }

    /// Notes the unknown keys; answers those that were probably meant.
    fn unknown_keys(&self) -> Vec<&'static str> {
        let known = self.known.borrow();
        let mut meant = Vec::new();
        for (name, _) in self.table.into_iter().flatten() {
            let (text, offset) = (name.get_ref().as_ref(), name.span().start);
            if known.contains(&text) {
                continue;
            }
            let free = known.iter().copied().filter(|key| !self.says(key));
            let near = nearest(text, free);
            let hint = match near {
                Some(near) => format!("did you mean {}?", quoted(near)),
                None => did_you_mean(text, &known),
            };
            meant.extend(near);
            self.reader.problem(
                &self.place.key(text, offset),
                format!("unknown key; {hint}"),
            );
        }
        meant
    }
}

impl Drop for Section<'_> {
    fn drop(&mut self) {
        if self.open {
            return;
        }
        let meant = self.unknown_keys();
        for (key, hint) in self.missing.borrow().iter() {
            // Whoever mistyped a key has been told already.
            if !meant.contains(key) {
                let place = self.place.key(key, self.place.offset);
                self.reader.problem(&place, format!("missing; {hint}"));
            }
        }
    }
}

/// The key of a table as a name; the nearest name, with a problem, if it is none.
fn name(text: &str, value: &Value<'_>) -> Option<Name> {
    if let Ok(name) = text.parse() {
        return Some(name);
    }
    let plain: Option<Name> = text.to_lowercase().replace([' ', '.'], "-").parse().ok();
    let hint = match &plain {
        Some(name) => format!("; {} would be one", quoted(name.as_str())),
        None => String::new(),
    };
    value.problem(format!(
        "not a name: use 1 to 40 of a-z, 0-9, `-` and `_`, beginning with a letter or digit{hint}"
    ));
    plain
}
