//! `[gateways.*]`.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Globs, Require, Rule, UserSource,
    check::{Declared, Referrer, names},
    glob::reaches,
    policy,
    problem::{nearest, quoted},
    section::Section,
    value::{Text, Value, did_you_mean},
};
use crate::base::id::{GatewayName, Label, Name, ProviderName, UpstreamName, UserSourceName};

/// One named selection of tools for one user source, served at `/mcp/{gateway}`.
#[derive(Debug)]
pub struct Gateway {
    /// What pages and `serverInfo.title` call it.
    pub title: String,
    /// Whose users it serves.
    pub user_source: UserSourceName,
    /// Accepts an API key and `Arcade-User-ID`.
    pub headers_access: bool,
    /// Accepts access tokens of our own authorization server, which signs users in.
    pub oauth_access: bool,
    /// Clients (by `client_id`) that a user need not approve.
    pub skip_consent: BTreeSet<String>,
    /// The labels of the accounts that calls here use, where that is not left to the user.
    pub accounts: BTreeMap<ProviderName, Label>,
    /// Which claims a user must have to use it at all.
    pub require: Require,
    /// Which claims single tools need besides.
    pub rules: Vec<Rule>,
    /// Which tools, as `upstream.tool`.
    pub tools: Globs,
    /// The upstreams that `tools` can match, in order of name.
    pub upstreams: Vec<UpstreamName>,
    /// How tools are called.
    pub names: ToolNames,
    /// For the model; sent in `initialize` and `server/discover`.
    pub instructions: Option<String>,
    /// Served at `/mcp` too: the one marked so, or the only one.
    pub default: bool,
}

/// How tools are called at a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolNames {
    /// `{upstream}_{tool}`
    Prefixed,
    /// `{tool}` where nothing collides.
    Plain,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    OAuth,
    Headers,
}

pub(super) fn gateways(
    root: &Section<'_>,
    sources: &Declared<'_>,
    upstreams: &Declared<'_>,
    clients: &BTreeSet<String>,
    providers: &Declared<'_>,
) -> BTreeMap<GatewayName, Gateway> {
    let mut checked = BTreeMap::new();
    let mut default: Option<GatewayName> = None;
    for (name, section) in root.named("gateways") {
        let referrer = Referrer::new("gateway", &name, section.is_active());
        let is_default = section.flag_or("default", false);
        let gateway = gateway(&section, &name, &referrer, sources, upstreams);
        let skip_consent = skip_consent(&section, clients);
        let accounts = accounts(&section, providers);
        if !referrer.active {
            continue;
        }
        if is_default && let Some(first) = default.replace(name.clone()) {
            let message = format!("`{first}` is the default already; there is one `/mcp`");
            section.problem_at("default", message);
        }
        if let Some(gateway) = gateway {
            checked.insert(
                name,
                Gateway {
                    default: is_default,
                    skip_consent,
                    accounts,
                    ..gateway
                },
            );
        }
    }
    // Nobody has to say which of one.
    if let (1, Some(mut only)) = (checked.len(), checked.first_entry()) {
        only.get_mut().default = true;
    }
    checked
}

/// Notes the gateways that would sign users in where nobody can.
pub(super) fn note_apps(
    root: &Section<'_>,
    gateways: &BTreeMap<GatewayName, Gateway>,
    sources: &BTreeMap<UserSourceName, UserSource>,
) {
    for (name, gateway) in gateways.iter().filter(|(_, gateway)| gateway.oauth_access) {
        let source = &gateway.user_source;
        if sources.get(source).and_then(UserSource::app).is_some() {
            let place = root.place_of(&["gateways", name.as_str(), "access"]);
            let message = format!(
                "nobody can sign in through the user source {}: its application vouches for its users with an API key; use access = [\"headers\"] here, or make a gateway for another user source",
                quoted(source.as_str())
            );
            root.reader.problem(&place, message);
        }
    }
}

fn gateway(
    section: &Section<'_>,
    name: &GatewayName,
    referrer: &Referrer,
    sources: &Declared<'_>,
    upstreams: &Declared<'_>,
) -> Option<Gateway> {
    let names = [
        ("prefixed", ToolNames::Prefixed),
        ("plain", ToolNames::Plain),
    ];
    let names = section.choice("names", &names);
    let title = section.text("title").and_then(Text::label);
    let user_source = section
        .required_text("user_source", "the user source whose users it serves")
        .and_then(|text| sources.refer(&text, referrer));
    let access = access(section);
    let tools = section.required("tools", "[\"*\"] selects every tool of every upstream");
    let tools = tools.and_then(|tools| tools.texts()).and_then(|patterns| {
        note_unreachable(&patterns, referrer, upstreams);
        globs(section, &patterns)
    });
    let instructions = section.text("instructions").map(|text| text.value);
    let require = policy::require(section);
    // A rule needs no upstream: where one is switched off, there is nothing to protect.
    let quiet = Referrer {
        active: false,
        ..referrer.clone()
    };
    let rules = policy::rules(section, |tools| note_unreachable(tools, &quiet, upstreams));
    let tools = tools?;
    let access = access?;
    let reached = |upstream: &&UpstreamName| tools.may_reach(upstream.as_str());
    Some(Gateway {
        title: title.unwrap_or_else(|| name.to_string()),
        user_source: user_source?,
        headers_access: access.contains(&Access::Headers),
        oauth_access: access.contains(&Access::OAuth),
        skip_consent: BTreeSet::new(),
        accounts: BTreeMap::new(),
        require,
        rules,
        upstreams: upstreams.active_names().filter(reached).cloned().collect(),
        tools,
        names,
        instructions,
        default: false,
    })
}

