//! `[server]`, `[store]`, `[audit]` and `[elicitation]`.

use std::{collections::BTreeSet, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use toml::de::DeTable;
use url::Url;

use super::{
    AskBy, Audit, ClientOverride, Elicitation, Engine, Era, Server, StoreConfig,
    problem::quoted,
    root_key::{self, RootKeys},
    section::Section,
    value::{Place, Text},
};
use crate::base::seal::RootKey;

const LISTEN: &str = "127.0.0.1:8080";
const PUBLIC_URL: &str = "http://localhost:8080";
/// 4 MiB.
const MAX_REQUEST: u32 = 4 << 20;
const SHUTDOWN_GRACE: Duration = Duration::from_secs(30);
const STORE: &str = "sled:data";
/// Under the 60 seconds after which most clients give a call up.
const HOLD: Duration = Duration::from_secs(45);
const FLOW_LIFETIME: Duration = Duration::from_secs(15 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const AUDIT_KEEP: Duration = Duration::from_secs(90 * 24 * 60 * 60);

const MAKE_ONE: &str = "; `anteroom keys root --out FILE` makes one";

pub(super) fn server(section: &Section<'_>) -> Option<Server> {
    let listen = address(&section.text_or("listen", LISTEN));
    let admin_listen = section.text("admin_listen").and_then(|text| address(&text));
    let public_url = origin(&section.text_or("public_url", PUBLIC_URL));
    let max_request_bytes = section.bytes_or("max_request_bytes", MAX_REQUEST, &(1024..=1 << 30));
    let allowed_origins = section.texts("allowed_origins");
    let allowed_origins = allowed_origins.iter().filter_map(browser_origin).collect();
    let grace = section.duration_or("shutdown_grace", SHUTDOWN_GRACE, &(Duration::ZERO..=HOUR));
    Some(Server {
        listen: listen?,
        admin_listen,
        public_url: public_url?,
        max_request_bytes,
        allowed_origins,
        shutdown_grace: grace,
    })
}

fn address(text: &Text<'_>) -> Option<SocketAddr> {
    let address = text.value.parse().ok();
    if address.is_none() {
        text.problem("expected an IP address and a port, such as \"127.0.0.1:8080\", or \"0.0.0.0:8080\" for every interface");
    }
    address
}

/// Cookies and tokens travel on every URL we publish, so it is TLS or this machine.
fn origin(text: &Text<'_>) -> Option<Url> {
    let url = text.secure_url(
        "sign-in cookies and tokens travel there; a proxy in front that speaks TLS is enough",
    )?;
    if url.path() != "/" || url.query().is_some() {
        let origin = url.origin().ascii_serialization();
        text.problem(format!(
            "expected an address without path or query; {} would be one",
            quoted(&origin)
        ));
        return None;
    }
    Some(url)
}

fn browser_origin(text: &Text<'_>) -> Option<String> {
    let origin = text.url()?.origin().ascii_serialization();
    if origin != text.value {
        text.problem(format!(
            "expected an origin as browsers send it; {} would be one",
            quoted(&origin)
        ));
        return None;
    }
    Some(origin)
}

pub(super) fn store(section: &Section<'_>) -> Option<StoreConfig> {
    let url = section.text_or("url", STORE);
    let engine = engine(&url);
    let ring = section.sections("root_keys");
    let root_keys = if section.says("root_keys") {
        if ring.is_empty() {
            section.problem_at(
                "root_keys",
                "holds no key; leave it out and one is made at the first start",
            );
        }
        configured_ring(&ring)
    } else {
        let Some(Engine::Sled(folder)) = &engine else {
            return None;
        };
        default_ring(section, folder)
    };
    Some(StoreConfig {
        engine: engine?,
        root_keys: root_keys?,
    })
}

fn engine(url: &Text<'_>) -> Option<Engine> {
    match url.value.split_once(':') {
        Some(("sled", path)) if !path.trim_start_matches('/').is_empty() => {
            Some(Engine::Sled(url.reader.surroundings.resolve(path)))
        }
        _ => {
            url.problem("expected \"sled:\" and a folder, such as \"sled:data\"");
            None
        }
    }
}

fn configured_ring(sections: &[Section<'_>]) -> Option<RootKeys> {
    let mut seen = BTreeSet::new();
    let mut ring = Vec::new();
    for section in sections {
        let id = section.required_text("id", "any word; sealed things remember it");
        if let Some(id) = &id {
            if id.value.is_empty() || id.value.len() > 255 {
                id.problem("expected 1 to 255 bytes");
            } else if !seen.insert(id.value.clone()) {
                id.problem(format!("the id {} is taken by an earlier key", id.quoted()));
            }
        }
        let key = section
            .required("key", "32 bytes in base64, such as \"${file:root.key}\"")
            .and_then(|key| key.text_or_hint(MAKE_ONE));
        let bytes = key.as_ref().and_then(|key| {
            let bytes = root_key::decode(&key.value);
            if bytes.is_none() {
                key.problem(format!("expected 32 bytes in base64{MAKE_ONE}"));
            }
            bytes
        });
        if let (Some(id), Some(key)) = (id, bytes) {
            ring.push(RootKey { id: id.value, key });
        }
    }
    // Whatever made it shorter has been told.
    (ring.len() == sections.len()).then(|| RootKeys::Ring(ring.into()))
}

/// Nobody configured a ring: the key lies beside the file, or is made at the first start.
fn default_ring(section: &Section<'_>, folder: &Path) -> Option<RootKeys> {
    let (reader, place) = (
        section.reader,
        section.place.key("root_keys", section.place.offset),
    );
    let path = reader.surroundings.resolve(root_key::DEFAULT_FILE);
    let shown = quoted(&path.to_string_lossy());
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            note_readable_by_others(section, &place, &path);
            let text = zeroize::Zeroizing::new(text);
            let Some(key) = root_key::decode(&text) else {
                reader.problem(
                    &place,
                    format!("{shown} is not a root key: expected 32 bytes in base64"),
                );
                return None;
            };
            let id = root_key::DEFAULT_ID.to_owned();
            Some(RootKeys::Ring(Arc::new([RootKey { id, key }])))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // A new key over an old store would lose everything in it without a word.
            if std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
                let store = quoted(&folder.to_string_lossy());
                reader.problem(&place, format!(
                    "{shown} is not there, but the store {store} is not new: put the root key back, or empty the store"
                ));
                return None;
            }
            Some(RootKeys::FirstStart(path))
        }
        Err(error) => {
            reader.problem(&place, format!("{shown} cannot be read: {error}"));
            None
        }
    }
}

