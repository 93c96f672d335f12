//! One definition of a worker's: read, and said again in MCP's words.

use std::{collections::HashSet, sync::Arc};

use serde_json::{
    Map, Value, json,
    value::{RawValue, to_raw_value},
};

use super::RawTool;
use crate::{
    config::secrets::is_name,
    protocol::{
        arcade::{
            definition::{Behavior, Metadata, ToolDefinition, ValueSchema},
            schema,
        },
        members::place_of,
    },
};

/// Of a kit's name and a tool's name, each.
const LONGEST_NAME: usize = 128;
/// Bytes.
const LONGEST_SCOPE: usize = 500;
/// So many secrets, and so many scopes, no tool needs.
const MOST_NEEDS: usize = 200;

/// Reads a definition; else what it is called, as far as that can be told, and why it is left out.
pub(super) fn read(raw: &RawValue) -> Result<ToolDefinition, (String, String)> {
    let mut definition: ToolDefinition = serde_json::from_str(raw.get()).map_err(|error| {
        (
            String::new(),
            format!("it is no tool: {}", place_of(&error)),
        )
    })?;
    let name = definition.qualified_name();
    let cut = || name.chars().take(100).collect();
    if !(plain(&definition.name) && plain(&definition.toolkit.name)) {
        let why = "a name has letters, digits, `_` and `-`, and not too many of them";
        return Err((cut(), why.to_owned()));
    }
    let mut names = HashSet::new();
    let parameters = &definition.input.parameters;
    if !parameters
        .iter()
        .all(|parameter| names.insert(&parameter.name))
    {
        return Err((cut(), "two of its parameters have the same name".to_owned()));
    }
    let taken = definition.input.parameters.iter_mut();
    let taken = taken.map(|parameter| &mut parameter.value_schema);
    let given = definition.output.value_schema.iter_mut();
    taken.chain(given).for_each(ValueSchema::name_items);
    match unsound(&definition) {
        Some(why) => Err((cut(), why.to_owned())),
        None => Ok(definition),
    }
}

/// What a definition has in it that nobody could mean: its words stand in addresses, in logs, and in sentences for people, and
/// what it needs is looked for, one by one.
fn unsound(definition: &ToolDefinition) -> Option<&'static str> {
    let short = |word: &str| word.len() <= LONGEST_NAME && !word.chars().any(char::is_control);
    let version = definition.toolkit.version.as_deref().unwrap_or_default();
    if !(short(version) && version.bytes().all(|byte| byte.is_ascii_graphic())) {
        return Some("a version has a few visible characters");
    }
    if definition.secrets().count() > MOST_NEEDS || !definition.secrets().all(is_name) {
        return Some(
            "a secret's name has letters, digits, `_`, `-` and `.`, and there are not too many of them",
        );
    }
    let wanted = definition.authorization()?;
    let words = [&wanted.id, &wanted.provider_id, &wanted.provider_type];
    if !words.into_iter().flatten().all(|word| short(word)) {
        return Some("the name of a provider has a few visible characters");
    }
    // RFC 6749 §3.3
    let legal = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    let scope =
        |scope: &String| (1..=LONGEST_SCOPE).contains(&scope.len()) && scope.bytes().all(legal);
    let scopes = wanted.scopes();
    let fine = scopes.len() <= MOST_NEEDS && scopes.iter().all(scope);
    (!fine).then_some("a scope has no blanks, and there are not too many of them")
}

/// Names stand in other names, in patterns and in logs.
fn plain(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(legal)
}

/// The tool, as gateways have it.
pub(super) fn dressed(definition: ToolDefinition) -> RawTool {
    let behavior = behavior(&definition);
    let hint = |of: fn(&Behavior) -> Option<bool>| behavior.and_then(of).unwrap_or(false);
    RawTool {
        name: definition.qualified_name(),
        raw: to_raw_value(&in_mcp(&definition)).expect("JSON values always serialise"),
        read_only: hint(|it| it.read_only),
        idempotent: hint(|it| it.idempotent),
        mirrored: Vec::new(),
        worker: Some(Arc::new(definition)),
    }
}

fn in_mcp(definition: &ToolDefinition) -> Value {
    let mut tool = Map::new();
    tool.insert(
        "name".into(),
        format!("{}_{}", definition.toolkit.name, definition.name).into(),
    );
    if let Some(description) = description(definition) {
        tool.insert("description".into(), description.into());
    }
    tool.insert("inputSchema".into(), schema::of_inputs(&definition.input));
    if let Some(schema) = schema::of_output(&definition.output) {
        tool.insert("outputSchema".into(), schema);
    }
    tool.insert("annotations".into(), annotations(definition));
    if let Some(arcade) = arcade(definition) {
        tool.insert("_meta".into(), json!({ "arcade": arcade }));
    }
    tool.into()
}

fn description(definition: &ToolDefinition) -> Option<String> {
    let said = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    let description = said(&definition.description);
    match said(&definition.deprecation_message) {
        None => description,
        Some(instead) => {
            let description = description.unwrap_or_default();
            Some(
                format!("[DEPRECATED: {instead}] {description}")
                    .trim_end()
                    .to_owned(),
            )
        }
    }
}

fn behavior(definition: &ToolDefinition) -> Option<&Behavior> {
    definition.metadata.as_ref()?.behavior.as_ref()
}

fn annotations(definition: &ToolDefinition) -> Value {
    let mut annotations = Map::from_iter([("title".to_owned(), json!(definition.name))]);
    if let Some(behavior) = behavior(definition) {
        for (name, hint) in [
            ("readOnlyHint", behavior.read_only),
            ("destructiveHint", behavior.destructive),
            ("idempotentHint", behavior.idempotent),
            ("openWorldHint", behavior.open_world),
        ] {
            annotations.extend(hint.map(|hint| (name.to_owned(), Value::Bool(hint))));
        }
    }
    annotations.into()
}

