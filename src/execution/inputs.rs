//! Inputs as a program sends them, made to fit the tool: models in strict mode write null for what they leave out, which few tools
//! take.

use serde_json::{Value, value::RawValue};

use super::Inputs;
use crate::{
    gateway::view::{Tool, What},
    protocol::members::Members,
};

/// The inputs without those nulls that mean "left out". A worker's tool gets its own from whoever speaks to workers.
pub(super) fn fitting(tool: &Tool, inputs: &Inputs) -> Inputs {
    let mut inputs = inputs.clone();
    if let What::Native(native) = &tool.what
        && native.worker.is_none()
        && inputs.values().any(|value| is_null(value))
    {
        let schema = schema(&native.raw);
        inputs.retain(|name, value| !is_null(value) || takes_null(&schema, name));
    }
    inputs
}

fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

fn schema(raw: &RawValue) -> Value {
    let definition = Members::of(raw).unwrap_or_default();
    definition.read("inputSchema").unwrap_or_default()
}

/// Whether a null of that name is more than nothing: it must be there, or may be null, or nobody knows.
fn takes_null(schema: &Value, name: &str) -> bool {
    let required = schema.get("required").and_then(Value::as_array);
    let required = required.is_some_and(|names| names.iter().any(|it| it == name));
    let property = schema.get("properties").and_then(|all| all.get(name));
    required || property.is_none_or(may_be_null)
}

fn may_be_null(property: &Value) -> bool {
    let any = |keyword: &str| property.get(keyword).and_then(Value::as_array);
    match property.get("type") {
        Some(Value::String(word)) => word == "null",
        Some(Value::Array(words)) => words.iter().any(|word| word == "null"),
        _ => match (any("anyOf").or(any("oneOf")), any("enum")) {
            (Some(kinds), _) => kinds.iter().any(may_be_null),
            (None, Some(values)) => values.contains(&Value::Null),
            (None, None) => true,
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_nulls_that_mean_left_out_are_left_out() {
        let schema = json!({
            "properties": {
                "plain": { "type": "string" },
                "must": { "type": "string" },
                "nullable": { "type": ["string", "null"] },
                "either": { "anyOf": [{ "type": "integer" }, { "type": "null" }] },
                "one": { "enum": ["a"] },
                "any": { "description": "whatever" },
            },
            "required": ["must"],
        });
        let kept = |name: &str| takes_null(&schema, name);
        let names = [
            "plain", "must", "nullable", "either", "one", "any", "unknown",
        ];
        assert_eq!(
            names.map(kept),
            [false, true, true, true, false, true, true]
        );
    }
}
