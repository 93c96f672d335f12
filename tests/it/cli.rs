//! The program as people run it.

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use anteroom::{base::secret::TokenHash, config::RootKeys};

use crate::config::{GOOD, parse, parse_in};

fn anteroom(arguments: &[&str], input: &str, folder: &Path) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_anteroom"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("ANTEROOM_CONFIG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    // A program that ends before it reads closes the pipe.
    let _ = child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(input.as_bytes());
    child.wait_with_output().expect("its end")
}

#[test]
fn check_says_what_is_wrong_and_ends_with_its_code() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("gateway.toml"),
        include_str!("../../gateway.toml"),
    )
    .unwrap();
    let fine = anteroom(&["check"], "", folder.path());
    assert!(fine.status.success() && fine.stderr.is_empty(), "{fine:?}");
    assert!(
        String::from_utf8(fine.stdout)
            .unwrap()
            .starts_with("gateway.toml is fine: 1 gateway")
    );

    std::fs::write(
        folder.path().join("bad.toml"),
        "[sevrer]\n[store]\nurl = 1\n",
    )
    .unwrap();
    let bad = anteroom(&["--config", "bad.toml", "check"], "", folder.path());
    assert_eq!(
        (bad.status.code(), bad.stdout.as_slice()),
        (Some(1), &b""[..])
    );
    let expected = "bad.toml:1:2: sevrer: unknown key; did you mean `server`?\n\
        bad.toml:3:7: store.url: expected a string, found an integer\n2 problems\n";
    assert_eq!(String::from_utf8(bad.stderr).unwrap(), expected);

    assert_eq!(
        anteroom(&["check", "--colour"], "", folder.path())
            .status
            .code(),
        Some(2)
    );
    assert_eq!(
        anteroom(&["check", "--config", "none.toml"], "", folder.path())
            .status
            .code(),
        Some(1)
    );
}

#[test]
fn an_issued_key_fits_the_stanza_it_comes_with() {
    let folder = tempfile::tempdir().unwrap();
    let issue = [
        "keys",
        "issue",
        "backend",
        "--user-source",
        "team",
        "--json",
    ];
    let issued = anteroom(&issue, "", folder.path());
    let issued: serde_json::Value = serde_json::from_slice(&issued.stdout).unwrap();
    let text = |key: &str| issued[key].as_str().unwrap();
    assert!(text("key").starts_with("arc_") && text("key").len() == 4 + 43);
    assert!(!text("toml").contains(text("key")));
    let config = parse(&format!("{GOOD}{}", text("toml"))).unwrap();
    assert_eq!(config.api_keys["backend"].hash, TokenHash::of(text("key")));
    assert_eq!(String::from(config.api_keys["backend"].hash), text("hash"));
    let wrong = anteroom(
        &["keys", "issue", "No Name", "--user-source", "team"],
        "",
        folder.path(),
    );
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn a_hashed_password_and_a_written_root_key_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let hashed = anteroom(&["accounts", "hash"], "hunter2\r\nrest", folder.path());
    let hash = String::from_utf8(hashed.stdout).unwrap();
    let account = format!(
        "[user_sources.team]\ntype = \"accounts\"\naccounts.alice = {{ password_hash = \"{}\" }}",
        hash.trim()
    );
    assert!(parse(&account).is_ok(), "{account}");
    assert_eq!(
        anteroom(&["accounts", "hash"], "\n", folder.path())
            .status
            .code(),
        Some(1),
        "empty"
    );

    let root = ["keys", "root", "--out", "root.key"];
    assert!(anteroom(&root, "", folder.path()).status.success());
    assert_eq!(
        anteroom(&root, "", folder.path()).status.code(),
        Some(1),
        "never overwritten"
    );
    assert!(matches!(
        parse_in(folder.path(), "").unwrap().store.root_keys,
        RootKeys::Ring(_)
    ));
    let printed = anteroom(&["keys", "root"], "", folder.path()).stdout;
    std::fs::write(folder.path().join("other.key"), printed).unwrap();
    let named = "[store]\nroot_keys = [{ id = \"2\", key = \"${file:other.key}\" }, { id = \"1\", key = \"${file:root.key}\" }]";
    assert!(parse_in(folder.path(), named).is_ok());
}

