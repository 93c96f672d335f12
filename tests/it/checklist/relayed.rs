//! What upstreams answer, on its way to clients: errors, questions, and what is neither.

use serde_json::json;

use crate::support::{client::Client, upstream::Manner, world::World};

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

fn able(world: &World) -> Client {
    world
        .client("alice")
        .declaring(json!({ "elicitation": { "form": {}, "url": {} } }))
}

/// Lets `plain` answer calls with this member, `result` or `error`.
fn answers(world: &World, member: &str, json: &str) {
    let body = format!(r#"{{"jsonrpc":"2.0","id":{{id}},"{member}":{json}}}"#);
    world
        .second
        .misbehave("tools/call", Manner::Answer(200, JSON, body));
}

#[tokio::test]
async fn item_26_an_error_of_the_upstream_says_nothing_about_our_hop() {
    let world = World::start().await;
    let client = able(&world);
    client.call("plain_echo", json!({})).await.result();
    for code in [-32601, -32600, -32700, -32603, -32602, -32000, 7] {
        let error = json!({ "code": code, "message": "no", "data": { "why": 1 } });
        answers(&world, "error", &error.to_string());
        let answer = client.call("plain_echo", json!({})).await;
        assert_eq!(answer.error(), (200, code));
        assert_eq!(answer.json()["error"], error);
    }
    // What this client cannot do is said of this client, who declared it.
    answers(
        &world,
        "error",
        r#"{"code":-32021,"message":"sampling is needed"}"#,
    );
    let answer = client.call("plain_echo", json!({})).await;
    assert_eq!(answer.error(), (400, -32021));
}
