//! JSON-RPC 2.0 as it lies in the bytes: an envelope that borrows, so that what we pass on is passed on unchanged.
//!
//! Params, results and error data stay raw ([`RawValue`]): keys we do not know, numbers beyond `f64` and the order of keys
//! survive. Used towards clients and towards upstreams. Batches exist in MCP 2025-03-26 only; see [`batch`].

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// The numbers of the `error.code` member that MCP uses.
pub mod code {
    /// JSON-RPC 2.0: the body is not JSON.
    pub const PARSE_ERROR: i64 = -32700;
    /// JSON-RPC 2.0: JSON, but no message we can act on.
    pub const INVALID_REQUEST: i64 = -32600;
    /// JSON-RPC 2.0: no such method here.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// JSON-RPC 2.0; in MCP also an unknown tool, prompt or cursor, and a missing `_meta` key.
    pub const INVALID_PARAMS: i64 = -32602;
    /// JSON-RPC 2.0: our fault.
    pub const INTERNAL_ERROR: i64 = -32603;
    /// MCP 2026-07-28: a mirrored header is missing, malformed or not equal to the body (SEP-2243).
    pub const HEADER_MISMATCH: i64 = -32020;
    /// MCP 2026-07-28: the request needs a client capability that was not declared.
    pub const MISSING_CLIENT_CAPABILITY: i64 = -32021;
    /// MCP 2026-07-28: `data` is `{supported, requested}`.
    pub const UNSUPPORTED_PROTOCOL_VERSION: i64 = -32022;
    /// MCP up to 2025-11-25: resource not found. Never emitted under 2026-07-28.
    pub const RESOURCE_NOT_FOUND: i64 = -32002;
    /// MCP 2025-11-25: `data.elicitations` says which URLs the user must open first. Never emitted under 2026-07-28.
    pub const URL_ELICITATION_REQUIRED: i64 = -32042;
}

/// One message, classified.
#[derive(Clone, Debug)]
pub enum Message<'a> {
    /// Wants an answer under the same id.
    Request {
        /// A string or an integer, as the peer wrote it.
        id: &'a RawValue,
        /// Such as `tools/call`.
        method: Cow<'a, str>,
        /// Any JSON; an object in MCP.
        params: Option<&'a RawValue>,
    },
    /// Wants no answer.
    Notification {
        /// Such as `notifications/progress`.
        method: Cow<'a, str>,
        /// Any JSON; an object in MCP.
        params: Option<&'a RawValue>,
    },
    /// Answers a request.
    Response {
        /// The id of the request; `None` where the peer could not read it (absent or `null`).
        id: Option<&'a RawValue>,
        /// What came of it.
        outcome: Outcome<'a>,
    },
}

/// What a response says.
#[derive(Clone, Debug)]
pub enum Outcome<'a> {
    /// The `result` member.
    Result(&'a RawValue),
    /// The `error` member.
    Error(ErrorObject<'a>),
}

/// The `error` member of a response.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ErrorObject<'a> {
    /// See [`code`].
    pub code: i64,
    /// One sentence; what came from a peer is untrusted.
    #[serde(borrow, default)]
    pub message: Cow<'a, str>,
    /// Whatever the code defines.
    #[serde(
        borrow,
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub data: Option<&'a RawValue>,
}

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub enum Malformed<'a> {
    /// Answer with [`code::PARSE_ERROR`] and no id.
    #[error("not JSON")]
    NotJson,
    /// Answer with [`code::INVALID_REQUEST`].
    #[error("{reason}")]
    NotAMessage {
        /// The id to answer under, if there was one.
        id: Option<&'a RawValue>,
        /// What is wrong; fixed words, nothing of the peer's.
        reason: &'static str,
    },
}

impl<'a> Message<'a> {
    /// Classifies one message. The whole text is checked to be JSON; nothing but the envelope is looked at.
    ///
    /// A key that stands twice is refused, so that nobody behind us can read another message than we did.
    /// # Errors
    /// [`Malformed`], which says how to answer.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed<'a>> {
        if !starts_with(bytes, b'{') {
            // Serde would take an array for a struct, by position.
            return Err(match serde_json::from_slice::<&RawValue>(bytes) {
                Ok(_) => not_a_message(None, "a message is one JSON object"),
                Err(_) => Malformed::NotJson,
            });
        }
        let envelope: Envelope<'a> =
            serde_json::from_slice(bytes).map_err(|error| match error.classify() {
                serde_json::error::Category::Data => not_a_message(
                    None,
                    "a member of the message has the wrong type or stands twice",
                ),
                _ => Malformed::NotJson,
            })?;
        envelope.classify()
    }
}

