//! The requests about somebody's token or key: whose account it is, whether it is good, revoking it, being told of it.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue, header};
use serde_json_path::JsonPath;

use super::{
    AccountSource, Introspection, Method, Request, RequestAuth, Revocation, Template, WhichToken,
    Word,
    preset::Places,
    read::{BODY, path, template},
};
use crate::config::{
    section::Section,
    value::{Text, Value},
};

/// What a request may carry.
struct Words {
    everywhere: &'static [Word],
    /// What may stand in its URL, which may end in somebody's log: nothing of ours that is secret.
    url: &'static [Word],
}

const OF_TOKENS: Words = Words {
    everywhere: &[
        Word::ClientId,
        Word::ClientSecret,
        Word::AccessToken,
        Word::Token,
    ],
    url: &[Word::ClientId, Word::AccessToken, Word::Token],
};
/// We have no client where keys are made.
const OF_KEYS: Words = Words {
    everywhere: &[Word::AccessToken, Word::Token],
    url: &[Word::AccessToken, Word::Token],
};

const BEARER: (&str, RequestAuth) = ("bearer", RequestAuth::Bearer);
const CLIENT: (&str, RequestAuth) = ("client", RequestAuth::Client);
const BASIC: (&str, RequestAuth) = ("client_basic", RequestAuth::ClientBasic);
const NONE: (&str, RequestAuth) = ("none", RequestAuth::None);

const GET: (&str, Method) = ("GET", Method::Get);
const POST: (&str, Method) = ("POST", Method::Post);
const DELETE: (&str, Method) = ("DELETE", Method::Delete);

pub(super) fn account(section: &Section<'_>, places: &Places) -> Option<AccountSource> {
    let section = section.section("user_info");
    if !section.is_there() {
        return None;
    }
    let url = section.optional("url").is_some();
    let request = request(
        &section,
        places,
        &[GET, POST],
        &[BEARER, CLIENT, BASIC, NONE],
        &OF_TOKENS,
    );
    let id = section.required("id", "the JSONPath to what tells accounts apart");
    let told = told(&section, id.as_ref());
    if url && request.is_none() {
        return None;
    }
    Some(AccountSource { request, ..told })
}

/// The request that tries a key.
pub(super) fn about_a_key(section: &Section<'_>, places: &Places) -> Option<Request> {
    let request = request(section, places, &[GET, POST], &[BEARER, NONE], &OF_KEYS)?;
    if request.auth != RequestAuth::Bearer && !carries(&request, OF_KEYS.everywhere) {
        section.problem_at(
            "auth",
            "the request does not carry the key; say \"bearer\", or write `{{token}}` into a header, a parameter or the path",
        );
    }
    Some(request)
}

fn carries(request: &Request, words: &[Word]) -> bool {
    let headers = request.headers.iter().map(|(_, template)| template);
    let mut templates = headers
        .chain(request.parameters.values())
        .chain([&request.url]);
    templates.any(|template| words.iter().any(|word| template.has(*word)))
}

/// Whose key it is, if the answer to that request tells.
pub(super) fn account_of_a_key(section: &Section<'_>) -> Option<AccountSource> {
    let id = section.optional("id");
    let told = told(section, id.as_ref());
    if id.is_none() && (!told.name.is_empty() || told.email.is_some()) {
        section.problem_at("id", "missing; the JSONPath to what tells accounts apart");
    }
    id.map(|_| told)
}

/// Where an answer says whose account it is.
fn told(section: &Section<'_>, id: Option<&Value<'_>>) -> AccountSource {
    let name = section.optional("name").map(|value| paths(&value));
    AccountSource {
        request: None,
        id: id.map(paths).unwrap_or_default(),
        name: name.unwrap_or_default(),
        email: section.optional("email").and_then(|value| path(&value)),
    }
}

pub(super) fn revocation(section: &Section<'_>, places: &Places) -> Option<Revocation> {
    let section = section.section("revocation");
    let request = request(
        &section,
        places,
        &[POST, GET, DELETE],
        &[CLIENT, BASIC, BEARER, NONE],
        &OF_TOKENS,
    );
    let token = [
        ("refresh_token", WhichToken::Refresh),
        ("access_token", WhichToken::Access),
    ];
    let token = section.choice("token", &token);
    let request = with_token(request).or_else(|| needs_url(&section, "where the request goes"))?;
    Some(Revocation { request, token })
}

