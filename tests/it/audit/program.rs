//! `anteroom audit`: beside a gateway that runs, and where none does.

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use crate::support::world::World;

/// The program in a folder with a `gateway.toml`.
pub fn anteroom(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_anteroom"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("ANTEROOM_CONFIG")
        .stdin(Stdio::null())
        .output()
        .expect("the program")
}

/// A gateway as a process of its own; ends with the test.
pub struct Serving(Child);

impl Serving {
    pub async fn start(folder: &Path, healthy: &str) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_anteroom"))
            .arg("serve")
            .current_dir(folder)
            .env_remove("ANTEROOM_CONFIG")
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let serving = Self(child);
        for _ in 0..200 {
            if reqwest::get(healthy).await.is_ok() {
                return serving;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the program does not come up");
    }

    /// As `kill -9` does.
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Adds a listener for operators to the world's file; its address.
pub fn with_admin(folder: &Path) -> String {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    let file = folder.join("gateway.toml");
    let toml = std::fs::read_to_string(&file).unwrap();
    let server = format!("[server]\nadmin_listen = \"{address}\"");
    std::fs::write(&file, toml.replacen("[server]", &server, 1)).unwrap();
    address
}

/// A world that stopped after Alice connected and called.
pub async fn with_a_past() -> World {
    past_of(World::start().await).await
}

/// The same in a world that was furnished for it.
pub async fn past_of(mut world: World) -> World {
    let client = world
        .client("alice")
        .declaring(json!({ "elicitation": { "url": {} } }));
    let asked = client.call("notes_echo", json!({})).await.result();
    let link = asked["inputRequests"]["connect_acme"]["params"]["url"]
        .as_str()
        .unwrap()
        .to_owned();
    world.connect(&link, "alice").await;
    world.client("alice").call("notes_echo", json!({})).await;
    world.stop().await;
    world
}

fn events(output: &Output) -> Vec<String> {
    assert!(output.status.success(), "{output:?}");
    let event = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["event"].as_str().unwrap().to_owned()
    };
    text(&output.stdout).lines().map(event).collect()
}

#[tokio::test]
async fn the_log_is_read_from_the_store_and_through_the_gateway_that_has_it() {
    let world = with_a_past().await;
    let folder = world.directory.path();
    let offline = anteroom(folder, &["audit", "--json"]);
    assert!(events(&offline).contains(&"used".to_owned()), "{offline:?}");

    let public = world.base.clone();
    let mute = Serving::start(folder, &public).await;
    let refused = anteroom(folder, &["audit"]);
    assert_eq!(
        (refused.status.code(), text(&refused.stdout)),
        (Some(1), "")
    );
    let words = text(&refused.stderr);
    assert!(
        words.contains("admin_listen = \"127.0.0.1:9090\"") && words.contains("gateway.toml"),
        "{words}"
    );
    let address = with_admin(folder);
    let late = anteroom(folder, &["audit"]);
    let words = text(&late.stderr);
    assert!(
        words.contains(&address) && words.contains("start it again"),
        "{words}"
    );
    mute.kill();

    let serving = Serving::start(folder, &format!("http://{address}/healthz")).await;
    let online = anteroom(folder, &["audit", "--json"]);
    assert_eq!(text(&online.stdout), text(&offline.stdout));
    let page = reqwest::Client::new()
        .get(format!("http://{address}/admin/audit"))
        .header("sec-fetch-site", "same-origin")
        .send();
    assert_eq!(page.await.unwrap().status(), 403, "not for browsers");
    let bad = reqwest::get(format!("http://{address}/admin/audit?since=yesterday"))
        .await
        .unwrap();
    assert_eq!(bad.status(), 400);
    assert!(bad.text().await.unwrap().contains("is no time"));
    serving.kill();
    let after = anteroom(folder, &["audit", "--json"]);
    assert_eq!(
        text(&after.stdout),
        text(&offline.stdout),
        "also after a kill"
    );
}

#[tokio::test]
async fn people_read_sentences_and_pick_what_they_want() {
    let world = with_a_past().await;
    let folder = world.directory.path();
    let shown = anteroom(
        folder,
        &["audit", "--user", "team/alice", "--event", "used"],
    );
    let line = text(&shown.stdout).trim().to_owned();
    assert!(line.starts_with("2027-01-15T08:00:00Z  used  "), "{line}");
    for part in [
        "team/alice  acme",
        "notes.echo  at work  through API key team",
    ] {
        assert!(line.contains(part), "{line}");
    }
    let nobody = anteroom(folder, &["audit", "--user", "team/bob"]);
    assert_eq!((nobody.status.code(), text(&nobody.stdout)), (Some(0), ""));
    assert!(text(&nobody.stderr).contains("nothing since"), "{nobody:?}");
    for wrong in [
        ["--user", "alice"],
        ["--since", "yesterday"],
        ["--event", "usd"],
        ["--limit", "0"],
    ] {
        let wrong = anteroom(folder, &[&["audit"][..], &wrong].concat());
        assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
    }
}

#[tokio::test]
async fn where_nothing_ever_ran_there_is_nothing_and_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let toml = include_str!("../../../gateway.toml");
    std::fs::write(folder.path().join("gateway.toml"), toml).unwrap();
    let none = anteroom(folder.path(), &["audit"]);
    assert_eq!((none.status.code(), text(&none.stdout)), (Some(0), ""));
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(files.len(), 1, "neither a store nor a root key");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_seen_enough_is_told_no_error() {
    let world = with_a_past().await;
    let mut child = Command::new(env!("CARGO_BIN_EXE_anteroom"))
        .args(["audit", "--since", "2020-01-01"])
        .current_dir(world.directory.path())
        .env_remove("ANTEROOM_CONFIG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), text(&ended.stderr)), (Some(0), ""));
}
