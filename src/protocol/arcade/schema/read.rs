//! From JSON Schema to `value_schema`, for tools of MCP servers: as much as the worker protocol has words for. The rest is `json`,
//! which may be anything, or for scalars `string`. Schemas are untrusted: references lead nowhere but into the schema itself, and
//! what unfolds without end is cut.

use serde_json::{Map, Value};

use super::word;
use crate::protocol::arcade::definition::{Output, Parameter, Properties, ValueSchema};

/// Deeper than this, an object is one without known members.
const DEEPEST: usize = 16;
/// Types in one schema, with those that references repeat.
const TYPES_AT_MOST: usize = 2000;
/// References that lead to references.
const HOPS_AT_MOST: usize = 8;

/// The parameters that an `inputSchema` describes, by name.
pub fn parameters(schema: &Value) -> Vec<Parameter> {
    let mut reader = Reader::new(schema);
    let Some(object) = reader.resolved(schema) else {
        return Vec::new();
    };
    let required = required(object);
    let properties = object.get("properties").and_then(Value::as_object);
    properties
        .into_iter()
        .flatten()
        .map(|(name, schema)| {
            let mut value_schema = reader.value(schema, DEEPEST);
            Parameter {
                name: name.clone(),
                required: required.contains(&name.as_str()),
                description: value_schema.description.take(),
                value_schema,
                inferrable: true,
            }
        })
        .collect()
}

/// What a tool of an MCP server gives, by its `outputSchema` if it has one.
pub fn output(schema: Option<&Value>) -> Output {
    Output {
        description: None,
        available_modes: vec!["value".to_owned(), "error".to_owned()],
        value_schema: Some(schema.map_or_else(|| of(word::JSON), value_schema)),
    }
}

/// The type that a schema describes.
pub fn value_schema(schema: &Value) -> ValueSchema {
    Reader::new(schema).value(schema, DEEPEST)
}

struct Reader<'s> {
    root: &'s Value,
    left: usize,
}

impl<'s> Reader<'s> {
    fn new(root: &'s Value) -> Self {
        Self {
            root,
            left: TYPES_AT_MOST,
        }
    }

    fn value(&mut self, schema: &'s Value, depth: usize) -> ValueSchema {
        if depth == 0 || self.left == 0 {
            return of(word::JSON);
        }
        self.left -= 1;
        let Some(found) = self.resolved(schema) else {
            return of(word::JSON);
        };
        let mut value = match alternatives(found) {
            Some(alternatives) => self.one_of(alternatives, depth),
            None => self.plain(found, depth),
        };
        if found.get("nullable") == Some(&Value::Bool(true)) {
            value.nullable = Some(true);
        }
        // Words beside a reference are about this use of it.
        let said = [schema.get("description"), found.get("description")];
        let said = said.into_iter().flatten().find_map(Value::as_str);
        if let Some(words) = said {
            value.description = Some(words.to_owned());
        }
        value
    }

