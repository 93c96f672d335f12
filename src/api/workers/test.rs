//! Trying an upstream out before it is in the file.

use std::time::Duration;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    super::{ApiFace, body::Body, caller::Admin, error::ApiError, file},
    Nobody, UpstreamError, wish,
};
use crate::{
    config::{ArcadeWorker, Globs, Upstream, UpstreamKind},
    upstream::ServerFacts,
};

const PATIENCE: Duration = Duration::from_secs(10);
/// Of a list of tools. Bytes.
const LARGEST: usize = 4 << 20;

/// Where to look.
#[derive(Deserialize, ToSchema)]
pub struct WorkerTest {
    http: Option<HttpTest>,
    mcp: Option<McpTest>,
}

#[derive(Deserialize, ToSchema)]
struct HttpTest {
    uri: String,
    /// To sign requests with; without it, only whether a tool server answers is found out.
    secret: Option<String>,
}

#[derive(Deserialize, ToSchema)]
struct McpTest {
    uri: String,
}

/// What was found.
#[derive(Serialize, ToSchema)]
pub struct WorkerTested {
    success: bool,
    /// For people.
    message: String,
    /// How an MCP server introduces itself.
    #[serde(rename = "serverInfo", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ServerInfo, required = false)]
    server_info: Option<ServerInfo>,
}

#[derive(Serialize, ToSchema)]
struct ServerInfo {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    version: Option<String>,
}

impl ServerInfo {
    fn of(facts: &ServerFacts) -> Self {
        Self {
            name: facts.name.clone(),
            version: facts.version.clone(),
        }
    }
}

/// Asks an address for its tools, as the gateway would ask an upstream.
#[utoipa::path(
    post,
    path = "/v1/workers/test",
    operation_id = "workers_test",
    tag = "workers",
    request_body = WorkerTest,
    responses((status = OK, description = "What was found", body = WorkerTested)),
)]
pub(super) async fn test(
    State(face): State<ApiFace>,
    Admin(caller): Admin,
    Body(wish): Body<WorkerTest>,
) -> Result<Json<WorkerTested>, ApiError> {
    let (upstream, signed) = upstream(wish).map_err(|error| error.by(&caller))?;
    let nobody = Nobody::default();
    let listed = face.upstreams.list_tools(&upstream, &nobody);
    let listed = tokio::time::timeout(PATIENCE, listed).await;
    let listed = listed.unwrap_or(Err(UpstreamError::TimedOut));
    let facts = face.upstreams.facts(&upstream);
    // What was learnt of an address that is nobody's is not kept.
    face.upstreams.retain(face.live.now().upstreams.values());
    let (success, message) = match listed {
        Ok(list) => (true, format!("it offers {} tools", list.tools.len())),
        Err(UpstreamError::Unauthorized { .. } | UpstreamError::NotTrusted { .. }) if !signed => {
            let message = "it answers, and wants to know who asks";
            (true, message.to_owned())
        }
        Err(UpstreamError::NotTrusted { .. }) => {
            let message = "a tool server answers, and `secret` is not its secret";
            (false, message.to_owned())
        }
        Err(error) => (false, error.public().to_owned()),
    };
    Ok(Json(WorkerTested {
        success,
        message,
        server_info: facts.as_deref().map(ServerInfo::of),
    }))
}

/// An upstream that is tried, and whether requests to it are signed as they should be.
fn upstream(wish: WorkerTest) -> Result<(Upstream, bool), ApiError> {
    let (kind, uri, signed) = match (wish.http, wish.mcp) {
        (Some(http), None) => {
            let signed = http.secret.is_some();
            let worker = ArcadeWorker {
                name: file::name("tried")?,
                secret: http.secret.unwrap_or_else(|| "none".to_owned()).into(),
                providers: Default::default(),
                accounts: Globs::nothing(),
                secrets: Globs::nothing(),
            };
            (UpstreamKind::Arcade(Box::new(worker)), http.uri, signed)
        }
        (None, Some(mcp)) => (UpstreamKind::Mcp, mcp.uri, false),
        _ => {
            let message = "say either `http` or `mcp`, with `uri`";
            return Err(ApiError::bad("invalid_worker", message));
        }
    };
    let upstream = Upstream {
        kind,
        url: wish::address(&uri)?,
        requirements: Vec::new(),
        headers: Vec::new(),
        era: None,
        connect_timeout: PATIENCE,
        call_timeout: PATIENCE,
        max_response_bytes: LARGEST,
        list_ttl: Duration::ZERO,
    };
    Ok((upstream, signed))
}
