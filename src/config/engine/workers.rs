//! The workers of `tools.directors`, as `[upstreams.*]` sections.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::{
    convert::{is_reference, name, set},
    node::Node,
};

const KEYS: &[&str] = &["id", "enabled", "http"];
const HTTP_KEYS: &[&str] = &["uri", "timeout", "retry", "secret"];

/// The sections by name. `renamed` are the providers that are called otherwise now: tools still ask for them as before.
pub fn upstreams(
    tools: &Node<'_>,
    renamed: &BTreeMap<String, String>,
    notes: &mut Vec<String>,
) -> Table {
    let mut carried = Table::new();
    tools.note_unknown(&["directors"], notes);
    for director in tools.get("directors").members() {
        director.note_unknown(&["id", "enabled", "max_tools", "workers"], notes);
        let director_off = director.get("enabled").flag() == Some(false);
        for worker in director.get("workers").members() {
            let Some((name, mut section)) = upstream(&worker, renamed, notes) else {
                continue;
            };
            if director_off {
                set(&mut section, "status", "inactive");
            }
            if carried.contains_key(&name) {
                worker.note(
                    &format!("not carried, there is another one `{name}`"),
                    notes,
                );
            } else {
                carried.insert(name, section.into());
            }
        }
    }
    as_before(&mut carried, notes);
    carried
}

/// Of several tool servers each has to be said what it may have. An engine gives all of them everything.
fn as_before(carried: &mut Table, notes: &mut Vec<String>) {
    let is_active = |section: &&Value| section.get("status").is_none();
    if carried.iter().map(|(_, it)| it).filter(is_active).count() < 2 {
        return;
    }
    notes.push("each tool server may use all accounts and secrets, as before: name in `accounts` and `secrets` what you mean for it".to_owned());
    for (_, section) in carried.iter_mut() {
        if let Value::Table(section) = section {
            for key in ["accounts", "secrets"] {
                set(section, key, vec![Value::from("*")]);
            }
        }
    }
}

fn upstream(
    worker: &Node<'_>,
    renamed: &BTreeMap<String, String>,
    notes: &mut Vec<String>,
) -> Option<(String, Table)> {
    worker.note_unknown(KEYS, notes);
    let http = worker.get("http");
    http.note_unknown(HTTP_KEYS, notes);
    let (Some(id), Some(uri)) = (worker.get("id").text(), http.get("uri").text()) else {
        worker.note("not carried, it has no `id` or no `http.uri`", notes);
        return None;
    };
    let name = name(&id, worker, notes)?;
    let mut section = Table::new();
    set(&mut section, "type", "arcade");
    set(&mut section, "url", uri);
    if worker.get("enabled").flag() == Some(false) {
        set(&mut section, "status", "inactive");
    }
    if let Some(timeout) = http.get("timeout").text() {
        // The engine counts in seconds.
        let seconds = timeout.parse::<u32>().is_ok();
        let timeout = if seconds {
            format!("{timeout}s")
        } else {
            timeout
        };
        set(&mut section, "call_timeout", timeout);
    }
    if http.get("retry").is_there() {
        http.get("retry").note(
            "not carried: a call that may have run is not repeated",
            notes,
        );
    }
    let secret = http.get("secret");
    let text = secret.text().filter(|text| is_reference(text));
    let text = text.unwrap_or_else(|| {
        // What is printed ends in files and histories.
        let reference = format!("${{env:{}_SECRET}}", name.to_uppercase().replace('-', "_"));
        let why = if secret.is_there() {
            "a secret in plain text is not printed; give it as"
        } else {
            "missing; the tool server has it as ARCADE_WORKER_SECRET, give it here as"
        };
        secret.note(&format!("{why} {reference}"), notes);
        reference
    });
    set(&mut section, "secret", text);
    if !renamed.is_empty() {
        let renamed = renamed.iter();
        let renamed = renamed.map(|(from, to)| (from.clone(), to.as_str().into()));
        set(&mut section, "providers", renamed.collect::<Table>());
    }
    Some((name, section))
}
