//! The four tools: what they promise and what they do.

use std::sync::LazyLock;

use axum::http::HeaderMap;
use serde_json::{Map, Value, json};

use super::{
    Notes, Owner,
    envelope::{self, Rejection, Request},
};

const LONGEST_NOTE: usize = 500;
const MOST_NOTES: usize = 200;

static DEFINITIONS: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("tools.json")).expect("a test reads it"));

/// What `tools/list` says, in a fixed order.
pub(super) fn definitions() -> &'static Value {
    &DEFINITIONS
}

/// `tools/call`
pub(super) fn call(
    notes: &Notes,
    headers: &HeaderMap,
    request: &Request,
) -> Result<Value, Rejection> {
    let none = Map::new();
    let arguments = match request.params.get("arguments") {
        None => &none,
        Some(Value::Object(arguments)) => arguments,
        Some(_) => return Err(Rejection::invalid_params("arguments is an object")),
    };
    let name = request.params.get("name").and_then(Value::as_str);
    let outcome = match name.unwrap_or_default() {
        "whoami" => whoami(&notes.owner(headers, "profile")?, arguments),
        "list_notes" => {
            limit_is_mirrored(headers, arguments)?;
            list_notes(notes, &notes.owner(headers, "notes")?, arguments)
        }
        "add_note" => add_note(notes, &notes.owner(headers, "notes")?, arguments),
        "server_time" => server_time(notes, arguments),
        _ => return Err(Rejection::invalid_params("there is no such tool")),
    };
    Ok(match outcome {
        Ok(content) => json!({
            "content": [{ "type": "text", "text": content.to_string() }],
            "structuredContent": content,
            "isError": false,
        }),
        // Wrong arguments are the tool's failure, not the protocol's, so that a model reads why (SEP-1303).
        Err(why) => json!({ "content": [{ "type": "text", "text": why }], "isError": true }),
    })
}

fn whoami(owner: &Owner, arguments: &Map<String, Value>) -> Result<Value, String> {
    strict(arguments, &[])?;
    Ok(json!({ "account": owner.account, "name": owner.display_name }))
}

fn list_notes(
    notes: &Notes,
    owner: &Owner,
    arguments: &Map<String, Value>,
) -> Result<Value, String> {
    strict(arguments, &["limit"])?;
    let limit = limit(arguments)?;
    let all = notes.with_notes(owner, |notes| notes.clone());
    Ok(json!({ "notes": all[all.len().saturating_sub(limit)..] }))
}

fn add_note(notes: &Notes, owner: &Owner, arguments: &Map<String, Value>) -> Result<Value, String> {
    strict(arguments, &["text"])?;
    let text = text(arguments)?;
    let count = notes.with_notes(owner, |notes| {
        if notes.len() >= MOST_NOTES {
            return Err("The pad is full.".to_owned());
        }
        notes.push(text.to_owned());
        Ok(notes.len())
    })?;
    Ok(json!({ "count": count }))
}

fn server_time(notes: &Notes, arguments: &Map<String, Value>) -> Result<Value, String> {
    strict(arguments, &[])?;
    Ok(json!({ "time": notes.0.clock.now().to_string() }))
}

fn strict(arguments: &Map<String, Value>, known: &[&str]) -> Result<(), String> {
    match arguments
        .keys()
        .find(|name| !known.contains(&name.as_str()))
    {
        Some(name) => Err(format!("This tool has no argument `{name}`.")),
        None => Ok(()),
    }
}

fn limit(arguments: &Map<String, Value>) -> Result<usize, String> {
    let Some(limit) = arguments.get("limit") else {
        return Ok(MOST_NOTES);
    };
    limit
        .as_u64()
        .and_then(|limit| usize::try_from(limit).ok())
        .filter(|limit| (1..=MOST_NOTES).contains(limit))
        .ok_or_else(|| format!("`limit` is a whole number from 1 to {MOST_NOTES}."))
}

fn text(arguments: &Map<String, Value>) -> Result<&str, String> {
    arguments
        .get("text")
        .and_then(Value::as_str)
        .filter(|text| (1..=LONGEST_NOTE).contains(&text.chars().count()))
        .ok_or_else(|| format!("`text` is 1 to {LONGEST_NOTE} characters."))
}

/// `limit` travels in `Mcp-Param-Limit` too; integers are compared as numbers.
fn limit_is_mirrored(headers: &HeaderMap, arguments: &Map<String, Value>) -> Result<(), Rejection> {
    let name = "Mcp-Param-Limit";
    let header = envelope::mirrored(headers, "mcp-param-limit")?;
    let header = header
        .map(|value| envelope::decode(name, value))
        .transpose()?;
    let number = |text: String| {
        text.parse::<i64>()
            .map_or(text, |number| number.to_string())
    };
    let body = match arguments.get("limit") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(value) => Some(value.to_string()),
    };
    let (header, body) = (header.map(number), body.map(number));
    envelope::agree(name, header.as_deref(), body.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_say_what_the_code_holds() {
        let properties = |tool: usize| &definitions()[tool]["inputSchema"]["properties"];
        assert_eq!(properties(0)["text"]["maxLength"], LONGEST_NOTE);
        assert_eq!(properties(1)["limit"]["maximum"], MOST_NOTES);
        assert_eq!(properties(1)["limit"]["x-mcp-header"], "Limit");
    }
}
