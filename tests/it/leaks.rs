//! Nothing secret is ever written down in the clear: the whole story is walked with every log line of every crate read along,
//! and afterwards logs, store bytes and pages are searched for every secret that was in play.

use std::{fs, path::Path};

use serde_json::json;

use crate::support::{
    log::Log,
    world::{KEY, PASSWORD, World},
};

/// Every file below `folder`, as bytes.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    found
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn no_secret_in_logs_store_or_answers() {
    let log = Log::listen();
    let mut world = World::start().await;
    let client = world
        .client("alice")
        .declaring(json!({ "elicitation": { "url": {} } }));
    let mut shown = Vec::new();

    let first = client.call("notes_whoami", json!({})).await;
    let result = client.call("notes_echo", json!({ "a": 1 })).await.result();
    let link = result["inputRequests"]["connect_acme"]["params"]["url"]
        .as_str()
        .unwrap()
        .to_owned();
    shown.push(first.text);

    let browser = crate::support::browser::Browser::new();
    let page = browser.open(&link).await;
    shown.push(page.text.clone());
    let page = browser
        .submit(
            &page
                .form("Sign in")
                .with("username", "alice")
                .with("password", "wrong guess"),
        )
        .await;
    shown.push(page.text.clone());
    let page = browser
        .submit(
            &page
                .form("Sign in")
                .with("username", "alice")
                .with("password", PASSWORD),
        )
        .await;
    shown.push(page.text.clone());
    let done = browser.submit(&page.form("Continue to Acme Notes")).await;
    shown.push(done.text.clone());
    assert_eq!(done.title(), "Connected. You can close this window.");

    let called = client.call("notes_echo", json!({ "a": 1 })).await;
    assert!(called.result()["isError"].is_null());
    shown.push(called.text);
    let legacy = world
        .client("bob")
        .declaring(json!({ "elicitation": { "url": {} } }))
        .initialized("2025-11-25")
        .await;
    shown.push(legacy.call("notes_echo", json!({})).await.text);
    // The token grows old and is renewed, and a refused one is renewed too.
    world.advance(2 * 3600);
    shown.push(client.call("notes_echo", json!({ "a": 2 })).await.text);
    shown.push(
        world
            .client("alice")
            .with_key(Some("arc_a-key-that-is-wrong"))
            .call("notes_echo", json!({}))
            .await
            .text,
    );
    let states: Vec<_> = world
        .provider
        .authorizations()
        .iter()
        .map(|asked| asked["state"].clone())
        .collect();
    world.stop().await;

    let mut secrets = world.provider.secrets();
    assert!(
        secrets.len() > 4,
        "codes, verifiers and tokens were in play: {}",
        secrets.len()
    );
    secrets.extend(world.provider.access_tokens());
    secrets.extend(states);
    secrets.extend(
        browser
            .cookies()
            .iter()
            .filter_map(|cookie| cookie.split_once('='))
            .map(|(_, value)| value.to_owned()),
    );
    secrets.extend(
        [
            KEY,
            PASSWORD,
            "wrong guess",
            "arc_a-key-that-is-wrong",
            crate::support::provider::CLIENT.1,
        ]
        .map(str::to_owned),
    );
    let root_key = fs::read_to_string(world.directory.path().join("root.key")).unwrap();

    let log = log.text();
    for said in [
        "an account was connected",
        "refreshed a credential",
        "TRACE",
    ] {
        assert!(
            log.contains(said),
            "the log was not read along: no `{said}`"
        );
    }
    for secret in secrets.iter().chain([&root_key]) {
        assert!(
            secret.len() > 6,
            "{secret:?} is too short to be searched for"
        );
        let line = log.lines().find(|line| line.contains(secret.as_str()));
        assert!(line.is_none(), "in the log: {line:?}");
        for page in &shown {
            assert!(!page.contains(secret.as_str()), "in an answer: {page}");
        }
        for (file, bytes) in files(&world.directory.path().join("store")) {
            assert!(!contains(&bytes, secret), "in {file}");
        }
    }
    for user in ["alice", "bob"] {
        let own = log
            .lines()
            .filter(|line| line.contains(" anteroom::"))
            .find(|line| line.contains(user));
        assert!(own.is_none(), "users are hashed in our logs: {own:?}");
    }
}
