//! `[secrets]`: what workers' tools need of the operator.

use std::collections::BTreeMap;

use super::section::Section;
use crate::base::secret::Secret;

/// Longer names nobody can remember. Characters.
const LONGEST_NAME: usize = 100;

/// Whether something can be called that: the names of environment variables and a little more, so that it fits everywhere.
pub fn is_name(text: &str) -> bool {
    let legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'.');
    !text.is_empty() && text.len() <= LONGEST_NAME && text.bytes().all(legal)
}

pub(super) fn secrets(root: &Section<'_>) -> BTreeMap<String, Secret> {
    let mut secrets = BTreeMap::new();
    for (name, value) in root.entries("secrets") {
        if !is_name(&name) {
            value.problem("a secret's name has 1 to 100 letters, digits, `_`, `-` or `.`");
        }
        if let Some(secret) = value.secret() {
            secrets.insert(name, secret);
        }
    }
    secrets
}
