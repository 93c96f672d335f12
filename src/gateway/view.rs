//! The tools of one principal, put together from upstreams' lists, under the names they have at the gateway.

use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use serde_json::value::RawValue;

use crate::{
    base::{clock::Timestamp, id::UpstreamName},
    config::Gateway,
    protocol::{
        arcade::definition::ToolDefinition,
        mcp::{object::ObjectWriter, revision::Revision},
        members::Members,
    },
    upstream::{RawTool, ToolList},
};

use super::{
    names,
    policy::Rights,
    qualified::{self, Index, Qualified},
};

/// A tool at a gateway.
#[derive(Debug)]
pub struct Tool {
    /// Its name at the gateway.
    pub name: String,
    /// What programs call it.
    pub qualified: Qualified,
    /// What executes it.
    pub upstream: UpstreamName,
    /// What there is to execute.
    pub what: What,
}

impl Tool {
    /// The version its toolkit says it is of; `None` if it says nothing, or is no worker's.
    pub fn version(&self) -> Option<&str> {
        let definition = self.definition()?;
        let version = definition.toolkit.version.as_deref();
        version.filter(|version| !version.is_empty())
    }

    /// What its worker says of it; `None` if it is no worker's.
    pub fn definition(&self) -> Option<&ToolDefinition> {
        self.what.definition()
    }

    /// Whether twice is as good as once, by what its server says.
    pub fn may_run_twice(&self) -> bool {
        match &self.what {
            What::Native(tool) => tool.read_only || tool.idempotent,
            What::Connect => true,
        }
    }

    /// Whether `gateway` has it for somebody with these rights. For calls that were let in some time ago.
    pub fn is_for(&self, gateway: &Gateway, rights: &Rights) -> bool {
        let written = format!("{}.{}", self.upstream, self.what.native_name());
        let offered = match self.what {
            What::Native(_) => gateway.tools.allows(&written),
            What::Connect => true,
        };
        offered && gateway.upstreams.contains(&self.upstream) && rights.allow(gateway, &written)
    }
}

/// What a call of a tool does.
#[derive(Debug)]
pub enum What {
    /// The upstream's own tool.
    Native(RawTool),
    /// Stands for an upstream whose tools nobody can list without this user's account.
    Connect,
}

/// The tools of one principal at one gateway, at one moment.
#[derive(Debug)]
pub struct View {
    tools: Vec<Arc<Tool>>,
    by_name: HashMap<String, usize>,
    made_from: Vec<Source>,
    /// Milliseconds.
    fresh_until: AtomicI64,
    refreshing: AtomicBool,
    /// These are made when somebody asks for them: of many tools, they are large.
    index: OnceLock<Index>,
    modern: OnceLock<String>,
    legacy: OnceLock<String>,
}

/// Where an upstream's part of a view came from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// It listed them.
    Tools(Arc<ToolList>),
    /// It lists them for its users only, and this one has no account there.
    NeedsUser,
    /// It never answered.
    Nothing,
}

