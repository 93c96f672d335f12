//! The request templates of an entry: what is not as we do it anyway becomes keys of the section.

use toml::Table;

use super::{about, convert::set, node::Node};
use crate::protocol::oauth::scope::ScopeSet;

/// The `oauth2` block of an entry.
pub(super) struct Requests<'n, 'd> {
    pub node: &'n Node<'d>,
    /// Whether a preset stands behind it: then what is not said is known.
    pub preset: bool,
}

const KEYS: &[&str] = &[
    "client_id",
    "client_secret",
    "scope_delimiter",
    "pkce",
    "authorize_request",
    "authorization_request",
    "token_request",
    "refresh_request",
    "user_info_request",
    "user_info",
    "token_introspection_request",
];
pub(super) const REQUEST_KEYS: &[&str] = &[
    "enabled",
    "endpoint",
    "method",
    "auth_method",
    "auth_header_value_format",
    "params",
    "request_content_type",
    "response_content_type",
    "response_map",
    "expiration_format",
    "triggers",
];

/// The block of the authorization request, by either of its names.
pub(super) fn authorize<'d>(oauth2: &Node<'d>) -> Node<'d> {
    oauth2.first(&["authorize_request", "authorization_request"])
}

impl Requests<'_, '_> {
    pub fn carry(&self, section: &mut Table, notes: &mut Vec<String>) {
        self.node.note_unknown(KEYS, notes);
        if let Some(delimiter) = self.node.get("scope_delimiter").text() {
            set(section, "scope_delimiter", delimiter);
        }
        self.pkce(section, notes);
        authorization(&authorize(self.node), section, notes);
        let token = self.node.get("token_request");
        self.token(&token, section, notes);
        self.refresh(&token, section, notes);
        about::user_info(
            &self.node.first(&["user_info_request", "user_info"]),
            section,
            notes,
        );
        about::introspection(
            &self.node.get("token_introspection_request"),
            section,
            notes,
        );
    }

    fn pkce(&self, section: &mut Table, notes: &mut Vec<String>) {
        let pkce = self.node.get("pkce");
        pkce.note_unknown(&["enabled", "code_challenge_method"], notes);
        let enabled = pkce.get("enabled").flag();
        let method = pkce.get("code_challenge_method");
        match (enabled, method.text().as_deref()) {
            (Some(true), None | Some("S256")) => set(section, "pkce", "S256"),
            (Some(true), Some(_)) => {
                method.note("only S256 is spoken, so it is S256 now", notes);
                set(section, "pkce", "S256");
            }
            (Some(false), _) => set(section, "pkce", "none"),
            (None, _) if !self.preset => {
                pkce.note("not enabled, so it is off; few providers refuse it", notes);
                set(section, "pkce", "none");
            }
            (None, _) => {}
        }
    }

    fn token(&self, request: &Node<'_>, section: &mut Table, notes: &mut Vec<String>) {
        request.note_unknown(REQUEST_KEYS, notes);
        if let Some(endpoint) = request.get("endpoint").text() {
            set(section, "token_url", endpoint);
        }
        note_get(request, notes);
        let params = request.get("params");
        client_auth(request, &params, self.preset, section, notes);
        if request.get("request_content_type").text().as_deref() == Some("application/json") {
            set(section, "token_body", "json");
        }
        if request.get("expiration_format").text().as_deref() == Some("absolute_unix_timestamp") {
            set(section, "expiry", "absolute");
        }
        let own = own_parameters(&params, notes);
        if !own.is_empty() {
            set(section, "token_parameters", own);
        }
        token_answer(&request.get("response_map"), section, notes);
    }

    fn refresh(&self, token: &Node<'_>, section: &mut Table, notes: &mut Vec<String>) {
        let request = self.node.get("refresh_request");
        if !request.is_there() {
            // "No refresh_request" means that tokens are not renewed.
            if !self.preset {
                set(section, "refresh", "none");
            }
            return;
        }
        request.note_unknown(REQUEST_KEYS, notes);
        note_get(&request, notes);
        let endpoint = request.get("endpoint").text();
        if let Some(endpoint) =
            endpoint.filter(|url| token.get("endpoint").text().as_ref() != Some(url))
        {
            set(section, "refresh_url", endpoint);
        }
        let own = own_parameters(&request.get("params"), notes);
        if !own.is_empty() {
            set(section, "refresh_parameters", own);
        }
        for key in ["auth_method", "request_content_type"] {
            let (of_refresh, of_token) = (request.get(key), token.get(key).text());
            if of_refresh.is_there() && of_refresh.text() != of_token {
                of_refresh.note("not carried, it is as in token_request now", notes);
            }
        }
        let map = request.get("response_map");
        for (member, path) in map.entries() {
            if path.text() != token.get("response_map").get(member).text()
                && path.text() != Some(format!("$.{member}"))
            {
                path.note("not carried, it is as in token_request now", notes);
            }
        }
    }
}

