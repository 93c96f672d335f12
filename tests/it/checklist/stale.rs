//! What is known of an upstream's tools when it does not tell them anew.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{
    client::Client,
    upstream::{Manner, Then, tool},
    world::World,
};

async fn names(client: &Client) -> Vec<String> {
    let list = client.request("tools/list", json!({})).await.result();
    let names = list["tools"].as_array().unwrap().iter();
    names
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn item_105_an_upstream_that_takes_its_time_shows_what_it_had_before() {
    let world = World::start().await;
    let client = world.client("alice");
    assert_eq!(names(&client).await, ["notes_echo", "plain_echo"]);
    world.second.inside.seen.lock().unwrap().clear();
    world
        .second
        .misbehave("tools/list", Manner::Events(String::new(), Then::Hang));
    *world.upstream.inside.tools.lock().unwrap() = vec![tool("fresh")];
    world.advance(120);
    for _ in 0..2 {
        let began = Instant::now();
        let lists = (0..5).map(|_| names(&client));
        for names in futures_util::future::join_all(lists).await {
            assert_eq!(names, ["notes_fresh", "plain_echo"]);
        }
        assert!(
            began.elapsed() < Duration::from_secs(3),
            "it hangs for five"
        );
    }
    assert_eq!(
        world.second.methods(),
        ["tools/list"],
        "one attempt at a time, however many ask"
    );
}

#[tokio::test]
async fn item_105_what_came_too_late_for_one_list_is_announced_and_there_for_the_next() {
    let world = World::start().await;
    let client = world.client("alice");
    let listener = world.client("alice").initialized("2025-11-25").await;
    assert_eq!(names(&client).await, ["notes_echo", "plain_echo"]);
    let mut told = listener.get(&[]).await;
    // The listener's first look, from which changes are told.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let list = json!({ "jsonrpc": "2.0", "id": 0, "result": { "tools": [tool("late")] } });
    let text = format!("data: {list}\n\n").replace("\"id\":0", "\"id\":{id}");
    let late = Then::Late(Duration::from_millis(1500));
    world
        .second
        .misbehave("tools/list", Manner::Events(text, late));
    world.advance(120);
    assert_eq!(names(&client).await, ["notes_echo", "plain_echo"]);
    let changed = told.next().await.unwrap();
    assert_eq!(changed["method"], "notifications/tools/list_changed");
    assert_eq!(names(&client).await, ["notes_echo", "plain_late"]);
}
