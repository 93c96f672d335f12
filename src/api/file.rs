//! Lines for `gateway.toml`, for what is decided there. Secrets are places for variables of the environment, whatever was sent.

use toml::{Table, Value};

use super::error::ApiError;
use crate::base::id::Name;

/// The section `[{kind}.{name}]`, after lines of comment.
pub fn section(kind: &str, name: &str, section: Table, notes: &[String]) -> String {
    let mut named = Table::new();
    named.insert(name.to_owned(), section.into());
    let mut file = Table::new();
    file.insert(kind.to_owned(), named.into());
    comments(notes) + &written(&file)
}

/// What `table` is in TOML.
pub fn written(table: &Table) -> String {
    toml::to_string(table).expect("tables of texts, numbers and tables are TOML")
}

fn comments(notes: &[String]) -> String {
    let line = |note: &String| format!("# {}\n", note.replace(char::is_control, " "));
    notes.iter().map(line).collect()
}

/// A text that means itself: `${` begins a reference.
pub fn literal(text: &str) -> Value {
    text.replace("${", "$${").into()
}

/// A place for a variable of the environment that is called after these.
pub fn variable(parts: &[&str]) -> Value {
    let name = parts.join("_").to_uppercase();
    let legal = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = name.chars().map(legal).collect();
    let first = if name.starts_with(|c: char| c.is_ascii_digit()) {
        "_"
    } else {
        ""
    };
    format!("${{env:{first}{name}}}").into()
}

/// What something is to be called in the file.
///
/// # Errors
/// 400 when nothing can be called that there.
pub fn name(id: &str) -> Result<Name, ApiError> {
    id.parse().map_err(|_| {
        let message = "`id` must be a name as gateway.toml has them: 1 to 40 of a-z, 0-9, `-` and `_`, beginning with a letter or digit";
        ApiError::bad("invalid_id", message)
    })
}

/// How to be without the section `[{kind}.{name}]`.
pub fn without(kind: &str, name: &str) -> String {
    let off = Table::from_iter([("status".to_owned(), "inactive".into())]);
    let note = "take the section out of the file; or leave it there and switch it off:";
    section(kind, name, off, &[note.to_owned()])
}
