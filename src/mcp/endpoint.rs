//! `/mcp/{gateway}`: bytes and headers in, a response out. Whatever the era, the order is the same: the door (`Host`,
//! `Origin`), the gateway, the principal, then the message.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, Request, State},
    response::Response,
    routing::any,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::value::RawValue;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::{
    base::id::GatewayName,
    config::{Config, Gateway, live::Live},
    gateway::access::{Door, Principal},
    protocol::{
        jsonrpc::{Message, code},
        members::Members,
    },
};

use super::{
    McpFace,
    answer::{self, Refusal},
    batch, guard, legacy, listen, modern,
    rejection::Rejection,
    serve,
};

/// Larger bodies of refused requests are not read. Bytes.
const LARGEST_UNWANTED: usize = 64 * 1024;
/// How long the rest of one is waited for.
const UNWANTED_PATIENCE: Duration = Duration::from_secs(1);

/// A request whose sender is known.
pub struct Knock<'a> {
    /// Who it is.
    pub principal: &'a Principal,
    /// The configuration in force when it came.
    pub config: &'a Arc<Config>,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Our `serverInfo` there, as JSON.
    pub server_info: Arc<str>,
}

impl Knock<'_> {
    /// The gateway it came to.
    pub fn gateway(&self) -> Option<&Gateway> {
        serve::gateway(self.config, self.principal)
    }
}

/// The routes of this face.
pub fn routes(face: McpFace) -> Router {
    Router::new()
        .route("/mcp/{gateway}", any(at_gateway))
        .route("/mcp", any(at_default))
        // People type addresses with a slash at the end, and clients take them as they are.
        .route("/mcp/{gateway}/", any(at_gateway))
        .route("/mcp/", any(at_default))
        .layer(cors(face.config.clone()))
        .with_state(face)
}

/// Pages of allowed origins may call us with `fetch`; those of others get no header that would let them read an answer.
fn cors(config: Live) -> CorsLayer {
    let allowed = move |origin: &HeaderValue, _: &Parts| {
        origin
            .to_str()
            .is_ok_and(|origin| guard::origin_is_allowed(&config.now().server, origin))
    };
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(allowed))
        .allow_methods([Method::POST, Method::GET, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(["mcp-session-id", "www-authenticate"].map(HeaderName::from_static))
}

async fn at_gateway(
    State(face): State<McpFace>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    handle(&face, Some(&name), request).await
}

async fn at_default(State(face): State<McpFace>, request: Request) -> Response {
    handle(&face, None, request).await
}

async fn handle(face: &McpFace, name: Option<&str>, request: Request) -> Response {
    let config = face.config.now();
    let (parts, body) = request.into_parts();
    match enter(face, &config, name, &parts).await {
        Ok(principal) => {
            let knock = Knock {
                principal: &principal,
                config: &config,
                headers: &parts.headers,
                server_info: face.server_infos().of(&config, principal.gateway()),
            };
            match parts.method {
                Method::POST => post(face, &knock, body).await,
                Method::GET => listen::get(face, &knock),
                _ => legacy::delete(face, &principal, &parts.headers).await,
            }
        }
        Err(rejection) => {
            rejection.log(name, &parts.method);
            put_away(body).await;
            rejection.response()
        }
    }
}

/// Reads a body that nobody wants, if it is small and there soon. A connection on which a request is answered before it was read
/// is closed, and clients that are refused send their next request on it at once.
async fn put_away(body: Body) {
    let whole = Limited::new(body, LARGEST_UNWANTED).collect();
    // What cannot be put away costs the connection, and no more.
    let _ = tokio::time::timeout(UNWANTED_PATIENCE, whole).await;
}

async fn enter(
    face: &McpFace,
    config: &Config,
    called: Option<&str>,
    parts: &Parts,
) -> Result<Principal, Rejection> {
    guard::check_host(&config.server, &parts.headers, &parts.uri)?;
    guard::check_origin(&config.server, &parts.headers)?;
    if !matches!(parts.method, Method::POST | Method::GET | Method::DELETE) {
        return Err(Rejection::Method);
    }
    let (name, gateway) = find(config, called).ok_or(Rejection::UnknownGateway)?;
    let urls = face.access.urls();
    let own_name = called.map(|_| name);
    let door = Door {
        config,
        name,
        gateway,
        resource: &urls.resource(own_name),
        headers: &parts.headers,
    };
    let principal = face.access.principal(door).await;
    principal.map_err(|denied| Rejection::Denied {
        denied,
        metadata: gateway
            .oauth_access
            .then(|| urls.resource_metadata(own_name)),
    })
}

/// The gateway called `name`; without a name the default one, or the only one.
fn find<'a>(config: &'a Config, name: Option<&str>) -> Option<(&'a GatewayName, &'a Gateway)> {
    match name {
        Some(name) => config.gateways.get_key_value(name),
        None => {
            let mut all = config.gateways.iter();
            let only = all.next().filter(|_| config.gateways.len() == 1);
            config
                .gateways
                .iter()
                .find(|(_, gateway)| gateway.default)
                .or(only)
        }
    }
}

