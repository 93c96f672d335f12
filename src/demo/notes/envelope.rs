//! One POST of revision 2026-07-28, checked in the order the revision implies.
//!
//! Origin and Host, media types, JSON, mirrored headers (-32020), required `_meta` (-32602), version (-32022).

use axum::http::{HeaderMap, StatusCode, header};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use url::Url;

/// The one revision spoken here.
pub(super) const REVISION: &str = "2026-07-28";
const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// What a POST holds.
pub(super) enum Message {
    /// Something to answer.
    Request(Request),
    /// Nothing to answer: 202. The revision defines no header rules for these.
    Notification,
}

/// A request whose headers agree with its body.
pub(super) struct Request {
    pub(super) id: Value,
    pub(super) method: String,
    pub(super) params: Map<String, Value>,
}

/// Why a request is not served.
pub(super) struct Rejection {
    pub(super) status: StatusCode,
    pub(super) code: i32,
    pub(super) message: String,
    pub(super) data: Option<Value>,
    /// `WWW-Authenticate`.
    pub(super) challenge: Option<String>,
}

impl Rejection {
    /// 400 with this code.
    pub(super) fn new(code: i32, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code,
            message: message.into(),
            data: None,
            challenge: None,
        }
    }

    /// -32602
    pub(super) fn invalid_params(message: impl Into<String>) -> Self {
        Self::new(-32_602, message)
    }

    /// -32020
    fn header_mismatch(message: impl Into<String>) -> Self {
        Self::new(-32_020, message)
    }

    fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }
}

/// Reads and checks a POST. The error carries the request's id as soon as one was seen.
pub(super) fn read(
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Message, (Option<Value>, Rejection)> {
    let nobody = |rejection| (None, rejection);
    same_machine(headers).map_err(nobody)?;
    media_types(headers).map_err(nobody)?;
    let message: Value = serde_json::from_slice(body)
        .map_err(|_| nobody(Rejection::new(-32_700, "the body is not JSON")))?;
    let invalid = |why| nobody(Rejection::new(-32_600, why));
    let Value::Object(mut message) = message else {
        return Err(invalid(
            "one request per POST; batches ended with 2025-03-26",
        ));
    };
    if message.get("jsonrpc") != Some(&json!("2.0")) {
        return Err(invalid("jsonrpc must be \"2.0\""));
    }
    let Some(Value::String(method)) = message.remove("method") else {
        return Err(invalid("a message to this server has a method"));
    };
    let id = match message.remove("id") {
        None => return Ok(Message::Notification),
        Some(id) if id.is_string() || id.is_i64() || id.is_u64() => id,
        Some(_) => return Err(invalid("an id is a string or an integer")),
    };
    let params = match message.remove("params") {
        None => Map::new(),
        Some(Value::Object(params)) => params,
        Some(_) => return Err((Some(id), Rejection::invalid_params("params is an object"))),
    };
    let request = Request { id, method, params };
    match check(headers, &request) {
        Ok(()) => Ok(Message::Request(request)),
        Err(rejection) => Err((Some(request.id), rejection)),
    }
}

/// A mirrored header that must be there once; absent is `None`.
pub(super) fn mirrored<'a>(
    headers: &'a HeaderMap,
    name: &str,
) -> Result<Option<&'a str>, Rejection> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(Rejection::header_mismatch(format!(
            "{name} came more than once"
        )));
    }
    let text = first.map(|value| value.to_str().map(|text| text.trim_matches([' ', '\t'])));
    text.transpose()
        .map_err(|_| Rejection::header_mismatch(format!("{name} has characters outside ASCII")))
}

/// Undoes the `=?base64?…?=` form that `Mcp-Name` and `Mcp-Param-*` use for what a header cannot hold.
pub(super) fn decode(name: &str, value: &str) -> Result<String, Rejection> {
    let inner = value
        .strip_prefix("=?base64?")
        .and_then(|rest| rest.strip_suffix("?="));
    let Some(inner) = inner else {
        return Ok(value.to_owned());
    };
    let bytes = STANDARD.decode(inner).ok();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| Rejection::header_mismatch(format!("{name} is not well-formed Base64")))
}

