//! What is shipped as data, held to the code: `gateway.toml`, the presets and the known clients.

use std::{ffi::OsString, path::Path};

use base64::Engine;
use toml::{Table, Value};

use super::{
    AskBy, ClientAuth, Config, Era, Problems, RootKeys, Surroundings, check, parse, value::Keys,
};
use crate::base::entropy::SeededEntropy;

const SHIPPED: &str = include_str!("../../gateway.toml");

/// With every setting switched on: those are the lines that begin with `#` and no blank.
fn switched_on() -> String {
    let line = |line: &'static str| match line.strip_prefix('#') {
        Some(setting) if !setting.is_empty() && !setting.starts_with(' ') => setting,
        _ => line,
    };
    SHIPPED.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Puts there what the file refers to.
fn furnish(folder: &Path) {
    super::root_key::write_new(&folder.join("root.key"), &SeededEntropy::new(1)).unwrap();
    let pem = |name: &str, kind: &str, der: &[u8]| {
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        let pem = format!("-----BEGIN {kind}-----\n{text}\n-----END {kind}-----\n");
        std::fs::write(folder.join(name), pem).unwrap();
    };
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["gateway.example".to_owned()]).unwrap();
    let certificate = certificate.self_signed(&key).unwrap();
    pem("gateway.key", "PRIVATE KEY", &key.serialize_der());
    pem("gateway.pem", "CERTIFICATE", certificate.der());
    pem("guard-ca.pem", "CERTIFICATE", certificate.der());
}

fn read(text: &str, folder: &Path) -> Result<(Config, Keys), Problems> {
    let variable = |_: &str| Some(OsString::from("value"));
    let surroundings = Surroundings {
        path: &folder.join("gateway.toml"),
        variable: &variable,
    };
    let (_, _, keys) = check::check(text, &surroundings)?;
    parse(text, &surroundings).map(|config| (config, keys))
}

/// The tables of a kind, such as `providers.*` or `store.root_keys[]`.
fn tables<'t>(document: &'t Table, kind: &str) -> Vec<&'t Table> {
    let mut found = vec![document];
    for step in kind.split('.').filter(|step| !step.is_empty()) {
        let values: Vec<&Value> = match (step, step.strip_suffix("[]")) {
            ("*", _) => found.iter().flat_map(|table| table.values()).collect(),
            (_, Some(step)) => found
                .iter()
                .filter_map(|table| table.get(step))
                .flat_map(|value| match value {
                    Value::Array(members) => members.iter().collect(),
                    one => vec![one],
                })
                .collect(),
            (step, None) => found.iter().filter_map(|table| table.get(step)).collect(),
        };
        found = values.into_iter().filter_map(Value::as_table).collect();
    }
    found
}

#[test]
fn the_shipped_file_is_fine_on_a_fresh_machine() {
    let folder = tempfile::tempdir().unwrap();
    let surroundings = Surroundings {
        path: &folder.path().join("gateway.toml"),
        variable: &|_| None,
    };
    let config = parse(SHIPPED, &surroundings).unwrap();
    assert_eq!(config.warnings.to_string(), "");
    assert!(matches!(config.store.root_keys, RootKeys::FirstStart(_)));
    assert!(config.gateways.contains_key("work"));
}

#[test]
fn the_shipped_file_is_fine_with_every_setting_switched_on() {
    let folder = tempfile::tempdir().unwrap();
    furnish(folder.path());
    let (config, _) = read(&switched_on(), folder.path()).unwrap();
    assert_eq!(config.warnings.to_string(), "");
    assert_eq!(config.providers["github"].title(), "GitHub");
}

