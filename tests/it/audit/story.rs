//! The story of a connection, as the audit log tells it.

use anteroom::audit::Query;
use serde_json::{Value, json};

use super::{everything, words};
use crate::support::world::World;

async fn link(world: &World) -> String {
    let client = world
        .client("alice")
        .declaring(json!({ "elicitation": { "url": {} } }));
    let asked = client.call("notes_echo", json!({})).await.result();
    asked["inputRequests"]["connect_acme"]["params"]["url"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn each_use_says_who_what_and_through_whom() {
    let world = World::start().await;
    let link = link(&world).await;
    world.connect(&link, "alice").await;
    let client = world.client("alice");
    let called = client
        .call("notes_echo", json!({ "secret": "argument-4711" }))
        .await;
    assert!(called.result()["isError"].is_null());
    client.call("plain_echo", json!({})).await;

    let lines = everything(world.operators()).await;
    let uses: Vec<Value> = lines
        .iter()
        .filter(|line| line["event"] == "used")
        .cloned()
        .collect();
    assert_eq!(uses.len(), 1, "{uses:?}");
    let used = &uses[0];
    let expected = json!({
        "event": "used", "outcome": "ok", "user_source": "team", "user": "alice", "provider": "acme", "through": "api_key",
        "api_key": "team", "gateway": "work", "upstream": "notes", "tool": "echo", "at": used["at"],
    });
    assert_eq!(*used, expected);
    let text = format!("{lines:?}");
    assert!(!text.contains("argument-4711"), "{text}");
    let _ = (words(&lines, "event"), Query::default());
}
