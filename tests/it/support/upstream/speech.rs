//! What the stand-in says when it behaves.

use std::{
    convert::Infallible,
    sync::{Arc, atomic::Ordering},
};

use anteroom::protocol::mirrored;
use axum::{
    body::{Body, Bytes},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use http::{StatusCode, header};
use serde_json::{Value, json};

use super::{Inside, Seen, VERSION_KEY};

const MODERN: &str = "2026-07-28";
const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";

/// 2026-07-28, as strict as the specification.
pub(super) async fn modern(inside: Arc<Inside>, seen: &Seen) -> Response {
    let (id, params) = (&seen.body["id"], &seen.body["params"]);
    let mirrored = |name: &str| {
        seen.headers
            .get(name)
            .map(|value| mirrored::decode(value).unwrap())
    };
    let version = params["_meta"][VERSION_KEY].as_str();
    let method = seen.body["method"].as_str().unwrap();
    if mirrored("mcp-protocol-version").as_deref() != version
        || mirrored("mcp-method").as_deref() != Some(method)
        || (method == "tools/call" && mirrored("mcp-name").as_deref() != params["name"].as_str())
        || mirrored("mcp-param-region").as_deref() != params["arguments"]["region"].as_str()
    {
        return refuse(400, id, -32020, "header mismatch");
    }
    if version != Some(MODERN) {
        return refuse(400, id, -32022, "unsupported version");
    }
    if !params["_meta"][CAPABILITIES_KEY].is_object() || seen.headers.contains_key("mcp-session-id")
    {
        return refuse(400, id, -32602, "bad _meta");
    }
    match method {
        "server/discover" => result(
            &inside,
            id,
            json!({"resultType": "complete", "supportedVersions": [MODERN], "capabilities": {"tools": {}},
                "instructions": "be kind", "ttlMs": 1000, "cacheScope": "public",
                "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "modern stand-in", "version": "1"}}}),
        ),
        _ => feature(inside, seen).await,
    }
}

/// 2025-11-25 and older, with sessions.
pub(super) async fn legacy(inside: Arc<Inside>, seen: &Seen) -> Response {
    let id = &seen.body["id"];
    let method = seen.method();
    if method == "initialize" {
        let number = inside.sessions_made.fetch_add(1, Ordering::SeqCst) + 1;
        let session = format!("session-{number}");
        inside.sessions.lock().unwrap().insert(session.clone());
        let revision = *inside.revision.lock().unwrap();
        let mut response = result(
            &inside,
            id,
            json!({"protocolVersion": revision, "capabilities": {"tools": {}, "logging": {}},
                "serverInfo": {"name": "legacy stand-in", "version": "2"}, "instructions": "be brief"}),
        );
        response
            .headers_mut()
            .insert("mcp-session-id", session.parse().unwrap());
        return response;
    }
    let Some(session) = seen.header("mcp-session-id") else {
        return refuse(400, &Value::Null, -32000, "Bad Request: no session");
    };
    if !inside.sessions.lock().unwrap().contains(session) {
        return refuse(404, &Value::Null, -32001, "Session not found");
    }
    let revision = *inside.revision.lock().unwrap();
    if seen
        .header("mcp-protocol-version")
        .is_some_and(|version| version != revision)
    {
        return refuse(400, id, -32000, "Bad Request: unsupported version");
    }
    match method.as_str() {
        "DELETE" => {
            inside.sessions.lock().unwrap().remove(session);
            StatusCode::OK.into_response()
        }
        "GET" => match inside.polled.lock().unwrap().take() {
            Some(id) => events(format!(
                "data: {}\n\n",
                json!({"jsonrpc": "2.0", "id": id, "result": {"content": [], "polled": true}})
            )),
            None => StatusCode::METHOD_NOT_ALLOWED.into_response(),
        },
        _ if id.is_null() || method == "(answer)" => StatusCode::ACCEPTED.into_response(),
        "logging/setLevel" => result(&inside, id, json!({})),
        _ => feature(inside, seen).await,
    }
}

/// What is the same in both eras.
async fn feature(inside: Arc<Inside>, seen: &Seen) -> Response {
    let (id, params) = (&seen.body["id"], &seen.body["params"]);
    match (seen.method().as_str(), params["name"].as_str()) {
        ("tools/list", _) => {
            let (tools, size) = (
                inside.tools.lock().unwrap().clone(),
                inside.page.load(Ordering::SeqCst),
            );
            let begin: usize = params["cursor"]
                .as_str()
                .map_or(0, |cursor| cursor.parse().unwrap());
            let end = (begin + size).min(tools.len());
            let mut page = inside.caching.lock().unwrap().clone();
            page["tools"] = tools[begin..end].into();
            if end < tools.len() {
                page["nextCursor"] = json!(end.to_string());
            }
            result(&inside, id, page)
        }
        ("tools/call", Some("echo")) => result(
            &inside,
            id,
            json!({"content": [], "structuredContent": params["arguments"], "unknownKey": true}),
        ),
        ("tools/call", Some("whoami")) => {
            let token = seen.header("authorization").unwrap_or("nobody");
            result(
                &inside,
                id,
                json!({"content": [{"type": "text", "text": token}]}),
            )
        }
        ("tools/call", Some("slow")) => {
            let notify = |method: &str, params: Value| json!({"jsonrpc": "2.0", "method": method, "params": params});
            let token = &params["_meta"]["progressToken"];
            let said = [
                notify(
                    "notifications/progress",
                    json!({"progressToken": token, "progress": 1, "extra": "kept"}),
                ),
                notify(
                    "notifications/progress",
                    json!({"progressToken": "somebody else's", "progress": 1}),
                ),
                notify(
                    "notifications/message",
                    json!({"level": "info", "data": "working"}),
                ),
                json!({"jsonrpc": "2.0", "id": id, "result": {"content": []}}),
            ];
            let text: String = said
                .iter()
                .map(|said| format!(": keep-alive\n\ndata: {said}\n\n"))
                .collect();
            events(format!("id: 1\ndata:\n\n{text}"))
        }
        ("tools/call", Some("ask")) => {
            let ask = |id: &str, method: &str| {
                format!(
                    "data: {}\n\n",
                    json!({"jsonrpc": "2.0", "id": id, "method": method})
                )
            };
            let done = json!({"jsonrpc": "2.0", "id": id, "result": {"content": []}});
            events(format!(
                "{}{}data: {done}\n\n",
                ask("p", "ping"),
                ask("e", "elicitation/create")
            ))
        }
        ("tools/call", Some("polled")) => {
            *inside.polled.lock().unwrap() = Some(id.clone());
            events("id: here\nretry: 20\ndata:\n\n")
        }
        ("tools/call", Some("hold")) => {
            let held = Held::new(inside);
            if *held.0.streams.lock().unwrap() {
                let begun = stream::iter([Ok::<_, Infallible>(Bytes::from(": begun\n\n"))]);
                return events(Body::from_stream(begun.chain(stream::pending()).inspect(
                    move |_| {
                        let _ = &held;
                    },
                )));
            }
            std::future::pending().await
        }
        ("tools/call", _) => refuse(200, id, -32602, "unknown tool"),
        _ => refuse(404, id, -32601, "unknown method"),
    }
}

/// Counts who is held, until the connection goes.
struct Held(Arc<Inside>);

impl Held {
    fn new(inside: Arc<Inside>) -> Self {
        inside.held.fetch_add(1, Ordering::SeqCst);
        Self(inside)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::SeqCst);
    }
}

fn result(inside: &Inside, id: &Value, result: Value) -> Response {
    let mut body = json!({"jsonrpc": "2.0", "id": id});
    body["result"] = result;
    if *inside.streams.lock().unwrap() {
        events(format!("event: message\ndata: {body}\n\n"))
    } else {
        axum::Json(body).into_response()
    }
}

pub(super) fn refuse(status: u16, id: &Value, code: i64, message: &str) -> Response {
    let body = json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}});
    let status = StatusCode::from_u16(status).unwrap();
    (status, axum::Json(body)).into_response()
}

pub(super) fn events(body: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, "text/event-stream")], body.into()).into_response()
}
