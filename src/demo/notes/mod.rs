//! The toy upstream: Acme's own MCP server, streamable HTTP, revision 2026-07-28 and nothing older.
//!
//! It validates every header and `_meta` key the revision names and answers with the codes the revision names. It speaks for
//! the person whose Acme token comes with a call; `server_time` and the list of tools need none.

mod envelope;
#[cfg(test)]
mod tests;
mod tools;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};

use self::envelope::{Message, Rejection, Request};
use super::acme::{self, Acme, Owner};
use crate::base::clock::Clock;

const LARGEST_BODY: usize = 1024 * 1024;

/// Acme's MCP server. Clones share the notes.
#[derive(Clone)]
pub struct Notes(Arc<Inner>);

struct Inner {
    acme: Acme,
    /// Its own endpoint, as clients name it: the protected resource (RFC 9728).
    url: String,
    clock: Arc<dyn Clock>,
    notes: Mutex<HashMap<String, Vec<String>>>,
}

impl Notes {
    /// A server at `url` for the people of `acme`.
    pub fn new(acme: Acme, url: String, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner {
            acme,
            url,
            clock,
            notes: Mutex::default(),
        }))
    }

    /// `/mcp` and the metadata that its challenges point to.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/mcp", post(answer))
            .route("/.well-known/oauth-protected-resource/mcp", get(metadata))
            .layer(DefaultBodyLimit::max(LARGEST_BODY))
            .with_state(self.clone())
    }

    /// Runs `change` on someone's notes. Everybody begins with two.
    fn with_notes<T>(&self, owner: &Owner, change: impl FnOnce(&mut Vec<String>) -> T) -> T {
        let mut notes = self.0.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let first = || {
            vec![
                format!("Welcome to Acme Notes, {}!", owner.display_name),
                "Water the plants.".to_owned(),
            ]
        };
        change(notes.entry(owner.account.clone()).or_insert_with(first))
    }

    /// Whom the call speaks for, if the token is good and covers `scope`.
    fn owner(&self, headers: &HeaderMap, scope: &'static str) -> Result<Owner, Rejection> {
        let token = acme::bearer(headers).ok_or_else(|| self.challenge("", scope))?;
        let owner = self
            .0
            .acme
            .owner(token)
            .ok_or_else(|| self.challenge(r#", error="invalid_token""#, scope))?;
        if owner.scopes.iter().any(|granted| granted == scope) {
            Ok(owner)
        } else {
            let mut rejection = self.challenge(r#", error="insufficient_scope""#, scope);
            rejection.status = StatusCode::FORBIDDEN;
            Err(rejection)
        }
    }

    /// RFC 6750 §3, with `resource_metadata` of RFC 9728 §5.1.
    fn challenge(&self, error: &str, scope: &str) -> Rejection {
        let origin = self.0.url.trim_end_matches("/mcp");
        Rejection {
            status: StatusCode::UNAUTHORIZED,
            code: -31_001,
            message: "this tool needs an Acme access token".to_owned(),
            data: None,
            challenge: Some(format!(
                r#"Bearer realm="Acme Notes"{error}, scope="{scope}", resource_metadata="{origin}/.well-known/oauth-protected-resource/mcp""#
            )),
        }
    }
}

impl fmt::Debug for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Notes({})", self.0.url)
    }
}

/// RFC 9728.
async fn metadata(State(notes): State<Notes>) -> Json<Value> {
    Json(json!({
        "resource": notes.0.url,
        "authorization_servers": [notes.0.acme.issuer()],
        "scopes_supported": acme::SCOPES.map(|(scope, _)| scope),
        "bearer_methods_supported": ["header"],
        "resource_name": "Acme Notes",
    }))
}

async fn answer(State(notes): State<Notes>, headers: HeaderMap, body: Bytes) -> Response {
    let request = match envelope::read(&headers, &body) {
        Ok(Message::Request(request)) => request,
        Ok(Message::Notification) => return StatusCode::ACCEPTED.into_response(),
        Err((id, rejection)) => return reject(id, rejection),
    };
    match dispatch(&notes, &headers, &request) {
        Ok(mut result) => {
            result["resultType"] = json!("complete");
            result["_meta"]["io.modelcontextprotocol/serverInfo"] =
                json!({ "name": "acme-notes", "title": "Acme Notes", "version": "1.0.0" });
            Json(json!({ "jsonrpc": "2.0", "id": request.id, "result": result })).into_response()
        }
        Err(rejection) => reject(Some(request.id), rejection),
    }
}

fn dispatch(notes: &Notes, headers: &HeaderMap, request: &Request) -> Result<Value, Rejection> {
    match request.method.as_str() {
        "server/discover" => Ok(json!({
            "supportedVersions": [envelope::REVISION],
            "capabilities": { "tools": {} },
            "instructions": "Notes of the person whose Acme account is connected.",
            "ttlMs": 3_600_000,
            "cacheScope": "public",
        })),
        "tools/list" => match request.params.get("cursor") {
            None => Ok(json!({
                "tools": tools::definitions(),
                "ttlMs": 60_000,
                "cacheScope": "public",
            })),
            Some(_) => Err(Rejection::invalid_params("there is only one page of tools")),
        },
        "tools/call" => tools::call(notes, headers, request),
        _ => Err(Rejection {
            status: StatusCode::NOT_FOUND,
            ..Rejection::new(-32_601, "this server does not have that method")
        }),
    }
}

fn reject(id: Option<Value>, rejection: Rejection) -> Response {
    let mut error = json!({ "code": rejection.code, "message": rejection.message });
    if let Some(data) = rejection.data {
        error["data"] = data;
    }
    let mut body = json!({ "jsonrpc": "2.0", "error": error });
    if let Some(id) = id {
        body["id"] = id;
    }
    let mut response = (rejection.status, Json(body)).into_response();
    if let Some(Ok(challenge)) = rejection.challenge.map(HeaderValue::try_from) {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}