#[test]
fn the_shipped_file_has_every_key_with_its_default() {
    let folder = tempfile::tempdir().unwrap();
    furnish(folder.path());
    let (_, keys) = read(&switched_on(), folder.path()).unwrap();
    let everything: Table = switched_on().parse().unwrap();
    let shipped: Table = SHIPPED.parse().unwrap();
    assert!(keys.len() > 60, "{}", keys.len());
    for ((kind, key), default) in &keys {
        let tables_of_kind = tables(&everything, kind);
        let shown: Vec<_> = tables_of_kind
            .iter()
            .filter_map(|table| table.get(*key))
            .collect();
        assert!(
            !shown.is_empty(),
            "gateway.toml does not show `{kind}.{key}`"
        );
        let Some(default) = default.as_deref().map(value) else {
            continue;
        };
        assert!(
            shown.contains(&&default),
            "gateway.toml lacks the default of `{kind}.{key}`: {default}"
        );
        // In a section that is switched on, a setting that is switched off shows its default and nothing else.
        for live in tables(&shipped, kind)
            .iter()
            .filter(|live| !live.contains_key(*key))
        {
            let goes_on = |table: &&&Table| {
                live.iter()
                    .all(|(key, value)| table.get(key) == Some(value))
            };
            let same = tables_of_kind.iter().find(goes_on);
            if let Some(value) = same.and_then(|table| table.get(*key)) {
                assert_eq!(
                    *value, default,
                    "gateway.toml shows a wrong default of `{kind}.{key}`"
                );
            }
        }
    }
}

fn value(toml: &str) -> Value {
    let mut table: Table = format!("it = {toml}").parse().unwrap();
    table.remove("it").unwrap()
}

#[test]
fn presets_give_way_to_the_file_and_their_tables_are_joined() {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"
        [providers.google]
        title = "Workspace"
        client_id = "id"
        client_secret = "s"
        authorize_parameters = { prompt = "select_account", hd = "acme.example" }
        [providers.slack]
        preset = "none"
        authorize_url = "https://chat.example/a"
        token_url = "https://chat.example/t"
        client_id = "id"
        client_secret = "s"
    "#;
    let (config, _) = read(text, folder.path()).unwrap();
    let google = config.providers["google"].oauth().unwrap();
    assert_eq!(
        (google.title.as_str(), google.client_auth),
        ("Workspace", ClientAuth::Post)
    );
    let parameters: Vec<_> = google
        .authorize_parameters
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    assert_eq!(
        parameters,
        [
            "access_type=offline",
            "hd=acme.example",
            "prompt=select_account"
        ]
    );
    assert_eq!(
        config.providers["slack"].oauth().unwrap().scope_parameter,
        "scope",
        "`none` keeps the namesake away"
    );
}

#[test]
fn known_clients_are_asked_in_their_way_unless_the_operator_says_another() {
    let folder = tempfile::tempdir().unwrap();
    let remote = "Claude (via mcp-remote 0.15.1)";
    let (config, _) = read("", folder.path()).unwrap();
    assert_eq!(
        config.elicitation.ask(remote, Era::Modern),
        Some(AskBy::Text)
    );
    assert_eq!(config.elicitation.ask(remote, Era::Legacy), None);
    assert_eq!(config.elicitation.ask("Cursor", Era::Modern), None);
    let text = "[[elicitation.overrides]]\nclient = \"CLAUDE*\"\nask = \"url\"\n";
    let (config, _) = read(text, folder.path()).unwrap();
    assert_eq!(
        config.elicitation.ask(remote, Era::Modern),
        Some(AskBy::Url)
    );
}

#[test]
fn a_provider_is_called_by_its_name_or_by_a_preset_that_is_nobody_elses() {
    let folder = tempfile::tempdir().unwrap();
    let one = "[providers.gh]\npreset = \"github\"\nclient_id = \"id\"\nclient_secret = \"s\"\n";
    let (config, _) = read(one, folder.path()).unwrap();
    let called = |config: &Config, word: &str| {
        let found = config.provider_called(word);
        found.map(|(name, _)| name.to_string())
    };
    assert_eq!(called(&config, "github").as_deref(), Some("gh"));
    assert_eq!(called(&config, "gh").as_deref(), Some("gh"));
    assert_eq!(called(&config, "slack"), None);
    let two = format!("{one}{}", one.replace("providers.gh", "providers.hub"));
    let (config, _) = read(&two, folder.path()).unwrap();
    assert_eq!(called(&config, "github"), None, "which of the two?");
    let three = format!("{two}{}", one.replace("providers.gh", "providers.github"));
    let (config, _) = read(&three, folder.path()).unwrap();
    assert_eq!(called(&config, "github").as_deref(), Some("github"));
}
