//! Places in somebody else's document, with their paths.

use serde_json::{Map, Value};

/// One place of the document: what stands there, if anything, and its path.
#[derive(Clone)]
pub struct Node<'d> {
    value: Option<&'d Value>,
    path: String,
}

impl<'d> Node<'d> {
    /// The whole document.
    pub fn root(value: &'d Value) -> Self {
        Self {
            value: Some(value),
            path: String::new(),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether anything stands here.
    pub fn is_there(&self) -> bool {
        self.value.is_some_and(|value| !value.is_null())
    }

    /// Whether it has members.
    pub fn is_table(&self) -> bool {
        self.value.is_some_and(Value::is_object)
    }

    fn table(&self) -> Option<&'d Map<String, Value>> {
        self.value?.as_object()
    }

    /// The names of its members.
    pub fn keys(&self) -> impl Iterator<Item = &'d str> {
        let table = self.table().into_iter().flatten();
        table.map(|(key, _)| key.as_str())
    }

    /// The place of one member.
    pub fn get(&self, key: &str) -> Self {
        // Shown on a terminal.
        let shown: String = key.chars().take(60).flat_map(char::escape_debug).collect();
        Self {
            value: self.table().and_then(|table| table.get(key)),
            path: match self.path.as_str() {
                "" => shown,
                path => format!("{path}.{shown}"),
            },
        }
    }

    /// What stands at the first of these keys that is there.
    pub fn first(&self, keys: &[&str]) -> Self {
        let mut all = keys.iter().map(|key| self.get(key));
        all.find(Self::is_there)
            .unwrap_or_else(|| self.get(keys[0]))
    }

    /// The members of a list.
    pub fn members(&self) -> Vec<Self> {
        let list = self.value.and_then(Value::as_array).into_iter().flatten();
        let member = |(index, value)| Self {
            value: Some(value),
            path: format!("{}[{index}]", self.path),
        };
        list.enumerate().map(member).collect()
    }

    /// A scalar as text.
    pub fn text(&self) -> Option<String> {
        self.value.and_then(scalar)
    }

    /// Whether it is so.
    pub fn flag(&self) -> Option<bool> {
        self.value?.as_bool()
    }

    /// The entries of a table, in order.
    pub fn entries(&self) -> Vec<(&'d str, Self)> {
        self.keys().map(|key| (key, self.get(key))).collect()
    }

    /// Notes everything here that has another key than these.
    pub fn note_unknown(&self, known: &[&str], notes: &mut Vec<String>) {
        for key in self.keys().filter(|key| !known.contains(key)) {
            self.get(key).note("not carried, it is not known", notes);
        }
    }

    /// Notes something about this place.
    pub fn note(&self, what: &str, notes: &mut Vec<String>) {
        notes.push(format!("{}: {what}", self.path));
    }
}

/// A scalar as text.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
