//! `require` and `[[gateways.*.rules]]`: which claims a user must have.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Globs,
    gateway::globs,
    section::Section,
    value::{Text, Value},
};
use crate::protocol::oauth::claims::Claims;

/// Claims that a user must have: of each named claim one of the values. An empty one asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Require(BTreeMap<String, BTreeSet<String>>);

/// What some tools of a gateway need.
#[derive(Debug)]
pub struct Rule {
    /// Which tools, as `upstream.tool`.
    pub tools: Globs,
    /// What their users must have.
    pub require: Require,
}

impl Require {
    /// Whether somebody with these claims meets it.
    pub fn is_met_by(&self, claims: &Claims) -> bool {
        self.0
            .iter()
            .all(|(name, values)| claims.has_one(name, values))
    }

    /// The first claim that is missing, for an operator's eyes.
    pub fn first_unmet(&self, claims: &Claims) -> Option<&str> {
        let mut unmet = self
            .0
            .iter()
            .filter(|(name, values)| !claims.has_one(name, values));
        unmet.next().map(|(name, _)| name.as_str())
    }

    /// Whether everybody meets it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The `require` of a section: claim names to a value or a list of values.
pub(super) fn require(section: &Section<'_>) -> Require {
    let mut require = BTreeMap::new();
    let entries = section.entries("require");
    if entries.is_empty() && section.says("require") {
        section.problem_at(
            "require",
            "asks for nothing, so everybody has it: name a claim, or leave this out",
        );
    }
    for (name, value) in entries {
        let values = values(&value);
        if values.is_empty() {
            value.problem("nobody could meet this: name at least one value");
        }
        require.insert(name, values);
    }
    Require(require)
}

/// A value or a list of values.
pub(super) fn values(value: &Value<'_>) -> BTreeSet<String> {
    let texts = if value.is_list() {
        value.texts()
    } else {
        value.text().map(|text| vec![text])
    };
    let texts = texts.unwrap_or_default().into_iter();
    texts.map(|text| text.value).collect()
}

/// `[[gateways.*.rules]]`; `note` looks at the patterns of each: a rule that is about no tool protects none.
pub(super) fn rules(section: &Section<'_>, note: impl Fn(&[Text<'_>])) -> Vec<Rule> {
    let rule = |section: &Section<'_>| {
        let tools = section.required("tools", "[\"github.delete_*\"]: the tools it is about");
        let tools = tools.and_then(|tools| tools.texts())?;
        note(&tools);
        let tools = globs(section, &tools);
        let claims = section.required(
            "require",
            "{ groups = [\"admins\"] }: the claims its users must have",
        );
        claims?;
        Some(Rule {
            tools: tools?,
            require: require(section),
        })
    };
    section.sections("rules").iter().filter_map(rule).collect()
}
