//! `tools/list` of one upstream, all pages: bounded, and every definition as the upstream wrote it.

use std::{borrow::Cow, collections::HashSet, time::Duration};

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::{
    Caller, McpServers, Outcome, RawTool, ToolList, body,
    error::UpstreamError,
    exchange::{Ask, Target},
    http::Patience,
};
use crate::{
    config::{Era, Upstream},
    protocol::{jsonrpc::code, members::Members, mirrored},
};

const PAGES_AT_MOST: usize = 100;
const TOOLS_AT_MOST: usize = 10_000;
/// Of all pages together, in answers of the largest allowed size.
const SIZES_AT_MOST: usize = 4;
const LONGEST_TTL: Duration = Duration::from_secs(24 * 60 * 60);
/// MCP: names SHOULD have 1 to 128 characters; a few have more.
const LONGEST_NAME: usize = 256;

pub(super) async fn all_pages(
    upstreams: &McpServers,
    upstream: &Upstream,
    caller: &Caller,
) -> Result<ToolList, UpstreamError> {
    let until = Instant::now() + upstream.call_timeout;
    if upstream.era == Some(Era::Modern) {
        let peer = upstreams.peers.of(upstream)?;
        let target = Target {
            peer: &peer,
            upstream,
            caller,
            until,
        };
        upstreams.get_to_know(&target).await;
    }
    let mut list = ToolList {
        tools: Vec::new(),
        ttl: LONGEST_TTL,
        private: !caller.credentials.is_empty(),
    };
    let mut gathered = Gathered::default();
    let mut cursor = None;
    for _ in 0..PAGES_AT_MOST {
        let Some(result) = one_page(upstreams, upstream, caller, cursor.as_deref(), until).await?
        else {
            break;
        };
        cursor = list.add(&result, upstream, &mut gathered)?;
        if cursor.is_none() {
            gathered.report(upstream);
            return Ok(list);
        }
    }
    if cursor.is_some() {
        return Err(UpstreamError::protocol("its list of tools has no end"));
    }
    list.ttl = upstream.list_ttl;
    Ok(list)
}

/// `None` if the upstream has no tools to list.
async fn one_page(
    upstreams: &McpServers,
    upstream: &Upstream,
    caller: &Caller,
    cursor: Option<&str>,
    until: Instant,
) -> Result<Option<Box<RawValue>>, UpstreamError> {
    let ask = Ask {
        method: "tools/list",
        name: None,
        mirrored: &[],
        log_level: None,
        progress: None,
        head: Patience::control(upstream, until).head,
        until,
        body: &|era: Era, id: u64| body::tools_list(era, id, cursor),
    };
    let mut outcome = finished(upstreams, upstream, caller, &ask).await;
    // Asking twice harms nobody, and a connection that was just being closed breaks like this.
    if let Err(UpstreamError::Unavailable { sent: true, .. }) = outcome {
        outcome = finished(upstreams, upstream, caller, &ask).await;
    }
    match outcome? {
        Outcome::Result(result) => Ok(Some(result)),
        Outcome::Error { code, .. } if code == code::METHOD_NOT_FOUND && cursor.is_none() => {
            Ok(None)
        }
        Outcome::Error { code, message, .. } => Err(UpstreamError::protocol(format!(
            "`tools/list` failed: {code} {message:.200}"
        ))),
    }
}

async fn finished(
    upstreams: &McpServers,
    upstream: &Upstream,
    caller: &Caller,
    ask: &Ask<'_>,
) -> Result<Outcome, UpstreamError> {
    let reply = upstreams.exchange(upstream, caller, ask).await?;
    reply.finish().await
}

/// What was seen on the pages so far.
#[derive(Default)]
struct Gathered {
    names: HashSet<String>,
    pages: usize,
    tools: usize,
    bytes: usize,
    cursors: HashSet<String>,
    left_out: Vec<(String, String)>,
}

