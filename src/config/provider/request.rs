//! The requests about somebody's token: whose account it is, revoking it, being told of it.

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

/// What these requests may carry.
const WORDS: &[Word] = &[
    Word::ClientId,
    Word::ClientSecret,
    Word::AccessToken,
    Word::Token,
];
/// What may stand in a URL, which may end in somebody's log: nothing of ours that is secret.
const URL_WORDS: &[Word] = &[Word::ClientId, Word::AccessToken, Word::Token];

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
    );
    let id = section.required("id", "the JSONPath to what tells accounts apart");
    let id = id.map(|value| paths(&value)).unwrap_or_default();
    let name = section.optional("name").map(|value| paths(&value));
    let email = section.optional("email").and_then(|value| path(&value));
    if url && request.is_none() {
        return None;
    }
    Some(AccountSource {
        request,
        id,
        name: name.unwrap_or_default(),
        email,
    })
}

pub(super) fn revocation(section: &Section<'_>, places: &Places) -> Option<Revocation> {
    let section = section.section("revocation");
    let request = request(
        &section,
        places,
        &[POST, GET, DELETE],
        &[CLIENT, BASIC, BEARER, NONE],
    );
    let token = [
        ("refresh_token", WhichToken::Refresh),
        ("access_token", WhichToken::Access),
    ];
    let token = section.choice("token", &token);
    let request = with_token(request).or_else(|| needs_url(&section))?;
    Some(Revocation { request, token })
}

pub(super) fn introspection(section: &Section<'_>, places: &Places) -> Option<Introspection> {
    let section = section.section("introspection");
    let request = request(
        &section,
        places,
        &[POST, GET],
        &[CLIENT, BASIC, BEARER, NONE],
    );
    let path_or = |key: &'static str, usual: &str| {
        let found = section.optional(key).and_then(|value| path(&value));
        found.or_else(|| JsonPath::parse(usual).ok())
    };
    let scope = path_or("scope", "$.scope");
    let expires_at = path_or("expires_at", "$.exp");
    let request = with_token(request).or_else(|| needs_url(&section))?;
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

fn needs_url(section: &Section<'_>) -> Option<Request> {
    if section.is_there() && section.optional("url").is_none() {
        section.problem_at("url", "missing; where the request goes");
    }
    None
}

/// The keys that all of these sections have; `None` without a good `url`.
fn request(
    section: &Section<'_>,
    places: &Places,
    methods: &[(&'static str, Method)],
    auths: &[(&'static str, RequestAuth)],
) -> Option<Request> {
    let url = section.text("url");
    let url = url.and_then(|text| address(&places.fill(section, text)));
    let method = section.choice("method", methods);
    let body = section.choice("body", BODY);
    let auth = section.choice("auth", auths);
    let headers = headers(section, "headers", WORDS);
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
        if let Some(template) = value.text().and_then(|text| template(&text, WORDS)) {
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
fn address(text: &Text<'_>) -> Option<Template> {
    let template = template(text, URL_WORDS)?;
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
