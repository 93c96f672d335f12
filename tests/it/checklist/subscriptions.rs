//! `subscriptions/listen`: items 29 to 33.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    client::{Client, Events},
    upstream::tool,
    world::World,
};

const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

async fn listen(client: &Client, id: Value, filter: Value) -> Events {
    let mut body = client.body("subscriptions/listen", json!({ "notifications": filter }));
    body["id"] = id;
    let headers = client.headers(&body);
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    client.open(&headers, &body.to_string()).await
}

/// Changes what the second upstream lists, and lets its old list grow stale.
fn change_tools(world: &World, name: &str) {
    *world.second.inside.tools.lock().unwrap() = vec![tool(name)];
    world.advance(120);
}

#[tokio::test]
async fn items_29_to_32_listeners_are_acknowledged_and_told_what_they_asked_for() {
    let world = World::start().await;
    let client = world.client("alice");
    // What is known already is looked at quickly.
    client.request("tools/list", json!({})).await.result();
    let all = json!({ "toolsListChanged": true, "promptsListChanged": true, "resourceSubscriptions": ["file:///a"] });
    let mut one = listen(&client, json!(7), all).await;
    let mut other = listen(&client, json!("seven"), json!({ "toolsListChanged": true })).await;
    let mut deaf = listen(&client, json!(8), json!({})).await;
    for (stream, id, honoured) in [
        (&mut one, json!(7), json!({ "toolsListChanged": true })),
        (
            &mut other,
            json!("seven"),
            json!({ "toolsListChanged": true }),
        ),
        (&mut deaf, json!(8), json!({})),
    ] {
        let first = stream.next().await.unwrap();
        assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
        assert_eq!(
            (
                &first["params"]["_meta"][SUBSCRIPTION],
                &first["params"]["notifications"]
            ),
            (&id, &honoured)
        );
    }
    // Give the streams their first look, from which changes are told.
    tokio::time::sleep(Duration::from_millis(300)).await;
    change_tools(&world, "another");
    client.request("tools/list", json!({})).await.result();
    for (stream, id) in [(&mut one, json!(7)), (&mut other, json!("seven"))] {
        let changed = stream.next().await.unwrap();
        assert_eq!(changed["method"], "notifications/tools/list_changed");
        assert_eq!(changed["params"]["_meta"][SUBSCRIPTION], id);
    }
    assert!(deaf.within(Duration::from_millis(200)).await.is_none());
    assert!(
        one.within(Duration::from_millis(200)).await.is_none(),
        "a change is told once"
    );
}

#[tokio::test]
async fn item_33_a_server_that_stops_ends_its_subscriptions_with_a_result() {
    let mut world = World::start().await;
    let mut stream = listen(
        &world.client("alice"),
        json!("mine"),
        json!({ "toolsListChanged": true }),
    )
    .await;
    stream.next().await.unwrap();
    world.stop().await;
    let end = stream.next().await.unwrap();
    assert_eq!(
        (&end["id"], &end["result"]["resultType"]),
        (&json!("mine"), &json!("complete"))
    );
    assert_eq!(end["result"]["_meta"][SUBSCRIPTION], "mine");
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn item_32_legacy_sessions_are_told_on_their_get_stream() {
    let world = World::start().await;
    let client = world.client("alice").initialized("2025-11-25").await;
    client.request("tools/list", json!({})).await.result();
    let mut stream = client.get(&[]).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    change_tools(&world, "another");
    client.request("tools/list", json!({})).await.result();
    let changed = stream.next().await.unwrap();
    assert_eq!(
        changed,
        json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" })
    );
}

#[tokio::test]
async fn a_user_with_too_many_streams_is_refused_the_next_until_one_is_closed() {
    let world = World::start().await;
    let modern = world.client("alice");
    let legacy = world.client("alice").initialized("2025-11-25").await;
    let mut open = Vec::new();
    for number in 0..50 {
        let stream = listen(&modern, json!(number), json!({})).await;
        assert_eq!(stream.status, 200);
        open.push(stream);
        let stream = legacy.get(&[]).await;
        assert_eq!(stream.status, 200);
        open.push(stream);
    }
    assert_eq!(legacy.get(&[]).await.status, 429);
    let refused = listen(&modern, json!("one more"), json!({})).await;
    let refused = refused.whole().await;
    assert_eq!(refused.error(), (429, -32010), "{}", refused.text);
    let others = listen(&world.client("bob"), json!(1), json!({})).await;
    assert_eq!(others.status, 200, "each user has their own");
    open.pop();
    for _ in 0..100 {
        if legacy.get(&[]).await.status == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("a stream that was closed gives its seat back");
}
