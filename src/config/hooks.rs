//! `[hooks.*]`: servers of the operator's that are asked who may see and do what.

use std::{cmp::Reverse, ops::RangeInclusive, sync::Arc, time::Duration};

use url::Url;

use super::{
    Globs,
    check::{Declared, Referrer},
    gateway::{globs, note_unreachable},
    section::Section,
    value::Text,
};
use crate::base::{
    id::HookName,
    secret::{ExposeSecret, Secret},
};

const TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_secs(60);
const CACHE: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(60 * 60);
const PRIORITY: u32 = 100;

/// Whom to ask at which point; each list in the order in which they are asked.
#[derive(Debug, Default)]
pub struct Hooks {
    /// Which tools a user sees.
    pub access: Vec<HookPoint>,
    /// Whether a call goes ahead, and with what.
    pub pre: Vec<HookPoint>,
    /// Whether its answer goes on, and which.
    pub post: Vec<HookPoint>,
}

/// One question that one hook is asked.
#[derive(Debug)]
pub struct HookPoint {
    /// Whom.
    pub server: Arc<HookServer>,
    /// Where.
    pub url: Url,
    /// How long until the whole answer is there.
    pub timeout: Duration,
    /// What counts when there is no answer.
    pub failure_mode: FailureMode,
    /// How long an answer holds. Of `access` only, and zero for each time anew.
    pub cache: Duration,
}

/// What counts when a hook does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureMode {
    /// No.
    Closed,
    /// Yes.
    Open,
}

/// A hook, and how it is known that it is we who ask.
#[derive(Debug)]
pub struct HookServer {
    /// Its name.
    pub name: HookName,
    /// About which tools it is asked, as `upstream.tool`.
    pub tools: Globs,
    /// Sent as `Authorization: Bearer`.
    pub token: Option<Secret>,
    /// Our certificate and its key, in PEM.
    pub identity: Option<Secret>,
    /// The only authorities that may vouch for its certificate, in PEM; the system's if absent.
    pub authorities: Option<String>,
}

impl Hooks {
    /// Whether anybody is asked about calls.
    pub fn are_about_calls(&self) -> bool {
        !(self.pre.is_empty() && self.post.is_empty())
    }
}

/// When it is its turn: phase, priority, name.
type Turn = (Reverse<bool>, u64, HookName);

pub(super) fn hooks(root: &Section<'_>, upstreams: &Declared<'_>) -> Hooks {
    let (mut access, mut pre, mut post) = (Vec::new(), Vec::new(), Vec::new());
    for (name, section) in root.named("hooks") {
        let active = section.is_active();
        let server = server(&section, &name, upstreams).map(Arc::new);
        let defaults = Defaults::read(&section);
        let turns = [
            ("access", &mut access),
            ("pre", &mut pre),
            ("post", &mut post),
        ];
        let mut any = false;
        for (key, turns) in turns {
            any |= section.says(key);
            let inside = section.section(key);
            if !inside.is_there() {
                continue;
            }
            let point = defaults.point(&inside, key, server.clone());
            turns.extend(point.filter(|_| active));
        }
        if !any {
            let hint = "asks nothing: say where with `access`, `pre` or `post`, as in pre = { url = \"https://guard.example.com/pre\" }";
            section.reader.problem(&section.place, hint);
        }
    }
    Hooks {
        access: in_turn(access),
        pre: in_turn(pre),
        post: in_turn(post),
    }
}

fn in_turn(mut turns: Vec<(Turn, HookPoint)>) -> Vec<HookPoint> {
    turns.sort_by(|(first, _), (second, _)| first.cmp(second));
    turns.into_iter().map(|(_, point)| point).collect()
}