#[cfg(unix)]
fn note_readable_by_others(section: &Section<'_>, place: &Place, path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).map(|metadata| metadata.permissions().mode());
    if mode.is_ok_and(|mode| mode & 0o077 != 0) {
        let shown = quoted(&path.to_string_lossy());
        section.reader.warning(
            place,
            format!("others on this machine may read {shown}: chmod 600"),
        );
    }
}

#[cfg(not(unix))]
fn note_readable_by_others(_: &Section<'_>, _: &Place, _: &Path) {}

pub(super) fn audit(section: &Section<'_>) -> Audit {
    let keep = section.duration_or("keep", AUDIT_KEEP, &(DAY..=3660 * DAY));
    Audit { keep }
}

/// The clients known to misdeclare, as `[[overrides]]` in the manner of `[[elicitation.overrides]]`.
pub(super) fn known_clients() -> DeTable<'static> {
    let table = DeTable::parse(include_str!("clients.toml"));
    table.expect("a test reads it").into_inner()
}

pub(super) fn elicitation<'d>(section: &Section<'d>, known: &'d DeTable<'d>) -> Elicitation {
    let hold = section.duration_or("hold", HOLD, &(Duration::ZERO..=Duration::from_secs(300)));
    let lifetime = section.duration_or(
        "flow_lifetime",
        FLOW_LIFETIME,
        &(Duration::from_secs(60)..=24 * HOUR),
    );
    let mut sections = section.sections("overrides");
    // The operator's come first: the first match wins.
    let known = Section::new(section.reader, section.place.clone(), section.kind(), known);
    sections.extend(known.sections("overrides"));
    Elicitation {
        hold,
        flow_lifetime: lifetime,
        overrides: sections.iter().filter_map(client_override).collect(),
    }
}

fn client_override(section: &Section<'_>) -> Option<ClientOverride> {
    let client = section.required_text(
        "client",
        "a glob over the client's name, such as \"*(via mcp-remote*\"",
    );
    let era = section.choice("era", ERAS);
    let ask = section.required("ask", "\"url\", \"url_in_band\" or \"text\"");
    let ask = ask.and_then(|ask| {
        ask.choice(&[
            ("url", AskBy::Url),
            ("url_in_band", AskBy::UrlInBand),
            ("text", AskBy::Text),
        ])
    });
    let client = client?;
    let glob = globset::GlobBuilder::new(&client.value)
        .case_insensitive(true)
        .build();
    if let Err(error) = &glob {
        client.problem(format!("not a glob: {}", error.kind()));
    }
    Some(ClientOverride {
        client: glob.ok()?.compile_matcher(),
        era,
        ask: ask?,
    })
}

/// How the eras are written in the file.
pub(super) const ERAS: &[(&str, Option<Era>)] = &[
    ("any", None),
    ("modern", Some(Era::Modern)),
    ("legacy", Some(Era::Legacy)),
];
