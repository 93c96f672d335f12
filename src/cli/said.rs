//! What a gateway or a store says of things, on a terminal: as JSON, or in words that cannot steer it.

use std::io::{self, Write};

use serde_json::Value;

use crate::base::text::is_invisible;

/// A line of JSON, or in `words`.
pub(super) fn print(value: &Value, json: bool, words: fn(&Value) -> String) -> io::Result<()> {
    let text = if json {
        value.to_string()
    } else {
        words(value)
    };
    writeln!(io::stdout(), "{text}")
}

/// What of a member is fit for a terminal.
pub(super) fn say(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    text.chars().filter(|c| !is_invisible(*c)).collect()
}
