//! What MCP 2026-07-28 repeats in headers (SEP-2243): `Mcp-Name`, and `Mcp-Param-*` for arguments a tool annotates.
//!
//! Values are the model's or an attacker's: good for routing, never for a decision about security.

use std::{borrow::Cow, collections::HashSet};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value, value::RawValue};

use super::members::Members;

/// `Mcp-Method`: the method of the body.
pub const METHOD: HeaderName = HeaderName::from_static("mcp-method");
/// `Mcp-Name`: `params.name` or `params.uri`, see [`encode`].
pub const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// `MCP-Protocol-Version`: the revision of the body, both eras.
pub const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// `MCP-Session-Id`: revisions up to 2025-11-25.
pub const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

const ANNOTATION: &str = "x-mcp-header";
/// Keywords with schemas by name: a name is no keyword.
const BY_NAME: [&str; 4] = [
    "$defs",
    "definitions",
    "dependentSchemas",
    "patternProperties",
];
const OPEN: &str = "=?base64?";
const CLOSE: &str = "?=";
/// Integers beyond this do not survive JavaScript; the specification bounds mirrored ones by it.
const MAX_INTEGER: i64 = (1 << 53) - 1;

/// One annotated argument of a tool: its value also travels in a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirroredArgument {
    /// `Mcp-Param-{Name}`.
    pub header: HeaderName,
    /// Property names from the root of the arguments.
    pub path: Vec<String>,
}

/// Why the `x-mcp-header` annotations of a tool are not valid; clients must not offer such a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAnnotation {
    /// The schema is not JSON that can be looked through (nested too deeply).
    #[error("the input schema cannot be read")]
    Unreadable,
    /// At the root, or somewhere that `properties` alone does not lead to.
    #[error("`x-mcp-header` stands where no argument is certain to be")]
    Unreachable,
    /// Not a non-empty token (RFC 9110 §5.6.2).
    #[error("`x-mcp-header` is not a header name")]
    NotAToken,
    /// The same header for two arguments.
    #[error("two arguments have the same `x-mcp-header`")]
    Repeated,
    /// Not an integer, a string or a boolean.
    #[error("`x-mcp-header` stands at an argument that is not an integer, a string or a boolean")]
    NotPrimitive,
}

/// A header value whose base64 between the sentinels is broken, or that is not text. Answer -32020.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the header value cannot be decoded")]
pub struct BadEncoding;

/// A value for `Mcp-Name` or `Mcp-Param-*`: literal where a header can carry it, else `=?base64?…?=`.
pub fn encode(text: &str) -> HeaderValue {
    let looks_encoded = text.starts_with(OPEN) && text.ends_with(CLOSE);
    let plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && text.trim() == text;
    let value = if plain && !looks_encoded {
        HeaderValue::from_str(text)
    } else {
        HeaderValue::try_from(format!("{OPEN}{}{CLOSE}", STANDARD.encode(text)))
    };
    value.expect("printable ASCII is a header value")
}

/// Reverses [`encode`]. The markers are exact: `=?BASE64?x?=` is a literal.
///
/// # Errors
/// [`BadEncoding`].
pub fn decode(value: &HeaderValue) -> Result<Cow<'_, str>, BadEncoding> {
    let text = std::str::from_utf8(value.as_bytes())
        .map_err(|_| BadEncoding)?
        .trim_matches([' ', '\t']);
    let Some(inside) = text
        .strip_prefix(OPEN)
        .and_then(|rest| rest.strip_suffix(CLOSE))
    else {
        return Ok(Cow::Borrowed(text));
    };
    let bytes = STANDARD.decode(inside).map_err(|_| BadEncoding)?;
    String::from_utf8(bytes)
        .map(Cow::Owned)
        .map_err(|_| BadEncoding)
}

/// The annotated arguments of a tool, from its `inputSchema`.
///
/// # Errors
/// [`BadAnnotation`]: the tool must be left out of lists.
pub fn annotated(input_schema: &RawValue) -> Result<Vec<MirroredArgument>, BadAnnotation> {
    let text = input_schema.get();
    // Most schemas have none; an escape could hide one.
    if !text.contains(ANNOTATION) && !text.contains("\\u") {
        return Ok(Vec::new());
    }
    let Ok(schema) = serde_json::from_str::<Map<String, Value>>(text) else {
        return Err(BadAnnotation::Unreadable);
    };
    let mut found = Vec::new();
    look_through(&schema, Some(&mut Vec::new()), &mut found)?;
    let mut names = HashSet::new();
    if found.iter().all(|argument| names.insert(&argument.header)) {
        Ok(found)
    } else {
        Err(BadAnnotation::Repeated)
    }
}

