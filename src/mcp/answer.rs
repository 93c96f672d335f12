//! What the core answers, and how it becomes an HTTP response.
//!
//! An answer that is ready goes out as JSON, with the status its revision asks for. One that is still under way goes out as
//! server-sent events: whatever must not be 200 has been decided before the first of them.

use std::{borrow::Cow, convert::Infallible, pin::Pin, time::Duration};

use axum::{
    body::Body,
    response::{
        IntoResponse, Response,
        sse::{self, KeepAlive, Sse},
    },
};
use futures_util::{Stream, StreamExt};
use http::{HeaderValue, StatusCode, header};
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};

use crate::protocol::jsonrpc::{self, ErrorObject, code};

/// Proxies between us and the client cut connections that are silent for longer.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Our code for what there is too much of, from the range that is left to implementations.
const TOO_MANY: i64 = -32010;

/// The answer to one request.
pub enum Answer {
    /// Complete.
    Ready(Ending),
    /// Messages as they come, the last one being the response.
    Stream(Messages),
}

/// What is said on one request's stream, in order.
pub type Messages = Pin<Box<dyn Stream<Item = Said> + Send>>;

/// One whole JSON-RPC message.
#[derive(Debug)]
pub enum Said {
    /// A notification, or in legacy revisions a request of ours; more follows.
    More(Vec<u8>),
    /// The response: the last message.
    Last(Vec<u8>),
}

/// How a request ends.
#[derive(Debug)]
pub enum Ending {
    /// The `result` member, as JSON, dressed for the client's revision.
    Result(Vec<u8>),
    /// The `error` member: our word.
    Refused(Refusal),
    /// The `error` member: an upstream's word, which says nothing about the hop between the client and us.
    Relayed(Refusal),
}

/// A JSON-RPC error of ours.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// See [`code`].
    pub code: i64,
    /// One sentence that says what to do.
    pub message: Cow<'static, str>,
    /// What the code defines.
    pub data: Option<Value>,
}

impl Refusal {
    /// A refusal without data.
    pub fn new(code: i64, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
        }
    }

    /// `-32602`.
    pub fn invalid_params(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(code::INVALID_PARAMS, message)
    }

    /// `-32601`, for a method we do not have or did not advertise.
    pub fn unknown_method() -> Self {
        Self::new(code::METHOD_NOT_FOUND, "this gateway has no such method")
    }

    /// `-32600`: what was asked of is not there any more.
    pub fn unknown_gateway() -> Self {
        Self::new(code::INVALID_REQUEST, "there is no such gateway")
    }

    /// [`TOO_MANY`]; answered 429.
    pub fn too_many_streams() -> Self {
        Self::new(
            TOO_MANY,
            "this user has too many streams open here; close one, then try again",
        )
    }

    /// `-32603`; the cause is in our log only.
    pub fn internal() -> Self {
        Self::new(
            code::INTERNAL_ERROR,
            "the gateway could not do this; try again later",
        )
    }

    /// The HTTP status 2026-07-28 asks for (streamable HTTP, Sending Messages).
    fn modern_status(&self) -> StatusCode {
        match self.code {
            code::METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
            code::PARSE_ERROR
            | code::INVALID_REQUEST
            | code::HEADER_MISMATCH
            | code::MISSING_CLIENT_CAPABILITY
            | code::UNSUPPORTED_PROTOCOL_VERSION => StatusCode::BAD_REQUEST,
            code::INTERNAL_ERROR => StatusCode::INTERNAL_SERVER_ERROR,
            TOO_MANY => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::OK,
        }
    }

    /// The whole JSON-RPC message.
    pub fn body(&self, id: Option<&RawValue>) -> Vec<u8> {
        let data = self
            .data
            .as_ref()
            .map(|data| to_raw_value(data).expect("a Value serialises"));
        let error = ErrorObject {
            code: self.code,
            message: Cow::Borrowed(&self.message),
            data: data.as_deref(),
        };
        jsonrpc::error_body(id, &error)
    }
}

impl Ending {
    /// The whole JSON-RPC message.
    pub fn body(&self, id: &RawValue) -> Vec<u8> {
        match self {
            Self::Result(result) => {
                let id = id.get();
                let mut body = Vec::with_capacity(36 + id.len() + result.len());
                body.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
                body.extend_from_slice(id.as_bytes());
                body.extend_from_slice(br#","result":"#);
                body.extend_from_slice(result);
                body.push(b'}');
                body
            }
            Self::Refused(refusal) | Self::Relayed(refusal) => refusal.body(Some(id)),
        }
    }

    /// The HTTP status 2026-07-28 asks for.
    pub fn modern_status(&self) -> StatusCode {
        match self {
            Self::Result(_) | Self::Relayed(_) => StatusCode::OK,
            Self::Refused(refusal) => refusal.modern_status(),
        }
    }
}

impl From<Refusal> for Ending {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self::Ready(refusal.into())
    }
}

/// A JSON-RPC message as a JSON response.
pub fn json(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A refusal as a JSON response of its own status.
pub fn refusal(status: StatusCode, id: Option<&RawValue>, refusal: &Refusal) -> Response {
    json(status, refusal.body(id))
}

/// `202 Accepted` without a body: what an accepted notification gets.
pub fn accepted() -> Response {
    StatusCode::ACCEPTED.into_response()
}

/// Messages as server-sent events, with comments while there is nothing to say.
pub fn events(messages: Messages) -> Response {
    let events = messages.map(|said| {
        let (Said::More(message) | Said::Last(message)) = said;
        let text = String::from_utf8(message).unwrap_or_default();
        Ok::<_, Infallible>(sse::Event::default().event("message").data(one_line(text)))
    });
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    let mut response = Sse::new(events).keep_alive(keep_alive).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// Line breaks between tokens of JSON mean nothing, but would end a `data:` line.
fn one_line(json: String) -> String {
    if json.contains(['\n', '\r']) {
        json.replace(['\n', '\r'], " ")
    } else {
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pretty_json_becomes_one_line() {
        assert_eq!(one_line("{\n \"a\": 1\r\n}".into()), "{  \"a\": 1  }");
    }
}
