//! `[upstreams.*]`.

use std::{collections::BTreeMap, ops::RangeInclusive, time::Duration};

use http::{HeaderName, HeaderValue, header};

use super::{
    Globs, Provider, Requirement, Upstream, UpstreamKind,
    check::{Declared, Referrer},
    gateway::globs,
    problem::quoted,
    provider::scopes,
    section::Section,
    server::ERAS,
    value::{Place, is_loopback},
    worker,
};
use crate::base::{
    id::{ProviderName, UpstreamName},
    secret::{ExposeSecret, Secret},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const CALL_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// 16 MiB.
const MAX_RESPONSE: u32 = 16 << 20;
const LIST_TTL: Duration = Duration::from_secs(60);
/// As long as Arcade's engine goes by a worker's catalogue.
const CATALOGUE_TTL: Duration = Duration::from_secs(10);
const TIMEOUTS: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(24 * 60 * 60);

/// These say how a message is framed or which session it belongs to; an operator's value would break the protocol.
const OURS: &[&str] = &[
    "accept",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "last-event-id",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

pub(super) fn upstreams<'d>(
    root: &Section<'d>,
    known: &BTreeMap<ProviderName, Provider>,
    providers: &Declared<'_>,
) -> (BTreeMap<UpstreamName, Upstream>, Declared<'d>) {
    let mut checked = BTreeMap::new();
    let mut declared = Declared::new("upstream", root.reader);
    for (name, section) in root.named("upstreams") {
        let referrer = Referrer::new("upstream", &name, section.is_active());
        declared.add(&name, referrer.active, &section.place);
        if let (Some(upstream), true) = (
            upstream(&section, &name, &referrer, providers),
            referrer.active,
        ) {
            note_scopes_of_keys(&section, &upstream, known);
            checked.insert(name, upstream);
        }
    }
    worker::part(root, &mut checked);
    (checked, declared)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Mcp,
    Arcade,
}

fn upstream(
    section: &Section<'_>,
    name: &UpstreamName,
    referrer: &Referrer,
    providers: &Declared<'_>,
) -> Option<Upstream> {
    let kind = section.choice("type", &[("mcp", Kind::Mcp), ("arcade", Kind::Arcade)]);
    let hint = match kind {
        Kind::Mcp => "the MCP endpoint, \"https://mcp.example.com/mcp\"",
        Kind::Arcade => "the tool server's address, \"http://127.0.0.1:8002\"",
    };
    let url = section.required_text("url", hint);
    let worker = match kind {
        Kind::Mcp => Some(UpstreamKind::Mcp),
        Kind::Arcade => worker::read(section, name, referrer, providers)
            .map(|worker| UpstreamKind::Arcade(Box::new(worker))),
    };
    // A worker's tools say themselves what they need.
    let auth = match kind {
        Kind::Mcp => section.sections("auth"),
        Kind::Arcade => Vec::new(),
    };
    let (requirements, places): (Vec<_>, Vec<_>) = auth
        .iter()
        .filter_map(|auth| Some((requirement(auth, referrer, providers)?, auth.place.clone())))
        .unzip();
    let headers = headers(section);
    note_header_clashes(section, &requirements, &places, &headers);
    if kind == Kind::Arcade
        && headers
            .iter()
            .any(|(name, _)| *name == header::AUTHORIZATION)
    {
        section.problem_at(
            "headers",
            "the header \"authorization\" carries the signature that `secret` makes: take it away"
                .to_owned(),
        );
    }
    let era = match kind {
        Kind::Mcp => section.choice("era", ERAS),
        Kind::Arcade => None,
    };
    let connect_timeout = section.duration_or("connect_timeout", CONNECT_TIMEOUT, &TIMEOUTS);
    let call_timeout = section.duration_or("call_timeout", CALL_TIMEOUT, &TIMEOUTS);
    let max_response_bytes =
        section.bytes_or("max_response_bytes", MAX_RESPONSE, &(1024..=1 << 30));
    let usual_ttl = match kind {
        Kind::Mcp => LIST_TTL,
        Kind::Arcade => CATALOGUE_TTL,
    };
    let list_ttl = section.duration_or("list_ttl", usual_ttl, &(Duration::ZERO..=*TIMEOUTS.end()));
    let text = url?;
    let url = text.url()?;
    if url.scheme() == "http"
        && !is_loopback(&url)
        && !(requirements.is_empty() && headers.is_empty() && kind == Kind::Mcp)
    {
        text.warning("users' tokens would travel there unencrypted: prefer https://");
    }
    Some(Upstream {
        kind: worker?,
        url,
        requirements,
        headers,
        era,
        connect_timeout,
        call_timeout,
        max_response_bytes,
        list_ttl,
    })
}

fn requirement(
    section: &Section<'_>,
    referrer: &Referrer,
    providers: &Declared<'_>,
) -> Option<Requirement> {
    let provider = section
        .required_text("provider", "whose token the tools need")
        .and_then(|text| providers.refer(&text, referrer));
    let scopes = scopes(section, "scopes");
    let tools = match section.texts_or("tools", "[\"*\"]") {
        Some(patterns) => globs(section, &patterns),
        None => Globs::new(&["*"]).ok(),
    };
    let header = section.text_or("header", "authorization");
    let header = header_name(&header.value)
        .map_err(|why| header.problem(why))
        .ok();
    // Only the standard header has a standard form.
    let bearer = header == Some(header::AUTHORIZATION);
    let prefix = section.text_or("prefix", "Bearer ");
    if HeaderValue::from_str(&prefix.value).is_err() {
        prefix.problem("expected what a header may hold");
    }
    let prefix = if bearer || section.says("prefix") {
        prefix.value
    } else {
        String::new()
    };
    Some(Requirement {
        provider: provider?,
        scopes,
        tools: tools?,
        header: header?,
        prefix,
    })
}

fn headers(section: &Section<'_>) -> Vec<(HeaderName, Secret)> {
    let mut headers = Vec::new();
    for (name, value) in section.entries("headers") {
        let header = header_name(&name).map_err(|why| value.problem(why)).ok();
        let Some(secret) = value.secret() else {
            continue;
        };
        if HeaderValue::from_str(secret.expose_secret()).is_err() {
            value.problem("a header may hold visible ASCII and blanks only");
        }
        if let Some(header) = header {
            headers.push((header, secret));
        }
    }
    headers
}

fn header_name(text: &str) -> Result<HeaderName, String> {
    let name: HeaderName = text
        .parse()
        .map_err(|_| "expected the name of a header, such as \"x-api-token\"".to_owned())?;
    if OURS.contains(&name.as_str()) || name.as_str().starts_with("mcp-") {
        return Err(format!(
            "the header {} is Anteroom's own business",
            quoted(name.as_str())
        ));
    }
    Ok(name)
}

/// A key is good for what its issuer says: nothing could ever grant it a scope.
fn note_scopes_of_keys(
    section: &Section<'_>,
    upstream: &Upstream,
    known: &BTreeMap<ProviderName, Provider>,
) {
    for requirement in &upstream.requirements {
        let provider = known.get(&requirement.provider);
        if provider.is_some_and(|provider| provider.oauth().is_none())
            && !requirement.scopes.is_empty()
        {
            section.problem_at(
                "auth",
                format!(
                    "{} gives its users keys, which have no scopes: take `scopes` away",
                    quoted(requirement.provider.as_str()),
                ),
            );
        }
    }
}

/// One header of one call has one writer.
fn note_header_clashes(
    section: &Section<'_>,
    requirements: &[Requirement],
    places: &[Place],
    headers: &[(HeaderName, Secret)],
) {
    for (index, requirement) in requirements.iter().enumerate() {
        let shown = quoted(requirement.header.as_str());
        let place = places[index].key("header", places[index].offset);
        if headers.iter().any(|(name, _)| *name == requirement.header) {
            section.reader.problem(
                &place,
                format!("the header {shown} is in `headers` too; one of them must go"),
            );
        }
        let earlier = requirements[..index].iter().find(|earlier| {
            earlier.header == requirement.header && earlier.tools.may_overlap(&requirement.tools)
        });
        if let Some(earlier) = earlier {
            section.reader.problem(&place, format!(
                "the tokens of {} and {} go into the same header {shown}; give one another `header`, or part them by `tools`",
                quoted(earlier.provider.as_str()),
                quoted(requirement.provider.as_str()),
            ));
        }
    }
}
