use serde_json::json;

use crate::support::world::World;

#[tokio::test]
async fn a_call_and_a_connection() {
    let world = World::start().await;
    *world.upstream.inside.tools.lock().unwrap() =
        vec![json!({"name":"whoami","inputSchema":{"type":"object"}})];
    let alice = world
        .client("alice")
        .declaring(json!({"elicitation":{"url":{}}}));
    let list = alice.request("tools/list", json!({})).await;
    println!("{}", list.text);
    let asked = alice.call("notes_whoami", json!({})).await;
    println!("{}", asked.text);
    let result = asked.result();
    assert_eq!(result["resultType"], "input_required");
    let link = result["inputRequests"]["connect_acme"]["params"]["url"]
        .as_str()
        .unwrap()
        .to_owned();
    world.connect(&link, "alice").await;
    let answer = alice.call("notes_whoami", json!({})).await;
    println!("{}", answer.text);
    assert!(answer.words().starts_with("Bearer "));
}
