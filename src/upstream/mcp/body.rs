//! The bodies we send: written once, straight into bytes; what is passed on is passed on as it was written.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::ToolCall;
use crate::config::Era;

/// The modern revision we speak to upstreams.
pub(super) const MODERN: &str = "2026-07-28";
/// The legacy revision we offer first.
pub(super) const LEGACY: &str = "2025-11-25";

/// How we introduce ourselves to legacy upstreams.
const IMPLEMENTATION: &str = concat!(
    r#"{"name":"anteroom","title":"Anteroom","version":""#,
    env!("CARGO_PKG_VERSION"),
    r#""}"#
);
/// What every modern request carries, up to where the capabilities stand.
const ENVELOPE: &str = concat!(
    r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
    r#""io.modelcontextprotocol/clientInfo":{"name":"anteroom","title":"Anteroom","version":""#,
    env!("CARGO_PKG_VERSION"),
    r#""},"io.modelcontextprotocol/clientCapabilities":"#
);
const PREFIX: &str = "io.modelcontextprotocol/";

/// `server/discover`: the modern probe.
pub(super) fn discover(id: u64) -> Bytes {
    let mut body = Body::request(id, "server/discover", 0);
    body.meta(Era::Modern, &Meta::default());
    body.close()
}

/// `initialize`: the legacy handshake.
pub(super) fn initialize(id: u64) -> Bytes {
    let mut body = Body::request(id, "initialize", 0);
    body.text("protocolVersion", LEGACY);
    body.member("capabilities", "{}");
    body.member("clientInfo", IMPLEMENTATION);
    body.close()
}

/// One page of `tools/list`.
pub(super) fn tools_list(era: Era, id: u64, cursor: Option<&str>) -> Bytes {
    let mut body = Body::request(id, "tools/list", cursor.map_or(0, str::len));
    body.meta(era, &Meta::default());
    if let Some(cursor) = cursor {
        body.text("cursor", cursor);
    }
    body.close()
}

/// `tools/call`. With a progress token, its value is the request's id.
pub(super) fn tools_call(era: Era, id: u64, call: &ToolCall<'_>) -> Bytes {
    let raws = call
        .rest
        .iter()
        .chain(call.meta)
        .map(|(name, value)| name.len() + value.get().len() + 4);
    let size =
        raws.sum::<usize>() + call.name.len() + call.arguments.map_or(0, |raw| raw.get().len());
    let mut body = Body::request(id, "tools/call", size);
    body.meta(
        era,
        &Meta {
            capabilities: call.capabilities,
            log_level: call.log_level,
            progress: call.progress.map(|_| id),
            others: call.meta,
        },
    );
    body.text("name", call.name);
    if let Some(arguments) = call.arguments {
        body.member("arguments", arguments.get());
    }
    for (name, value) in call.rest {
        // A doubled name would let the upstream see another call than we admitted.
        if !matches!(*name, "_meta" | "name" | "arguments") {
            body.member(name, value.get());
        }
    }
    body.close()
}

/// `logging/setLevel`, legacy.
pub(super) fn set_level(id: u64, level: &str) -> Bytes {
    let mut body = Body::request(id, "logging/setLevel", level.len());
    body.text("level", level);
    body.close()
}

/// `notifications/initialized`, legacy.
pub(super) fn initialized() -> Bytes {
    Bytes::from_static(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
}

/// `notifications/cancelled`, legacy.
pub(super) fn cancelled(id: u64) -> Bytes {
    Bytes::from(format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id},"reason":"nobody waits for it any more"}}}}"#
    ))
}

#[derive(Default)]
struct Meta<'a> {
    capabilities: Option<&'a RawValue>,
    log_level: Option<&'a str>,
    progress: Option<u64>,
    others: &'a [(&'a str, &'a RawValue)],
}

/// A request being written: inside `params`, or inside its `_meta`.
struct Body {
    bytes: Vec<u8>,
}