    /// Follows references within the document; `None` for `true`, `false`, and what leads elsewhere or nowhere.
    fn resolved(&self, schema: &'s Value) -> Option<&'s Map<String, Value>> {
        let mut object = schema.as_object()?;
        for _ in 0..HOPS_AT_MOST {
            let Some(reference) = object.get("$ref") else {
                return Some(object);
            };
            let pointer = reference.as_str()?.strip_prefix('#')?;
            object = self.root.pointer(pointer)?.as_object()?;
        }
        None
    }

    /// Exactly one type, or null.
    fn one_of(&mut self, alternatives: &'s [Value], depth: usize) -> ValueSchema {
        let (nulls, others): (Vec<_>, Vec<_>) = alternatives.iter().partition(|it| is_null(it));
        let mut values = others.iter().map(|it| self.value(it, depth - 1));
        let mut value = match others.len() {
            0 => of(word::JSON),
            1 => values.next().unwrap_or_default(),
            _ => joined(&values.collect::<Vec<_>>()),
        };
        if !nulls.is_empty() {
            value.nullable = Some(true);
        }
        value
    }

    fn plain(&mut self, schema: &'s Map<String, Value>, depth: usize) -> ValueSchema {
        let (kind, nullable) = kind(schema);
        let mut value = of(kind);
        value.nullable = nullable.then_some(true);
        match kind {
            word::JSON => {
                value.properties = self.properties(schema, depth);
                value.required_keys = value.properties.as_ref().map(|known| keys(schema, known));
            }
            word::ARRAY => {
                let items = schema.get("items").filter(|items| items.is_object());
                let item = items.map_or_else(|| of(word::JSON), |it| self.value(it, depth - 1));
                value.allowed = item.allowed;
                value.inner_properties = item.properties;
                value.inner_required_keys = item.required_keys;
                // There is no word for an array in an array.
                value.inner_val_type = Some(match item.val_type.as_str() {
                    word::ARRAY => word::JSON.to_owned(),
                    _ => item.val_type,
                });
            }
            _ => value.allowed = allowed(schema),
        }
        value
    }

    fn properties(&mut self, schema: &'s Map<String, Value>, depth: usize) -> Option<Properties> {
        let properties = schema.get("properties")?.as_object()?;
        if properties.is_empty() || depth <= 1 {
            return None;
        }
        let members = properties.iter();
        let members = members.map(|(name, schema)| (name.clone(), self.value(schema, depth - 1)));
        Some(members.collect())
    }
}

fn of(kind: &str) -> ValueSchema {
    ValueSchema {
        val_type: kind.to_owned(),
        ..ValueSchema::default()
    }
}

fn alternatives(schema: &Map<String, Value>) -> Option<&[Value]> {
    let of = |key: &str| schema.get(key).and_then(Value::as_array);
    // All of one is one of one; all of several is beyond the protocol's words.
    let all = of("allOf").filter(|all| all.len() == 1);
    let found = of("anyOf").or(of("oneOf")).or(all)?;
    let says_itself = schema.contains_key("type") || schema.contains_key("properties");
    (!says_itself).then_some(found.as_slice())
}

/// Several types under one word: the values they allow together, if each is of the same kind.
fn joined(values: &[ValueSchema]) -> ValueSchema {
    let nullable = values.iter().any(|value| value.nullable == Some(true));
    let kinds: Vec<_> = values.iter().map(|value| value.val_type.as_str()).collect();
    let all = |some: &[&str]| kinds.iter().all(|kind| some.contains(kind));
    let kind = if kinds.iter().all(|kind| *kind == kinds[0]) && kinds[0] != word::ARRAY {
        kinds[0]
    } else if all(&[word::INTEGER, word::NUMBER]) {
        word::NUMBER
    } else if all(&[word::STRING, word::INTEGER, word::NUMBER, word::BOOLEAN]) {
        word::STRING
    } else {
        word::JSON
    };
    let mut joined = of(kind);
    joined.nullable = nullable.then_some(true);
    let allowed: Option<Vec<_>> = values.iter().map(|value| value.allowed.clone()).collect();
    joined.allowed = allowed.map(|all| all.concat());
    joined
}

/// The word for a schema's type, and whether it may be null as well.
fn kind(schema: &Map<String, Value>) -> (&'static str, bool) {
    let said: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let nullable = said.contains(&"null") || values(schema).any(Value::is_null);
    let mut others = said.into_iter().filter(|kind| *kind != "null");
    let kind = match (others.next(), others.next()) {
        (None, _) => implied(schema),
        (Some(one), None) => named(one),
        (Some(one), Some(other)) => {
            let mut scalars = [one, other].into_iter().chain(others);
            match scalars.all(|kind| ![word::JSON, word::ARRAY].contains(&named(kind))) {
                true => word::STRING,
                false => word::JSON,
            }
        }
    };
    (kind, nullable)
}

fn named(kind: &str) -> &'static str {
    match kind {
        "string" => word::STRING,
        "integer" => word::INTEGER,
        "number" => word::NUMBER,
        "boolean" => word::BOOLEAN,
        "array" => word::ARRAY,
        _ => word::JSON,
    }
}

/// The type of a schema that does not name it.
fn implied(schema: &Map<String, Value>) -> &'static str {
    if schema.contains_key("items") || schema.contains_key("prefixItems") {
        return word::ARRAY;
    }
    let mut kinds = values(schema)
        .filter(|value| !value.is_null())
        .map(|value| match value {
            Value::String(_) => word::STRING,
            Value::Bool(_) => word::BOOLEAN,
            Value::Number(number) if number.is_i64() || number.is_u64() => word::INTEGER,
            Value::Number(_) => word::NUMBER,
            _ => word::JSON,
        });
    match kinds.next() {
        Some(first) if kinds.all(|kind| kind == first) => first,
        _ => word::JSON,
    }
}

/// The values that `enum` or `const` allow.
fn values(schema: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    let several = schema.get("enum").and_then(Value::as_array);
    several.into_iter().flatten().chain(schema.get("const"))
}

/// As text, which is how the protocol writes them.
fn allowed(schema: &Map<String, Value>) -> Option<Vec<String>> {
    let values = values(schema).filter(|value| !value.is_null());
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let allowed: Vec<_> = values.map(text).collect();
    (!allowed.is_empty()).then_some(allowed)
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("null")
        || schema.get("const") == Some(&Value::Null)
}

fn required(schema: &Map<String, Value>) -> Vec<&str> {
    let required = schema.get("required").and_then(Value::as_array);
    let required = required.into_iter().flatten();
    required.filter_map(Value::as_str).collect()
}

fn keys(schema: &Map<String, Value>, known: &Properties) -> Vec<String> {
    let required = required(schema).into_iter();
    let known = required.filter(|name| known.contains_key(*name));
    known.map(str::to_owned).collect()
}
