//! The presets: what is known of a provider besides our client there; and what of it every customer has of their own.

use std::{cell::Cell, path::Path};

use toml::de::DeTable;

use super::{OAuthProvider, Provider, read};
use crate::{
    base::id::Name,
    config::{
        reference::Surroundings,
        section::Section,
        value::{Place, Reader, Text, did_you_mean},
    },
};

/// A preset, as it would be with a client.
#[derive(Clone, Debug)]
pub struct Preset {
    /// Its name, for `preset = "…"`.
    pub name: String,
    /// Where its facts come from, and which of them nobody has verified.
    pub source: String,
    /// What of it every customer has of their own.
    pub tenancy: Option<Tenancy>,
    /// Everything else, with a client and a tenant made up.
    pub provider: OAuthProvider,
}

/// A part of a provider's addresses that every customer has of their own.
#[derive(Clone, Debug)]
pub struct Tenancy {
    /// `tenant` or `domain`.
    pub key: &'static str,
    /// What to write there.
    pub hint: String,
    /// What it is when nothing is said; `None` if it must be said.
    pub default: Option<String>,
}

/// A service that people ask for and that cannot be a provider.
#[derive(Clone, Debug)]
pub struct Unsupported {
    /// Its name.
    pub name: String,
    /// Why not, and what to do instead.
    pub why: String,
}

/// The presets by name, each with the keys of a `[providers.*]` section, a `source`, and a hint about its tenancy.
pub(in crate::config) fn presets() -> DeTable<'static> {
    let table = DeTable::parse(include_str!("../presets.toml"));
    table.expect("a test reads it").into_inner()
}

fn text(preset: &DeTable<'_>, key: &str) -> Option<String> {
    preset.get(key)?.get_ref().as_str().map(str::to_owned)
}

