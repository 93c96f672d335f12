//! A worker's catalogue: bounded, and what cannot be called is left out.

use std::collections::{HashMap, hash_map::Entry};

use serde_json::value::RawValue;

use super::{
    RawTool, UpstreamError, Workers,
    line::{Answer, Asked},
    tool,
};
use crate::protocol::arcade::definition::ToolDefinition;

const TOOLS_AT_MOST: usize = 10_000;

/// The tools of a worker, in its order.
pub(super) async fn tools(
    workers: &Workers,
    asked: &Asked<'_>,
) -> Result<Vec<RawTool>, UpstreamError> {
    let definitions = definitions(workers, asked).await?;
    Ok(definitions.into_iter().map(tool::dressed).collect())
}

/// Whether the worker has the tool now, in the version that `definition` names.
pub(super) async fn has(
    workers: &Workers,
    asked: &Asked<'_>,
    definition: &ToolDefinition,
) -> Result<bool, UpstreamError> {
    let all = fetch(workers, asked).await?;
    let (known, _) = read(&all)?;
    Ok(known.iter().any(|known| {
        known.name.eq_ignore_ascii_case(&definition.name)
            && known
                .toolkit
                .name
                .eq_ignore_ascii_case(&definition.toolkit.name)
            && (known.toolkit.version == definition.toolkit.version
                || definition.toolkit.version.is_none())
    }))
}

async fn definitions(
    workers: &Workers,
    asked: &Asked<'_>,
) -> Result<Vec<ToolDefinition>, UpstreamError> {
    let all = fetch(workers, asked).await?;
    let (known, mut left_out) = read(&all)?;
    let newest = newest(known, &mut left_out);
    if let Some((name, why)) = left_out.first() {
        tracing::warn!(
            upstream = %asked.worker.name,
            count = left_out.len(),
            first = ?name,
            why = ?why,
            "tools were left out of a worker's catalogue"
        );
    }
    Ok(newest)
}

async fn fetch(workers: &Workers, asked: &Asked<'_>) -> Result<bytes::Bytes, UpstreamError> {
    let mut answer = workers.get_tools(asked).await;
    // Asking twice harms nobody, and a connection that was just being closed breaks like this.
    if let Err(UpstreamError::Unavailable { sent: true, .. }) = answer {
        answer = workers.get_tools(asked).await;
    }
    match answer? {
        Answer::Json(all) => Ok(all),
        Answer::Broke => Err(UpstreamError::broken("it answered 500 for its catalogue")),
    }
}

type LeftOut = Vec<(String, String)>;

/// Every definition that can be read, whatever its name and version; and what was left out, and why.
fn read(all: &[u8]) -> Result<(Vec<ToolDefinition>, LeftOut), UpstreamError> {
    let all: Vec<&RawValue> = serde_json::from_slice(all)
        .map_err(|_| UpstreamError::protocol("its catalogue is something else"))?;
    if all.len() > TOOLS_AT_MOST {
        return Err(UpstreamError::TooLarge {
            limit: TOOLS_AT_MOST,
        });
    }
    let (mut known, mut left_out) = (Vec::with_capacity(all.len()), LeftOut::new());
    for raw in all {
        match tool::read(raw) {
            Ok(definition) => known.push(definition),
            Err(left) => left_out.push(left),
        }
    }
    Ok((known, left_out))
}

/// One of each name, whatever its letters' case: a worker does not tell them apart. Of several versions the newest, in the place of
/// the first.
fn newest(known: Vec<ToolDefinition>, left_out: &mut LeftOut) -> Vec<ToolDefinition> {
    let mut newest: Vec<ToolDefinition> = Vec::with_capacity(known.len());
    let mut places = HashMap::new();
    for mut definition in known {
        let name = definition.qualified_name();
        match places.entry(name.to_lowercase()) {
            Entry::Vacant(place) => {
                place.insert(newest.len());
                newest.push(definition);
            }
            Entry::Occupied(place) => {
                let other = &mut newest[*place.get()];
                let why = if version(other) == version(&definition) {
                    "another tool has this name"
                } else {
                    "there is a newer version of it"
                };
                if version(other) < version(&definition) {
                    std::mem::swap(other, &mut definition);
                }
                left_out.push((name, why.to_owned()));
            }
        }
    }
    newest
}

/// The numbers of a version, for comparison: 1.10 is newer than 1.9.
fn version(definition: &ToolDefinition) -> Vec<u64> {
    let version = definition.toolkit.version.as_deref().unwrap_or_default();
    let parts = version.split(['.', '-', '+']);
    parts.map(|part| part.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn tools(catalogue: &Value) -> (Vec<String>, Vec<String>) {
        let (known, mut left_out) = read(catalogue.to_string().as_bytes()).unwrap();
        let known = newest(known, &mut left_out);
        let said = |it: &ToolDefinition| {
            let version = it.toolkit.version.as_deref().unwrap_or_default();
            format!("{}@{version}", it.qualified_name())
        };
        (
            known.iter().map(said).collect(),
            left_out.into_iter().map(|(name, _)| name).collect(),
        )
    }

    fn tool(name: &str, version: &Value) -> Value {
        json!({ "name": name, "toolkit": { "name": "Kit", "version": version } })
    }

    #[test]
    fn of_several_versions_the_newest_is_taken() {
        let catalogue = json!([
            tool("A", &json!("1.9.0")),
            tool("B", &Value::Null),
            tool("a", &json!("1.10.0")),
            tool("A", &json!("1.2"))
        ]);
        let (known, left_out) = tools(&catalogue);
        assert_eq!(known, ["Kit.a@1.10.0", "Kit.B@"]);
        assert_eq!(left_out, ["Kit.a", "Kit.A"]);
    }

    #[test]
    fn attack_what_is_no_tool_is_left_out_and_the_others_stay() {
        let catalogue = json!([
            7, null, [], {}, { "name": "X" },
            tool("Good", &json!("1")),
            tool("Good", &json!("1")),
            tool("", &json!("1")),
            tool("Two.Parts", &json!("1")),
            tool("line\nbreak", &json!("1")),
            tool(&"x".repeat(300), &json!("1")),
            { "name": "Bad", "toolkit": { "name": "Kit" }, "input": { "parameters": [{ "name": "p", "value_schema": { "val_type": 7 } }] } },
            { "name": "Twice", "toolkit": { "name": "Kit" }, "input": { "parameters": [
                { "name": "p", "value_schema": { "val_type": "string" } }, { "name": "p", "value_schema": { "val_type": "json" } }] } },
        ]);
        let (known, left_out) = tools(&catalogue);
        assert_eq!(known, ["Kit.Good@1"]);
        assert_eq!(left_out.len(), 12);
        for garbage in ["", "{}", "[1", "null", "\"x\"", "<html>"] {
            assert!(read(garbage.as_bytes()).is_err(), "{garbage}");
        }
    }
}
