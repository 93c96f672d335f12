//! `gateway.toml` in the hands of people: every problem found at once, in its place, and no secret shown.

use std::{ffi::OsString, path::Path};

use anteroom::{
    base::entropy::SeededEntropy,
    config::{self, Config, Engine, Problems, RootKeys, Surroundings, Weight},
};

mod access;
mod apps;
mod hooks;
mod hostile;
mod keys;
mod references;

const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$aSmGIRD8hn9I6iaM8fU9RA$QCMpl6hDopgAHfbuFKCxoheKzjZ0tvcpC2uBBkwk9NI";

pub(crate) fn parse(text: &str) -> Result<Config, Problems> {
    let folder = tempfile::tempdir().expect("a folder");
    parse_in(folder.path(), text)
}

pub(crate) fn parse_in(folder: &Path, text: &str) -> Result<Config, Problems> {
    let variable = |name: &str| (name == "SET").then(|| OsString::from("hunter2"));
    config::parse(
        text,
        &Surroundings {
            path: &folder.join("gateway.toml"),
            variable: &variable,
        },
    )
}

/// Every problem as `line:column path: message`.
fn problems(text: &str) -> Vec<String> {
    let problems = parse(text).expect_err("refused");
    let shown = problems.iter().map(|problem| {
        let position = problem.position.expect("a place");
        format!("{}:{} {problem}", position.line, position.column)
    });
    shown.collect()
}

/// The text has exactly these problems, each beginning as given.
#[track_caller]
fn assert_problems(text: &str, expected: &[&str]) {
    let found = problems(text);
    let matches = found.len() == expected.len()
        && found
            .iter()
            .zip(expected)
            .all(|(found, expected)| found.starts_with(expected));
    assert!(matches, "expected {expected:#?}\nfound {found:#?}");
}

pub(crate) const GOOD: &str = r#"
[user_sources.team]
type = "accounts"
[providers.acme]
authorize_url = "https://acme.example/a"
token_url = "https://acme.example/t"
client_id = "anteroom"
client_secret = "hunter2"
[upstreams.acme]
url = "https://mcp.acme.example/mcp"
auth = { provider = "acme", scopes = ["notes"], tools = ["*", "!server_time"] }
[upstreams.plain]
url = "http://127.0.0.1:3001/mcp"
[gateways.work]
user_source = "team"
access = ["headers"]
tools = ["acme.*", "!acme.delete_*"]
"#;

#[test]
fn a_good_file_becomes_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let config = parse_in(folder.path(), GOOD).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(
        config.store.engine,
        Engine::Sled(folder.path().join("data"))
    );
    let gateway = &config.gateways["work"];
    assert!(
        gateway.headers_access && gateway.default,
        "the only gateway is the default one"
    );
    assert_eq!(gateway.upstreams, ["acme".parse().unwrap()]);
    assert!(gateway.tools.allows("acme.whoami") && !gateway.tools.allows("acme.delete_note"));
    let requirement = &config.upstreams["acme"].requirements[0];
    assert_eq!(
        (requirement.header.as_str(), requirement.prefix.as_str()),
        ("authorization", "Bearer ")
    );
    assert_eq!(requirement.scopes.to_string(), "notes");
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn an_empty_file_is_all_defaults() {
    for text in ["", "\n\n", "\u{feff}", "# nothing\n"] {
        let config = parse(text).unwrap();
        assert!(config.gateways.is_empty());
        assert_eq!(config.server.public_url.as_str(), "http://localhost:8080/");
    }
}

#[test]
fn problems_are_all_found_at_once_in_the_order_of_the_file() {
    assert_problems(
        r#"
[server]
listen = "localhost:8080"
public_url = "http://gw.example.com"
max_request_bytes = "4 MiB"
shutdown_grace = 30
admin_port = "127.0.0.1:9090"
[elicitation]
hold = "1 hour"
hold_seconds = 45
[providers.github]
client_idd = "x"
client_secret = "${env:GITHUB_SECRET}"
scopes = "repo"
[gatewys.x]
"#,
        &[
            "3:10 server.listen: expected an IP address",
            "4:14 server.public_url: expected https://",
            "5:21 server.max_request_bytes: expected an integer, found a string",
            "6:18 server.shutdown_grace: expected a duration",
            "7:1 server.admin_port: unknown key; known: `listen`, `admin_listen`, `public_url`",
            "9:8 elicitation.hold: must be between 0s and 5m",
            "10:1 elicitation.hold_seconds: unknown key; did you mean `hold`?",
            "12:1 providers.github.client_idd: unknown key; did you mean `client_id`?",
            "13:17 providers.github.client_secret: the environment variable `GITHUB_SECRET` is not set",
            "14:10 providers.github.scopes: expected an array of strings",
            "15:2 gatewys: unknown key; did you mean `gateways`?",
        ],
    );
}

#[test]
fn unknown_keys_with_nothing_near_are_told_what_there_is() {
    assert_problems(
        "[store]\ncolour = 1",
        &["2:1 store.colour: unknown key; known: `url` and `root_keys`"],
    );
    assert_problems(
        "[[server]]",
        &["1:1 server: expected a table, found an array"],
    );
    assert_problems(
        "providers = 1",
        &["1:13 providers: expected a table, found an integer"],
    );
}