/// What people ask for in vain, by name.
pub fn unsupported() -> Vec<Unsupported> {
    let presets = presets();
    let all = presets.iter().filter_map(|(name, preset)| {
        Some(Unsupported {
            name: name.get_ref().to_string(),
            why: text(preset.get_ref().as_table()?, "unsupported")?,
        })
    });
    let mut all: Vec<_> = all.collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

/// Every preset that works, by name.
pub fn catalog() -> Vec<Preset> {
    let presets = presets();
    let all = presets.iter().filter_map(|(name, preset)| {
        let preset = preset.get_ref().as_table()?;
        let name = name.get_ref().to_string();
        let tenancy = tenancy(preset);
        Some(Preset {
            source: text(preset, "source")?,
            provider: made_up(&name, tenancy.as_ref(), &presets)?,
            tenancy,
            name,
        })
    });
    let mut all: Vec<_> = all.collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

fn tenancy(preset: &DeTable<'_>) -> Option<Tenancy> {
    let of = |key: &'static str, hint: &str| {
        Some(Tenancy {
            key,
            hint: text(preset, hint)?,
            default: text(preset, key),
        })
    };
    of("tenant", "tenant_hint").or_else(|| of("domain", "domain_hint"))
}

/// The preset with a client, and a tenant if it needs one, that nobody has.
fn made_up(name: &str, tenancy: Option<&Tenancy>, presets: &DeTable<'_>) -> Option<OAuthProvider> {
    let made_up = match tenancy.filter(|tenancy| tenancy.default.is_none()) {
        Some(Tenancy { key: "tenant", .. }) => "tenant = \"your-tenant\"",
        Some(_) => "domain = \"your-domain.example\"",
        None => "",
    };
    let secret = match text(presets.get(name)?.get_ref().as_table()?, "client_auth").as_deref() {
        Some("none") => "",
        _ => "client_secret = \"s\"",
    };
    let file = format!("[providers.{name}]\nclient_id = \"id\"\n{secret}\n{made_up}\n");
    let table = DeTable::parse(&file).ok()?.into_inner();
    let surroundings = Surroundings {
        path: Path::new(""),
        variable: &|_| None,
    };
    let reader = Reader::new(&surroundings);
    let root = Section::new(&reader, Place::default(), String::new(), &table);
    let (mut providers, _) = read::providers(&root, presets);
    match providers.remove(name)? {
        Provider::OAuth(provider) => Some(*provider),
        Provider::ApiKey(_) => None,
    }
}

/// The preset the section names, or the one it is named after; `preset = "none"` keeps a namesake away.
pub(super) fn preset<'d>(
    section: &Section<'d>,
    name: &Name,
    presets: &'d DeTable<'d>,
) -> Option<&'d DeTable<'d>> {
    let find = |name: &str| {
        presets
            .get(name)
            .and_then(|preset| preset.get_ref().as_table())
    };
    let wanted = section.text("preset");
    let preset = match &wanted {
        Some(wanted) => find(&wanted.value),
        None => find(name.as_str()),
    };
    if let Some(why) = preset.and_then(|preset| text(preset, "unsupported")) {
        // Whoever says where to go knows of something that we do not.
        if wanted.is_none() && section.says("token_url") {
            return None;
        }
        section.problem_at("preset", format!("this cannot be a provider: {why}"));
    }
    if let Some(wanted) = wanted
        && preset.is_none()
        && wanted.value != "none"
    {
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

/// What that preset is called.
pub(super) fn preset_name(section: &Section<'_>, name: &Name) -> String {
    let wanted = section.text("preset").map(|wanted| wanted.value);
    wanted.unwrap_or_else(|| name.to_string())
}

/// What stands for `{{tenant}}` and `{{domain}}` in the addresses of one provider.
pub(super) struct Places([Owned; 2]);

/// One of the two.
struct Owned {
    key: &'static str,
    mark: &'static str,
    value: Option<String>,
    hint: String,
    used: Cell<bool>,
}

impl Places {
    pub fn read(section: &Section<'_>, preset: Option<&DeTable<'_>>) -> Self {
        let owned = |key, mark: &'static str, hint, legal: fn(&str) -> bool, expected: &str| {
            let said = section.text(key);
            let wrong = said.as_ref().filter(|said| !legal(&said.value));
            if let Some(said) = wrong {
                said.problem(expected);
            }
            let used = Cell::new(wrong.is_some());
            let said = said.as_ref().filter(|_| wrong.is_none());
            let hint = preset.and_then(|preset| text(preset, hint));
            Owned {
                key,
                mark,
                value: said.map(|said| said.value.clone()),
                hint: hint.unwrap_or_else(|| format!("it stands for `{mark}` in the addresses")),
                used,
            }
        };
        Self([
            owned(
                "tenant",
                "{{tenant}}",
                "tenant_hint",
                is_label,
                "expected letters, digits and `-` only",
            ),
            owned(
                "domain",
                "{{domain}}",
                "domain_hint",
                is_host,
                "expected a host name such as \"login.acme.example\", without https:// and path",
            ),
        ])
    }

    /// A text with the tenant in its place. A tenant that is needed and missing is a problem, once.
    pub fn fill<'d>(&self, section: &Section<'d>, text: Text<'d>) -> Text<'d> {
        let mut filled = text;
        for owned in &self.0 {
            if !filled.value.contains(owned.mark) {
                continue;
            }
            if owned.value.is_none() && !owned.used.get() {
                section.problem_at(owned.key, format!("missing; {}", owned.hint));
            }
            owned.used.set(true);
            let value = owned.value.as_deref().unwrap_or("missing.invalid");
            filled.value = filled.value.replace(owned.mark, value);
        }
        filled
    }

    /// Notes a tenant that nothing asked for.
    pub fn note_unused(&self, section: &Section<'_>) {
        let unused = self
            .0
            .iter()
            .filter(|owned| !owned.used.get() && section.says(owned.key));
        for Owned { key, mark, .. } in unused {
            section.problem_at(key, format!("no address of this provider has `{mark}`"));
        }
    }
}

/// A subdomain, the name of a shop, the id of a directory: what cannot leave its place in an address.
fn is_label(text: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (1..=63).contains(&text.len())
        && text.chars().all(inside)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// A host, perhaps with a port.
fn is_host(text: &str) -> bool {
    let url = url::Url::parse(&format!("https://{text}/")).ok();
    let alone = url.as_ref().and_then(|url| {
        let host = url.host_str()?;
        Some(match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        })
    });
    alone.as_deref() == Some(text)
}

#[cfg(test)]
#[path = "tests_preset.rs"]
mod tests;
