//! Every preset, held to the code: it parses, its keys are known, and it makes requests that can be sent.

use toml::{Table, Value};

use super::*;
use crate::config::{Problems, Surroundings, check, parse};

const FILE: &str = include_str!("../presets.toml");

fn entries() -> Vec<(String, Table)> {
    let all: Table = FILE.parse().unwrap();
    let entries = all.into_iter().map(|(name, entry)| match entry {
        Value::Table(entry) => (name, entry),
        _ => panic!("{name} is not a table"),
    });
    entries.collect()
}

fn surroundings() -> Surroundings<'static> {
    Surroundings {
        path: Path::new("/nowhere/gateway.toml"),
        variable: &|_| None,
    }
}

/// What an operator has to write for it, and no more.
fn least(name: &str, entry: &Table) -> String {
    let mut text = format!("[providers.mine]\npreset = \"{name}\"\nclient_id = \"id\"\n");
    if entry.get("client_auth").and_then(Value::as_str) != Some("none") {
        text.push_str("client_secret = \"s\"\n");
    }
    if entry.contains_key("tenant_hint") && !entry.contains_key("tenant") {
        text.push_str("tenant = \"acme\"\n");
    }
    if entry.contains_key("domain_hint") && !entry.contains_key("domain") {
        text.push_str("domain = \"acme.example\"\n");
    }
    text
}

fn provider(text: &str) -> Result<OAuthProvider, Problems> {
    let mut config = parse(text, &surroundings())?;
    assert_eq!(config.warnings.to_string(), "", "{text}");
    match config.providers.remove("mine").unwrap() {
        Provider::OAuth(provider) => Ok(*provider),
        Provider::ApiKey(_) => panic!("{text}"),
    }
}

#[test]
fn there_is_one_for_everything_that_people_come_with() {
    let known: Vec<_> = catalog().into_iter().map(|preset| preset.name).collect();
    for name in [
        // The reference's list.
        "airtable asana atlassian attio calendly clickup discord dropbox figma github google hubspot linear linkedin microsoft",
        "microsoft-powerbi notion pagerduty reddit slack spotify twitch x zoom",
        // And ours.
        "salesforce zendesk zoho miro mailchimp gitlab bitbucket box intercom stripe shopify monday",
    ]
    .iter()
    .flat_map(|names| names.split(' '))
    {
        assert!(known.iter().any(|known| known == name), "{name}");
    }
}

#[test]
fn every_entry_says_where_its_facts_come_from_and_has_only_known_keys() {
    let (_, _, keys) = check::check(
        &entries()
            .iter()
            .map(|(name, entry)| {
                least(name, entry).replace("[providers.mine]", &format!("[providers.x-{name}]"))
            })
            .collect::<String>(),
        &surroundings(),
    )
    .unwrap();
    let about_itself = ["source", "tenant_hint", "domain_hint", "unsupported"];
    for (name, entry) in entries() {
        if !entry.contains_key("unsupported") {
            let source = entry.get("source").and_then(Value::as_str);
            assert!(source.is_some_and(|source| source.len() > 30), "{name}");
        }
        let known = |kind: &str, key: &str| {
            let mut keys = keys.keys();
            keys.any(|(of, known)| of == kind && *known == key)
        };
        for (key, value) in &entry {
            let key = key.as_str();
            if about_itself.contains(&key) {
                continue;
            }
            assert!(
                known("providers.*", key),
                "preset {name} has the unknown key {key}"
            );
            for inner in value.as_table().into_iter().flat_map(Table::keys) {
                let kind = format!("providers.*.{key}");
                let chosen = !keys.keys().any(|(of, _)| *of == kind);
                assert!(
                    chosen || known(&kind, inner),
                    "preset {name} has the unknown key {key}.{inner}"
                );
            }
        }
    }
}

#[test]
fn every_entry_makes_a_provider_of_a_client_alone() {
    for (name, entry) in entries() {
        let made = provider(&least(&name, &entry));
        if entry.contains_key("unsupported") {
            let why = made.unwrap_err().to_string();
            assert!(why.contains("cannot be a provider"), "{why}");
            assert_eq!(why.lines().count(), 1, "{why}");
            continue;
        }
        let made = made.unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_ne!(made.title, "mine", "{name} has a title");
        for url in [&made.authorize_url, &made.token_url] {
            assert_eq!(url.scheme(), "https", "{name}");
            assert!(!url.as_str().contains("%7B"), "{name}: {url}");
        }
        let words: Vec<_> = made.scope_words.values().collect();
        assert!(words.iter().all(|words| !words.ends_with('.')), "{name}");
    }
}

#[test]
fn a_tenant_that_is_missing_wrong_or_needless_is_a_problem_at_its_place() {
    let of = |rest: &str| {
        let text = format!("[providers.mine]\nclient_id = \"id\"\nclient_secret = \"s\"\n{rest}");
        provider(&text).map_err(|problems| problems.to_string())
    };
    for (rest, expected) in [
        ("preset = \"zendesk\"", "providers.mine.tenant: missing; "),
        (
            "preset = \"zendesk\"\ntenant = \"evil.example/\"",
            "providers.mine.tenant: expected letters",
        ),
        (
            "preset = \"zendesk\"\ntenant = \"\"",
            "providers.mine.tenant: expected letters",
        ),
        (
            "preset = \"gitlab\"\ndomain = \"https://gitlab.acme.example\"",
            "providers.mine.domain: expected a host name",
        ),
        (
            "preset = \"gitlab\"\ndomain = \"u@gitlab.acme.example\"",
            "providers.mine.domain: expected a host name",
        ),
        (
            "preset = \"gitlab\"\ndomain = \"gitlab.acme.example/x?\"",
            "providers.mine.domain: expected a host name",
        ),
        (
            "preset = \"github\"\ntenant = \"acme\"",
            "providers.mine.tenant: no address",
        ),
    ] {
        let why = of(rest).unwrap_err();
        assert!(
            why.contains(expected) && why.lines().count() == 1,
            "{rest}: {why}"
        );
    }
    let made = of("preset = \"gitlab\"\ndomain = \"gitlab.acme.example:8443\"").unwrap();
    assert_eq!(
        made.token_url.as_str(),
        "https://gitlab.acme.example:8443/oauth/token"
    );
    let made = of("preset = \"zendesk\"\ntenant = \"acme\"").unwrap();
    assert_eq!(made.authorize_url.host_str(), Some("acme.zendesk.com"));
}
