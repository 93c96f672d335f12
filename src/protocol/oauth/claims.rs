//! What a user source says of a user beyond who it is: the claims that policy looks at.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Deeper objects are not looked into.
const DEEPEST: usize = 3;
/// No set of claims holds more values; a token has to fit into a header anyway.
const MOST_VALUES: usize = 2048;
/// A longer value is nothing that anybody writes into a policy. Bytes.
const LONGEST_VALUE: usize = 512;

/// Claims as sets of words: a list gives its members, a single value a set of one, `{"realm": {"roles": […]}}` gives `realm.roles`.
///
/// Numbers and booleans are the words they are written as; `null`, and objects inside lists, say nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Claims(BTreeMap<String, BTreeSet<String>>);

impl Claims {
    /// The claims of a token's payload or of a userinfo answer.
    pub fn of(payload: &serde_json::Map<String, Value>) -> Self {
        let mut claims = Self::default();
        let mut room = MOST_VALUES;
        for (name, value) in payload {
            claims.gather(name, value, DEEPEST, &mut room);
        }
        claims
    }

    /// Whether claim `name` has one of `values`.
    pub fn has_one(&self, name: &str, values: &BTreeSet<String>) -> bool {
        self.0
            .get(name)
            .is_some_and(|held| !held.is_disjoint(values))
    }

    /// The first value of a claim, in order of the alphabet.
    pub fn one(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.first().map(String::as_str)
    }

    /// Takes over what `newer` says; claims that it does not mention stay.
    pub fn update(&mut self, newer: Self) {
        self.0.extend(newer.0);
    }

    fn gather(&mut self, name: &str, value: &Value, depth: usize, room: &mut usize) {
        match value {
            Value::Object(inner) => {
                for (key, value) in inner.iter().filter(|_| depth > 0) {
                    self.gather(&format!("{name}.{key}"), value, depth - 1, room);
                }
            }
            Value::Array(items) => {
                // An empty list is a statement too: it replaces what was said before.
                self.0.entry(name.to_owned()).or_default();
                for word in items.iter().filter_map(word) {
                    self.note(name, word, room);
                }
            }
            value => {
                if let Some(word) = word(value) {
                    self.note(name, word, room);
                }
            }
        }
    }

    fn note(&mut self, name: &str, word: String, room: &mut usize) {
        if *room > 0 && word.len() <= LONGEST_VALUE {
            *room -= 1;
            self.0.entry(name.to_owned()).or_default().insert(word);
        }
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, Vec<V>)> for Claims {
    fn from_iter<I: IntoIterator<Item = (N, Vec<V>)>>(claims: I) -> Self {
        let words = |values: Vec<V>| values.into_iter().map(Into::into).collect();
        let claims = claims.into_iter();
        Self(
            claims
                .map(|(name, values)| (name.into(), words(values)))
                .collect(),
        )
    }
}

fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(payload: &Value) -> Claims {
        Claims::of(payload.as_object().unwrap())
    }

    fn one_of(values: &[&str]) -> BTreeSet<String> {
        values.iter().map(|&value| value.to_owned()).collect()
    }

    #[test]
    fn lists_single_values_and_nested_objects_are_sets_of_words() {
        let claims = claims(&json!({
            "groups": ["eng", "ops", 7, null, { "not": "a word" }],
            "email_verified": true,
            "realm_access": { "roles": ["admin"] },
            "nothing": null,
        }));
        assert!(claims.has_one("groups", &one_of(&["sales", "ops"])));
        assert!(claims.has_one("groups", &one_of(&["7"])));
        assert!(claims.has_one("email_verified", &one_of(&["true"])));
        assert!(claims.has_one("realm_access.roles", &one_of(&["admin"])));
        assert!(!claims.has_one("groups", &one_of(&["sales"])));
        assert!(!claims.has_one("nothing", &one_of(&[""])));
        assert!(!claims.has_one("groups", &one_of(&[])));
    }

    #[test]
    fn what_is_said_anew_replaces_even_by_an_empty_list() {
        let mut old = claims(&json!({ "groups": ["eng"], "email": "a@b.example" }));
        old.update(claims(&json!({ "groups": [] })));
        assert!(!old.has_one("groups", &one_of(&["eng"])));
        assert_eq!(old.one("email"), Some("a@b.example"));
    }

    #[test]
    fn a_token_of_a_million_groups_is_cut_and_not_carried_around() {
        let many: Vec<_> = (0..100_000).map(|n| n.to_string()).collect();
        let claims = claims(&json!({ "groups": many, "long": "x".repeat(10_000) }));
        assert_eq!(claims.0["groups"].len(), MOST_VALUES);
        assert!(!claims.0.contains_key("long"));
    }
}
