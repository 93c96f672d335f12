//! JSON Schema as it comes, in the worker protocol's words.

use serde_json::{Map, Value, json};

use super::{of_value, parameters, value_schema};

/// As the protocol has it, without what is not said.
fn read(schema: &Value) -> Value {
    serde_json::to_value(value_schema(schema)).unwrap()
}

#[test]
fn every_type_has_a_word() {
    for (schema, expected) in [
        (json!({ "type": "string" }), json!({ "val_type": "string" })),
        (
            json!({ "type": "integer", "description": "n" }),
            json!({ "val_type": "integer", "description": "n" }),
        ),
        (
            json!({ "type": ["number", "null"] }),
            json!({ "val_type": "number", "nullable": true }),
        ),
        (
            json!({ "type": "boolean" }),
            json!({ "val_type": "boolean" }),
        ),
        (
            json!({ "type": ["string", "integer"] }),
            json!({ "val_type": "string" }),
        ),
        (
            json!({ "type": ["string", "object"] }),
            json!({ "val_type": "json" }),
        ),
        (json!({ "type": "object" }), json!({ "val_type": "json" })),
        (json!({}), json!({ "val_type": "json" })),
        (json!(true), json!({ "val_type": "json" })),
        (json!({ "type": "tuple" }), json!({ "val_type": "json" })),
        (
            json!({ "enum": ["a", "b", null] }),
            json!({ "val_type": "string", "enum": ["a", "b"], "nullable": true }),
        ),
        (
            json!({ "type": "integer", "enum": [1, 2] }),
            json!({ "val_type": "integer", "enum": ["1", "2"] }),
        ),
        (
            json!({ "const": "only" }),
            json!({ "val_type": "string", "enum": ["only"] }),
        ),
        (
            json!({ "oneOf": [{ "const": "a", "title": "A" }, { "const": "b" }] }),
            json!({ "val_type": "string", "enum": ["a", "b"] }),
        ),
        (
            json!({ "anyOf": [{ "type": "integer" }, { "type": "null" }], "description": "maybe" }),
            json!({ "val_type": "integer", "nullable": true, "description": "maybe" }),
        ),
        (
            json!({ "anyOf": [{ "type": "integer" }, { "type": "number" }] }),
            json!({ "val_type": "number" }),
        ),
        (
            json!({ "anyOf": [{ "type": "string" }, { "type": "array" }] }),
            json!({ "val_type": "json" }),
        ),
    ] {
        assert_eq!(read(&schema), expected, "{schema}");
    }
}

#[test]
fn an_array_always_says_what_is_in_it() {
    for (schema, inner) in [
        (json!({ "type": "array" }), "json"),
        (json!({ "type": "array", "items": true }), "json"),
        (
            json!({ "type": "array", "items": { "type": "array", "items": { "type": "string" } } }),
            "json",
        ),
        (json!({ "items": { "type": "integer" } }), "integer"),
        (
            json!({ "type": "array", "items": { "$ref": "https://evil.example/schema" } }),
            "json",
        ),
    ] {
        let value = value_schema(&schema);
        assert_eq!(
            (value.val_type.as_str(), value.inner_val_type.as_deref()),
            ("array", Some(inner)),
            "{schema}"
        );
    }
    let words = json!({ "type": "array", "items": { "type": "string", "enum": ["a"] } });
    assert_eq!(
        read(&words),
        json!({ "val_type": "array", "inner_val_type": "string", "enum": ["a"] })
    );
}

#[test]
fn members_are_read_through_references_and_come_back_the_same() {
    let schema = json!({
        "$defs": { "Person": {
            "type": "object",
            "properties": { "name": { "type": "string" }, "age": { "type": ["integer", "null"] } },
            "additionalProperties": false,
            "required": ["name", "age"],
        } },
        "type": "object",
        "properties": {
            "who": { "$ref": "#/$defs/Person", "description": "Whom" },
            "people": { "type": "array", "items": { "$ref": "#/$defs/Person" } },
        },
        "required": ["who"],
    });
    let parameters = parameters(&schema);
    let [people, who] = &parameters[..] else {
        panic!("{parameters:?}")
    };
    assert_eq!(
        (who.required, who.description.as_deref()),
        (true, Some("Whom"))
    );
    assert!(!people.required && people.inferrable);
    let person = &schema["$defs"]["Person"];
    assert_eq!(&of_value(&who.value_schema), person);
    assert_eq!(&of_value(&people.value_schema)["items"], person);
}

#[test]
fn attack_a_schema_that_unfolds_without_end_is_cut() {
    let itself = json!({ "$ref": "#" });
    assert_eq!(read(&itself), json!({ "val_type": "json" }));
    let names: Vec<String> = (0..30).map(|n| format!("p{n}")).collect();
    let members: Map<_, _> = names
        .iter()
        .map(|name| (name.clone(), json!({ "$ref": "#" })))
        .collect();
    let bomb = json!({ "type": "object", "properties": members });
    let read = serde_json::to_string(&parameters(&bomb)).unwrap();
    assert!(read.len() < 1_000_000, "{}", read.len());
    for odd in [
        json!(null),
        json!([]),
        json!("x"),
        json!({ "properties": [], "required": {} }),
    ] {
        assert!(parameters(&odd).is_empty(), "{odd}");
    }
}