impl Outcome<'_> {
    /// The code, if it is an error.
    pub fn error_code(&self) -> Option<i64> {
        match self {
            Self::Result(_) => None,
            Self::Error(error) => Some(error.code),
        }
    }
}

/// The messages of a 2025-03-26 batch, each to be given to [`Message::parse`]; `None` if the body is not an array.
///
/// # Errors
/// [`Malformed`] if it is an array that is broken or empty.
pub fn batch(bytes: &[u8]) -> Option<Result<Vec<&RawValue>, Malformed<'_>>> {
    starts_with(bytes, b'[').then(|| {
        let messages: Vec<&RawValue> =
            serde_json::from_slice(bytes).map_err(|_| Malformed::NotJson)?;
        if messages.is_empty() {
            return Err(not_a_message(None, "a batch has at least one message"));
        }
        Ok(messages)
    })
}

/// The body of a successful response.
pub fn result_body(id: &RawValue, result: &RawValue) -> Vec<u8> {
    let (id, result) = (id.get(), result.get());
    let mut body = Vec::with_capacity(36 + id.len() + result.len());
    body.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    body.extend_from_slice(id.as_bytes());
    body.extend_from_slice(br#","result":"#);
    body.extend_from_slice(result.as_bytes());
    body.push(b'}');
    body
}

/// The body of an error response; without `id` where the request's could not be read.
pub fn error_body(id: Option<&RawValue>, error: &ErrorObject<'_>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        jsonrpc: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a RawValue>,
        error: &'a ErrorObject<'a>,
    }
    serde_json::to_vec(&Body {
        jsonrpc: "2.0",
        id,
        error,
    })
    .expect("text, numbers and raw JSON always serialise")
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    jsonrpc: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<ErrorObject<'a>>,
}

/// Borrowed unless it has escapes. (Serde borrows a `Cow` as a field, but not inside an `Option`.)
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Envelope<'a> {
    fn classify(self) -> Result<Message<'a>, Malformed<'a>> {
        let id = self.id.filter(|id| is_id(id));
        if self.jsonrpc.is_none_or(|version| version.0 != "2.0") {
            return Err(not_a_message(id, "`jsonrpc` must be \"2.0\""));
        }
        match (self.method, self.id, self.result, self.error) {
            (Some(Text(method)), None, None, None) => Ok(Message::Notification {
                method,
                params: self.params,
            }),
            (Some(Text(method)), Some(_), None, None) => match id {
                Some(id) => Ok(Message::Request {
                    id,
                    method,
                    params: self.params,
                }),
                None => Err(not_a_message(None, "`id` must be a string or an integer")),
            },
            (None, _, Some(result), None) => Ok(Message::Response {
                id,
                outcome: Outcome::Result(result),
            }),
            (None, _, None, Some(error)) => Ok(Message::Response {
                id,
                outcome: Outcome::Error(error),
            }),
            _ => Err(not_a_message(
                id,
                "a message has exactly one of `method`, `result` and `error`",
            )),
        }
    }
}

fn not_a_message<'a>(id: Option<&'a RawValue>, reason: &'static str) -> Malformed<'a> {
    Malformed::NotAMessage { id, reason }
}

/// MCP: "string or integer, never null".
fn is_id(id: &RawValue) -> bool {
    let text = id.get();
    let digits = text.strip_prefix('-').unwrap_or(text);
    text.starts_with('"') || digits.bytes().all(|c| c.is_ascii_digit())
}

fn starts_with(bytes: &[u8], first: u8) -> bool {
    let blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    bytes.iter().find(|byte| !blank(byte)) == Some(&first)
}

