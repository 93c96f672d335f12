//! What a question to the user leaves behind: two at once, answers nobody asked for, clients that leave.

use std::time::Duration;

use anteroom::config::Era;
use serde_json::{Value, json};

use crate::support::{client::Client, world::World};

const IN_BAND: &str = "\n[[elicitation.overrides]]\nclient = \"test-*\"\nask = \"url_in_band\"\n";

fn url_client(world: &World, user: &str) -> Client {
    world
        .client(user)
        .declaring(json!({ "elicitation": { "form": {}, "url": {} } }))
}

#[tokio::test]
async fn item_58_two_calls_that_ask_in_band_at_once_each_get_their_own_answer() {
    let world = World::with(Era::Modern, IN_BAND).await;
    let client = url_client(&world, "alice").initialized("2025-11-25").await;
    let call = json!({ "name": "notes_echo", "arguments": {} });
    let mut one = client.events("tools/call", call.clone()).await;
    let mut other = client.events("tools/call", call).await;
    let (first, second) = (one.next().await.unwrap(), other.next().await.unwrap());
    assert_ne!(first["id"], second["id"], "ids of requests are unique");
    assert_eq!(first["params"]["url"], second["params"]["url"]);
    let session = [("mcp-session-id", client.session().unwrap())];
    let decline = |id: &Value| {
        json!({ "jsonrpc": "2.0", "id": id, "result": { "action": "decline" } }).to_string()
    };
    let flow = first["params"]["elicitationId"].clone();
    for unasked in [flow, json!("x"), json!("../x"), json!(1), Value::Null] {
        client.post(&session, &decline(&unasked)).await;
    }
    assert!(
        one.within(Duration::from_millis(300)).await.is_none(),
        "what nobody asked changes nothing"
    );
    client.post(&session, &decline(&first["id"])).await;
    assert_eq!(one.next().await.unwrap()["result"]["isError"], true);
    assert!(
        other.within(Duration::from_millis(300)).await.is_none(),
        "one answer ends one call"
    );
    client.post(&session, &decline(&second["id"])).await;
    let ended = other.within(Duration::from_secs(3)).await.flatten();
    assert_eq!(ended.unwrap()["result"]["isError"], true);
}
