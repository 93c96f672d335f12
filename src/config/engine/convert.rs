//! One entry of `auth.providers`, as a `[providers.*]` section.

use toml::{Table, Value};

use super::{
    node::Node,
    requests::{self, Requests},
};
use crate::{base::id::Name, config::provider::catalog};

const KEYS: &[&str] = &[
    "id",
    "description",
    "enabled",
    "status",
    "type",
    "provider_id",
    "client_id",
    "client_secret",
    "oauth2",
];

/// The name and the section; `None` if there is nothing to carry.
pub fn provider(node: &Node<'_>, notes: &mut Vec<String>) -> Option<(String, Table)> {
    let kind = node.get("type").text();
    if kind.is_some_and(|kind| kind != "oauth2") {
        node.note("not carried, it is not of the type oauth2", notes);
        return None;
    }
    node.note_unknown(KEYS, notes);
    // `custom` is no preset, though people write it as if it were.
    let kind = node.get("provider_id").text();
    let kind = kind.filter(|kind| kind != "custom");
    let Some(id) = node.get("id").text().or_else(|| kind.clone()) else {
        node.note("not carried, it has neither `id` nor `provider_id`", notes);
        return None;
    };
    let name = name(&id, node, notes)?;
    let oauth2 = node.get("oauth2");
    let mut section = Table::new();
    let preset = preset(&name, kind.as_deref(), node, &mut section, notes);
    title(node, &mut section, notes);
    if node.get("enabled").flag() == Some(false)
        || node
            .get("status")
            .text()
            .is_some_and(|status| status == "inactive")
    {
        set(&mut section, "status", "inactive");
    }
    client(&name, node, &mut section, notes);
    let requests = Requests {
        node: &oauth2,
        preset,
    };
    requests.carry(&mut section, notes);
    Some((name, section))
}

pub(super) fn set(section: &mut Table, key: &str, value: impl Into<Value>) {
    section.insert(key.to_owned(), value.into());
}

pub(super) fn name(id: &str, node: &Node<'_>, notes: &mut Vec<String>) -> Option<String> {
    let plain = id.to_lowercase().replace([' ', '.', '/', ':'], "-");
    let Ok(name) = plain.parse::<Name>() else {
        node.get("id").note(
            "not carried, no name can be made of it: 1 to 40 of a-z, 0-9, `-` and `_`",
            notes,
        );
        return None;
    };
    if name.as_str() != id {
        node.get("id")
            .note(&format!("is called `{name}` now"), notes);
    }
    Some(name.to_string())
}

/// Writes which preset it is, and answers whether it is one.
fn preset(
    name: &str,
    kind: Option<&str>,
    node: &Node<'_>,
    section: &mut Table,
    notes: &mut Vec<String>,
) -> bool {
    let catalog = catalog();
    let known = |name: &str| catalog.iter().any(|preset| preset.name == name);
    let own = requests::authorize(&node.get("oauth2"))
        .get("endpoint")
        .is_there();
    match kind {
        Some(kind) if known(kind) => {
            if kind != name {
                set(section, "preset", kind);
            }
            true
        }
        Some(_) if !own => {
            node.get("provider_id")
                .note("no preset has this name", notes);
            false
        }
        None if known(name) && !own => true,
        _ => {
            if known(name) {
                set(section, "preset", "none");
            }
            false
        }
    }
}

fn title(node: &Node<'_>, section: &mut Table, notes: &mut Vec<String>) {
    let description = node.get("description");
    let Some(text) = description.text().filter(|text| !text.trim().is_empty()) else {
        return;
    };
    if text.chars().count() <= 60 && !text.chars().any(char::is_control) {
        set(section, "title", text);
    } else {
        description.note("not carried, it is too long for a title", notes);
    }
}

/// The client, which stands in either of two places.
fn client(name: &str, node: &Node<'_>, section: &mut Table, notes: &mut Vec<String>) {
    let of = |key: &str| {
        let inner = node.get("oauth2").get(key);
        if inner.is_there() {
            inner
        } else {
            node.get(key)
        }
    };
    let variable = |what: &str| {
        let name = name.to_uppercase().replace('-', "_");
        format!("${{env:{name}_{what}}}")
    };
    match of("client_id").text() {
        Some(id) => set(section, "client_id", id),
        None => {
            let reference = variable("CLIENT_ID");
            of("client_id").note(&format!("missing, {reference} stands for it"), notes);
            set(section, "client_id", reference);
        }
    }
    let secret = of("client_secret");
    match secret.text() {
        Some(text) if is_reference(&text) => set(section, "client_secret", text),
        None => {}
        Some(_) => {
            // What is printed ends in files and histories.
            let reference = variable("CLIENT_SECRET");
            secret.note(
                &format!("a secret in plain text is not printed; give it as {reference}"),
                notes,
            );
            set(section, "client_secret", reference);
        }
    }
}

pub(super) fn is_reference(text: &str) -> bool {
    let inside = text
        .strip_prefix("${env:")
        .or_else(|| text.strip_prefix("${file:"));
    inside.is_some_and(|rest| rest.find('}') == Some(rest.len() - 1))
}
