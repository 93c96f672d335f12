//! What a worker is asked: to run one tool.

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value, value::RawValue};

use super::definition::{ToolDefinition, ValueSchema};
use crate::protocol::{mcp::object::ObjectWriter, members::Members};

/// One call. Has tokens and secrets in the clear: made to be sent, and for nothing else.
#[derive(Serialize)]
pub struct Invoke<'a> {
    /// What the worker's logs call this attempt.
    pub run_id: &'a str,
    /// What the call is known by.
    pub execution_id: &'a str,
    /// RFC 3339.
    pub created_at: String,
    /// Which tool.
    pub tool: Which<'a>,
    /// By parameter.
    pub inputs: &'a RawValue,
    /// What the tool is told beside them.
    pub context: Context<'a>,
}

/// Which tool. Without a version, any.
#[derive(Serialize)]
pub struct Which<'a> {
    /// PascalCase.
    pub name: &'a str,
    /// PascalCase.
    pub toolkit: &'a str,
    /// As the catalogue says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<&'a str>,
}

/// What a tool is told beside its inputs. What it did not ask for is absent; a worker refuses nulls.
#[derive(Serialize)]
pub struct Context<'a> {
    /// The user's account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization: Option<Authorization<'a>>,
    /// Its secrets: name and value.
    #[serde(serialize_with = "pairs")]
    pub secrets: Vec<(&'a str, &'a str)>,
    /// Facts about the gateway: name and value.
    #[serde(serialize_with = "pairs")]
    pub metadata: Vec<(&'a str, &'a str)>,
    /// For whom it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<&'a str>,
}

/// A user's account.
#[derive(Serialize)]
pub struct Authorization<'a> {
    /// The token.
    pub token: &'a str,
    /// Whose it is; may be empty, never null.
    pub user_info: &'a Map<String, Value>,
}

impl<'a> Which<'a> {
    /// The tool of this definition, in this version.
    pub fn of(definition: &'a ToolDefinition) -> Self {
        Self {
            name: &definition.name,
            toolkit: &definition.toolkit.name,
            version: definition.toolkit.version.as_deref(),
        }
    }
}

/// The inputs as a tool takes them, numbers as they were written. Models that have to name every parameter write null for what
/// they leave out, and workers refuse null where it is not foreseen: those go, in known members of objects too.
///
/// # Errors
/// The arguments are no object, or a name stands twice.
pub fn inputs(
    definition: &ToolDefinition,
    arguments: Option<&RawValue>,
) -> Result<Box<RawValue>, serde_json::Error> {
    let mut json = Vec::new();
    match arguments {
        None => json.extend_from_slice(b"{}"),
        Some(arguments) => {
            let parameters = &definition.input.parameters;
            object(&mut json, arguments, |name| {
                let parameter = parameters.iter().find(|parameter| parameter.name == name)?;
                Some((&parameter.value_schema, parameter.required))
            })?;
        }
    }
    let json = String::from_utf8(json).expect("JSON is UTF-8");
    RawValue::from_string(json)
}

fn object<'s>(
    json: &mut Vec<u8>,
    object: &RawValue,
    known: impl Fn(&str) -> Option<(&'s ValueSchema, bool)>,
) -> Result<(), serde_json::Error> {
    let members = Members::of(object)?;
    let mut writer = ObjectWriter::open(json);
    for (name, member) in members.iter() {
        match known(name) {
            Some((schema, required))
                if member.get() == "null" && !required && schema.nullable != Some(true) => {}
            Some((schema, _)) => value(writer.key(name), member, schema)?,
            None => {
                writer.raw(name, member.get());
            }
        }
    }
    writer.close();
    Ok(())
}

fn value(
    json: &mut Vec<u8>,
    raw: &RawValue,
    schema: &ValueSchema,
) -> Result<(), serde_json::Error> {
    let one = (&schema.properties, &schema.required_keys);
    let each = (&schema.inner_properties, &schema.inner_required_keys);
    match (raw.get().as_bytes().first(), one, each) {
        (Some(b'{'), (Some(properties), Some(required)), _) => object(json, raw, |name| {
            let schema = properties.get(name)?;
            Some((schema, required.iter().any(|key| key == name)))
        }),
        (Some(b'['), _, (Some(properties), Some(required))) => {
            let items: Vec<&RawValue> = serde_json::from_str(raw.get())?;
            let schema = ValueSchema {
                properties: Some(properties.clone()),
                required_keys: Some(required.clone()),
                ..ValueSchema::default()
            };
            json.push(b'[');
            for (position, item) in items.into_iter().enumerate() {
                if position > 0 {
                    json.push(b',');
                }
                value(json, item, &schema)?;
            }
            json.push(b']');
            Ok(())
        }
        _ => {
            json.extend_from_slice(raw.get().as_bytes());
            Ok(())
        }
    }
}