impl ToolList {
    /// Takes a page in; returns the cursor of the next.
    fn add(
        &mut self,
        result: &RawValue,
        upstream: &Upstream,
        gathered: &mut Gathered,
    ) -> Result<Option<String>, UpstreamError> {
        let not_a_list = || UpstreamError::protocol("its list of tools is something else");
        let page = Members::of(result).map_err(|_| not_a_list())?;
        if page
            .get("resultType")
            .is_some_and(|kind| kind.get() != r#""complete""#)
        {
            return Err(not_a_list());
        }
        let tools: Vec<&RawValue> = page.read("tools").ok_or_else(not_a_list)?;
        gathered.count(result, tools.len(), upstream)?;
        for raw in tools {
            match RawTool::read(raw) {
                Ok(tool) if gathered.names.insert(tool.name.clone()) => self.tools.push(tool),
                Ok(tool) => gathered.leave_out(tool.name, "another tool has this name"),
                Err((name, why)) => gathered.leave_out(name, why),
            }
        }
        // One page that says so is enough.
        self.ttl = self.ttl.min(ttl(&page).unwrap_or(upstream.list_ttl));
        match page.read::<Cow<str>>("cacheScope").as_deref() {
            Some("public") if gathered.pages == 1 => self.private = false,
            Some("private") => self.private = true,
            _ => {}
        }
        match next_cursor(&page) {
            Some(cursor) if !gathered.cursors.insert(cursor.clone()) => Err(
                UpstreamError::protocol("its list of tools runs in a circle"),
            ),
            next => Ok(next),
        }
    }
}

/// Hints; those that cannot be read are none.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Annotations {
    read_only_hint: Option<bool>,
    idempotent_hint: Option<bool>,
}

impl RawTool {
    fn read(raw: &RawValue) -> Result<Self, (String, String)> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Definition<'a> {
            name: String,
            #[serde(borrow, default)]
            annotations: Option<&'a RawValue>,
            #[serde(borrow, default)]
            input_schema: Option<&'a RawValue>,
        }
        let definition: Definition = serde_json::from_str(raw.get())
            .map_err(|error| (String::new(), format!("it is no tool: {error}")))?;
        let name = definition.name;
        if name.is_empty() || name.len() > LONGEST_NAME {
            let cut = name.chars().take(40).collect();
            return Err((cut, "its name is empty or too long".to_owned()));
        }
        let mirrored = match definition
            .input_schema
            .map_or(Ok(Vec::new()), mirrored::annotated)
        {
            Ok(mirrored) => mirrored,
            Err(error) => return Err((name, error.to_string())),
        };
        let hints: Annotations = definition
            .annotations
            .and_then(|annotations| serde_json::from_str(annotations.get()).ok())
            .unwrap_or_default();
        Ok(Self {
            name,
            raw: raw.to_owned(),
            read_only: hints.read_only_hint.unwrap_or(false),
            idempotent: hints.idempotent_hint.unwrap_or(false),
            mirrored,
            worker: None,
        })
    }
}

impl Gathered {
    /// Another page, unless that is more than anyone needs.
    fn count(
        &mut self,
        page: &RawValue,
        tools: usize,
        upstream: &Upstream,
    ) -> Result<(), UpstreamError> {
        self.pages += 1;
        self.tools += tools;
        self.bytes = self.bytes.saturating_add(page.get().len());
        let bytes = upstream.max_response_bytes.saturating_mul(SIZES_AT_MOST);
        if self.bytes > bytes {
            return Err(UpstreamError::TooLarge { limit: bytes });
        }
        if self.tools > TOOLS_AT_MOST {
            return Err(UpstreamError::TooLarge {
                limit: TOOLS_AT_MOST,
            });
        }
        Ok(())
    }

    fn leave_out(&mut self, name: String, why: impl Into<String>) {
        self.left_out.push((name, why.into()));
    }

    /// One line, however many there are.
    fn report(&self, upstream: &Upstream) {
        if let Some((name, why)) = self.left_out.first() {
            tracing::warn!(
                upstream = upstream.url.host_str().unwrap_or_default(),
                count = self.left_out.len(),
                first = ?name,
                why = ?why,
                "tools were left out of an upstream's list"
            );
        }
    }
}

/// Some servers send an empty one with the last page.
fn next_cursor(page: &Members<'_>) -> Option<String> {
    page.read::<String>("nextCursor")
        .filter(|cursor| !cursor.is_empty())
}

/// `ttlMs`; nonsense is as good as nothing.
fn ttl(page: &Members<'_>) -> Option<Duration> {
    let seconds = page.read::<f64>("ttlMs")? / 1000.0;
    let ttl = Duration::try_from_secs_f64(seconds).ok()?;
    Some(ttl.min(LONGEST_TTL))
}
