//! The edge towards 2026-07-28 clients: every request stands alone, headers mirror the body.
//!
//! The order of the checks is the specification's: mirrored headers, then required `_meta`, then the revision, then the
//! method (streamable HTTP, and the conformance suite where the text leaves it open).

use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{json, value::RawValue};

use crate::protocol::{
    jsonrpc::code,
    mcp::{meta, revision::Revision},
    members::Members,
    mirrored,
};

use super::{
    McpFace,
    answer::{self, Answer, Refusal},
    client::Client,
    endpoint::Knock,
    serve::{self, Request},
};

/// Methods whose `Mcp-Name` header mirrors a parameter, and which one.
const NAMED: [(&str, &str); 3] = [
    ("tools/call", "name"),
    ("prompts/get", "name"),
    ("resources/read", "uri"),
];

/// One request as it lies in the body.
pub struct Body<'a> {
    /// The JSON-RPC id, as written.
    pub id: &'a RawValue,
    /// The method.
    pub method: &'a str,
    /// The members of `params`.
    pub params: Members<'a>,
    /// The members of `params._meta`.
    pub meta: Members<'a>,
}

/// Whether a request is to be read as modern: it says so in `_meta`, or its headers do though the body fails to.
pub fn speaks(headers: &HeaderMap, method: &str, meta: &Members<'_>) -> bool {
    if meta.get(meta::PROTOCOL_VERSION).is_some() {
        return true;
    }
    let newer = |version: &str| version >= Revision::V2026_07_28.as_str();
    method != "initialize"
        && (headers.contains_key("mcp-method")
            || header(headers, "mcp-protocol-version").is_some_and(newer))
}

/// Answers one modern request.
pub async fn post(face: &McpFace, knock: &Knock<'_>, body: Body<'_>) -> Response {
    let id = body.id;
    let client = match check(knock.headers, &body) {
        Ok(client) => client,
        Err(refusal) => return answer::refusal(StatusCode::BAD_REQUEST, Some(id), &refusal),
    };
    let request = Request {
        principal: knock.principal,
        config: knock.config,
        client,
        id,
        method: body.method,
        params: body.params,
        meta: body.meta,
        headers: knock.headers,
        server_info: &knock.server_info,
        // Here a dropped connection drops the answer.
        listener: None,
    };
    match serve::serve(face, request).await {
        Answer::Ready(ending) => answer::json(ending.modern_status(), ending.body(id)),
        Answer::Stream(messages) => answer::events(messages),
    }
}

fn check(headers: &HeaderMap, body: &Body<'_>) -> Result<Client, Refusal> {
    let version = body.meta.text(meta::PROTOCOL_VERSION);
    let stated = header(headers, "mcp-protocol-version")
        .ok_or_else(|| mismatch("the header MCP-Protocol-Version is missing"))?;
    if version.as_ref().is_some_and(|version| version != stated) {
        return Err(mismatch(
            "MCP-Protocol-Version differs from the version in _meta",
        ));
    }
    if header(headers, "mcp-method") != Some(body.method) {
        return Err(mismatch(
            "the header Mcp-Method is missing or differs from the method",
        ));
    }
    check_name(headers, body)?;
    let Some(version) = version else {
        return Err(Refusal::invalid_params(
            "params._meta must name io.modelcontextprotocol/protocolVersion and …/clientCapabilities",
        ));
    };
    if body.meta.get(meta::CLIENT_CAPABILITIES).is_none() {
        return Err(Refusal::invalid_params(
            "params._meta must hold io.modelcontextprotocol/clientCapabilities",
        ));
    }
    let revision = Revision::parse(&version)
        .filter(|revision| revision.is_modern())
        .ok_or_else(|| unsupported(&version))?;
    Client::from_meta(revision, &body.meta).ok_or_else(|| {
        Refusal::invalid_params("io.modelcontextprotocol/clientCapabilities must be an object")
    })
}

fn check_name(headers: &HeaderMap, body: &Body<'_>) -> Result<(), Refusal> {
    let Some((_, parameter)) = NAMED.iter().find(|(method, _)| *method == body.method) else {
        return Ok(());
    };
    let Some(name) = body.params.text(parameter) else {
        // What is wrong with the parameters is said by the method itself.
        return Ok(());
    };
    let stated =
        one_value(headers, "mcp-name").ok_or_else(|| mismatch("the header Mcp-Name is missing"))?;
    match mirrored::decode(stated) {
        Ok(stated) if stated == name => Ok(()),
        Ok(_) => Err(mismatch("the header Mcp-Name differs from the body")),
        Err(_) => Err(mismatch(
            "the header Mcp-Name is not encoded as base64 of UTF-8",
        )),
    }
}

/// The one value of a header, without the blanks around it; `None` if absent, repeated or not visible ASCII.
pub fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    one_value(headers, name)?
        .to_str()
        .ok()
        .map(|value| value.trim_matches([' ', '\t']))
}

fn one_value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}

fn mismatch(message: &'static str) -> Refusal {
    Refusal::new(code::HEADER_MISMATCH, message)
}

fn unsupported(requested: &str) -> Refusal {
    Refusal {
        data: Some(json!({ "supported": supported(), "requested": requested })),
        ..Refusal::new(
            code::UNSUPPORTED_PROTOCOL_VERSION,
            "this protocol version is not supported",
        )
    }
}

/// The revisions we speak, newest first, as `server/discover` lists them.
pub fn supported() -> Vec<&'static str> {
    Revision::ALL
        .iter()
        .map(|revision| revision.as_str())
        .collect()
}