impl View {
    /// The tool of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<Tool>> {
        self.by_name
            .get(name)
            .map(|&position| &self.tools[position])
    }

    /// The tool that a program calls `name`, in any of the forms that programs use; of that version, if one is asked for.
    pub fn find(&self, name: &str, version: Option<&str>) -> Option<&Arc<Tool>> {
        let index = self.index.get_or_init(|| Index::new(&self.tools));
        let found = index.find(&self.tools, name, version)?;
        Some(&self.tools[found])
    }

    /// All tools, in order: by upstream, then as the upstream lists them.
    pub fn tools(&self) -> &[Arc<Tool>] {
        &self.tools
    }

    /// The `tools` member of a list for clients of `revision`, as JSON.
    pub fn listing(&self, revision: Revision) -> &str {
        let modern = revision.is_modern();
        let made = if modern { &self.modern } else { &self.legacy };
        made.get_or_init(|| listing(&self.tools, modern))
    }

    /// Until when no upstream's list has to be asked for again.
    pub(super) fn fresh_until(&self) -> Timestamp {
        let milliseconds = self.fresh_until.load(Ordering::Relaxed);
        Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX)
    }

    /// The sources were asked again, and would give this very view until then.
    pub(super) fn renew(&self, fresh_until: Timestamp) {
        let milliseconds = fresh_until.as_millisecond();
        self.fresh_until.store(milliseconds, Ordering::Relaxed);
        self.refreshing.store(false, Ordering::Relaxed);
    }

    /// Whether each upstream had something to say.
    pub(super) fn knows_all(&self) -> bool {
        let silent = |source: &Source| matches!(source, Source::Nothing);
        !self.made_from.iter().any(silent)
    }

    /// Whether the caller is the one to have it renewed. Says so once: a slow upstream does not gather a crowd.
    pub(super) fn begin_refresh(&self) -> bool {
        !self.refreshing.swap(true, Ordering::Relaxed)
    }

    /// Whether these sources would give this very view.
    pub(super) fn is_made_from(&self, sources: &[Source]) -> bool {
        same(&self.made_from, sources)
    }

    /// Puts the parts together; `sources` are in the order of the gateway's upstreams. Tools that `rights` withhold keep their
    /// names from others and are left out: a tool is called the same by everybody who has it.
    pub(super) fn new(
        gateway: &Gateway,
        rights: &Rights,
        sources: Vec<Source>,
        fresh_until: Timestamp,
    ) -> Self {
        let mut found = Vec::new();
        for (upstream, source) in gateway.upstreams.iter().zip(&sources) {
            match source {
                Source::Tools(list) => found.extend(
                    list.tools
                        .iter()
                        .filter(|tool| gateway.tools.allows(&format!("{upstream}.{}", tool.name)))
                        .map(|tool| (upstream, What::Native(tool.clone()))),
                ),
                Source::NeedsUser => found.push((upstream, What::Connect)),
                Source::Nothing => {}
            }
        }
        let natural: Vec<_> = found
            .iter()
            .map(|(upstream, what)| (*upstream, what.native_name()))
            .collect();
        let qualified = qualified::assign(&gateway.upstreams, &found);
        let own: Vec<_> = found
            .iter()
            .zip(&qualified)
            .map(|((_, what), qualified)| what.definition().map(|_| qualified.underscored()))
            .collect();
        let names = names::assign(gateway.names, &natural, &own);
        let tools: Vec<_> = names
            .into_iter()
            .zip(qualified)
            .zip(found)
            .filter(|(_, (upstream, what))| {
                rights.allow(gateway, &format!("{upstream}.{}", what.native_name()))
            })
            .map(|((name, qualified), (upstream, what))| {
                Arc::new(Tool {
                    name,
                    qualified,
                    upstream: upstream.clone(),
                    what,
                })
            })
            .collect();
        Self::of(tools, sources, fresh_until)
    }

    /// The same with those tools only that `stay`, under their names; `None` if all do.
    pub(super) fn with_only(&self, stays: impl FnMut(&Tool) -> bool) -> Option<Self> {
        let mut stays = stays;
        let kept = self.tools.iter().filter(|tool| stays(tool));
        let kept: Vec<_> = kept.cloned().collect();
        let some_go = kept.len() < self.tools.len();
        some_go.then(|| Self::of(kept, self.made_from.clone(), self.fresh_until()))
    }

    fn of(tools: Vec<Arc<Tool>>, made_from: Vec<Source>, fresh_until: Timestamp) -> Self {
        let by_name = tools
            .iter()
            .enumerate()
            .map(|(position, tool)| (tool.name.clone(), position))
            .collect();
        Self {
            tools,
            by_name,
            made_from,
            fresh_until: AtomicI64::new(fresh_until.as_millisecond()),
            refreshing: AtomicBool::new(false),
            index: OnceLock::new(),
            modern: OnceLock::new(),
            legacy: OnceLock::new(),
        }
    }
}

impl What {
    /// What the upstream calls it.
    pub(super) fn native_name(&self) -> &str {
        match self {
            Self::Native(tool) => &tool.name,
            Self::Connect => "connect",
        }
    }

    /// What its worker says of it; `None` if it is no worker's.
    pub(super) fn definition(&self) -> Option<&ToolDefinition> {
        match self {
            Self::Native(tool) => tool.worker.as_deref(),
            Self::Connect => None,
        }
    }
}

fn same(old: &[Source], new: &[Source]) -> bool {
    old.len() == new.len()
        && old.iter().zip(new).all(|pair| match pair {
            (Source::Tools(old), Source::Tools(new)) => Arc::ptr_eq(old, new),
            (Source::NeedsUser, Source::NeedsUser) | (Source::Nothing, Source::Nothing) => true,
            _ => false,
        })
}

/// The definitions with our names in them; for legacy clients without what their revision forbids.
fn listing(tools: &[Arc<Tool>], modern: bool) -> String {
    let mut json = vec![b'['];
    for (position, tool) in tools.iter().enumerate() {
        if position > 0 {
            json.push(b',');
        }
        let mut writer = ObjectWriter::open(&mut json);
        writer.value("name", &tool.name);
        match &tool.what {
            What::Native(native) => {
                let definition = Members::of(&native.raw).unwrap_or_default();
                for (key, value) in definition
                    .iter()
                    .filter(|(key, value)| key != &"name" && (modern || fits_legacy(key, value)))
                {
                    writer.raw(key, value.get());
                }
            }
            What::Connect => {
                writer
                    .value("title", &format!("Connect {}", tool.upstream))
                    .value("description", &format!("The tools of {} appear once the user has connected an account. Call this tool to connect it, then list the tools again.", tool.upstream))
                    .raw("inputSchema", r#"{"type":"object","properties":{},"additionalProperties":false}"#)
                    .raw("annotations", r#"{"readOnlyHint":true,"openWorldHint":true}"#);
            }
        }
        writer.close();
    }
    json.push(b']');
    String::from_utf8(json).expect("JSON is UTF-8")
}

/// Before 2026-07-28 an output schema describes an object.
fn fits_legacy(key: &str, value: &RawValue) -> bool {
    key != "outputSchema"
        || Members::of(value).is_ok_and(|schema| {
            schema
                .get("type")
                .is_some_and(|kind| kind.get() == r#""object""#)
        })
}