/// What Arcade's own servers say of their tools beside MCP's words.
fn arcade(definition: &ToolDefinition) -> Option<Value> {
    let requirements = definition.requirements.as_ref().map(without_nulls);
    let metadata: Option<&Metadata> = definition.metadata.as_ref();
    let metadata = metadata.map(without_nulls);
    let said = [("requirements", requirements), ("metadata", metadata)];
    let said = said.into_iter().filter_map(|(name, value)| {
        let value = value.filter(|value| value.as_object().is_some_and(|it| !it.is_empty()))?;
        Some((name.to_owned(), value))
    });
    let said: Map<_, _> = said.collect();
    (!said.is_empty()).then(|| said.into())
}

fn without_nulls<T: serde::Serialize>(value: &T) -> Value {
    fn bare(value: Value) -> Value {
        match value {
            Value::Object(members) => {
                let members = members.into_iter().filter(|(_, value)| !value.is_null());
                members.map(|(name, value)| (name, bare(value))).collect()
            }
            other => other,
        }
    }
    bare(serde_json::to_value(value).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::arcade::definition::Properties;

    fn in_mcp(definition: &Value) -> Value {
        let raw = to_raw_value(definition).unwrap();
        let tool = dressed(read(&raw).unwrap());
        serde_json::from_str(tool.raw.get()).unwrap()
    }

    #[test]
    fn a_whole_definition_in_the_words_of_mcp() {
        let definition = json!({
            "name": "DeleteNote", "fully_qualified_name": "Kit.DeleteNote", "description": "Deletes a note",
            "toolkit": { "name": "Kit", "description": null, "version": "1.2.3" },
            "input": { "parameters": [{ "name": "note", "required": true, "description": "Which one", "value_schema": { "val_type": "string", "enum": null }, "inferrable": true }] },
            "output": { "description": "What happened", "available_modes": ["value", "error"], "value_schema": { "val_type": "string" } },
            "requirements": { "authorization": { "id": "acme", "provider_id": null, "provider_type": "oauth2", "oauth2": { "scopes": ["notes.write"] } }, "secrets": [{ "key": "ACME_KEY" }], "metadata": null },
            "deprecation_message": "Use Erase",
            "metadata": { "classification": null, "behavior": { "operations": ["delete"], "read_only": false, "destructive": true, "idempotent": true, "open_world": null }, "extras": { "team": "notes" } },
            "_meta": null,
        });
        assert_eq!(
            in_mcp(&definition),
            json!({
                "name": "Kit_DeleteNote",
                "description": "[DEPRECATED: Use Erase] Deletes a note",
                "inputSchema": { "type": "object", "properties": { "note": { "type": "string", "description": "Which one" } }, "additionalProperties": false, "required": ["note"] },
                "outputSchema": { "type": "object", "properties": { "result": { "type": "string" } } },
                "annotations": { "title": "DeleteNote", "readOnlyHint": false, "destructiveHint": true, "idempotentHint": true },
                "_meta": { "arcade": {
                    "requirements": { "authorization": { "id": "acme", "provider_type": "oauth2", "oauth2": { "scopes": ["notes.write"] } }, "secrets": [{ "key": "ACME_KEY" }] },
                    "metadata": { "behavior": { "operations": ["delete"], "read_only": false, "destructive": true, "idempotent": true }, "extras": { "team": "notes" } },
                } },
            })
        );
    }

    #[test]
    fn every_array_says_what_it_is_an_array_of() {
        let bare = json!({ "val_type": "array" });
        let definition = json!({
            "name": "Tag", "toolkit": { "name": "Kit" },
            "input": { "parameters": [
                { "name": "tags", "value_schema": bare },
                { "name": "ids", "value_schema": { "val_type": "array", "inner_val_type": "integer" } },
                { "name": "who", "value_schema": { "val_type": "json", "properties": { "nicks": bare } } },
                { "name": "all", "value_schema": { "val_type": "array", "inner_val_type": "json", "inner_properties": { "nicks": bare } } },
            ] },
            "output": { "value_schema": bare },
        });
        let read = read(&to_raw_value(&definition).unwrap()).unwrap();
        let inner = |schema: &ValueSchema| schema.inner_val_type.clone().unwrap_or_default();
        let [tags, ids, who, all] = &read.input.parameters[..] else {
            panic!()
        };
        assert_eq!(inner(&tags.value_schema), "string");
        assert_eq!(inner(&ids.value_schema), "integer");
        let members = |schema: &Option<Properties>| inner(&schema.as_ref().unwrap()["nicks"]);
        assert_eq!(members(&who.value_schema.properties), "string");
        assert_eq!(members(&all.value_schema.inner_properties), "string");
        assert_eq!(inner(read.output.value_schema.as_ref().unwrap()), "string");
    }

    #[test]
    fn a_bare_definition_promises_nothing() {
        let definition = json!({ "name": "Add", "toolkit": { "name": "Kit" }, "requirements": { "authorization": null, "secrets": null, "metadata": null } });
        let raw = to_raw_value(&definition).unwrap();
        let tool = dressed(read(&raw).unwrap());
        assert!(!tool.read_only && !tool.idempotent);
        assert_eq!(
            in_mcp(&definition),
            json!({ "name": "Kit_Add", "inputSchema": { "type": "object", "properties": {}, "additionalProperties": false }, "annotations": { "title": "Add" } })
        );
    }
}