/// The headers that belong to these arguments. Absent and `null` ones, and those of another type, have none.
pub fn headers(
    annotated: &[MirroredArgument],
    arguments: Option<&RawValue>,
) -> Vec<(HeaderName, HeaderValue)> {
    let Some(arguments) = arguments.filter(|_| !annotated.is_empty()) else {
        return Vec::new();
    };
    annotated
        .iter()
        .filter_map(|argument| {
            let value = value_at(arguments, &argument.path)?;
            Some((argument.header.clone(), encode(&as_text(value)?)))
        })
        .collect()
}

/// Walks a schema. `path` leads to it through `properties` alone; `None` where that is not so.
fn look_through(
    schema: &Map<String, Value>,
    mut path: Option<&mut Vec<String>>,
    found: &mut Vec<MirroredArgument>,
) -> Result<(), BadAnnotation> {
    for (keyword, value) in schema {
        match (keyword.as_str(), value) {
            (ANNOTATION, annotation) => {
                let path = path.as_deref().filter(|path| !path.is_empty());
                let path = path.ok_or(BadAnnotation::Unreachable)?;
                found.push(argument(annotation, schema, path)?);
            }
            ("properties", Value::Object(properties)) => {
                for (name, property) in properties {
                    let Value::Object(property) = property else {
                        continue;
                    };
                    match path.as_deref_mut() {
                        Some(path) => {
                            path.push(name.clone());
                            look_through(property, Some(path), found)?;
                            path.pop();
                        }
                        None => look_through(property, None, found)?,
                    }
                }
            }
            // Instance data, not schemas.
            ("default" | "const" | "enum" | "examples", _) => {}
            (named, Value::Object(schemas)) if BY_NAME.contains(&named) => {
                look_through_all(schemas.values(), found)?;
            }
            (_, Value::Object(schema)) => look_through(schema, None, found)?,
            (_, Value::Array(schemas)) => look_through_all(schemas.iter(), found)?,
            _ => {}
        }
    }
    Ok(())
}

fn look_through_all<'a>(
    schemas: impl Iterator<Item = &'a Value>,
    found: &mut Vec<MirroredArgument>,
) -> Result<(), BadAnnotation> {
    for schema in schemas {
        match schema {
            Value::Object(schema) => look_through(schema, None, found)?,
            Value::Array(schemas) => look_through_all(schemas.iter(), found)?,
            _ => {}
        }
    }
    Ok(())
}

fn argument(
    annotation: &Value,
    schema: &Map<String, Value>,
    path: &[String],
) -> Result<MirroredArgument, BadAnnotation> {
    let name = annotation
        .as_str()
        .filter(|name| !name.is_empty())
        .ok_or(BadAnnotation::NotAToken)?;
    let header =
        HeaderName::try_from(format!("mcp-param-{name}")).map_err(|_| BadAnnotation::NotAToken)?;
    match schema.get("type").and_then(Value::as_str) {
        Some("integer" | "string" | "boolean") => Ok(MirroredArgument {
            header,
            path: path.to_vec(),
        }),
        _ => Err(BadAnnotation::NotPrimitive),
    }
}

fn value_at<'a>(arguments: &'a RawValue, path: &[String]) -> Option<&'a RawValue> {
    path.iter()
        .try_fold(arguments, |value, name| Members::of(value).ok()?.get(name))
}

fn as_text(value: &RawValue) -> Option<Cow<'_, str>> {
    let text = value.get();
    match text.as_bytes().first()? {
        b'"' => serde_json::from_str::<String>(text).ok().map(Cow::Owned),
        b't' | b'f' => Some(Cow::Borrowed(text)),
        b'-' | b'0'..=b'9' => integer(text).map(|number| Cow::Owned(number.to_string())),
        _ => None,
    }
}

