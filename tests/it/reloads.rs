//! `gateway.toml` and its secrets change in ways that hands and deployment tools have: late, half, and twice.

use std::time::Duration;

use anteroom::base::secret::TokenHash;
use reqwest::StatusCode;
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::support::{
    client::Client,
    log::Log,
    world::{KEY, World},
};

const TAKEN: &str = "the changed configuration is in force";
const REFUSED: &str = "the changed configuration was refused";

fn key_in(file: &str) -> String {
    format!("[api_keys.late]\nhash = \"${{file:{file}}}\"\nuser_source = \"team\"\n[gateways.work]")
}

/// A secret and the file that refers to it are seldom written at one moment.
#[tokio::test]
async fn a_secret_that_arrives_after_the_file_that_needs_it_is_taken() {
    let log = Log::listen();
    let mut world = World::start().await;
    world.rewrite("[gateways.work]", &key_in("late.hash")).await;
    world.look().await;
    assert_eq!(log.text().matches(REFUSED).count(), 1, "told once");
    let file = world.directory.path().join("late.hash");
    std::fs::write(file, String::from(TokenHash::of("arc_late"))).unwrap();
    world.look().await;
    let late = Client::new(&world.endpoint(), "arc_late", "alice");
    let answer = late.request("tools/list", json!({})).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    world.look().await;
    assert_eq!(
        log.text().matches(TAKEN).count(),
        1,
        "and no more than that"
    );
}

#[tokio::test]
async fn a_file_that_refers_to_more_files_than_before_is_taken_once() {
    let log = Log::listen();
    let mut world = World::start().await;
    let file = world.directory.path().join("late.hash");
    std::fs::write(file, String::from(TokenHash::of("arc_late"))).unwrap();
    world.rewrite("[gateways.work]", &key_in("late.hash")).await;
    world.look().await;
    assert_eq!(log.text().matches(TAKEN).count(), 1);
    // Nor by the look after a reload that was asked for.
    world.rewrite("Be brief.", "Be precise.").await;
    world.reload().await.unwrap();
    world.look().await;
    assert_eq!(log.text().matches(TAKEN).count(), 3);
}

/// The beginning of a good file is a good file, with fewer gateways in it; so is an empty one.
#[tokio::test]
async fn a_file_that_is_still_being_written_is_not_taken() {
    let log = Log::listen();
    let world = World::start().await;
    let file = world.directory.path().join("gateway.toml");
    let whole = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, "").unwrap();
    let written = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        std::fs::write(&file, &whole).unwrap();
    };
    tokio::join!(world.look(), written);
    world.look().await;
    assert_eq!(log.text().matches(TAKEN).count(), 0);
    let answer = world.client("alice").request("tools/list", json!({})).await;
    assert_eq!(answer.status, StatusCode::OK);
}

/// As a full disk leaves it.
#[tokio::test]
async fn an_empty_file_switches_nothing_off() {
    let mut world = World::start().await;
    world.change(|_| String::new()).await;
    let answer = world.client("alice").request("tools/list", json!({})).await;
    assert_eq!(answer.status, StatusCode::OK);
    let problems = world.reload().await.unwrap_err().to_string();
    assert!(problems.contains("says nothing"), "{problems}");
}

#[tokio::test]
async fn a_secret_that_vanishes_leaves_the_old_one_good_until_it_is_back() {
    let log = Log::listen();
    let mut world = World::start().await;
    let file = world.directory.path().join("late.hash");
    let hash = String::from(TokenHash::of("arc_late"));
    std::fs::write(&file, &hash).unwrap();
    world.rewrite("[gateways.work]", &key_in("late.hash")).await;
    let late = Client::new(&world.endpoint(), "arc_late", "alice");
    let status = async || late.request("tools/list", json!({})).await.status;
    std::fs::remove_file(&file).unwrap();
    world.look().await;
    world.look().await;
    assert_eq!(status().await, StatusCode::OK);
    assert_eq!(log.text().matches(REFUSED).count(), 1, "told once");
    std::fs::write(&file, hash).unwrap();
    world.look().await;
    assert_eq!(status().await, StatusCode::OK);
    std::fs::remove_file(&file).unwrap();
    world.look().await;
    assert_eq!(log.text().matches(REFUSED).count(), 2, "this is news again");
}

/// A stop waits as long as the file says when it is asked for.
#[tokio::test]
async fn how_long_a_stop_waits_can_be_changed() {
    let log = Log::listen();
    let mut world = World::start().await;
    world.rewrite("grace = \"5s\"", "grace = \"70ms\"").await;
    let address = world.base.strip_prefix("http://").unwrap();
    let mut slow = TcpStream::connect(address).await.unwrap();
    let who = format!("authorization: Bearer {KEY}\r\narcade-user-id: alice\r\n");
    let kind = "content-type: application/json\r\ncontent-length: 9\r\n";
    let head = format!("POST /mcp/work HTTP/1.1\r\nhost: {address}\r\n{who}{kind}\r\n{{");
    slow.write_all(head.as_bytes()).await.unwrap();
    // Answered in full, so what was sent before has been read.
    world.client("alice").request("tools/list", json!({})).await;
    world.stop().await;
    assert!(log.text().contains("grace=70ms"), "{}", log.text());
}
