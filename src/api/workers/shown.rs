//! How upstreams and what they offer are shown.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::admin::{Binding, HiddenSecret};
use crate::{
    base::id::UpstreamName,
    config::{Upstream, UpstreamKind},
    protocol::arcade::definition::ToolDefinition,
    upstream::RawTool,
};

/// An upstream.
#[derive(Serialize, ToSchema)]
pub struct Worker {
    /// Its name in gateway.toml.
    #[schema(value_type = String)]
    id: UpstreamName,
    /// `mcp`: an MCP server; `http`: a tool server of the Arcade kind.
    #[serde(rename = "type")]
    kind: &'static str,
    /// True: others are not listed.
    enabled: bool,
    /// False: nobody runs it for you.
    managed: bool,
    binding: Binding,
    requirements: WorkerRequirements,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = HttpWorker, required = false)]
    http: Option<HttpWorker>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = McpWorker, required = false)]
    mcp: Option<McpWorker>,
}

/// What an upstream itself needs, beside its users' accounts.
#[derive(Serialize, ToSchema)]
struct WorkerRequirements {
    met: bool,
}

#[derive(Serialize, ToSchema)]
struct HttpWorker {
    #[schema(format = "uri")]
    uri: String,
    secret: HiddenSecret,
    /// How long a call may take. Seconds.
    timeout: u64,
    /// Always 0: what may have run is not repeated.
    retry: u8,
}

#[derive(Serialize, ToSchema)]
struct McpWorker {
    #[schema(format = "uri")]
    uri: String,
    /// The names of headers that are sent with every request; what they say is not shown.
    headers: BTreeMap<String, &'static str>,
    /// How long a call may take. Seconds.
    timeout: u64,
    /// Always 0: what may have run is not repeated.
    retry: u8,
}

/// How an upstream is.
#[derive(Serialize, ToSchema)]
pub struct WorkerHealth {
    #[schema(value_type = String)]
    pub id: UpstreamName,
    pub enabled: bool,
    pub healthy: bool,
    /// For people.
    pub message: String,
}

/// A tool as its upstream offers it.
#[derive(Serialize, ToSchema)]
pub struct WorkerTool {
    name: String,
    /// `Kit.Tool`
    qualified_name: String,
    /// `Kit.Tool@1.2.3`; without `@` and what follows where the upstream says no version.
    fully_qualified_name: String,
    description: String,
    toolkit: WorkerToolkit,
    /// What it takes: in the worker protocol's words, or `{json_schema}` of an MCP server.
    #[schema(value_type = Object)]
    input: Value,
    /// What it gives, likewise.
    #[schema(value_type = Object)]
    output: Value,
    #[schema(value_type = Object)]
    requirements: Value,
}

#[derive(Serialize, ToSchema)]
struct WorkerToolkit {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    version: Option<String>,
}

pub(super) fn shown((name, upstream): (&UpstreamName, &Upstream)) -> Worker {
    let timeout = upstream.call_timeout.as_secs();
    // What follows may be a secret.
    let mut uri = upstream.url.clone();
    uri.set_query(None);
    let uri = String::from(uri);
    let headers = upstream.headers.iter();
    let headers = headers.map(|(name, _)| (name.to_string(), "(secret)"));
    let (kind, http, mcp) = match &upstream.kind {
        UpstreamKind::Arcade(_) => {
            let http = HttpWorker {
                uri,
                secret: HiddenSecret::of_file(true),
                timeout,
                retry: 0,
            };
            ("http", Some(http), None)
        }
        UpstreamKind::Mcp => {
            let mcp = McpWorker {
                uri,
                headers: headers.collect(),
                timeout,
                retry: 0,
            };
            ("mcp", None, Some(mcp))
        }
    };
    Worker {
        id: name.clone(),
        kind,
        enabled: true,
        managed: false,
        binding: Binding::FILE,
        requirements: WorkerRequirements { met: true },
        http,
        mcp,
    }
}

impl WorkerTool {
    pub(super) fn of(upstream: &UpstreamName, tool: &RawTool) -> Self {
        match &tool.worker {
            Some(definition) => Self::of_worker(definition),
            None => Self::of_mcp(upstream, tool),
        }
    }

    fn of_worker(definition: &ToolDefinition) -> Self {
        let toolkit = definition.toolkit.clone();
        let qualified_name = definition.qualified_name();
        let version = toolkit.version.iter();
        let version: String = version.map(|version| format!("@{version}")).collect();
        // Shapes of texts, numbers, lists and maps.
        let json = |part: serde_json::Result<Value>| part.unwrap_or_default();
        Self {
            name: definition.name.clone(),
            fully_qualified_name: qualified_name.clone() + &version,
            qualified_name,
            description: definition.description.clone().unwrap_or_default(),
            input: json(serde_json::to_value(&definition.input)),
            output: json(serde_json::to_value(&definition.output)),
            requirements: match &definition.requirements {
                Some(requirements) => json(serde_json::to_value(requirements)),
                None => Value::Object(Default::default()),
            },
            toolkit: WorkerToolkit {
                name: toolkit.name,
                description: toolkit.description,
                version: toolkit.version,
            },
        }
    }

    fn of_mcp(upstream: &UpstreamName, tool: &RawTool) -> Self {
        let raw: Value = serde_json::from_str(tool.raw.get()).unwrap_or_default();
        let qualified_name = format!("{upstream}.{}", tool.name);
        let schema = |member: &str| match raw.get(member) {
            Some(schema) => serde_json::json!({ "json_schema": schema }),
            None => Value::Object(Default::default()),
        };
        Self {
            name: tool.name.clone(),
            fully_qualified_name: qualified_name.clone(),
            qualified_name,
            description: raw["description"].as_str().unwrap_or_default().to_owned(),
            input: schema("inputSchema"),
            output: schema("outputSchema"),
            requirements: Value::Object(Default::default()),
            toolkit: WorkerToolkit {
                name: upstream.to_string(),
                description: None,
                version: None,
            },
        }
    }
}