pub(super) fn introspection(section: &Section<'_>, places: &Places) -> Option<Introspection> {
    let section = section.section("introspection");
    let request = request(
        &section,
        places,
        &[POST, GET],
        &[CLIENT, BASIC, BEARER, NONE],
        &OF_TOKENS,
    );
    let path_or = |key: &'static str, usual: &str| {
        let found = section.optional(key).and_then(|value| path(&value));
        found.or_else(|| JsonPath::parse(usual).ok())
    };
    let scope = path_or("scope", "$.scope");
    let expires_at = path_or("expires_at", "$.exp");
    let request = with_token(request).or_else(|| needs_url(&section, "where the request goes"))?;
    Some(Introspection {
        request,
        scope: scope?,
        expires_at: expires_at?,
    })
}

/// RFC 7009 §2.1 and RFC 7662 §2.1, if no parameters are written; whoever shows the token as a bearer has shown it.
fn with_token(request: Option<Request>) -> Option<Request> {
    let mut request = request?;
    if request.parameters.is_empty() && request.auth != RequestAuth::Bearer {
        let token = Template::of(Word::Token);
        request.parameters.insert("token".to_owned(), token);
    }
    Some(request)
}

pub(super) fn needs_url(section: &Section<'_>, what: &str) -> Option<Request> {
    if section.is_there() && section.optional("url").is_none() {
        section.problem_at("url", format!("missing; {what}"));
    }
    None
}

/// The keys that all of these sections have; `None` without a good `url`.
fn request(
    section: &Section<'_>,
    places: &Places,
    methods: &[(&'static str, Method)],
    auths: &[(&'static str, RequestAuth)],
    words: &Words,
) -> Option<Request> {
    let url = section.text("url");
    let url = url.and_then(|text| address(&places.fill(section, text), words.url));
    let method = section.choice("method", methods);
    let body = section.choice("body", BODY);
    let auth = section.choice("auth", auths);
    let headers = headers(section, "headers", words.everywhere);
    if auth != RequestAuth::None
        && headers
            .iter()
            .any(|(name, _)| *name == header::AUTHORIZATION)
    {
        section.problem_at(
            "headers",
            "Anteroom writes `authorization` itself, unless `auth` is \"none\"",
        );
    }
    let mut parameters = BTreeMap::new();
    for (name, value) in section.entries("parameters") {
        if let Some(template) = value
            .text()
            .and_then(|text| template(&text, words.everywhere))
        {
            parameters.insert(name, template);
        }
    }
    Some(Request {
        url: url?,
        method,
        body,
        auth,
        headers,
        parameters,
    })
}

/// An address whose path may have places, but whose host may not depend on them.
fn address(text: &Text<'_>, words: &[Word]) -> Option<Template> {
    let template = template(text, words)?;
    let filled = |with: &str| Text {
        value: template.fill_encoded(|_| with),
        ..text.clone()
    };
    let one = filled("x").secure_url("tokens travel there")?;
    let other = url::Url::parse(&filled("y").value).ok()?;
    if one.origin() != other.origin() {
        text.problem("the host may have no `{{…}}`");
        return None;
    }
    Some(template)
}

/// Headers whose values may have places.
pub(super) fn headers(
    section: &Section<'_>,
    key: &'static str,
    words: &[Word],
) -> Vec<(HeaderName, Template)> {
    let mut headers = Vec::new();
    for (name, value) in section.entries(key) {
        let Ok(name) = HeaderName::try_from(name) else {
            value.problem("not the name of a header");
            continue;
        };
        let ours = [
            header::CONTENT_TYPE,
            header::CONTENT_LENGTH,
            header::HOST,
            header::CONNECTION,
            header::TRANSFER_ENCODING,
        ];
        if ours.contains(&name) {
            value.problem("Anteroom writes this header itself");
            continue;
        }
        let Some(text) = value.text() else { continue };
        let Some(template) = template(&text, words) else {
            continue;
        };
        if HeaderValue::try_from(template.fill(|_| "x")).is_err() {
            text.problem("not the value of a header");
            continue;
        }
        headers.push((name, template));
    }
    headers
}

/// One path, or several.
fn paths(value: &Value<'_>) -> Vec<JsonPath> {
    if !value.is_list() {
        return path(value).into_iter().collect();
    }
    let members = value.list().unwrap_or_default();
    members.iter().filter_map(path).collect()
}