/// Tells `null` from absent, which `Option` alone does not.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        Message::parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn requests_keep_id_and_params_as_written() {
        let text = br#" {"jsonrpc":"2.0", "id" : "1\u0031","method":"tools\/call","params":{"z":1.10,"a":123456789012345678901234567890},"x":0} "#;
        let Ok(Message::Request { id, method, params }) = Message::parse(text) else {
            panic!("a request");
        };
        assert_eq!(id.get(), r#""1\u0031""#);
        assert_eq!(method, "tools/call");
        assert_eq!(
            params.unwrap().get(),
            r#"{"z":1.10,"a":123456789012345678901234567890}"#
        );
    }

    #[test]
    fn plain_methods_are_borrowed() {
        let Ok(Message::Notification { method, params }) =
            Message::parse(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
        else {
            panic!("a notification");
        };
        assert!(matches!(method, Cow::Borrowed("notifications/initialized")));
        assert!(params.is_none());
    }

    #[test]
    fn responses_may_lack_a_readable_id() {
        for text in [
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no"}}"#,
            r#"{"jsonrpc":"2.0","error":{"code":-32700}}"#,
        ] {
            let Ok(Message::Response { id: None, outcome }) = Message::parse(text.as_bytes())
            else {
                panic!("a response: {text}");
            };
            assert_eq!(outcome.error_code(), Some(code::PARSE_ERROR));
        }
        let text = r#"{"jsonrpc":"2.0","id":7,"result":null}"#;
        let Ok(Message::Response {
            id: Some(id),
            outcome: Outcome::Result(result),
        }) = Message::parse(text.as_bytes())
        else {
            panic!("a response");
        };
        assert_eq!((id.get(), result.get()), ("7", "null"));
    }

    #[test]
    fn what_is_no_message_says_why() {
        for text in ["", "{", "nope", r#"{"a":}"#, "\u{feff}{}", "{} {}"] {
            assert_eq!(refusal(text), "not JSON", "{text}");
        }
        for (text, why) in [
            ("[]", "a message is one JSON object"),
            ("7", "a message is one JSON object"),
            (
                r#"["2.0",1,"ping",null,null,null]"#,
                "a message is one JSON object",
            ),
            ("{}", "`jsonrpc` must be"),
            (r#"{"jsonrpc":"1.0","method":"x"}"#, "`jsonrpc` must be"),
            (
                r#"{"jsonrpc":"2.0","id":null,"method":"x"}"#,
                "`id` must be",
            ),
            (r#"{"jsonrpc":"2.0","id":1.5,"method":"x"}"#, "`id` must be"),
            (r#"{"jsonrpc":"2.0","id":{},"method":"x"}"#, "`id` must be"),
            (r#"{"jsonrpc":"2.0","id":1}"#, "exactly one"),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"x","result":1}"#,
                "exactly one",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"x"}"#,
                "stands twice",
            ),
            (r#"{"jsonrpc":"2.0","method":5}"#, "wrong type"),
        ] {
            assert!(refusal(text).contains(why), "{text}: {}", refusal(text));
        }
    }

    #[test]
    fn an_unusable_request_is_answered_under_its_id() {
        let unusable = Message::parse(br#"{"jsonrpc":"1.0","id":7,"method":"x"}"#).unwrap_err();
        assert!(matches!(unusable, Malformed::NotAMessage { id: Some(id), .. } if id.get() == "7"));
    }

    #[test]
    fn deep_nesting_is_passed_without_recursion() {
        let deep = format!(
            r#"{{"jsonrpc":"2.0","id":1,"result":{}{}}}"#,
            "[".repeat(200_000),
            "]".repeat(200_000)
        );
        assert!(Message::parse(deep.as_bytes()).is_ok());
    }

    #[test]
    fn batches_are_taken_apart() {
        assert!(batch(b"{}").is_none());
        assert!(batch(b"[]").unwrap().is_err());
        assert!(batch(b"[1,").unwrap().is_err());
        let parts = batch(br#" [{"a":1} , 2]"#).unwrap().unwrap();
        assert_eq!(
            parts.iter().map(|part| part.get()).collect::<Vec<_>>(),
            [r#"{"a":1}"#, "2"]
        );
    }

    #[test]
    fn bodies_are_what_they_say() {
        let id = serde_json::value::to_raw_value("a").unwrap();
        let result = RawValue::from_string(r#"{"z":1.0}"#.into()).unwrap();
        assert_eq!(
            result_body(&id, &result),
            br#"{"jsonrpc":"2.0","id":"a","result":{"z":1.0}}"#
        );
        let error = ErrorObject {
            code: code::PARSE_ERROR,
            message: "no".into(),
            data: None,
        };
        assert_eq!(
            error_body(None, &error),
            br#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"no"}}"#
        );
        assert!(Message::parse(&error_body(Some(&id), &error)).is_ok());
    }
}
