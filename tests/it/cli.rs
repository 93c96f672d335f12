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