/// The clients that a user need not approve. Those of the file are known; others name themselves by an address, or by an id
/// that we gave them.
fn skip_consent(section: &Section<'_>, clients: &BTreeSet<String>) -> BTreeSet<String> {
    let ids = section.texts("skip_consent");
    for id in &ids {
        let elsewhere = id.value.starts_with("https://") || id.value.starts_with("dcr_");
        if !elsewhere && !clients.contains(&id.value) {
            let known: Vec<_> = clients.iter().map(String::as_str).collect();
            let (id_shown, hint) = (id.quoted(), did_you_mean(&id.value, &known));
            id.problem(format!("no client has the id {id_shown}; {hint}"));
        }
    }
    ids.into_iter().map(|id| id.value).collect()
}

/// The labels of the accounts that calls use.
fn accounts(section: &Section<'_>, providers: &Declared<'_>) -> BTreeMap<ProviderName, Label> {
    let mut accounts = BTreeMap::new();
    for (name, value) in section.entries("accounts") {
        let label = value.text();
        let Some(provider) = providers.names().find(|known| known.as_str() == name) else {
            let known: Vec<_> = providers.names().map(Name::as_str).collect();
            let hint = did_you_mean(&name, &known);
            value.problem(format!("there is no provider {}; {hint}", quoted(&name)));
            continue;
        };
        match label.map(|label| label.value.parse::<Label>()) {
            Some(Ok(label)) => drop(accounts.insert(provider.clone(), label)),
            Some(Err(error)) => value.problem(error.to_string()),
            None => {}
        }
    }
    accounts
}

/// The ways in.
fn access(section: &Section<'_>) -> Option<Vec<Access>> {
    const HINT: &str =
        "[\"oauth\"] signs users in, [\"headers\"] takes an API key and `Arcade-User-ID`";
    let access = section.required("access", HINT)?;
    let ways = access.list()?;
    if ways.is_empty() {
        access.problem(format!("nobody could use this gateway; {HINT}"));
    }
    let way =
        |way: &Value<'_>| way.choice(&[("oauth", Access::OAuth), ("headers", Access::Headers)]);
    ways.iter().map(way).collect()
}

/// A list of globs that lets something in.
pub(super) fn globs(section: &Section<'_>, patterns: &[Text<'_>]) -> Option<Globs> {
    for pattern in patterns {
        let glob = pattern.value.strip_prefix('!').unwrap_or(&pattern.value);
        if let Err(error) = globset::Glob::new(glob) {
            pattern.problem(format!("not a glob: {}", error.kind()));
        }
    }
    if !patterns
        .iter()
        .any(|pattern| !pattern.value.starts_with('!'))
    {
        section.problem_at(
            "tools",
            "lets nothing in: begin with \"*\" and take away from it",
        );
        return None;
    }
    let written: Vec<_> = patterns
        .iter()
        .map(|pattern| pattern.value.clone())
        .collect();
    Globs::new(&written).ok()
}

/// Notes the patterns that no tool can ever match; also those that take away, where a slip of the pen would let something in.
pub(super) fn note_unreachable(
    patterns: &[Text<'_>],
    referrer: &Referrer,
    upstreams: &Declared<'_>,
) {
    for pattern in patterns {
        let glob = pattern.value.strip_prefix('!').unwrap_or(&pattern.value);
        let reached: Vec<&Name> = upstreams
            .names()
            .filter(|upstream| reaches(glob, upstream.as_str()))
            .collect();
        match reached.as_slice() {
            [] if !glob.starts_with('*') => pattern.problem(unreachable(pattern, glob, upstreams)),
            // A glob that names one upstream needs it; a wide one takes what is there.
            [only] if glob.starts_with(&format!("{only}.")) && !pattern.value.starts_with('!') => {
                upstreams.used(only, referrer);
            }
            _ => {}
        }
    }
}

fn unreachable(pattern: &Text<'_>, glob: &str, upstreams: &Declared<'_>) -> String {
    let upstream = glob.split('.').next().unwrap_or_default();
    let known = || upstreams.names().map(Name::as_str);
    let hint = match (
        known().any(|name| name == upstream),
        nearest(upstream, known()),
    ) {
        (true, _) => format!(
            "tools are written `upstream.tool`; {} selects all of it",
            quoted(&format!("{upstream}.*"))
        ),
        (false, Some(near)) => format!(
            "did you mean {}?",
            quoted(&glob.replacen(upstream, near, 1))
        ),
        (false, None) if known().next().is_none() => "the file has no upstream".to_owned(),
        (false, None) => format!("the upstreams are {}", names(upstreams.names())),
    };
    format!(
        "{} matches no tool of any upstream; {hint}",
        pattern.quoted()
    )
}
