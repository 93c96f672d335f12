//! `[providers.*]`, and the presets that know most of it.

use std::collections::BTreeMap;

use toml::de::DeTable;
use url::Url;

use super::{
    ClientAuth, Provider,
    check::Declared,
    problem::quoted,
    section::Section,
    value::{Text, did_you_mean},
};
use crate::{
    base::{
        id::{Name, ProviderName},
        secret::Secret,
    },
    protocol::oauth::scope::ScopeSet,
};

/// We write these ourselves; RFC 6749 §4.1.1, RFC 7636 §4.3.
const AUTHORIZE_OURS: &[&str] = &[
    "response_type",
    "client_id",
    "redirect_uri",
    "state",
    "code_challenge",
    "code_challenge_method",
];
/// RFC 6749 §4.1.3 and §6, RFC 7636 §4.5.
const TOKEN_OURS: &[&str] = &[
    "grant_type",
    "code",
    "redirect_uri",
    "client_id",
    "client_secret",
    "code_verifier",
    "refresh_token",
    "scope",
];

/// The presets by name, each with the keys of a `[providers.*]` section and a `source`.
pub(super) fn presets() -> DeTable<'static> {
    let table = DeTable::parse(include_str!("presets.toml"));
    table.expect("a test reads it").into_inner()
}

pub(super) fn providers<'d>(
    root: &Section<'d>,
    presets: &'d DeTable<'d>,
) -> (BTreeMap<ProviderName, Provider>, Declared<'d>) {
    let mut checked = BTreeMap::new();
    let mut declared = Declared::new("provider", root.reader);
    for (name, mut section) in root.named("providers") {
        let active = section.is_active();
        declared.add(&name, active, &section.place);
        section.fall_back_to(preset(&section, &name, presets));
        if let (Some(provider), true) = (provider(&section, &name), active) {
            checked.insert(name, provider);
        }
    }
    (checked, declared)
}

/// The preset the section names, or the one it is named after; `preset = "none"` keeps a namesake away.
fn preset<'d>(
    section: &Section<'d>,
    name: &ProviderName,
    presets: &'d DeTable<'d>,
) -> Option<&'d DeTable<'d>> {
    let find = |name: &str| {
        presets
            .get(name)
            .and_then(|preset| preset.get_ref().as_table())
    };
    let Some(wanted) = section.text("preset") else {
        return find(name.as_str());
    };
    let preset = find(&wanted.value);
    if preset.is_none() && wanted.value != "none" {
        let mut known: Vec<&str> = presets.keys().map(|key| key.get_ref().as_ref()).collect();
        known.push("none");
        wanted.problem(format!(
            "there is no preset {}; {}",
            wanted.quoted(),
            did_you_mean(&wanted.value, &known)
        ));
    }
    preset
}

fn provider(section: &Section<'_>, name: &Name) -> Option<Provider> {
    let title = section.text("title").and_then(Text::label);
    let authorize_url = endpoint(
        section,
        "authorize_url",
        "where users consent (RFC 6749 §3.1)",
    );
    let token_url = endpoint(
        section,
        "token_url",
        "where codes become tokens (RFC 6749 §3.2)",
    );
    let client_id = section.required_text("client_id", "what the provider calls us");
    let (issuer, iss_required) = issuer(section);
    let pkce = section.choice("pkce", &[("S256", true), ("none", false)]);
    let (client_auth, client_secret) = client_authentication(section, pkce);
    let scope_parameter = section.text_or("scope_parameter", "scope").value;
    // Every key is asked for before the first `?`: a key that was not asked for is an unknown one.
    Some(Provider {
        title: title.unwrap_or_else(|| name.to_string()),
        issuer,
        iss_required,
        client_secret,
        client_auth,
        pkce,
        scopes: scopes(section, "scopes"),
        scope_delimiter: delimiter(section),
        authorize_parameters: parameters(
            section,
            "authorize_parameters",
            AUTHORIZE_OURS,
            &scope_parameter,
        ),
        token_parameters: parameters(section, "token_parameters", TOKEN_OURS, ""),
        token_pointer: pointer(section),
        scope_words: scope_words(section),
        scope_parameter,
        client_id: client_id?.label()?,
        authorize_url: authorize_url?,
        token_url: token_url?,
    })
}

