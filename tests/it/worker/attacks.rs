//! Workers that mean harm, and clients that do.

use serde_json::json;

use super::{kit, listed, tools};
use crate::support::{
    log::Log,
    upstream::tool as mcp_tool,
    worker::{StandIn, account, tool},
};

#[tokio::test]
async fn attack_a_hostile_catalogue_shows_what_is_sound_in_it() {
    let log = Log::listen();
    let hostile = vec![
        json!(null),
        json!({ "name": "../../etc", "toolkit": { "name": "Kit" } }),
        json!({ "name": "A\u{202e}b", "toolkit": { "name": "Kit" } }),
        json!({ "name": "x".repeat(5000), "toolkit": { "name": "Kit" } }),
        json!({ "name": "Add", "toolkit": { "name": "*" } }),
        json!({ "name": "Types", "toolkit": { "name": "Kit" }, "input": { "parameters": [{ "name": "p", "value_schema": { "val_type": ["string"] } }] } }),
        tool("Add", json!({ "description": "the first" })),
        tool("Add", json!({ "description": "the second" })),
        tool("ADD", json!({ "description": "the third" })),
    ];
    let (_kit, world) = kit(hostile, "").await;
    let listed = listed(&world.client("alice"), "Kit_").await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["description"], "the first");
    let lines = log.lines("left out of a worker's catalogue");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("count=8"), "{lines:?}");
}

#[tokio::test]
async fn attack_a_worker_does_not_get_the_calls_of_another_or_of_a_server() {
    let other = StandIn::start(vec![tool("Add", json!({ "description": "the other's" }))]).await;
    let (kit, mut world) = kit(tools(), &other.section("zother", "")).await;
    world
        .rewrite(r#"["kit.*", "#, r#"["kit.*", "zother.*", "#)
        .await;
    world
        .second
        .inside
        .tools
        .lock()
        .unwrap()
        .push(mcp_tool("Kit_Add"));
    world
        .change(|toml| toml.replace("instructions = \"Be brief.\"", "names = \"plain\""))
        .await;
    let client = world.client("alice");
    let all = listed(&client, "").await;
    let names: Vec<_> = all
        .iter()
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect();
    assert!(
        names.contains(&"zother_Add".to_owned()) && names.contains(&"plain_Kit_Add".to_owned()),
        "{names:?}"
    );
    client.call("Kit_Add", json!({})).await.result();
    assert_eq!((kit.invoked().len(), other.invoked().len()), (1, 0));
    client.call("zother_Add", json!({})).await.result();
    assert_eq!((kit.invoked().len(), other.invoked().len()), (1, 1));
}

#[tokio::test]
async fn attack_an_input_that_stands_twice_is_not_sent() {
    let (kit, world) = kit(tools(), "").await;
    let client = world.client("alice");
    let body = client.body(
        "tools/call",
        json!({ "name": "Kit_Add", "arguments": { "a": 1 } }),
    );
    let doubled = body.to_string().replace(r#"{"a":1}"#, r#"{"a":1,"a":2}"#);
    let headers = client.headers(&body);
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let answer = client.post(&headers, &doubled).await;
    assert!(answer.text.contains("twice"), "{}", answer.text);
    assert!(kit.invoked().is_empty());
}

#[tokio::test]
async fn attack_a_client_cannot_make_up_the_context() {
    let (kit, world) = kit(tools(), "").await;
    let client = world.client("alice");
    let call = json!({
        "name": "Kit_Add", "arguments": { "context": { "user_id": "bob" } },
        "context": { "user_id": "bob", "authorization": { "token": "x" } }, "user_id": "bob",
    });
    client.request("tools/call", call).await.result();
    let asked = &kit.invoked()[0];
    assert_eq!(
        asked["context"],
        json!({ "user_id": "alice", "secrets": [], "metadata": [] })
    );
    assert!(asked.get("user_id").is_none());
}

#[tokio::test]
async fn tokens_and_secrets_on_their_way_to_a_worker_are_in_no_log() {
    let log = Log::listen();
    let mut requirements = account("acme");
    requirements["secrets"] = json!([{ "key": "ACME_KEY" }]);
    let needy = tool("Needy", json!({ "requirements": requirements }));
    let (kit, world) = kit(vec![needy], "[secrets]\nACME_KEY = \"s3cret-of-acme\"\n").await;
    super::connected_and_called(&world, "alice", "Kit_Needy").await;
    kit.misbehave(
        "invoke",
        crate::support::upstream::Manner::Answer(500, &[], "broken".into()),
    );
    world
        .client("alice")
        .call("Kit_Needy", json!({}))
        .await
        .result();
    assert_eq!(kit.invoked().len(), 2);
    let sent = kit.headers()[0]["authorization"]
        .to_str()
        .unwrap()
        .to_owned();
    let signature = sent.rsplit('.').next().unwrap();
    for secret in [
        "s3cret-of-acme",
        "the-secret-of-the-kit",
        signature,
        &world.provider.access_tokens()[0],
    ] {
        let lines = log.lines(secret);
        assert!(lines.is_empty(), "{lines:?}");
    }
}
