//! The section of one provider, read key by key over its preset.

use std::collections::BTreeMap;

use serde_json_path::JsonPath;
use toml::de::DeTable;
use url::Url;

use super::{
    Body, ClientAuth, ClientParameters, LIFETIMES, OAuthProvider, Provider, Refresh, Template,
    Word, key,
    preset::{Places, preset, preset_name},
    request,
};
use crate::{
    base::{
        id::{Name, ProviderName},
        secret::Secret,
    },
    config::{
        check::Declared,
        problem::quoted,
        section::Section,
        value::{Text, Value},
    },
    protocol::oauth::{
        error::ErrorCode,
        scope::ScopeSet,
        token_response::{AnswerShape, Expiry, Member},
    },
};

/// We write these ourselves; RFC 6749 §4.1.1, RFC 7636 §4.3.
const AUTHORIZE_OURS: &[&str] = &[
    "response_type",
    "redirect_uri",
    "state",
    "code_challenge",
    "code_challenge_method",
];
const AUTHORIZE_WORDS: &[Word] = &[Word::ClientId, Word::RedirectUri, Word::Scopes];
const TOKEN_WORDS: &[Word] = &[
    Word::ClientId,
    Word::ClientSecret,
    Word::RedirectUri,
    Word::RefreshToken,
];
/// RFC 6749 §4.1.3 and §6, RFC 7636 §4.5.
const TOKEN_OURS: &[&str] = &[
    "grant_type",
    "code",
    "redirect_uri",
    "code_verifier",
    "refresh_token",
    "scope",
];

#[derive(Clone, Copy)]
enum Kind {
    OAuth,
    ApiKey,
}

pub(in crate::config) fn providers<'d>(
    root: &Section<'d>,
    presets: &'d DeTable<'d>,
) -> (BTreeMap<ProviderName, Provider>, Declared<'d>) {
    let mut checked = BTreeMap::new();
    let mut declared = Declared::new("provider", root.reader);
    for (name, mut section) in root.named("providers") {
        let active = section.is_active();
        declared.add(&name, active, &section.place);
        let preset = preset(&section, &name, presets);
        if preset.is_some_and(|preset| preset.contains_key("unsupported")) {
            section.forgive();
        }
        section.fall_back_to(preset);
        let provider = match section.choice(
            "type",
            &[("oauth2", Kind::OAuth), ("api_key", Kind::ApiKey)],
        ) {
            Kind::OAuth => {
                let places = Places::read(&section, preset);
                let provider = provider(&section, &name, &places);
                places.note_unused(&section);
                provider.map(|provider| {
                    Provider::OAuth(Box::new(OAuthProvider {
                        preset: preset.map(|_| preset_name(&section, &name)),
                        ..provider
                    }))
                })
            }
            Kind::ApiKey => {
                let provider = key::provider(&section, &name, preset);
                Some(Provider::ApiKey(Box::new(provider)))
            }
        };
        if let (Some(provider), true) = (provider, active) {
            checked.insert(name, provider);
        }
    }
    (checked, declared)
}

fn provider(section: &Section<'_>, name: &Name, places: &Places) -> Option<OAuthProvider> {
    let title = section.text("title").and_then(Text::label);
    let authorize_url = endpoint(
        section,
        places,
        "authorize_url",
        "where users consent (RFC 6749 §3.1)",
    );
    let token_url = endpoint(
        section,
        places,
        "token_url",
        "where codes become tokens (RFC 6749 §3.2)",
    );
    let client_id = section.required_text("client_id", "what the provider calls us");
    let (issuer, iss_required) = issuer(section, places);
    let pkce = section.choice("pkce", &[("S256", true), ("none", false)]);
    let (client_auth, client_secret) = client_authentication(section, pkce);
    let client_parameters = client_parameters(section);
    let scope_parameter = section.text_or("scope_parameter", "scope").value;
    let of_tokens = |key| {
        parameters(
            section,
            key,
            TOKEN_OURS,
            &[&client_parameters.id, &client_parameters.secret],
            TOKEN_WORDS,
        )
    };
    let token_parameters = of_tokens("token_parameters");
    let refresh = refresh(section, places, of_tokens("refresh_parameters"));
    // Every key is asked for before the first `?`: a key that was not asked for is an unknown one.
    Some(OAuthProvider {
        title: title.unwrap_or_else(|| name.to_string()),
        preset: None,
        issuer,
        iss_required,
        client_secret,
        client_auth,
        pkce,
        scopes: scopes(section, "scopes"),
        scope_delimiter: delimiter(section),
        scope_includes: scope_includes(section),
        scopes_unlisted: scopes(section, "scopes_unlisted"),
        scope_prefix: section.text("scope_prefix").map(|text| text.value),
        authorize_parameters: parameters(
            section,
            "authorize_parameters",
            AUTHORIZE_OURS,
            &[&scope_parameter, &client_parameters.id],
            AUTHORIZE_WORDS,
        ),
        token_parameters,
        token_headers: request::headers(section, "token_headers", TOKEN_WORDS),
        token_body: section.choice("token_body", BODY),
        refresh,
        answer: answer(section),
        account: request::account(section, places),
        revocation: request::revocation(section, places),
        introspection: request::introspection(section, places),
        scope_words: scope_words(section),
        scope_parameter,
        client_parameters,
        client_id: client_id?.label()?,
        authorize_url: authorize_url?,
        token_url: token_url?,
    })
}

