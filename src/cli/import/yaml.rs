//! YAML within bounds, and the paths in it.

use anyhow::anyhow;
use serde_json::{Map, Value};

use super::scalar;

/// One place of the document: what stands there, if anything, and its path.
#[derive(Clone)]
pub(super) struct Node<'d> {
    value: Option<&'d Value>,
    path: String,
}

/// Reads one document: no deep nesting, no bombs of aliases, no key twice.
///
/// # Errors
/// Where it went wrong, in words that quote nothing of the file.
pub(super) fn parse(text: &str) -> anyhow::Result<Value> {
    let options = serde_saphyr::options! {
        // What it would show may be a secret.
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_depth: 64,
            max_nodes: 20_000,
            max_events: 60_000,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_merge_keys: 1_000,
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 20_000,
            max_replay_stack_depth: 8,
        },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let place = error.location().map(|place| {
            let (line, column) = (place.line(), place.column());
            format!("line {line}, column {column}: ")
        });
        anyhow!(
            "{}it is not YAML that can be read: broken, nested too deeply, too large when its aliases are written out, or with a key twice",
            place.unwrap_or_default()
        )
    })
}

impl<'d> Node<'d> {
    pub fn root(value: &'d Value) -> Self {
        Self {
            value: Some(value),
            path: String::new(),
        }
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether anything stands here.
    pub fn is_there(&self) -> bool {
        self.value.is_some_and(|value| !value.is_null())
    }

    pub fn is_table(&self) -> bool {
        self.value.is_some_and(Value::is_object)
    }

    fn table(&self) -> Option<&'d Map<String, Value>> {
        self.value?.as_object()
    }

    pub fn keys(&self) -> impl Iterator<Item = &'d str> {
        let table = self.table().into_iter().flatten();
        table.map(|(key, _)| key.as_str())
    }

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

    pub fn members(&self) -> Vec<Self> {
        let list = self.value.and_then(Value::as_array).into_iter().flatten();
        let member = |(index, value)| Self {
            value: Some(value),
            path: format!("{}[{index}]", self.path),
        };
        list.enumerate().map(member).collect()
    }

    pub fn text(&self) -> Option<String> {
        self.value.and_then(scalar)
    }

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

    pub fn note(&self, what: &str, notes: &mut Vec<String>) {
        notes.push(format!("{}: {what}", self.path));
    }
}