/// A mirrored header equals what the body says; both absent is equal.
pub(super) fn agree(name: &str, header: Option<&str>, body: Option<&str>) -> Result<(), Rejection> {
    match (header, body) {
        (Some(header), Some(body)) if header == body => Ok(()),
        (None, None) => Ok(()),
        (None, Some(_)) => Err(Rejection::header_mismatch(format!("{name} is missing"))),
        (Some(_), _) => Err(Rejection::header_mismatch(format!(
            "{name} does not say what the body says"
        ))),
    }
}

fn check(headers: &HeaderMap, request: &Request) -> Result<(), Rejection> {
    let meta = |key| request.params.get("_meta").and_then(|meta| meta.get(key));
    let version = meta(META_VERSION).and_then(Value::as_str);
    if request.method == "initialize" && version.is_none() {
        return Err(unsupported(request.params.get("protocolVersion")));
    }
    let header = mirrored(headers, "mcp-protocol-version")?;
    if header.is_none() || version.is_some() {
        let expected = version.unwrap_or(REVISION);
        agree("MCP-Protocol-Version", header, Some(expected))?;
    }
    let method = mirrored(headers, "mcp-method")?;
    agree("Mcp-Method", method, Some(&request.method))?;
    if request.method == "tools/call" {
        let header = mirrored(headers, "mcp-name")?;
        let header = header.map(|value| decode("Mcp-Name", value)).transpose()?;
        let name = request.params.get("name").and_then(Value::as_str);
        agree("Mcp-Name", header.as_deref(), name)?;
    }
    let Some(version) = version else {
        return Err(Rejection::invalid_params(format!(
            "_meta has no {META_VERSION}"
        )));
    };
    if !meta(META_CAPABILITIES).is_some_and(Value::is_object) {
        let why = format!("_meta has no object {META_CAPABILITIES}");
        return Err(Rejection::invalid_params(why));
    }
    if version == REVISION {
        Ok(())
    } else {
        Err(unsupported(Some(&json!(version))))
    }
}

fn unsupported(requested: Option<&Value>) -> Rejection {
    Rejection {
        data: Some(json!({ "supported": [REVISION], "requested": requested })),
        ..Rejection::new(-32_022, "this server speaks 2026-07-28 only")
    }
}

/// A page on the web must not reach a server on this machine, by its own name or by rebinding one to 127.0.0.1.
fn same_machine(headers: &HeaderMap) -> Result<(), Rejection> {
    let local = |url: &str| {
        let url = Url::parse(url).ok();
        url.is_some_and(|url| matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")))
    };
    let text = |name| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or_default())
    };
    let host = text(header::HOST).is_none_or(|host| local(&format!("http://{host}/")));
    if host && text(header::ORIGIN).is_none_or(local) {
        Ok(())
    } else {
        let foreign = Rejection::new(-32_600, "only from this machine");
        Err(foreign.with_status(StatusCode::FORBIDDEN))
    }
}

fn media_types(headers: &HeaderMap) -> Result<(), Rejection> {
    let essence = |part: &str| {
        part.split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_lowercase()
    };
    let accepted: Vec<_> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(essence)
        .collect();
    let lists = |wanted: &str| accepted.iter().any(|part| part == wanted);
    if !lists("application/json") || !lists("text/event-stream") {
        let why = "Accept must list application/json and text/event-stream";
        return Err(Rejection::new(-32_600, why).with_status(StatusCode::NOT_ACCEPTABLE));
    }
    let sent = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    if sent.map(essence).as_deref() != Some("application/json") {
        let why = "Content-Type must be application/json";
        return Err(Rejection::new(-32_600, why).with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    Ok(())
}