/// What `iss` must be, and whether it must be there.
fn issuer(section: &Section<'_>) -> (Option<String>, bool) {
    let text = section.text("issuer");
    let issuer = text.and_then(|text| text.secure_url("RFC 9207 §2").map(|_| text.value));
    let required = section.flag_or("iss_required", false);
    if required && issuer.is_none() {
        section.problem_at(
            "iss_required",
            "needs `issuer`: what else would `iss` be compared with",
        );
    }
    (issuer, required)
}

fn scope_words(section: &Section<'_>) -> BTreeMap<String, String> {
    let entries = section.entries("scope_words").into_iter();
    let words = entries.filter_map(|(scope, words)| Some((scope, words.text()?.label()?)));
    words.collect()
}

fn endpoint(section: &Section<'_>, key: &'static str, what: &str) -> Option<Url> {
    let hint = format!("{what}; a `preset` would know it");
    let text = section.required_text(key, &hint)?;
    text.secure_url("codes, secrets and tokens travel there")
}

/// RFC 7591's words for how a client shows its secret.
pub(super) const CLIENT_AUTH: &[(&str, ClientAuth)] = &[
    ("client_secret_basic", ClientAuth::Basic),
    ("client_secret_post", ClientAuth::Post),
    ("none", ClientAuth::None),
];

fn client_authentication(section: &Section<'_>, pkce: bool) -> (ClientAuth, Option<Secret>) {
    let auth = section.choice("client_auth", CLIENT_AUTH);
    let secret = match auth {
        ClientAuth::Basic | ClientAuth::Post => section.required(
            "client_secret",
            "\"${env:NAME}\" keeps it out of the file; a public client says `client_auth = \"none\"`",
        ),
        ClientAuth::None => {
            let secret = section.optional("client_secret");
            if let Some(secret) = &secret {
                secret.problem("`client_auth` is \"none\", so this secret would never be used");
            }
            if !pkce {
                section.problem_at("pkce", "a client without secret needs PKCE: whoever sees the code could use it");
            }
            secret
        }
    };
    (auth, secret.and_then(|secret| secret.secret()))
}

/// An array of scopes, one each.
pub(super) fn scopes(section: &Section<'_>, key: &'static str) -> ScopeSet {
    section.texts(key).into_iter().map(scope).collect()
}

/// RFC 6749 §3.3, without the comma: some providers part scopes by it.
pub(super) fn scope(text: Text<'_>) -> String {
    let legal = |c: char| matches!(c, '\x21' | '\x23'..='\x2b' | '\x2d'..='\x5b' | '\x5d'..='\x7e');
    if text.value.is_empty() || !text.value.chars().all(legal) {
        text.problem("expected one scope, without blanks, commas, quotes and backslashes; each is a string of its own");
    }
    text.value
}

fn delimiter(section: &Section<'_>) -> String {
    let text = section.text_or("scope_delimiter", " ");
    if !matches!(text.value.as_str(), " " | ",") {
        text.problem("expected \" \" or \",\"");
    }
    text.value
}

fn parameters(
    section: &Section<'_>,
    key: &'static str,
    ours: &[&str],
    scope_parameter: &str,
) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::new();
    for (name, value) in section.entries(key) {
        if ours.contains(&name.as_str()) || name == scope_parameter {
            value.problem(format!("Anteroom writes {} itself", quoted(&name)));
        }
        if let Some(text) = value.text() {
            parameters.insert(name, text.value);
        }
    }
    parameters
}

/// RFC 6901 §3.
fn pointer(section: &Section<'_>) -> String {
    let text = section.text_or("token_pointer", "");
    let legal = text.value.is_empty() || text.value.starts_with('/');
    let mut tildes = text.value.split('~').skip(1);
    if !legal || !tildes.all(|after| after.starts_with(['0', '1'])) {
        text.problem("expected a JSON pointer (RFC 6901), such as \"/authed_user\"; \"\" is the whole answer");
    }
    text.value
}
