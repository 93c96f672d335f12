//! Sets of scopes (RFC 6749 §3.3).

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

/// A set of scope tokens; order and repetition mean nothing, the text form is sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScopeSet(BTreeSet<String>);

impl ScopeSet {
    /// Splits a scope text at spaces and commas: the standard has spaces, GitHub and Slack answer with commas.
    pub fn parse(text: &str) -> Self {
        text.split([' ', ',', '\t', '\n'])
            .filter(|scope| !scope.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The scopes in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Every scope of both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    /// What of `self` is not in `granted`.
    #[must_use]
    pub fn missing_from(&self, granted: &Self) -> Self {
        Self(self.0.difference(&granted.0).cloned().collect())
    }

    /// One text, with the delimiter the provider wants.
    pub fn join(&self, delimiter: &str) -> String {
        let scopes: Vec<_> = self.iter().collect();
        scopes.join(delimiter)
    }
}

impl FromIterator<String> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = String>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

/// Space-delimited, as in RFC 6749 §3.3.
impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_and_spaces_part_scopes() {
        assert_eq!(
            ScopeSet::parse("repo,gist  read:org").to_string(),
            "gist read:org repo"
        );
    }

    #[test]
    fn what_is_missing_is_what_to_ask_for() {
        let required = ScopeSet::parse("a b");
        let granted = ScopeSet::parse("b c");
        assert_eq!(required.missing_from(&granted).to_string(), "a");
        assert_eq!(required.union(&granted).to_string(), "a b c");
    }
}