fn server(section: &Section<'_>, name: &HookName, upstreams: &Declared<'_>) -> Option<HookServer> {
    let patterns = section.texts_or("tools", "[\"*\"]");
    let tools = match &patterns {
        Some(patterns) => {
            // A guard that watches over nothing because of a slip of the pen would be worse than none.
            let referrer = Referrer::new("hook", name, false);
            note_unreachable(patterns, &referrer, upstreams);
            globs(section, patterns)
        }
        None => Globs::new(&["*"]).ok(),
    };
    let token = section.optional("token").map(|token| token.secret());
    if let Some(Some(token)) = &token
        && !token.expose_secret().bytes().all(|c| c.is_ascii_graphic())
    {
        section.problem_at("token", "a header may hold visible ASCII only");
    }
    let certificate = section.text("client_cert");
    let key = section.optional("client_key").map(|key| key.secret());
    let authorities = section.text("ca_cert");
    let identity = match (certificate, key) {
        (None, None) => None,
        (Some(certificate), Some(key)) => {
            let key = key?;
            let pem = format!("{}\n{}\n", certificate.value, key.expose_secret());
            Some((certificate, Secret::from(pem)))
        }
        (Some(_), None) => {
            section.problem_at("client_cert", "needs its `client_key` beside it");
            None
        }
        (None, Some(_)) => {
            section.problem_at("client_key", "needs its `client_cert` beside it");
            None
        }
    };
    note_bad_tls(identity.as_ref(), authorities.as_ref());
    Some(HookServer {
        name: name.clone(),
        tools: tools?,
        token: token.flatten(),
        identity: identity.map(|(_, pem)| pem),
        authorities: authorities.map(|text| text.value),
    })
}

/// Tries what TLS will make of them.
fn note_bad_tls(identity: Option<&(Text<'_>, Secret)>, authorities: Option<&Text<'_>>) {
    let mut client = reqwest::Client::builder();
    if let Some(authorities) = authorities {
        match reqwest::Certificate::from_pem_bundle(authorities.value.as_bytes()) {
            Ok(found) if !found.is_empty() => client = client.tls_certs_only(found),
            _ => authorities
                .problem("expected certificates in PEM, such as \"${file:guard-ca.pem}\""),
        }
    }
    let Some((certificate, pem)) = identity else {
        return;
    };
    let Ok(identity) = reqwest::Identity::from_pem(pem.expose_secret().as_bytes()) else {
        certificate.problem("expected a certificate and its key in PEM, such as client_cert = \"${file:gateway.pem}\" and client_key = \"${file:gateway.key}\"");
        return;
    };
    if client.identity(identity).build().is_err() {
        certificate.problem("the certificate and `client_key` do not belong together, or are of a kind that TLS does not take");
    }
}

/// What holds for each question where it does not say another thing.
struct Defaults {
    timeout: Duration,
    failure_mode: FailureMode,
    /// Before those that come last.
    before: bool,
    priority: u64,
    encrypted_only: bool,
}

impl Defaults {
    fn read(section: &Section<'_>) -> Self {
        let priority = section.bytes_or("priority", PRIORITY, &(0..=1_000_000));
        Self {
            timeout: section.duration_or("timeout", TIMEOUT, &TIMEOUTS),
            failure_mode: section.choice("failure_mode", FAILURE_MODES),
            before: section.choice("phase", PHASES),
            priority: priority as u64,
            encrypted_only: section.says("client_cert"),
        }
    }

    fn point(
        &self,
        section: &Section<'_>,
        key: &str,
        server: Option<Arc<HookServer>>,
    ) -> Option<(Turn, HookPoint)> {
        let text = section.required_text("url", "\"https://guard.example.com/…\"");
        let url = text.and_then(|text| {
            let url = text
                .secure_url("what users ask tools to do, and what these answer, travels there")?;
            if self.encrypted_only && url.scheme() == "http" {
                text.problem("expected https://: without TLS there is no `client_cert`");
            }
            Some(url)
        });
        let timeout = section.optional("timeout");
        let timeout = timeout.map_or(Some(self.timeout), |it| it.duration(&TIMEOUTS));
        let mode = section.optional("failure_mode");
        let mode = mode.map_or(Some(self.failure_mode), |it| it.choice(FAILURE_MODES));
        let before = section.optional("phase");
        let before = before.map_or(Some(self.before), |it| it.choice(PHASES));
        let priority = section.optional("priority");
        let priority = priority.map_or(Some(self.priority), |it| it.integer(&(0..=1_000_000)));
        let cache = match key {
            "access" => section.duration_or("cache", Duration::ZERO, &CACHE),
            _ => Duration::ZERO,
        };
        let server = server?;
        let turn = (Reverse(before?), priority?, server.name.clone());
        let point = HookPoint {
            server,
            url: url?,
            timeout: timeout?,
            failure_mode: mode?,
            cache,
        };
        Some((turn, point))
    }
}

const FAILURE_MODES: &[(&str, FailureMode)] = &[
    ("fail_closed", FailureMode::Closed),
    ("fail_open", FailureMode::Open),
];

/// Whether it comes before the others.
const PHASES: &[(&str, bool)] = &[("before", true), ("after", false)];
