//! The whole file, section by section, to a [`Config`] or to every problem in it.

use std::{cell::RefCell, collections::BTreeMap};

use toml::de::DeTable;

use super::{
    Config, gateway, hooks, oauth, people,
    problem::{Lines, Problem, Problems, Weight, listed, quoted},
    provider,
    reference::Surroundings,
    secrets,
    section::Section,
    server, upstream,
    value::{Keys, Place, Reader, Text, did_you_mean},
    worker,
};
use crate::base::id::Name;

/// The things of one kind that the file declares, and who refers to them.
pub(super) struct Declared<'d> {
    what: &'static str,
    entries: BTreeMap<Name, Entry>,
    reader: &'d Reader<'d>,
}

struct Entry {
    active: bool,
    place: Place,
    users: RefCell<Vec<String>>,
}

/// Who refers to something: its words for problems, and whether it is switched on itself.
#[derive(Clone)]
pub(super) struct Referrer {
    pub words: String,
    pub active: bool,
}

impl<'d> Declared<'d> {
    pub fn new(what: &'static str, reader: &'d Reader<'d>) -> Self {
        Self {
            what,
            entries: BTreeMap::new(),
            reader,
        }
    }

    pub fn add(&mut self, name: &Name, active: bool, place: &Place) {
        let entry = Entry {
            active,
            place: place.clone(),
            users: RefCell::default(),
        };
        self.entries.insert(name.clone(), entry);
    }

    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.entries.keys()
    }

    pub fn active_names(&self) -> impl Iterator<Item = &Name> {
        let active = self.entries.iter().filter(|(_, entry)| entry.active);
        active.map(|(name, _)| name)
    }

    /// The thing that a text names.
    pub fn refer(&self, text: &Text<'_>, by: &Referrer) -> Option<Name> {
        let Some((name, _)) = self.entries.get_key_value(text.value.as_str()) else {
            let names: Vec<_> = self.names().map(Name::as_str).collect();
            let (what, quoted) = (self.what, text.quoted());
            let hint = match names.as_slice() {
                [] => format!("the file has no {what}"),
                names => did_you_mean(&text.value, names),
            };
            text.problem(format!(
                "{} refers to the {what} {quoted}, which does not exist; {hint}",
                by.words
            ));
            return None;
        };
        self.used(name, by);
        Some(name.clone())
    }

    /// Remembers that something needs `name` to be active.
    pub fn used(&self, name: &Name, by: &Referrer) {
        if let Some(entry) = self.entries.get(name)
            && by.active
        {
            entry.users.borrow_mut().push(by.words.clone());
        }
    }

    /// Notes, for each inactive thing that something active needs, all those that need it.
    pub fn note_inactive_in_use(&self) {
        for (name, entry) in &self.entries {
            let mut users = entry.users.borrow().clone();
            users.dedup();
            if !entry.active && !users.is_empty() {
                let place = entry.place.key("status", entry.place.offset);
                let message = format!(
                    "the {} {} is inactive, but needed by {}; make those inactive too, or this active",
                    self.what,
                    quoted(name.as_str()),
                    users.join(", ")
                );
                self.reader.problem(&place, message);
            }
        }
    }
}

impl Referrer {
    /// `what` as in "upstream".
    pub fn new(what: &str, name: &Name, active: bool) -> Self {
        Self {
            words: format!("{what} {}", quoted(name.as_str())),
            active,
        }
    }
}

/// Reads a text, and tells the keys it may have. The configuration is there if no problem is an error.
pub(super) fn check(
    text: &str,
    surroundings: &Surroundings<'_>,
) -> Result<(Option<Config>, Problems, Keys), Problems> {
    // TOML allows a byte order mark; editors on Windows write one.
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (table, errors) = DeTable::parse_recoverable(body);
    if !errors.is_empty() {
        return Err(not_toml(body, surroundings, &errors));
    }
    let presets = provider::presets();
    let clients = server::known_clients();
    let reader = Reader::new(surroundings);
    let root = Section::new(&reader, Place::default(), String::new(), table.get_ref());
    let config = read(&root, &presets, &clients);
    drop(root);
    let files = reader.files.borrow().iter().cloned().collect();
    let config = config.map(|config| Config { files, ..config });
    let (problems, keys) = reader.finish(body);
    Ok((config, problems, keys))
}

fn read<'d>(
    root: &Section<'d>,
    presets: &'d DeTable<'d>,
    clients: &'d DeTable<'d>,
) -> Option<Config> {
    let server = server::server(&root.section("server"));
    let store = server::store(&root.section("store"));
    let audit = server::audit(&root.section("audit"));
    let elicitation = server::elicitation(&root.section("elicitation"), clients);
    let oauth = oauth::oauth(&root.section("oauth"));
    let (clients, client_ids) = oauth::clients(root);
    let (user_sources, known_sources) = people::user_sources(root);
    let (mut api_keys, wishes) = people::api_keys(root, &known_sources);
    let secrets = secrets::secrets(root);
    let (providers, known_providers) = provider::providers(root, presets);
    let (upstreams, known_upstreams) = upstream::upstreams(root, &providers, &known_providers);
    let gateways = gateway::gateways(
        root,
        &known_sources,
        &known_upstreams,
        &client_ids,
        &known_providers,
    );
    let hooks = hooks::hooks(root, &known_upstreams);
    gateway::note_apps(root, &gateways, &user_sources);
    people::give_gateways(&mut api_keys, &gateways, &wishes);
    worker::note_ambiguous(root, &upstreams, &providers);
    for known in [&known_sources, &known_providers, &known_upstreams] {
        known.note_inactive_in_use();
    }
    Some(Config {
        server: server?,
        store: store?,
        audit,
        elicitation,
        oauth,
        clients,
        user_sources,
        api_keys,
        secrets,
        providers,
        upstreams,
        gateways,
        hooks,
        warnings: Problems::default(),
        files: Vec::new(),
        edition: 0,
    })
}

/// What keeps a text from being TOML. The parser's messages are fixed words; its snippets, which quote lines, are not used.
fn not_toml(text: &str, surroundings: &Surroundings<'_>, errors: &[toml::de::Error]) -> Problems {
    let lines = Lines::new(text);
    let problem = |error: &toml::de::Error| Problem {
        weight: Weight::Error,
        position: error.span().map(|span| lines.position(span.start)),
        path: String::new(),
        message: format!("not TOML: {}", error.message()),
    };
    let file = surroundings.path.display().to_string();
    Problems::new(file, errors.iter().map(problem).collect())
}

/// The names of a few things, for a sentence.
pub(super) fn names<'a>(names: impl Iterator<Item = &'a Name>) -> String {
    let names: Vec<_> = names.map(Name::as_str).collect();
    listed(&names)
}
