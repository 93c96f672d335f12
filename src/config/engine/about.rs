//! The request templates about a token: user info and introspection.

use toml::Table;

use super::{
    convert::set,
    node::Node,
    requests::{REQUEST_KEYS, path},
};

/// The keys that requests about a token have in common.
fn about_a_token(request: &Node<'_>, usual: (&str, &str), notes: &mut Vec<String>) -> Table {
    request.note_unknown(REQUEST_KEYS, notes);
    let mut section = Table::new();
    let (usual_method, usual_auth) = usual;
    if let Some(endpoint) = request.get("endpoint").text() {
        set(&mut section, "url", endpoint);
    }
    let method = request.get("method").text();
    if let Some(method) = method
        .map(|method| method.to_uppercase())
        .filter(|method| method != usual_method)
    {
        set(&mut section, "method", method);
    }
    let format = request.get("auth_header_value_format").text();
    let auth = match request.get("auth_method").text().as_deref() {
        Some("bearer_access_token")
            if format
                .as_deref()
                .is_none_or(|format| format == "Bearer {{access_token}}") =>
        {
            "bearer"
        }
        Some("bearer_access_token") => "none",
        Some("client_secret_basic") => "client_basic",
        Some(_) => "none",
        None => usual_auth,
    };
    if let (Some(format), "none") = (format, auth) {
        let headers = Table::from_iter([("authorization".to_owned(), format.into())]);
        set(&mut section, "headers", headers);
    }
    if auth != usual_auth {
        set(&mut section, "auth", auth);
    }
    if request.get("request_content_type").text().as_deref() == Some("application/json") {
        set(&mut section, "body", "json");
    }
    let mut parameters = Table::new();
    for (name, value) in request.get("params").entries() {
        match value.text() {
            Some(text) => set(&mut parameters, name, text),
            None => value.note("not carried, it is not a text", notes),
        }
    }
    if !parameters.is_empty() {
        set(&mut section, "parameters", parameters);
    }
    section
}

pub(super) fn user_info(request: &Node<'_>, section: &mut Table, notes: &mut Vec<String>) {
    if !request.is_there() || request.get("enabled").flag() == Some(false) {
        return;
    }
    let mut carried = about_a_token(request, ("GET", "bearer"), notes);
    if request.get("triggers").get("on_token_refresh").flag() == Some(true) {
        let trigger = request.get("triggers").get("on_token_refresh");
        trigger.note(
            "not carried, it is asked once, after an account was connected",
            notes,
        );
    }
    for (name, value) in request.get("response_map").entries() {
        let key = match name {
            "sub" | "id" | "user_id" | "account_id" => "id",
            "name" | "display_name" | "username" | "login" => "name",
            "email" | "mail" => "email",
            _ => {
                value.note(
                    "not carried, only who it is, the name and the e-mail address are",
                    notes,
                );
                continue;
            }
        };
        match path(&value, notes) {
            Some(path) if !carried.contains_key(key) => set(&mut carried, key, path),
            Some(_) => value.note("not carried, another one stands for it already", notes),
            None => {}
        }
    }
    if carried.contains_key("id") {
        set(section, "user_info", carried);
    } else {
        request.note("not carried, its response_map has no `sub` or `id`", notes);
    }
}

pub(super) fn introspection(request: &Node<'_>, section: &mut Table, notes: &mut Vec<String>) {
    if !request.is_there() || request.get("enabled").flag() == Some(false) {
        return;
    }
    let mut carried = about_a_token(request, ("POST", "client"), notes);
    for (name, value) in request.get("response_map").entries() {
        let key = match name {
            "scope" => "scope",
            "exp" | "expires_at" => "expires_at",
            _ => {
                value.note("not carried, only the scopes and the expiry are", notes);
                continue;
            }
        };
        if let Some(path) = path(&value, notes) {
            set(&mut carried, key, path);
        }
    }
    set(section, "introspection", carried);
}
