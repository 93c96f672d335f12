//! The core: one request in the words of 2026-07-28, whatever edge it came through, and its answer.

use std::sync::Arc;

use http::HeaderMap;
use serde_json::{json, value::RawValue};
use tokio::sync::mpsc;

use crate::{
    config::{Config, Gateway},
    gateway::access::Principal,
    protocol::{
        mcp::{meta, object::ObjectWriter},
        members::Members,
    },
};

use super::{
    McpFace,
    answer::{Answer, Ending, Refusal, Said},
    call,
    client::Client,
    dress::Dresser,
    listen, modern,
};

/// How long a client may keep what `server/discover` says. Milliseconds.
const DISCOVER_TTL: u64 = 60_000;

/// How long a client may keep a list of tools: short, for a user who connects an account may see more. Milliseconds.
const LIST_TTL: u64 = 15_000;

/// One request.
pub struct Request<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// The configuration the request began with.
    pub config: &'a Arc<Config>,
    /// Through which program.
    pub client: Client,
    /// The JSON-RPC id, as written.
    pub id: &'a RawValue,
    /// The method.
    pub method: &'a str,
    /// The members of `params`.
    pub params: Members<'a>,
    /// The members of `params._meta`.
    pub meta: Members<'a>,
    /// The HTTP headers; empty where the revision mirrors nothing in them.
    pub headers: &'a HeaderMap,
    /// Our `serverInfo` at its gateway, as JSON.
    pub server_info: &'a Arc<str>,
    /// Where the answer goes, if that outlives the connection: closed once nobody hears it any more.
    pub listener: Option<&'a mpsc::Sender<Said>>,
}

/// A request that outlives the bytes and the connection it came in.
#[derive(Clone)]
pub struct OwnedRequest {
    /// Who asks.
    pub principal: Principal,
    /// The configuration the request began with.
    pub config: Arc<Config>,
    /// Through which program.
    pub client: Client,
    /// The JSON-RPC id, as written.
    pub id: Box<RawValue>,
    /// The method.
    pub method: String,
    /// All of `params`.
    pub params: Box<RawValue>,
    /// Our `serverInfo` at its gateway, as JSON.
    pub server_info: Arc<str>,
    /// Where the answer goes, if that outlives the connection: closed once nobody hears it any more.
    pub listener: Option<mpsc::Sender<Said>>,
}

impl Request<'_> {
    /// Dresses results for its client.
    pub fn dresser(&self) -> Dresser<'_> {
        Dresser {
            revision: self.client.revision,
            server_info: self.server_info,
        }
    }

    /// Copies what is needed to go on after the handler returned.
    pub fn to_owned(&self) -> OwnedRequest {
        let mut params = Vec::new();
        let mut writer = ObjectWriter::open(&mut params);
        for (key, value) in self.params.iter() {
            writer.raw(key, value.get());
        }
        writer.close();
        let params = String::from_utf8(params).expect("JSON is UTF-8");
        OwnedRequest {
            principal: self.principal.clone(),
            config: Arc::clone(self.config),
            client: self.client.clone(),
            id: self.id.to_owned(),
            method: self.method.to_owned(),
            params: RawValue::from_string(params).expect("an object of raw values is JSON"),
            server_info: Arc::clone(self.server_info),
            listener: self.listener.cloned(),
        }
    }
}

impl OwnedRequest {
    /// The request with its parameters taken apart; `None` if they are not an object.
    pub fn borrow(&self) -> Option<Request<'_>> {
        static NO_HEADERS: std::sync::LazyLock<HeaderMap> =
            std::sync::LazyLock::new(HeaderMap::new);
        let params = Members::of(&self.params).ok()?;
        Some(Request {
            principal: &self.principal,
            config: &self.config,
            client: self.client.clone(),
            id: &self.id,
            method: &self.method,
            meta: params
                .get("_meta")
                .and_then(|meta| Members::of(meta).ok())
                .unwrap_or_default(),
            params,
            headers: &NO_HEADERS,
            server_info: &self.server_info,
            listener: self.listener.as_ref(),
        })
    }

    /// Answers it.
    pub async fn serve(&self, face: &McpFace) -> Answer {
        match self.borrow() {
            Some(request) => serve(face, request).await,
            None => Refusal::invalid_params("params must be an object").into(),
        }
    }
}

/// Answers one request.
pub async fn serve(face: &McpFace, request: Request<'_>) -> Answer {
    let modern = request.client.revision.is_modern();
    match request.method {
        "tools/call" => call::call(face, request).await,
        "tools/list" => list(face, &request).await,
        "server/discover" if modern => discover(&request),
        "subscriptions/listen" if modern => listen::subscribe(face, &request),
        _ => Refusal::unknown_method().into(),
    }
}

/// The gateway a principal is at, if this configuration has it: that which made the principal has.
pub fn gateway<'a>(config: &'a Config, principal: &Principal) -> Option<&'a Gateway> {
    config.gateways.get(principal.gateway())
}

fn discover(request: &Request<'_>) -> Answer {
    let gateway = gateway(request.config, request.principal);
    let dresser = request.dresser();
    let result = dresser.own(|result| {
        result
            .value("supportedVersions", &modern::supported())
            .value(
                "capabilities",
                &json!({ "tools": { "listChanged": true }, "logging": {} }),
            )
            .value("ttlMs", &DISCOVER_TTL)
            .value("cacheScope", "private");
        if let Some(instructions) = gateway.and_then(|gateway| gateway.instructions.as_ref()) {
            result.value("instructions", instructions);
        }
    });
    Answer::Ready(Ending::Result(result))
}

async fn list(face: &McpFace, request: &Request<'_>) -> Answer {
    if request
        .params
        .get("cursor")
        .is_some_and(|cursor| cursor.get() != "null")
    {
        // Lists come whole, so no cursor was ever given out.
        return Refusal::invalid_params("unknown cursor; list anew without one").into();
    }
    let listed = face.gateways.list(request.config, request.principal);
    let Some(view) = listed.await else {
        return Refusal::unknown_gateway().into();
    };
    let dresser = request.dresser();
    let result = dresser.own(|result| {
        result.raw("tools", view.listing(request.client.revision));
        if request.client.revision.is_modern() {
            result
                .value("ttlMs", &LIST_TTL)
                .value("cacheScope", "private");
        }
    });
    Answer::Ready(Ending::Result(result))
}

/// The severities of log messages, least first (RFC 5424 §6.2.1).
const SEVERITIES: [&str; 8] = [
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
];

/// Which log messages a 2026-07-28 request wants: `None` for none.
///
/// # Errors
/// `-32602` for a severity that does not exist.
pub fn log_level(request: &Request<'_>) -> Result<Option<usize>, Refusal> {
    let Some(level) = request
        .meta
        .get(meta::LOG_LEVEL)
        .filter(|_| request.client.revision.is_modern())
    else {
        return Ok(None);
    };
    severity(level).map(Some).ok_or_else(|| {
        Refusal::invalid_params("io.modelcontextprotocol/logLevel is not a severity of RFC 5424")
    })
}

/// The rank of a severity.
pub fn severity(level: &RawValue) -> Option<usize> {
    let level = crate::protocol::mcp::object::text(level)?;
    SEVERITIES.iter().position(|severity| *severity == level)
}
