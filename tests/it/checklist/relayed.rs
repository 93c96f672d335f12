//! What upstreams answer, on its way to clients: errors, questions, and what is neither.

use serde_json::{Value, json};

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

#[tokio::test]
async fn upstream_state_spelled_with_escapes_is_sealed_all_the_same() {
    let world = World::start().await;
    let client = able(&world);
    for (kind, state) in [
        ("\"resultType\"", "\"requestState\""),
        ("\"result\\u0054ype\"", "\"request\\u0053tate\""),
    ] {
        for value in ["\"input_required\"", "\"input\\u005frequired\""] {
            let result = format!(
                r#"{{{kind}:{value},"inputRequests":{{"a":{{"method":"roots/list"}}}},{state}:"the upstream's own"}}"#
            );
            answers(&world, "result", &result);
            let answer = client.call("plain_echo", json!({})).await;
            let asked = answer.result();
            assert_eq!(asked["resultType"], "input_required", "{asked}");
            assert!(
                !answer.text.contains("the upstream's own"),
                "{}",
                answer.text
            );
            let retry = json!({
                "name": "plain_echo", "arguments": {}, "requestState": asked["requestState"],
                "inputResponses": { "a": { "roots": [] } },
            });
            client.request("tools/call", retry).await.result();
            let seen = world.second.last("tools/call").body["params"].clone();
            assert_eq!(seen["requestState"], "the upstream's own");
            assert_eq!(seen["inputResponses"], json!({ "a": { "roots": [] } }));
        }
    }
}

#[tokio::test]
async fn a_result_of_unknown_type_is_a_failure_of_the_upstream() {
    let world = World::start().await;
    let legacy = able(&world).initialized("2025-11-25").await;
    for client in [able(&world), legacy] {
        for kind in [
            json!("task"),
            json!("Complete"),
            json!(""),
            json!(7),
            Value::Null,
        ] {
            let result = json!({ "resultType": kind, "content": [], "requestState": "bare" });
            answers(&world, "result", &result.to_string());
            let answer = client.call("plain_echo", json!({})).await;
            assert_eq!(answer.result()["isError"], true, "{kind}: {}", answer.text);
            assert!(answer.words().contains("cannot be understood"));
            assert!(!answer.text.contains("bare"), "{}", answer.text);
        }
        answers(
            &world,
            "result",
            r#"{"resultType":"complete","content":[],"requestState":"bare","x":1}"#,
        );
        let answer = client.call("plain_echo", json!({})).await;
        assert_eq!(answer.result()["x"], 1, "{}", answer.text);
        assert!(
            !answer.text.contains("bare"),
            "a complete result asks nothing: {}",
            answer.text
        );
    }
}
