//! `anteroom doctor verifier`, and the rehearsal behind it.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Output, Stdio},
};

use serde_json::json;
use tokio::{sync::oneshot, task::spawn_blocking};

use super::{Town, parameter};
use crate::support::app::APP_KEY;

/// Everything but a connection.
#[tokio::test]
async fn a_rehearsal() {
    let town = Town::new().await;
    let wish = json!({ "user_id": "alice", "verifier_url": town.app.base.join("verify?tenant=1").unwrap() });
    let begin = || town.app.post("/v1/auth/validate_custom_verifier", &wish);
    let begun = begin().await;
    assert_eq!(begun.status, 200, "{begun:?}");
    let next: url::Url = begun.json["next_uri"].as_str().unwrap().parse().unwrap();
    assert_eq!(
        parameter(&next, "flow_id"),
        begun.json["flow_id"].as_str().unwrap()
    );
    let id = begun.json["auth_id"].as_str().unwrap();
    assert_eq!(town.status(id).await, "pending");
    let page = town.app.browser_of("alice").open(&next).await;
    assert_eq!(page.text, "connected", "as the application says");
    assert_eq!(town.status(id).await, "completed");
    let said = town
        .app
        .confirm(begun.json["flow_id"].as_str().unwrap(), "alice")
        .await;
    assert_eq!(said.json, json!({ "auth_id": id }));
    assert!(!town.is_connected("alice").await);

    let begun = begin().await;
    let next = begun.json["next_uri"].as_str().unwrap();
    let page = town.app.browser_of("bob").open(next).await;
    assert_eq!(page.status, 400, "{}", page.text);
    let id = begun.json["auth_id"].as_str().unwrap();
    assert_eq!(town.status(id).await, "failed");
    // The first word counts.
    town.app.browser_of("alice").open(next).await;
    assert_eq!(town.status(id).await, "failed");

    let begun = begin().await;
    town.world.advance(601);
    let late = town
        .app
        .confirm(begun.json["flow_id"].as_str().unwrap(), "alice")
        .await;
    assert_eq!(late.status, 404, "{late:?}");
    assert_eq!(town.exchanges(), 0);
}

fn doctor(town: &Town, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_anteroom"));
    command
        .args(["doctor", "verifier", "--user", "alice"])
        .args(arguments)
        .current_dir(town.world.directory.path())
        .env("ANTEROOM_API_KEY", APP_KEY)
        .env_remove("ANTEROOM_CONFIG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs the doctor and opens its link as `who`.
async fn seen_by(town: &Town, who: &str) -> Output {
    let mut child = doctor(town, &[]).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (shown, link) = oneshot::channel();
    let reading = spawn_blocking(move || {
        let (mut said, mut shown) = (String::new(), Some(shown));
        for line in lines {
            let line = line.unwrap();
            if let Some(shown) = shown.take_if(|_| line.trim().starts_with("http://")) {
                shown.send(line.trim().to_owned()).unwrap();
            }
            said.push_str(&line);
        }
        said
    });
    town.app.browser_of(who).open(link.await.unwrap()).await;
    let output = spawn_blocking(|| child.wait_with_output()).await.unwrap();
    Output {
        stdout: reading.await.unwrap().into_bytes(),
        ..output.unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_tries_a_verifier_out() {
    let town = Town::new().await;
    let output = seen_by(&town, "alice").await;
    assert!(output.status.success(), "{output:?}");
    let said = text(&output.stdout);
    assert!(
        said.contains("the application confirmed the user; nothing was connected"),
        "{said}"
    );
    assert!(!said.contains(APP_KEY) && !text(&output.stderr).contains(APP_KEY));

    let output = seen_by(&town, "bob").await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("confirmed another user than \"alice\""),
        "{output:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_says_what_to_do() {
    let town = Town::new().await;
    let nothing = town.app.base.join("nothing-here").unwrap();
    for (arguments, key, expected) in [
        (
            vec!["--url", nothing.as_str()],
            Some(APP_KEY),
            "there is no such page",
        ),
        (
            vec!["--url", "http://127.0.0.1:1/verify"],
            Some(APP_KEY),
            "it cannot be reached",
        ),
        (
            vec![],
            None,
            "put the API key of the user source into ANTEROOM_API_KEY",
        ),
        (
            vec![],
            Some("arc_wrong"),
            "no API key of this configuration",
        ),
    ] {
        let mut command = doctor(&town, &arguments);
        match key {
            Some(key) => command.env("ANTEROOM_API_KEY", key),
            None => command.env_remove("ANTEROOM_API_KEY"),
        };
        let output = spawn_blocking(move || command.output());
        let output = output.await.unwrap().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(
            text(&output.stderr).contains(expected),
            "{expected}: {output:?}"
        );
    }
}