async fn post(face: &McpFace, knock: &Knock<'_>, body: Body) -> Response {
    let bytes = match read(knock, body).await {
        Ok(bytes) => bytes,
        Err(rejection) => {
            tracing::info!(gateway = %knock.principal.gateway(), user = ?knock.principal.user(), reason = %rejection, "a request to /mcp was refused");
            return rejection.response();
        }
    };
    match Message::parse(&bytes) {
        Ok(Message::Request { id, method, params }) => {
            request(face, knock, id, &method, params).await
        }
        Ok(other) => not_a_request(face, knock, other).await,
        Err(malformed) if modern::speaks(knock.headers, "", &Members::default()) => {
            legacy::refuse_malformed(malformed)
        }
        Err(malformed) => batch::batch(face, knock, &bytes, malformed).await,
    }
}

async fn request(
    face: &McpFace,
    knock: &Knock<'_>,
    id: &RawValue,
    method: &str,
    params: Option<&RawValue>,
) -> Response {
    let members = params.map_or_else(|| Ok(Members::default()), Members::of);
    let Ok(params) = members else {
        let refusal =
            Refusal::invalid_params("params must be an object in which no name stands twice");
        let modern = modern::speaks(knock.headers, method, &Members::default());
        let status = if modern {
            StatusCode::BAD_REQUEST
        } else {
            StatusCode::OK
        };
        return answer::refusal(status, Some(id), &refusal);
    };
    let meta = params
        .get("_meta")
        .and_then(|meta| Members::of(meta).ok())
        .unwrap_or_default();
    if modern::speaks(knock.headers, method, &meta) {
        let body = modern::Body {
            id,
            method,
            params,
            meta,
        };
        modern::post(face, knock, body).await
    } else {
        legacy::request(face, knock, id, method, &params).await
    }
}

/// Notifications and responses: only what the revision knows goes on.
async fn not_a_request(face: &McpFace, knock: &Knock<'_>, message: Message<'_>) -> Response {
    let modern = modern::speaks(knock.headers, "", &Members::default());
    let refuse = |words: &'static str| {
        let refusal = Refusal::new(code::INVALID_REQUEST, words);
        answer::refusal(StatusCode::BAD_REQUEST, None, &refusal)
    };
    match message {
        Message::Response { .. } if modern => {
            refuse("2026-07-28 has no requests of the server to respond to")
        }
        Message::Notification { method, .. } if !method.starts_with("notifications/") => {
            refuse("this method is no notification; send an id with it")
        }
        Message::Notification { .. } if modern => answer::accepted(),
        message => legacy::message(face, knock, message).await,
    }
}

async fn read(knock: &Knock<'_>, body: Body) -> Result<Bytes, Rejection> {
    let json = modern::header(knock.headers, "content-type").is_some_and(is_json);
    if !json {
        return Err(Rejection::ContentType);
    }
    let limited = Limited::new(body, knock.config.server.max_request_bytes);
    limited
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .map_err(|error| {
            if error.is::<LengthLimitError>() {
                Rejection::TooLarge
            } else {
                Rejection::Unreadable
            }
        })
}

fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/json")
}