/// `42`, and `42.0` or `4.2e1`, which JSON Schema takes for integers too.
fn integer(text: &str) -> Option<i64> {
    let number = match text.parse::<i64>() {
        Ok(number) => number,
        #[expect(
            clippy::cast_possible_truncation,
            reason = "whole and in range, checked before and after"
        )]
        Err(_) => {
            let number = text.parse::<f64>().ok()?;
            (number.fract() == 0.0 && number.abs() < 2f64.powi(62)).then_some(number as i64)?
        }
    };
    (-MAX_INTEGER..=MAX_INTEGER)
        .contains(&number)
        .then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn item_8_values_survive_their_header() {
        for (text, header) in [
            ("echo", "echo"),
            ("", ""),
            ("a b", "a b"),
            (" a", "=?base64?IGE=?="),
            ("a\t", "=?base64?YQk=?="),
            ("a\nb", "=?base64?YQpi?="),
            ("größe", "=?base64?Z3LDtsOfZQ==?="),
            ("=?base64?YQ==?=", "=?base64?PT9iYXNlNjQ/WVE9PT89?="),
            ("=?BASE64?x?=", "=?BASE64?x?="),
        ] {
            assert_eq!(encode(text), header, "{text:?}");
            assert_eq!(decode(&encode(text)).unwrap(), text);
        }
    }

    #[test]
    fn item_8_broken_base64_is_refused_and_item_9_other_markers_are_literal() {
        let decoded = |text| decode(&HeaderValue::from_str(text).unwrap()).map(Cow::into_owned);
        for bad in ["=?base64?YQ?=", "=?base64?Y*==?=", "=?base64?/w==?="] {
            assert_eq!(decoded(bad), Err(BadEncoding), "{bad}");
        }
        for literal in ["=?BASE64?x?=", "=?base64?YQ==", "YQ==?="] {
            assert_eq!(decoded(literal).unwrap(), literal);
        }
        assert_eq!(decoded("\t echo ").unwrap(), "echo");
    }

    #[test]
    fn item_106_annotations_are_found_or_refused() {
        let found = |schema: &str| annotated(&raw(schema));
        let region = r#"{"type":"string","x-mcp-header":"Region"}"#;
        let nested = format!(
            r#"{{"properties":{{"a":{{"properties":{{"b":{region}}}}},"x-mcp-header":{{"type":"object"}},
               "c":{{"default":{{"x-mcp-header":1}}}}}}}}"#
        );
        assert_eq!(
            found(&nested).unwrap(),
            [MirroredArgument {
                header: HeaderName::from_static("mcp-param-region"),
                path: vec!["a".into(), "b".into()],
            }]
        );
        for (schema, why) in [
            (
                r#"{"x-mcp-header":"A"}"#.to_owned(),
                BadAnnotation::Unreachable,
            ),
            (
                format!(r#"{{"properties":{{"a":{{"items":{region}}}}}}}"#),
                BadAnnotation::Unreachable,
            ),
            (
                format!(r#"{{"oneOf":[{{"properties":{{"a":{region}}}}}]}}"#),
                BadAnnotation::Unreachable,
            ),
            (
                format!(r#"{{"$defs":{{"a":{region}}}}}"#),
                BadAnnotation::Unreachable,
            ),
            (
                region.replace("x-mcp", "x\\u002dmcp"),
                BadAnnotation::Unreachable,
            ),
            (
                format!(
                    r#"{{"properties":{{"a":{region},"b":{}}}}}"#,
                    region.to_lowercase()
                ),
                BadAnnotation::Repeated,
            ),
            (
                format!(
                    r#"{{"properties":{{"a":{}}}}}"#,
                    region.replace("string", "number")
                ),
                BadAnnotation::NotPrimitive,
            ),
            (
                format!(
                    r#"{{"properties":{{"a":{}}}}}"#,
                    region.replace("Region", "")
                ),
                BadAnnotation::NotAToken,
            ),
            (
                format!(
                    r#"{{"properties":{{"a":{}}}}}"#,
                    region.replace("Region", "a b")
                ),
                BadAnnotation::NotAToken,
            ),
            (
                format!(
                    r#"{{"properties":{{"a":{}}}}}"#,
                    region.replace("\"Region\"", "7")
                ),
                BadAnnotation::NotAToken,
            ),
            (
                format!("{}{region}{}", r#"{"not":"#.repeat(200), "}".repeat(200)),
                BadAnnotation::Unreadable,
            ),
        ] {
            assert_eq!(found(&schema), Err(why), "{schema}");
        }
        assert_eq!(found(r#"{"properties":{"a":{"$ref":"x"}}}"#), Ok(vec![]));
    }

    #[test]
    fn item_10_arguments_become_headers() {
        let argument = |name: &str, path: &[&str]| MirroredArgument {
            header: HeaderName::try_from(format!("mcp-param-{name}")).unwrap(),
            path: path.iter().map(|&step| step.to_owned()).collect(),
        };
        let annotated = [
            argument("s", &["s"]),
            argument("deep", &["o", "i"]),
            argument("float", &["f"]),
            argument("flag", &["b"]),
            argument("null", &["n"]),
            argument("absent", &["x", "y"]),
            argument("huge", &["h"]),
            argument("object", &["o"]),
        ];
        let arguments =
            raw(r#"{"s":"ü","o":{"i":42},"f":42.0,"b":true,"n":null,"x":3,"h":9007199254740993}"#);
        let headers: Vec<_> = headers(&annotated, Some(&arguments))
            .into_iter()
            .map(|(name, value)| format!("{name}={}", value.to_str().unwrap()))
            .collect();
        assert_eq!(
            headers,
            [
                "mcp-param-s==?base64?w7w=?=",
                "mcp-param-deep=42",
                "mcp-param-float=42",
                "mcp-param-flag=true"
            ]
        );
    }
}
