//! A configuration is replaced under what was worked out from the one before: known tools, held lists, open streams.

use std::time::Duration;

use anteroom::config::Era;
use serde_json::{Value, json};

use crate::support::{
    client::{Client, Events},
    upstream::{StandIn, tool},
    world::World,
};

const TOOLS: &str = r#"tools = ["notes.*", "plain.*", "!plain.hidden*"]"#;

async fn names(client: &Client) -> Vec<String> {
    let list = client.request("tools/list", json!({})).await.result();
    let names = list["tools"].as_array().unwrap().iter();
    names
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Both kinds of stream, listening.
async fn listeners(world: &World) -> [Events; 2] {
    let client = world.client("alice");
    client.request("tools/list", json!({})).await.result();
    let filter = json!({ "notifications": { "toolsListChanged": true } });
    let mut modern = client.events("subscriptions/listen", filter).await;
    modern.next().await.unwrap();
    let legacy = world.client("alice").initialized("2025-11-25").await;
    let legacy = legacy.get(&[]).await;
    // The first look, from which changes are told.
    tokio::time::sleep(Duration::from_millis(300)).await;
    [modern, legacy]
}

/// What a stream says within a second or two: the next message, or `None` for its end.
async fn soon(stream: &mut Events) -> Option<Value> {
    let said = stream.within(Duration::from_secs(2)).await;
    said.expect("a stream hears of a replaced configuration at once")
}

#[tokio::test]
async fn a_tool_taken_from_a_gateway_is_unknown_from_then_on() {
    let mut world = World::start().await;
    let client = world.client("alice");
    client.call("plain_echo", json!({})).await.result();
    world.rewrite(TOOLS, r#"tools = ["notes.*"]"#).await;
    assert_eq!(client.call("plain_echo", json!({})).await.error().1, -32602);
    assert_eq!(names(&client).await, ["notes_echo"]);
    let called = world.second.methods();
    assert_eq!(
        called.iter().filter(|seen| *seen == "tools/call").count(),
        1
    );
}

#[tokio::test]
async fn a_tool_of_an_upstream_that_is_gone_is_unknown() {
    let mut world = World::start().await;
    let client = world.client("alice");
    client.call("plain_echo", json!({})).await.result();
    world.rewrite(TOOLS, r#"tools = ["notes.*"]"#).await;
    world
        .rewrite(
            "[upstreams.plain]",
            "[upstreams.plain]\nstatus = \"inactive\"",
        )
        .await;
    assert_eq!(client.call("plain_echo", json!({})).await.error().1, -32602);
    assert_eq!(names(&client).await, ["notes_echo"]);
}

#[tokio::test]
async fn the_tools_of_another_address_are_not_those_of_the_old_one() {
    let mut world = World::start().await;
    let client = world.client("alice");
    assert_eq!(names(&client).await, ["notes_echo", "plain_echo"]);
    let elsewhere = StandIn::start(&[Era::Modern]).await;
    *elsewhere.inside.tools.lock().unwrap() = vec![tool("moved")];
    let old = world.second.url.to_string();
    world.rewrite(&old, elsewhere.url.as_str()).await;
    assert_eq!(names(&client).await, ["notes_echo", "plain_moved"]);
}

#[tokio::test]
async fn a_gateway_introduces_itself_by_the_title_it_has_now() {
    let mut world = World::start().await;
    let client = world.client("alice");
    let title = async || {
        let result = client.call("plain_echo", json!({})).await.result();
        result["_meta"]["io.modelcontextprotocol/serverInfo"]["title"].clone()
    };
    assert_eq!(title().await, "work");
    world
        .rewrite("[gateways.work]", "[gateways.work]\ntitle = \"Our work\"")
        .await;
    assert_eq!(title().await, "Our work");
}

#[tokio::test]
async fn streams_of_a_gateway_that_is_gone_end() {
    let mut world = World::start().await;
    let [mut modern, mut legacy] = listeners(&world).await;
    world
        .rewrite("[gateways.work]", "[gateways.work]\nstatus = \"inactive\"")
        .await;
    let end = soon(&mut modern).await.unwrap();
    assert_eq!(end["result"]["resultType"], "complete", "{end}");
    assert!(soon(&mut modern).await.is_none());
    assert!(soon(&mut legacy).await.is_none());
}

#[tokio::test]
async fn streams_opened_with_a_key_that_was_revoked_end() {
    let mut world = World::start().await;
    let [mut modern, mut legacy] = listeners(&world).await;
    world.rewrite("[api_keys.team]", "[api_keys.renamed]").await;
    assert!(soon(&mut modern).await.unwrap()["result"].is_object());
    assert!(soon(&mut legacy).await.is_none());
}

#[tokio::test]
async fn streams_of_a_user_who_was_struck_off_end() {
    let mut world = World::start().await;
    let [mut modern, mut legacy] = listeners(&world).await;
    world
        .rewrite(
            "[user_sources.team]\ntype = \"accounts\"\naccounts.alice",
            "[user_sources.team]\ntype = \"accounts\"\naccounts.carol",
        )
        .await;
    assert!(soon(&mut modern).await.unwrap()["result"].is_object());
    assert!(soon(&mut legacy).await.is_none());
}

#[tokio::test]
async fn other_streams_go_on_and_are_told_of_tools_that_came_or_went() {
    let mut world = World::start().await;
    let mut streams = listeners(&world).await;
    world.rewrite("Be brief.", "Be precise.").await;
    for stream in &mut streams {
        let silence = stream.within(Duration::from_millis(300)).await;
        assert!(silence.is_none(), "{silence:?}");
    }
    world.rewrite(TOOLS, r#"tools = ["plain.*"]"#).await;
    for stream in &mut streams {
        let changed = soon(stream).await.unwrap();
        assert_eq!(changed["method"], "notifications/tools/list_changed");
    }
    // What the new selection is made of is listened to.
    world.rewrite(r#"tools = ["plain.*"]"#, TOOLS).await;
    for stream in &mut streams {
        soon(stream).await.unwrap();
    }
    *world.upstream.inside.tools.lock().unwrap() = vec![tool("fresh")];
    world.advance(120);
    names(&world.client("bob")).await;
    for stream in &mut streams {
        let changed = soon(stream).await.unwrap();
        assert_eq!(changed["method"], "notifications/tools/list_changed");
    }
}