/// What `iss` must be, and whether it must be there.
fn issuer(section: &Section<'_>, places: &Places) -> (Option<String>, bool) {
    let text = section
        .text("issuer")
        .map(|text| places.fill(section, text));
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

fn endpoint(section: &Section<'_>, places: &Places, key: &'static str, what: &str) -> Option<Url> {
    let hint = format!("{what}; a `preset` would know it");
    let text = section.required_text(key, &hint)?;
    places
        .fill(section, text)
        .secure_url("codes, secrets and tokens travel there")
}

fn refresh(
    section: &Section<'_>,
    places: &Places,
    parameters: BTreeMap<String, Template>,
) -> Option<Refresh> {
    let refreshes = section.choice("refresh", &[("standard", true), ("none", false)]);
    let url = section.text("refresh_url").and_then(|text| {
        let text = places.fill(section, text);
        text.secure_url("secrets and tokens travel there")
    });
    refreshes.then(|| Refresh {
        url,
        parameters: (!parameters.is_empty()).then_some(parameters),
    })
}

fn client_parameters(section: &Section<'_>) -> ClientParameters {
    let usual = ClientParameters::default();
    ClientParameters {
        id: section.text_or("client_id_parameter", &usual.id).value,
        secret: section
            .text_or("client_secret_parameter", &usual.secret)
            .value,
    }
}

pub(super) const BODY: &[(&str, Body)] = &[
    ("form", Body::Form),
    ("json", Body::Json),
    ("query", Body::Query),
];

/// RFC 7591's words for how a client shows its secret.
pub(in crate::config) const CLIENT_AUTH: &[(&str, ClientAuth)] = &[
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
pub(in crate::config) fn scopes(section: &Section<'_>, key: &'static str) -> ScopeSet {
    section.texts(key).into_iter().map(scope).collect()
}

/// RFC 6749 §3.3, without the comma: some providers part scopes by it.
pub(in crate::config) fn scope(text: Text<'_>) -> String {
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
    ours_too: &[&str],
    words: &[Word],
) -> BTreeMap<String, Template> {
    let mut parameters = BTreeMap::new();
    for (name, value) in section.entries(key) {
        if ours.contains(&name.as_str()) || ours_too.contains(&name.as_str()) {
            value.problem(format!("Anteroom writes {} itself", quoted(&name)));
        }
        if let Some(template) = value.text().and_then(|text| template(&text, words)) {
            parameters.insert(name, template);
        }
    }
    parameters
}

/// A text with places for some values.
pub(super) fn template(text: &Text<'_>, words: &[Word]) -> Option<Template> {
    Template::parse(&text.value, words)
        .map_err(|why| text.problem(why))
        .ok()
}

fn scope_includes(section: &Section<'_>) -> BTreeMap<String, ScopeSet> {
    let entries = section.entries("scope_includes").into_iter();
    let sets = entries.filter_map(|(scope, value)| {
        let included = value.texts()?.into_iter().map(self::scope);
        Some((scope, included.collect()))
    });
    sets.collect()
}

fn answer(section: &Section<'_>) -> AnswerShape {
    let expiry = [
        ("relative", Expiry::Relative),
        ("absolute", Expiry::Absolute),
        ("never", Expiry::Never),
    ];
    let lifetime = section.optional("lifetime");
    AnswerShape {
        pointer: pointer(section),
        paths: paths(&section.section("token_answer")),
        error_words: error_words(section),
        expiry: section.choice("expiry", &expiry),
        lifetime: lifetime.and_then(|value| value.duration(&LIFETIMES)),
    }
}

fn paths(section: &Section<'_>) -> BTreeMap<Member, JsonPath> {
    let members = [
        ("access_token", Member::AccessToken),
        ("refresh_token", Member::RefreshToken),
        ("expires", Member::Expires),
        ("scope", Member::Scope),
        ("token_type", Member::TokenType),
        ("error", Member::Error),
    ];
    let found = members.into_iter().filter_map(|(key, member)| {
        let path = section.optional(key).and_then(|value| path(&value));
        path.map(|path| (member, path))
    });
    found.collect()
}

/// RFC 9535.
pub(super) fn path(value: &Value<'_>) -> Option<JsonPath> {
    let text = value.text()?;
    let path = JsonPath::parse(&text.value).ok();
    if path.is_none() {
        text.problem("expected a JSONPath (RFC 9535), such as \"$.user.id\"");
    }
    path
}

fn error_words(section: &Section<'_>) -> BTreeMap<String, ErrorCode> {
    let mut words = BTreeMap::new();
    for (word, value) in section.entries("error_words") {
        let Some(text) = value.text() else { continue };
        let code = ErrorCode::parse(&text.value);
        if code.as_str() == text.value {
            words.insert(word, code);
        } else {
            text.problem(
                "expected a registered error code (RFC 6749 §5.2), such as \"invalid_grant\"",
            );
        }
    }
    words
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
