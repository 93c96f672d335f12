//! Schemas for OpenAI's strict mode: every object closed, every member required, what was optional nullable.
//!
//! Strict mode has no free-form objects and few combinators. A schema that needs them cannot be said in it.

use serde_json::{Map, Value, json};

/// Keywords that strict mode refuses and that models can do without.
const DROPPED: [&str; 9] = [
    "$schema",
    "$id",
    "$comment",
    "default",
    "examples",
    "title",
    "minLength",
    "maxLength",
    "uniqueItems",
];

/// Keywords without which a schema would mean something else.
const IMPOSSIBLE: [&str; 14] = [
    "allOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependentRequired",
    "dependentSchemas",
    "patternProperties",
    "propertyNames",
    "unevaluatedProperties",
    "prefixItems",
    "contains",
    "$dynamicRef",
];

/// The parameters of a function, if they can be said in strict mode.
pub(super) fn parameters(schema: &Value) -> Option<Value> {
    let mut schema = schema.as_object()?.clone();
    schema.insert("type".to_owned(), "object".into());
    // A tool without parameters often does not say that it takes no others.
    schema.entry("properties").or_insert_with(|| json!({}));
    strict(&Value::Object(schema))
}

fn strict(schema: &Value) -> Option<Value> {
    let schema = schema.as_object()?;
    if IMPOSSIBLE
        .iter()
        .any(|keyword| schema.contains_key(*keyword))
    {
        return None;
    }
    let mut said = Map::new();
    for (keyword, value) in schema {
        if DROPPED.contains(&keyword.as_str()) {
            continue;
        }
        let value = match keyword.as_str() {
            "properties" => continue,
            "required" | "additionalProperties" => continue,
            "items" => strict(value)?,
            "anyOf" => all(value)?,
            "$defs" | "definitions" => each(value)?,
            _ => value.clone(),
        };
        said.insert(keyword.clone(), value);
    }
    if is(schema, "object") {
        close(schema, &mut said)?;
    }
    if is(schema, "array") && !said.contains_key("items") {
        return None;
    }
    let any_value = ["type", "anyOf", "enum", "const", "$ref"];
    any_value
        .iter()
        .any(|keyword| said.contains_key(*keyword))
        .then_some(Value::Object(said))
}

/// Says of an object which members it has, and that it has all of them and no others.
fn close(schema: &Map<String, Value>, said: &mut Map<String, Value>) -> Option<()> {
    let closed = match schema.get("additionalProperties") {
        None => true,
        Some(more) => more.as_bool() == Some(false),
    };
    let properties = match (schema.get("properties"), schema.get("additionalProperties")) {
        (Some(properties), _) if closed => properties.as_object()?.clone(),
        (None, Some(_)) if closed => Map::new(),
        // Members of any name.
        _ => return None,
    };
    let required = schema.get("required").and_then(Value::as_array);
    let required: Vec<_> = required
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut members = Map::new();
    for (name, member) in &properties {
        let mut member = strict(member)?;
        if !required.contains(&name.as_str()) {
            member = or_null(member);
        }
        members.insert(name.clone(), member);
    }
    let names: Vec<_> = members.keys().cloned().collect();
    said.insert("properties".to_owned(), members.into());
    said.insert("required".to_owned(), names.into());
    said.insert("additionalProperties".to_owned(), false.into());
    Some(())
}

fn is(schema: &Map<String, Value>, kind: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(word)) => word == kind,
        Some(Value::Array(words)) => words.iter().any(|word| word == kind),
        _ => kind == "object" && schema.contains_key("properties"),
    }
}

fn all(schemas: &Value) -> Option<Value> {
    let schemas = schemas.as_array()?.iter().map(strict);
    Some(Value::Array(schemas.collect::<Option<_>>()?))
}

fn each(schemas: &Value) -> Option<Value> {
    let schemas = schemas.as_object()?.iter();
    let schemas = schemas.map(|(name, schema)| Some((name.clone(), strict(schema)?)));
    Some(Value::Object(schemas.collect::<Option<_>>()?))
}

/// The same, or null.
fn or_null(mut schema: Value) -> Value {
    let null = || Value::from("null");
    let Some(object) = schema.as_object_mut() else {
        return schema;
    };
    if let Some(Value::Array(values)) = object.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
    let has_enum = object.contains_key("enum");
    match object.get_mut("type") {
        Some(Value::String(word)) if word == "null" => {}
        Some(kind @ Value::String(_)) => *kind = Value::Array(vec![kind.take(), null()]),
        Some(Value::Array(kinds)) if !kinds.contains(&null()) => kinds.push(null()),
        Some(_) => {}
        None if has_enum => {}
        None => return json!({ "anyOf": [schema, { "type": "null" }] }),
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_optional_is_required_and_may_be_null() {
        let said = parameters(&json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "to": { "type": "string", "minLength": 1, "description": "whom" },
                "color": { "type": "string", "enum": ["red"] },
                "who": { "type": "object", "properties": { "name": { "type": "string" } } },
                "tags": { "type": "array", "items": { "type": "string" } },
                "at": { "$ref": "#/$defs/when" },
            },
            "required": ["to"],
            "$defs": { "when": { "type": "string" } },
        }));
        let expected = json!({
            "type": "object",
            "properties": {
                "to": { "type": "string", "description": "whom" },
                "color": { "type": ["string", "null"], "enum": ["red", null] },
                "who": {
                    "type": ["object", "null"],
                    "properties": { "name": { "type": ["string", "null"] } },
                    "required": ["name"],
                    "additionalProperties": false,
                },
                "tags": { "type": ["array", "null"], "items": { "type": "string" } },
                "at": { "anyOf": [{ "$ref": "#/$defs/when" }, { "type": "null" }] },
            },
            "required": ["at", "color", "tags", "to", "who"],
            "additionalProperties": false,
            "$defs": { "when": { "type": "string" } },
        });
        assert_eq!(said, Some(expected));
    }

    #[test]
    fn what_cannot_be_said_strictly_is_not() {
        assert!(parameters(&json!({ "type": "object" })).is_some());
        for free in [
            json!({ "type": "object" }),
            json!({ "type": "object", "additionalProperties": { "type": "string" } }),
            json!({ "type": "array" }),
            json!({ "oneOf": [{ "type": "string" }] }),
            json!({}),
            json!(true),
        ] {
            let schema = json!({ "type": "object", "properties": { "free": free } });
            assert_eq!(parameters(&schema), None, "{schema}");
        }
    }
}
