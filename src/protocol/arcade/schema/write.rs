//! From `value_schema` to JSON Schema, as Arcade's own servers show their tools to MCP clients.

use serde_json::{Map, Value, json};

use super::word;
use crate::protocol::arcade::definition::{Input, Output, Parameter, Properties, ValueSchema};

/// What models may fill in, as the schema of an object.
pub fn of_inputs(input: &Input) -> Value {
    let visible: Vec<_> = input.parameters.iter().filter(|it| it.inferrable).collect();
    let properties: Map<_, _> = visible
        .iter()
        .map(|parameter| (parameter.name.clone(), of_parameter(parameter)))
        .collect();
    let required = visible.iter().filter(|it| it.required);
    let required: Vec<_> = required.map(|it| it.name.as_str()).collect();
    let mut schema =
        json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// What the tool gives, as the schema of an object: of other values, of one that has them as its `result`. `None` if the tool
/// does not say. No more is said than that: clients refuse an answer that does not fit.
pub fn of_output(output: &Output) -> Option<Value> {
    let value = output.value_schema.as_ref()?;
    match value.val_type.as_str() {
        word::JSON => Some(json!({ "type": "object" })),
        known if is_known(known) => {
            let nothing = output.available_modes.iter().any(|mode| mode == "null");
            let value = ValueSchema {
                nullable: Some(nothing || value.nullable == Some(true)),
                ..value.clone()
            };
            Some(json!({ "type": "object", "properties": { "result": of_value(&value) } }))
        }
        _ => None,
    }
}

/// One type. What is unknown is a string, as it is to Arcade's own servers.
pub fn of_value(value: &ValueSchema) -> Value {
    let (inner, members, required) = (
        value.inner_val_type.as_deref(),
        value.inner_properties.as_ref(),
        value.inner_required_keys.as_deref(),
    );
    let allowed = value.allowed.as_deref();
    let mut schema = match value.val_type.as_str() {
        word::JSON => object(value.properties.as_ref(), value.required_keys.as_deref()),
        word::ARRAY => {
            let items = match inner.unwrap_or(word::STRING) {
                word::JSON => object(members, required),
                other => scalar(other, allowed),
            };
            Map::from_iter([
                ("type".to_owned(), json!("array")),
                ("items".to_owned(), items.into()),
            ])
        }
        other => scalar(other, allowed),
    };
    if let Some(words) = value.description.as_deref().filter(|it| !it.is_empty()) {
        schema.insert("description".into(), words.into());
    }
    if value.nullable == Some(true) {
        let kind = schema["type"].take();
        schema.insert("type".into(), json!([kind, "null"]));
        if let Some(Value::Array(allowed)) = schema.get_mut("enum") {
            allowed.push(Value::Null);
        }
    }
    schema.into()
}

fn of_parameter(parameter: &Parameter) -> Value {
    let mut schema = of_value(&parameter.value_schema);
    if let Some(words) = parameter.description.as_deref().filter(|it| !it.is_empty()) {
        schema["description"] = words.into();
    }
    schema
}

fn object(properties: Option<&Properties>, required: Option<&[String]>) -> Map<String, Value> {
    let mut schema = Map::from_iter([("type".to_owned(), json!("object"))]);
    if let Some(properties) = properties.filter(|it| !it.is_empty()) {
        let members = properties.iter();
        let members: Map<_, _> = members
            .map(|(name, value)| (name.clone(), of_value(value)))
            .collect();
        schema.insert("properties".into(), members.into());
        schema.insert("additionalProperties".into(), false.into());
        if let Some(required) = required {
            schema.insert("required".into(), json!(required));
        }
    }
    schema
}

fn scalar(kind: &str, allowed: Option<&[String]>) -> Map<String, Value> {
    let kind = match kind {
        word::ARRAY => "array",
        known if is_known(known) => known,
        _ => word::STRING,
    };
    let mut schema = Map::from_iter([("type".to_owned(), json!(kind))]);
    if let Some(allowed) = allowed.filter(|it| !it.is_empty()) {
        let value = |text: &String| match kind {
            // The protocol writes every value as text.
            word::INTEGER | word::NUMBER | word::BOOLEAN => serde_json::from_str(text)
                .ok()
                .filter(|value: &Value| value.is_number() || value.is_boolean())
                .unwrap_or_else(|| text.as_str().into()),
            _ => Value::from(text.as_str()),
        };
        schema.insert("enum".into(), allowed.iter().map(value).collect());
    }
    schema
}

fn is_known(kind: &str) -> bool {
    use word::{ARRAY, BOOLEAN, INTEGER, NUMBER, STRING};
    [STRING, INTEGER, NUMBER, BOOLEAN, ARRAY].contains(&kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(json: Value) -> Value {
        of_value(&serde_json::from_value(json).unwrap())
    }

    #[test]
    fn every_type_is_written_as_arcade_writes_it() {
        let person = json!({ "name": { "val_type": "string", "description": "Their name" }, "age": { "val_type": "integer", "nullable": true } });
        let written = json!({ "name": { "type": "string", "description": "Their name" }, "age": { "type": ["integer", "null"] } });
        let people = json!({ "type": "object", "properties": written, "additionalProperties": false, "required": ["age", "name"] });
        for (said, expected) in [
            (json!({ "val_type": "string" }), json!({ "type": "string" })),
            (
                json!({ "val_type": "integer" }),
                json!({ "type": "integer" }),
            ),
            (json!({ "val_type": "number" }), json!({ "type": "number" })),
            (
                json!({ "val_type": "boolean" }),
                json!({ "type": "boolean" }),
            ),
            (json!({ "val_type": "json" }), json!({ "type": "object" })),
            (
                json!({ "val_type": "datetime" }),
                json!({ "type": "string" }),
            ),
            (
                json!({ "val_type": "string", "enum": ["red", "blue"], "nullable": true }),
                json!({ "type": ["string", "null"], "enum": ["red", "blue", null] }),
            ),
            (
                json!({ "val_type": "integer", "enum": ["1", "2"] }),
                json!({ "type": "integer", "enum": [1, 2] }),
            ),
            (
                json!({ "val_type": "array", "inner_val_type": "string", "enum": ["red"] }),
                json!({ "type": "array", "items": { "type": "string", "enum": ["red"] } }),
            ),
            (
                json!({ "val_type": "array" }),
                json!({ "type": "array", "items": { "type": "string" } }),
            ),
            (
                json!({ "val_type": "json", "properties": person, "required_keys": ["age", "name"] }),
                people.clone(),
            ),
            (
                json!({ "val_type": "array", "inner_val_type": "json", "inner_properties": person, "inner_required_keys": ["age", "name"] }),
                json!({ "type": "array", "items": people }),
            ),
        ] {
            assert_eq!(value(said.clone()), expected, "{said}");
        }
    }

    #[test]
    fn models_see_only_what_they_may_fill_in() {
        let input: Input = serde_json::from_value(json!({ "parameters": [
            { "name": "q", "required": true, "description": "What to look for", "value_schema": { "val_type": "string" } },
            { "name": "limit", "value_schema": { "val_type": "integer" } },
            { "name": "tenant", "required": true, "inferrable": false, "value_schema": { "val_type": "string" } },
        ] }))
        .unwrap();
        assert_eq!(
            of_inputs(&input),
            json!({
                "type": "object",
                "properties": { "q": { "type": "string", "description": "What to look for" }, "limit": { "type": "integer" } },
                "additionalProperties": false,
                "required": ["q"],
            })
        );
        assert_eq!(
            of_inputs(&Input::default()),
            json!({ "type": "object", "properties": {}, "additionalProperties": false })
        );
    }

    #[test]
    fn what_is_given_is_an_object_or_the_result_of_one() {
        let output = |json: Value| of_output(&serde_json::from_value::<Output>(json).unwrap());
        assert_eq!(output(json!({})), None);
        assert_eq!(
            output(json!({ "value_schema": { "val_type": "picture" } })),
            None
        );
        assert_eq!(
            output(
                json!({ "value_schema": { "val_type": "json", "properties": { "a": { "val_type": "string" } } } })
            ),
            Some(json!({ "type": "object" }))
        );
        assert_eq!(
            output(
                json!({ "available_modes": ["value", "null"], "value_schema": { "val_type": "integer" } })
            ),
            Some(
                json!({ "type": "object", "properties": { "result": { "type": ["integer", "null"] } } })
            )
        );
    }
}