#[test]
fn providers_are_listed_with_what_each_needs() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let done = anteroom(arguments, "", folder.path());
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (done.status.code(), text(done.stdout), text(done.stderr))
    };
    let (code, list, _) = run(&["providers"]);
    assert_eq!(code, Some(0));
    assert!(
        list.contains("{public_url}/oauth2/intermediate_callback/NAME"),
        "{list}"
    );
    for name in ["github ", "zendesk ", "microsoft-powerbi ", "trello "] {
        assert!(
            list.lines().any(|line| line.trim_start().starts_with(name)),
            "{name}\n{list}"
        );
    }
    std::fs::write(
        folder.path().join("gateway.toml"),
        "[server]\npublic_url = \"https://gw.example.com\"\n[providers.github]\nclient_id = \"a\"\nclient_secret = \"b\"\n",
    )
    .unwrap();
    let (_, json, _) = run(&["providers", "--json"]);
    let all: serde_json::Value = serde_json::from_str(&json).unwrap();
    let all = all.as_array().unwrap();
    assert!(all.len() >= 36, "{}", all.len());
    let one = |name: &str| all.iter().find(|one| one["name"] == name).unwrap();
    let github = one("github");
    assert_eq!(
        github["redirect_url"],
        "https://gw.example.com/oauth2/intermediate_callback/github"
    );
    assert_eq!(github["configured"], true);
    assert_eq!(github["capabilities"]["revoke"], true);
    assert_eq!(
        one("zendesk")["needed"],
        serde_json::json!(["client_id", "client_secret", "tenant"])
    );
    assert_eq!(one("gitlab")["tenancy"]["default"], "gitlab.com");
    let (code, shown, _) = run(&["providers", "show", "zendesk"]);
    assert_eq!(code, Some(0));
    assert!(
        shown.contains("${env:ZENDESK_CLIENT_SECRET}") && shown.contains("developer.zendesk.com"),
        "{shown}"
    );
    let (code, shown, why) = run(&["providers", "show", "trello"]);
    assert_eq!((code, shown.as_str()), (Some(1), ""));
    assert!(why.contains("OAuth 1.0a"), "{why}");
}

#[test]
fn an_engine_file_becomes_toml_that_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = "auth:\n  providers:\n    - provider_id: github\n      client_id: a\n      client_secret: hunter2\n";
    let done = anteroom(&["import", "-"], yaml, folder.path());
    assert!(done.status.success(), "{done:?}");
    let (toml, notes) = (
        String::from_utf8(done.stdout).unwrap(),
        String::from_utf8(done.stderr).unwrap(),
    );
    assert!(
        !toml.contains("hunter2") && !notes.contains("hunter2"),
        "{toml}{notes}"
    );
    assert!(notes.contains("${env:GITHUB_CLIENT_SECRET}"), "{notes}");
    let config = parse(&toml.replace("${env:GITHUB_CLIENT_SECRET}", "x")).unwrap();
    assert_eq!(config.providers["github"].title(), "GitHub");

    let huge = "x".repeat(2 << 20);
    let bomb = anteroom(&["import", "-"], &huge, folder.path());
    assert_eq!(
        (bomb.status.code(), bomb.stdout.as_slice()),
        (Some(1), &b""[..])
    );
    let none = anteroom(&["import", "none.yaml"], "", folder.path());
    assert_eq!(none.status.code(), Some(1));
}

#[test]
fn a_clients_secret_is_shown_once_and_its_section_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "keys",
        "client",
        "inspector",
        "--json",
        "--redirect-uri",
        "http://127.0.0.1/callback",
    ];
    let made = anteroom(&arguments, "", folder.path());
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    let config = parse(&format!("{GOOD}\n{}", made["toml"].as_str().unwrap())).unwrap();
    let hash = TokenHash::of(made["secret"].as_str().unwrap());
    assert_eq!(config.clients["inspector"].secret, Some(hash));
    assert!(
        !made["toml"]
            .to_string()
            .contains(made["secret"].as_str().unwrap())
    );
}