/// As `[{"key": …, "value": …}]`.
fn pairs<S: Serializer>(pairs: &[(&str, &str)], serializer: S) -> Result<S::Ok, S::Error> {
    struct Pair<'a>(&'a str, &'a str);
    impl Serialize for Pair<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(Some(2))?;
            map.serialize_entry("key", self.0)?;
            map.serialize_entry("value", self.1)?;
            map.end()
        }
    }
    serializer.collect_seq(pairs.iter().map(|(key, value)| Pair(key, value)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definition() -> ToolDefinition {
        let person = json!({ "name": { "val_type": "string" }, "age": { "val_type": "integer", "nullable": true }, "nick": { "val_type": "string" } });
        serde_json::from_value(json!({
            "name": "Shapes",
            "toolkit": { "name": "Kit", "version": "1.2.3" },
            "input": { "parameters": [
                { "name": "color", "required": true, "value_schema": { "val_type": "string" } },
                { "name": "ratio", "value_schema": { "val_type": "number" } },
                { "name": "note", "value_schema": { "val_type": "string", "nullable": true } },
                { "name": "who", "value_schema": { "val_type": "json", "properties": person, "required_keys": ["name", "age"] } },
                { "name": "people", "value_schema": { "val_type": "array", "inner_val_type": "json", "inner_properties": person, "inner_required_keys": ["name", "age"] } },
            ] },
        }))
        .unwrap()
    }

    fn sent(arguments: &str) -> Result<String, serde_json::Error> {
        let raw = RawValue::from_string(arguments.to_owned()).unwrap();
        Ok(inputs(&definition(), Some(&raw))?.get().to_owned())
    }

    #[test]
    fn nulls_that_stand_for_nothing_are_left_out() {
        for (given, expected) in [
            (
                r#"{"color":null,"ratio":null,"note":null}"#,
                r#"{"color":null,"note":null}"#,
            ),
            (
                r#"{"unknown":null,"ratio":1.10}"#,
                r#"{"unknown":null,"ratio":1.10}"#,
            ),
            (
                r#"{"who":{"name":"x","age":null,"nick":null,"other":null}}"#,
                r#"{"who":{"name":"x","age":null,"other":null}}"#,
            ),
            (
                r#"{"people":[{"name":null,"nick":null},null,7,12345678901234567890123]}"#,
                r#"{"people":[{"name":null},null,7,12345678901234567890123]}"#,
            ),
            (
                r#"{"who":"nobody","people":{}}"#,
                r#"{"who":"nobody","people":{}}"#,
            ),
        ] {
            assert_eq!(sent(given).unwrap(), expected);
        }
        assert_eq!(inputs(&definition(), None).unwrap().get(), "{}");
    }

    #[test]
    fn attack_a_name_that_stands_twice_is_not_sent() {
        for given in [
            r#"{"color":"red","color":"blue"}"#,
            r#"{"who":{"name":"a","n\u0061me":"b"}}"#,
            "[]",
            "7",
        ] {
            assert!(sent(given).is_err(), "{given}");
        }
    }

    #[test]
    fn a_call_without_anything_has_no_nulls_in_it() {
        let definition = definition();
        let nothing = inputs(&definition, None).unwrap();
        let invoke = Invoke {
            run_id: "tr_1",
            execution_id: "te_1",
            created_at: "2026-01-01T00:00:00Z".to_owned(),
            tool: Which::of(&definition),
            inputs: &nothing,
            context: Context {
                authorization: None,
                secrets: vec![("K", "v")],
                metadata: Vec::new(),
                user_id: None,
            },
        };
        assert_eq!(
            serde_json::to_value(&invoke).unwrap(),
            json!({
                "run_id": "tr_1", "execution_id": "te_1", "created_at": "2026-01-01T00:00:00Z",
                "tool": { "name": "Shapes", "toolkit": "Kit", "version": "1.2.3" }, "inputs": {},
                "context": { "secrets": [{ "key": "K", "value": "v" }], "metadata": [] },
            })
        );
    }
}
