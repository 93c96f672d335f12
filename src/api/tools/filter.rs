//! `filter`: which tools are meant, by what their authors say of them.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    api::error::ApiError,
    protocol::arcade::definition::{Behavior, Metadata},
};

/// All that is said must be so.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    service_domains: Option<Words>,
    operations: Option<Words>,
    read_only: Option<bool>,
    destructive: Option<bool>,
    idempotent: Option<bool>,
    open_world: Option<bool>,
    /// These members, with these values, among whatever there is.
    extras: Option<Map<String, Value>>,
}

/// Words of a list, in any case.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Words {
    /// One of these is on it.
    Any(Vec<String>),
    Said(Said),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    any_of: Option<Vec<String>>,
    all_of: Option<Vec<String>>,
    none_of: Option<Vec<String>>,
}

impl Filter {
    /// Reads it as programs write it: a JSON object.
    ///
    /// # Errors
    /// 400.
    pub fn read(text: &str) -> Result<Self, ApiError> {
        serde_json::from_str(text).map_err(|_| {
            let message = "`filter` must be a JSON object with any of `service_domains`, `operations` (a list, or an object with `any_of`, `all_of`, `none_of`), `read_only`, `destructive`, `idempotent`, `open_world`, `extras`";
            ApiError::bad("invalid_filter", message)
        })
    }

    /// Whether a tool with this metadata is meant.
    pub fn means(&self, metadata: Option<&Metadata>) -> bool {
        let nothing = Behavior::default();
        let behavior = metadata.and_then(|it| it.behavior.as_ref());
        let behavior = behavior.unwrap_or(&nothing);
        let domains = metadata.and_then(|it| it.classification.as_ref());
        let domains = domains.and_then(|it| it.service_domains.as_deref());
        let flags = [
            (self.read_only, behavior.read_only),
            (self.destructive, behavior.destructive),
            (self.idempotent, behavior.idempotent),
            (self.open_world, behavior.open_world),
        ];
        let extras = metadata.and_then(|it| it.extras.as_ref());
        let said = |(name, value): (&String, &Value)| {
            extras.is_some_and(|extras| extras.get(name) == Some(value))
        };
        fit(self.service_domains.as_ref(), domains)
            && fit(self.operations.as_ref(), behavior.operations.as_deref())
            && flags
                .iter()
                .all(|(wanted, is)| wanted.is_none() || wanted == is)
            && self.extras.iter().flatten().all(said)
    }
}

fn fit(words: Option<&Words>, list: Option<&[String]>) -> bool {
    let list: Vec<_> = list
        .unwrap_or_default()
        .iter()
        .map(|it| it.to_lowercase())
        .collect();
    let on = |word: &String| list.contains(&word.to_lowercase());
    match words {
        None => true,
        Some(Words::Any(any)) => any.iter().any(on),
        Some(Words::Said(said)) => {
            said.any_of.as_ref().is_none_or(|any| any.iter().any(on))
                && said.all_of.iter().flatten().all(on)
                && !said.none_of.iter().flatten().any(on)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn means(filter: &str) -> bool {
        let metadata = serde_json::from_str(
            r#"{"classification":{"service_domains":["Email","calendar"]},
                "behavior":{"operations":["delete"],"read_only":false,"destructive":true},
                "extras":{"team":"x","tier":2}}"#,
        );
        Filter::read(filter)
            .unwrap()
            .means(Some(&metadata.unwrap()))
    }

    #[test]
    fn all_that_is_said_must_be_so() {
        for good in [
            "{}",
            r#"{"service_domains":["email"]}"#,
            r#"{"service_domains":{"all_of":["EMAIL","calendar"],"none_of":["files"]}}"#,
            r#"{"operations":{"any_of":["read","delete"]},"destructive":true,"read_only":false}"#,
            r#"{"extras":{"team":"x"}}"#,
        ] {
            assert!(means(good), "{good}");
        }
        for bad in [
            r#"{"service_domains":[]}"#,
            r#"{"service_domains":{"none_of":["calendar"]}}"#,
            r#"{"service_domains":{"all_of":["email","files"]}}"#,
            r#"{"idempotent":false}"#,
            r#"{"extras":{"team":"X"}}"#,
        ] {
            assert!(!means(bad), "{bad}");
        }
        assert!(!Filter::read(r#"{"read_only":true}"#).unwrap().means(None));
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for text in [
            "",
            "null",
            "[]",
            r#"{"readonly":true}"#,
            r#"{"read_only":"yes"}"#,
            r#"{"operations":{"some_of":[]}}"#,
        ] {
            assert!(Filter::read(text).is_err(), "{text}");
        }
    }
}
