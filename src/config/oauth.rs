//! `[oauth]` and `[clients.*]`: our own authorization server, and the clients it knows from the start.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
    time::Duration,
};

use super::{
    problem::quoted,
    section::Section,
    value::{Text, Value},
};
use crate::base::{id::Name, secret::TokenHash};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How our authorization server behaves.
#[derive(Debug)]
pub struct OAuth {
    /// How long an access token is good.
    pub access_token_lifetime: Duration,
    /// How long a refresh token is good while it is not used.
    pub refresh_token_lifetime: Duration,
    /// After so long a client has to send its user to sign in again, however often it refreshed.
    pub grant_lifetime: Duration,
    /// How long a used refresh token still gets an answer: for answers that were lost, and for clients with two processes.
    pub refresh_grace: Duration,
    /// Whether clients may register themselves (RFC 7591).
    pub dynamic_registration: bool,
    /// Whether clients may be known by the URL of their metadata document (CIMD).
    pub metadata_documents: bool,
    /// Hosts whose metadata documents are taken; empty for any.
    pub metadata_document_hosts: Vec<String>,
    /// Whether metadata documents may be fetched from private and loopback addresses.
    pub private_metadata_documents: bool,
}

/// A client that the operator registered.
#[derive(Debug)]
pub struct RegisteredClient {
    /// What pages call it.
    pub title: String,
    /// Where codes may be sent, exactly; the port of loopback addresses is free (RFC 8252 §7.3).
    pub redirect_uris: Vec<String>,
    /// The hash of its secret; absent for public clients.
    pub secret: Option<TokenHash>,
}

impl Default for OAuth {
    /// What holds when the file says nothing.
    fn default() -> Self {
        Self {
            access_token_lifetime: 10 * MINUTE,
            refresh_token_lifetime: 30 * DAY,
            grant_lifetime: 90 * DAY,
            refresh_grace: Duration::from_secs(30),
            dynamic_registration: true,
            metadata_documents: true,
            metadata_document_hosts: Vec::new(),
            private_metadata_documents: false,
        }
    }
}

pub(super) fn oauth(section: &Section<'_>) -> OAuth {
    let default = OAuth::default();
    let duration = |key, default, range| section.duration_or(key, default, &range);
    let long = MINUTE..=400 * DAY;
    OAuth {
        access_token_lifetime: duration(
            "access_token_lifetime",
            default.access_token_lifetime,
            Duration::from_secs(1)..=DAY,
        ),
        refresh_token_lifetime: duration(
            "refresh_token_lifetime",
            default.refresh_token_lifetime,
            long.clone(),
        ),
        grant_lifetime: duration("grant_lifetime", default.grant_lifetime, long),
        refresh_grace: duration(
            "refresh_grace",
            default.refresh_grace,
            Duration::ZERO..=5 * MINUTE,
        ),
        dynamic_registration: section.flag_or("dynamic_registration", default.dynamic_registration),
        metadata_documents: section.flag_or("metadata_documents", default.metadata_documents),
        metadata_document_hosts: hosts(section),
        private_metadata_documents: section.flag_or(
            "private_metadata_documents",
            default.private_metadata_documents,
        ),
    }
}

fn hosts(section: &Section<'_>) -> Vec<String> {
    let host = |text: &Text<'_>| match url::Host::parse(&text.value) {
        Ok(host) if !text.value.contains('*') => Some(host.to_string()),
        _ => {
            text.problem("expected a host, such as \"claude.ai\"; each is named in full");
            None
        }
    };
    let hosts = section.texts("metadata_document_hosts");
    hosts.iter().filter_map(host).collect()
}

/// The active clients, and the ids of all.
pub(super) fn clients(
    root: &Section<'_>,
) -> (BTreeMap<String, RegisteredClient>, BTreeSet<String>) {
    let mut checked: BTreeMap<String, RegisteredClient> = BTreeMap::new();
    let mut owners: BTreeMap<String, Name> = BTreeMap::new();
    for (name, section) in root.named("clients") {
        let active = section.is_active();
        let id = section.text_or("client_id", name.as_str());
        let title = section.text("title").and_then(Text::label);
        let uris = section.required(
            "redirect_uris",
            "[\"http://127.0.0.1/callback\"]: where the client listens for the answer",
        );
        let redirect_uris = uris.map(|uris| redirect_uris(&uris)).unwrap_or_default();
        let secret = section
            .text("secret_hash")
            .and_then(|text| secret_hash(&text));
        if !(1..=255).contains(&id.value.len()) || !id.value.bytes().all(|c| c.is_ascii_graphic()) {
            id.problem("a client id has 1 to 255 printable ASCII characters");
        } else if id.value.starts_with("https://") || id.value.starts_with("dcr_") {
            id.problem("ids that begin so are those of clients that register themselves");
        }
        if let Some(owner) = owners.insert(id.value.clone(), name.clone()) {
            let owner = quoted(owner.as_str());
            id.problem(format!("the client {owner} has this `client_id` already"));
        }
        if active {
            let client = RegisteredClient {
                title: title.unwrap_or_else(|| name.to_string()),
                redirect_uris,
                secret,
            };
            checked.insert(id.value, client);
        }
    }
    (checked, owners.into_keys().collect())
}

fn redirect_uris(uris: &Value<'_>) -> Vec<String> {
    let texts = uris.texts();
    if texts.as_ref().is_some_and(Vec::is_empty) {
        uris.problem("nobody could sign in with this client: name at least one address");
    }
    let texts = texts.unwrap_or_default();
    texts.iter().filter_map(redirect_uri).collect()
}

/// Takes what a browser may be sent to with a code: TLS, this machine, or a scheme of a program's own.
fn redirect_uri(text: &Text<'_>) -> Option<String> {
    if text.value.contains('*') {
        text.problem(
            "is compared exactly, so `*` stands for nothing but itself: write each address out",
        );
        return None;
    }
    match crate::protocol::oauth::redirect::RedirectUri::from_str(&text.value) {
        Ok(_) => Some(text.value.clone()),
        Err(why) => {
            text.problem(why.to_string());
            None
        }
    }
}

fn secret_hash(text: &Text<'_>) -> Option<TokenHash> {
    TokenHash::from_str(&text.value)
        .map_err(|why| {
            text.problem(format!(
                "{why}; `anteroom keys client` makes a secret and its hash"
            ))
        })
        .ok()
}
