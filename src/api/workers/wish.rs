//! Upstreams as programs wish for them, in the words of `gateway.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use toml::Table;
use url::Url;
use utoipa::ToSchema;

use super::super::{error::ApiError, file};
use crate::base::id::UpstreamName;

/// Longer ones no upstream has. Bytes.
const LONGEST_URL: usize = 2048;
/// Days are enough for any call. Seconds.
const LONGEST_TIMEOUT: u64 = 24 * 60 * 60;
/// More headers nobody sends.
const MOST_HEADERS: usize = 50;

/// An upstream to add.
#[derive(Deserialize, ToSchema)]
pub struct WorkerWish {
    id: String,
    #[serde(flatten)]
    change: WorkerChange,
}

/// What is to be different.
#[derive(Deserialize, ToSchema)]
pub struct WorkerChange {
    enabled: Option<bool>,
    http: Option<HttpWish>,
    mcp: Option<McpWish>,
}

/// A tool server of the Arcade kind.
#[derive(Deserialize, ToSchema)]
pub struct HttpWish {
    uri: Option<String>,
    /// Is not repeated in the answer.
    secret: Option<String>,
    /// Seconds.
    timeout: Option<u64>,
}

/// An MCP server.
#[derive(Deserialize, ToSchema)]
pub struct McpWish {
    uri: Option<String>,
    /// What they say is not repeated in the answer.
    headers: Option<BTreeMap<String, String>>,
    /// Seconds.
    timeout: Option<u64>,
    #[schema(value_type = Option<Object>)]
    oauth2: Option<Map<String, Value>>,
}

impl WorkerWish {
    /// The section that would make it.
    pub(super) fn toml(&self) -> Result<String, ApiError> {
        let name = file::name(&self.id)?;
        let has_uri = match (&self.change.http, &self.change.mcp) {
            (Some(http), None) => http.uri.is_some() && http.secret.is_some(),
            (None, Some(mcp)) => mcp.uri.is_some(),
            _ => false,
        };
        if !has_uri {
            let message = "say either `http` with `uri` and `secret`, or `mcp` with `uri`";
            return Err(ApiError::bad("invalid_worker", message));
        }
        self.change.section(name.as_str(), Vec::new())
    }
}

impl WorkerChange {
    /// The lines that would make it.
    pub(super) fn toml(&self, name: &UpstreamName) -> Result<String, ApiError> {
        if self.http.is_some() && self.mcp.is_some() {
            let message = "say either `http` or `mcp`";
            return Err(ApiError::bad("invalid_worker", message));
        }
        let note = "change these lines of the section, and leave the others:";
        self.section(name.as_str(), vec![note.to_owned()])
    }

    fn section(&self, name: &str, mut notes: Vec<String>) -> Result<String, ApiError> {
        let mut table = Table::new();
        let mut set = |key: &str, value: toml::Value| {
            table.insert(key.to_owned(), value);
        };
        if let Some(http) = &self.http {
            set("type", "arcade".into());
            if let Some(url) = url(http.uri.as_deref())? {
                set("url", url);
            }
            if http.secret.is_some() {
                set("secret", file::variable(&[name, "secret"]));
            }
        }
        if let Some(mcp) = &self.mcp {
            if let Some(url) = url(mcp.uri.as_deref())? {
                set("url", url);
            }
            if let Some(headers) = &mcp.headers {
                set("headers", headers_of(name, headers)?.into());
            }
            if mcp.oauth2.is_some() {
                notes.push("whose tokens it needs is said in `auth`, by the name of one of [providers]; `oauth2` is not carried".to_owned());
            }
        }
        let http = self.http.as_ref().and_then(|http| http.timeout);
        let seconds = http.or(self.mcp.as_ref().and_then(|mcp| mcp.timeout));
        if let Some(seconds) = seconds {
            if !(1..=LONGEST_TIMEOUT).contains(&seconds) {
                let message = "`timeout` must be 1 to 86400 seconds";
                return Err(ApiError::bad("invalid_timeout", message));
            }
            set("call_timeout", format!("{seconds}s").into());
        }
        if let Some(enabled) = self.enabled {
            set("status", if enabled { "active" } else { "inactive" }.into());
        }
        Ok(file::section("upstreams", name, table, &notes))
    }
}

fn headers_of(name: &str, headers: &BTreeMap<String, String>) -> Result<Table, ApiError> {
    let fine = |header: &String| header.parse::<axum::http::HeaderName>().is_ok();
    if headers.len() > MOST_HEADERS || !headers.keys().all(fine) {
        let message = "`headers` must have names of headers, at most 50";
        return Err(ApiError::bad("invalid_headers", message));
    }
    let placed = |header: &String| (header.clone(), file::variable(&[name, header]));
    Ok(headers.keys().map(placed).collect())
}

fn url(sent: Option<&str>) -> Result<Option<toml::Value>, ApiError> {
    let Some(sent) = sent else { return Ok(None) };
    address(sent)?;
    Ok(Some(file::literal(sent)))
}

/// Where an upstream is.
///
/// # Errors
/// 400 when that is no address, or has a password in it.
pub(super) fn address(sent: &str) -> Result<Url, ApiError> {
    let url = Url::parse(sent).ok().filter(|url| {
        let plain = url.username().is_empty() && url.password().is_none();
        let web = matches!(url.scheme(), "http" | "https") && url.has_host();
        plain && web && url.fragment().is_none() && sent.len() <= LONGEST_URL
    });
    url.ok_or_else(|| {
        let message = "`uri` must be an http:// or https:// address without a user name";
        ApiError::bad("invalid_url", message)
    })
}
