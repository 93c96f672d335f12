//! Streams of one request: items 21 to 25.

use std::{sync::atomic::Ordering, time::Duration};

use serde_json::json;

use crate::support::{
    upstream::{eventually, tool},
    world::World,
};

async fn world_with(tool_name: &str) -> World {
    let world = World::start().await;
    *world.second.inside.tools.lock().unwrap() = vec![tool(tool_name)];
    world
}

#[tokio::test]
async fn items_21_and_24_a_stream_has_progress_then_the_response() {
    let world = world_with("slow").await;
    let client = world.client("alice");
    let mut events = client
        .events(
            "tools/call",
            json!({ "name": "plain_slow", "_meta": { "progressToken": "mine" } }),
        )
        .await;
    assert!(events.is_stream() && events.headers["x-accel-buffering"] == "no");
    let progress = events.next().await.unwrap();
    assert_eq!(progress["method"], "notifications/progress");
    assert_eq!(
        progress["params"],
        json!({ "progressToken": "mine", "progress": 1, "extra": "kept" })
    );
    let response = events.next().await.unwrap();
    assert_eq!(response["result"]["resultType"], "complete", "{response}");
    assert!(response["id"].is_number() && events.next().await.is_none());
}

#[tokio::test]
async fn item_24_no_progress_without_a_token() {
    let world = world_with("slow").await;
    let answer = world.client("alice").call("plain_slow", json!({})).await;
    assert!(
        !answer.text.contains("notifications/progress"),
        "{}",
        answer.text
    );
    assert_eq!(answer.result()["content"], json!([]));
}

#[tokio::test]
async fn item_23_log_messages_only_where_asked_for() {
    let world = world_with("slow").await;
    let client = world.client("alice");
    let with_level = async |level: serde_json::Value| {
        client.request("tools/call", json!({ "name": "plain_slow", "_meta": { "io.modelcontextprotocol/logLevel": level } })).await
    };
    let silent = client.call("plain_slow", json!({})).await;
    assert!(!silent.text.contains("notifications/message"));
    assert!(
        with_level(json!("debug"))
            .await
            .text
            .contains("notifications/message")
    );
    assert!(
        !with_level(json!("error"))
            .await
            .text
            .contains("notifications/message")
    );
    assert_eq!(with_level(json!("loud")).await.error().1, -32602);
}

#[tokio::test]
async fn item_22_a_closed_stream_cancels_the_call() {
    let world = world_with("hold").await;
    let client = world.client("alice");
    client.request("tools/list", json!({})).await.result();
    let held = || world.second.inside.held.load(Ordering::SeqCst);
    let call = tokio::time::timeout(
        Duration::from_millis(600),
        client.call("plain_hold", json!({})),
    )
    .await;
    assert!(call.is_err());
    eventually(
        || held() == 0 && world.second.methods().contains(&"tools/call".to_owned()),
        "the upstream sees its client go",
    )
    .await;
}

#[tokio::test]
async fn item_25_each_stream_carries_only_its_own_response() {
    let world = world_with("slow").await;
    let client = world.client("alice");
    let call = |token: &'static str| {
        client.request(
            "tools/call",
            json!({ "name": "plain_slow", "_meta": { "progressToken": token } }),
        )
    };
    let (one, other) = tokio::join!(call("one"), call("other"));
    assert!(one.text.contains("\"one\"") && !one.text.contains("\"other\""));
    assert!(other.text.contains("\"other\"") && !other.text.contains("\"one\""));
    assert_ne!(one.json()["id"], other.json()["id"]);
}

#[tokio::test]
async fn a_hundred_megabytes_silence_and_garbage_from_an_upstream() {
    use crate::support::upstream::{Manner, Then};
    let world = World::start().await;
    let client = world.client("alice");
    client.call("plain_echo", json!({})).await.result();
    let json_type: &'static [(&str, &str)] = &[("content-type", "application/json")];
    for manner in [
        Manner::Endless("application/json"),
        Manner::Endless("text/event-stream"),
        Manner::Answer(200, json_type, "{".to_owned()),
        Manner::Answer(
            200,
            json_type,
            r#"{"jsonrpc":"2.0","id":999999,"result":{}}"#.to_owned(),
        ),
        Manner::Answer(
            200,
            &[("content-type", "text/html")],
            "<h1>hello</h1>".to_owned(),
        ),
        Manner::Answer(
            500,
            &[("content-type", "text/plain")],
            "secret stack trace".to_owned(),
        ),
        Manner::Answer(302, &[("location", "http://127.0.0.1:1/")], String::new()),
        Manner::Events("data: {\"jsonrpc\"\n\n".to_owned(), Then::End),
        Manner::Events(String::new(), Then::End),
        Manner::Hang,
    ] {
        world.second.misbehave("tools/call", manner);
        let answer = client.call("plain_echo", json!({})).await;
        let result = answer.result();
        assert_eq!(result["isError"], true, "{result}");
        assert!(
            !answer.text.contains("secret stack trace") && !answer.text.contains("127.0.0.1"),
            "{}",
            answer.text
        );
    }
    world.second.behave();
    assert!(client.call("plain_echo", json!({})).await.result()["isError"].is_null());
}