#[test]
fn keys_and_accounts_are_hashes_of_the_right_kind() {
    let zero = format!("sha256:{}", "0".repeat(64));
    assert_problems(
        &format!(
            r#"
[user_sources.team]
type = "accounts"
[user_sources.team.accounts]
alice = {{ password_hash = "{HASH}" }}
"Ünal Ö." = {{ password_hash = "hunter2" }}
carol = {{ password_hash = "{}" }}
dave = {{ password_hash = "{}" }}
erin = {{ password_hash = "$argon2id$v=19$m=19456,t=2,p=1" }}
[api_keys]
one = {{ hash = "{zero}", user_source = "team" }}
two = {{ hash = "{zero}", user_source = "team" }}
three = {{ hash = "arc_hunter2", user_source = "team" }}
four = {{ hash = "hunter2", user_source = "team" }}
"#,
            HASH.replace("argon2id", "argon2i"),
            HASH.replace("m=19456", "m=4194304"),
        ),
        &[
            "6:31 user_sources.team.accounts.\"Ünal Ö.\".password_hash: expected an argon2id hash in PHC form",
            "7:27 user_sources.team.accounts.carol.password_hash: expected argon2id, found another",
            "8:26 user_sources.team.accounts.dave.password_hash: the hash costs too much",
            "9:26 user_sources.team.accounts.erin.password_hash: the hash was cut short",
            "12:16 api_keys.two.hash: the API key `one` has the same hash",
            "13:18 api_keys.three.hash: this is a key itself",
            "14:17 api_keys.four.hash: expected `sha256:`",
        ],
    );
}

#[test]
fn urls_are_where_secrets_may_travel() {
    for (url, expected) in [
        ("https://gw.example.com", None),
        ("http://localhost:8080", None),
        ("http://127.0.0.2", None),
        ("http://[::1]:8080/", None),
        ("http://gw.localhost", None),
        ("http://localhost.example.com", Some("expected https://")),
        ("http://10.0.0.1", Some("expected https://")),
        (
            "https://gw.example.com/mcp",
            Some("`https://gw.example.com` would be one"),
        ),
        ("https://gw.example.com/?a", Some("without path or query")),
        ("https://gw.example.com/#a", Some("a `#` part")),
        (
            "https://user:hunter2@gw.example.com",
            Some("a user name or password"),
        ),
        ("gw.example.com", Some("is not a URL")),
        ("file:///etc", Some("begins with https://")),
        ("https://", Some("is not a URL")),
    ] {
        let text = format!("[server]\npublic_url = \"{url}\"");
        match (parse(&text), expected) {
            (Ok(_), None) => {}
            (Err(problems), Some(expected)) => {
                let problems = problems.to_string();
                assert!(
                    problems.contains(expected) && !problems.contains("hunter2"),
                    "{url}: {problems}"
                );
            }
            (result, _) => panic!("{url}: {result:?}"),
        }
    }
    let plain = GOOD.replace("https://acme.example/a", "http://acme.example/a");
    assert!(problems(&plain)[0].contains("providers.acme.authorize_url: expected https://"));
}

#[test]
fn tokens_on_a_plain_connection_are_a_warning() {
    let config =
        parse(&GOOD.replace("https://mcp.acme.example", "http://mcp.acme.example")).unwrap();
    let warnings: Vec<_> = config.warnings.iter().collect();
    assert_eq!((warnings.len(), warnings[0].weight), (1, Weight::Warning));
    assert!(warnings[0].message.contains("unencrypted"));
}

#[test]
fn the_root_key_is_configured_found_or_to_be_made_but_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let ring = |config: Config| config.store.root_keys.ring(&SeededEntropy::new(1)).unwrap();
    let config = parse_in(folder.path(), "").unwrap();
    assert!(
        matches!(&config.store.root_keys, RootKeys::FirstStart(path) if *path == folder.path().join("root.key"))
    );
    assert!(
        !folder.path().join("root.key").exists(),
        "checking writes nothing"
    );
    let made = ring(config);
    let found = ring(parse_in(folder.path(), "").unwrap());
    assert_eq!((&made[0].id, &made[0].key), (&found[0].id, &found[0].key));
    let named = "[store]\nroot_keys = [{ id = \"1\", key = \"${file:root.key}\" }]";
    assert_eq!(
        ring(parse_in(folder.path(), named).unwrap())[0].key,
        made[0].key
    );

    std::fs::write(folder.path().join("root.key"), "hunter2").unwrap();
    let wrong = parse_in(folder.path(), "").unwrap_err().to_string();
    assert!(
        wrong.contains("is not a root key") && !wrong.contains("hunter2"),
        "{wrong}"
    );

    std::fs::remove_file(folder.path().join("root.key")).unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    assert!(
        parse_in(folder.path(), "").is_ok(),
        "an empty folder is a new store"
    );
    std::fs::write(folder.path().join("data/db"), "records").unwrap();
    let lost = parse_in(folder.path(), "").unwrap_err().to_string();
    assert!(lost.contains("put the root key back"), "{lost}");
    let missing = parse_in(folder.path(), named).unwrap_err().to_string();
    assert!(
        missing.contains("root.key` does not exist; `anteroom keys root --out FILE` makes one"),
        "{missing}"
    );
}

#[cfg(unix)]
#[test]
fn a_root_key_that_others_may_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.key");
    config::root_key::write_new(&path, &SeededEntropy::new(1)).unwrap();
    assert!(
        parse_in(folder.path(), "")
            .unwrap()
            .warnings
            .iter()
            .next()
            .is_none()
    );
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let warnings = parse_in(folder.path(), "").unwrap().warnings.to_string();
    assert!(
        warnings.contains("warning: store.root_keys: others on this machine may read"),
        "{warnings}"
    );
}