fn note_get(request: &Node<'_>, notes: &mut Vec<String>) {
    let method = request.get("method");
    if method
        .text()
        .is_some_and(|method| !method.eq_ignore_ascii_case("post"))
    {
        method.note("not carried, tokens are asked for by POST", notes);
    }
}

fn authorization(request: &Node<'_>, section: &mut Table, notes: &mut Vec<String>) {
    request.note_unknown(REQUEST_KEYS, notes);
    if let Some(endpoint) = request.get("endpoint").text() {
        set(section, "authorize_url", endpoint);
    }
    let mut own = Table::new();
    for (name, value) in request.get("params").entries() {
        let Some(text) = value.text() else {
            value.note("not carried, it is not a text", notes);
            continue;
        };
        let bare = text.replace("{{existing_scopes}}", "");
        match (name, bare.trim()) {
            ("response_type", "code")
            | ("client_id", "{{client_id}}")
            | ("redirect_uri", "{{redirect_uri}}") => {}
            ("state" | "code_challenge" | "code_challenge_method", _) => {}
            (_, scopes) if name == "scope" || scopes.contains("{{scopes}}") => {
                if name != "scope" {
                    set(section, "scope_parameter", name);
                }
                let fixed = ScopeSet::parse(&scopes.replace("{{scopes}}", " "));
                if !fixed.is_empty() {
                    let fixed: Vec<_> = fixed.iter().map(str::to_owned).collect();
                    set(section, "scopes", fixed);
                }
            }
            (_, "{{client_id}}") => set(section, "client_id_parameter", name),
            (_, text) => set(&mut own, name, text),
        }
    }
    if !own.is_empty() {
        set(section, "authorize_parameters", own);
    }
}

/// How the client shows itself; once, though some files say it twice.
fn client_auth(
    request: &Node<'_>,
    params: &Node<'_>,
    preset: bool,
    section: &mut Table,
    notes: &mut Vec<String>,
) {
    let posted = params.entries().into_iter().find_map(|(name, value)| {
        (value.text()?.trim() == "{{client_secret}}").then_some((name, value))
    });
    let method = request.get("auth_method");
    let auth = match (method.text().as_deref(), &posted) {
        (Some("client_secret_basic"), Some((_, value))) => {
            value.note(
                "not carried, the secret goes into the header already",
                notes,
            );
            "client_secret_basic"
        }
        (Some("client_secret_basic"), None) => "client_secret_basic",
        (Some("" | "client_secret_post"), _) | (None, Some(_)) => "client_secret_post",
        (Some(_), _) => {
            method.note("not carried, it is not known for token requests", notes);
            return;
        }
        (None, None) if preset => return,
        (None, None) => "client_secret_basic",
    };
    set(section, "client_auth", auth);
    if let (Some((name, _)), "client_secret_post") = (posted, auth)
        && name != "client_secret"
    {
        set(section, "client_secret_parameter", name);
    }
}

/// Parameters of a token request that we do not write ourselves.
fn own_parameters(params: &Node<'_>, notes: &mut Vec<String>) -> Table {
    let mut own = Table::new();
    for (name, value) in params.entries() {
        let Some(text) = value.text() else {
            value.note("not carried, it is not a text", notes);
            continue;
        };
        let ours = matches!(
            name,
            "grant_type"
                | "code"
                | "redirect_uri"
                | "code_verifier"
                | "refresh_token"
                | "client_id"
                | "client_secret"
        );
        let client = matches!(text.trim(), "{{client_secret}}" | "{{client_id}}");
        if name == "scope" {
            value.note("not carried, token requests name no scopes", notes);
        } else if !ours && !client {
            set(&mut own, name, text);
        }
    }
    own
}

fn token_answer(map: &Node<'_>, section: &mut Table, notes: &mut Vec<String>) {
    let mut answer = Table::new();
    for (member, value) in map.entries() {
        let key = match member {
            "access_token" | "refresh_token" | "scope" | "token_type" => member,
            "expires_in" => "expires",
            _ => {
                value.note("not carried, it is not known", notes);
                continue;
            }
        };
        if let Some(path) = path(&value, notes).filter(|path| *path != format!("$.{member}")) {
            set(&mut answer, key, path);
        }
    }
    if !answer.is_empty() {
        set(section, "token_answer", answer);
    }
}

/// A JSONPath. Arrays of scopes are read as they are, so that nothing has to be joined.
pub(super) fn path(value: &Node<'_>, notes: &mut Vec<String>) -> Option<String> {
    let text = value.text()?;
    let joined = text
        .strip_prefix("join('")
        .and_then(|rest| rest.split_once('\''));
    if let Some((path, _)) = joined {
        return Some(path.to_owned());
    }
    if !text.starts_with('$') {
        value.note(
            "not carried, only JSONPath and `join` are understood",
            notes,
        );
        return None;
    }
    Some(text)
}