impl Body {
    fn request(id: u64, method: &str, size: usize) -> Self {
        let mut bytes = Vec::with_capacity(ENVELOPE.len() + 192 + size);
        bytes.extend_from_slice(
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{"#).as_bytes(),
        );
        Self { bytes }
    }

    fn meta(&mut self, era: Era, meta: &Meta<'_>) {
        self.name("_meta");
        self.bytes.push(b'{');
        if era == Era::Modern {
            self.bytes.extend_from_slice(ENVELOPE.as_bytes());
            let capabilities = meta.capabilities.map_or("{}", RawValue::get);
            self.bytes.extend_from_slice(capabilities.as_bytes());
            if let Some(level) = meta.log_level {
                self.text("io.modelcontextprotocol/logLevel", level);
            }
        }
        if let Some(token) = meta.progress {
            self.member("progressToken", &token.to_string());
        }
        for (name, value) in meta.others {
            // What the protocol defines is rewritten per hop, never passed.
            if !name.starts_with(PREFIX) && *name != "progressToken" {
                self.member(name, value.get());
            }
        }
        self.bytes.push(b'}');
    }

    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.json(value);
    }

    fn member(&mut self, name: &str, value: &str) {
        self.name(name);
        self.bytes.extend_from_slice(value.as_bytes());
    }

    fn name(&mut self, name: &str) {
        if self.bytes.last() != Some(&b'{') {
            self.bytes.push(b',');
        }
        self.json(name);
        self.bytes.push(b':');
    }

    fn json(&mut self, text: &str) {
        serde_json::to_writer(&mut self.bytes, text).expect("text always serialises into memory");
    }

    fn close(mut self) -> Bytes {
        self.bytes.extend_from_slice(b"}}");
        self.bytes.into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn parsed(body: &Bytes) -> Value {
        serde_json::from_slice(body).unwrap_or_else(|error| panic!("{error}: {body:?}"))
    }

    #[test]
    fn a_modern_call_is_whole_and_nothing_is_doubled() {
        let [arguments, one, evil] = [raw(r#"{"z": 1.10}"#), raw(r#""tp""#), raw(r#""evil""#)];
        let meta = [
            ("traceparent", &*one),
            ("progressToken", &*evil),
            ("io.modelcontextprotocol/protocolVersion", &*evil),
            ("io.modelcontextprotocol/unknown", &*evil),
        ];
        let rest = [("requestState", &*one), ("name", &*evil), ("_meta", &*evil)];
        let client_token = raw(r#""mine""#);
        let call = ToolCall {
            arguments: Some(&arguments),
            rest: &rest,
            meta: &meta,
            log_level: Some("info"),
            progress: Some(&client_token),
            ..ToolCall::named("say \"hi\"")
        };
        let body = tools_call(Era::Modern, 7, &call);
        assert!(body.windows(11).any(|part| part == br#"{"z": 1.10}"#));
        assert_eq!(
            parsed(&body),
            json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": MODERN,
                    "io.modelcontextprotocol/clientInfo": {
                        "name": "anteroom", "title": "Anteroom", "version": env!("CARGO_PKG_VERSION")},
                    "io.modelcontextprotocol/clientCapabilities": {},
                    "io.modelcontextprotocol/logLevel": "info",
                    "progressToken": 7,
                    "traceparent": "tp",
                },
                "name": "say \"hi\"", "arguments": {"z": 1.1}, "requestState": "tp",
            }})
        );
    }

    #[test]
    fn a_legacy_call_has_no_modern_words() {
        let body = tools_call(Era::Legacy, 1, &ToolCall::named("echo"));
        assert_eq!(
            parsed(&body),
            json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"_meta": {}, "name": "echo"}})
        );
    }

    #[test]
    fn every_other_body_is_json() {
        for body in [
            discover(1),
            initialize(2),
            tools_list(Era::Modern, 3, None),
            tools_list(Era::Legacy, 4, Some("\"next\"")),
            set_level(5, "debug"),
            initialized(),
            cancelled(6),
        ] {
            assert_eq!(parsed(&body)["jsonrpc"], "2.0");
        }
    }
}
