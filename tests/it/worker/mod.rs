//! Tools of Arcade workers at an MCP gateway.

mod attacks;
mod changes;
mod files;
mod misbehaviour;
mod recorded;
mod story;
mod tokens;

use anteroom::config::Era;
use serde_json::{Value, json};

use crate::support::{
    asking,
    client::Client,
    worker::{StandIn, account, tool},
    world::World,
};

/// A worker with these tools, and the world whose gateway has it as `kit`.
async fn kit(tools: Vec<Value>, more: &str) -> (StandIn, World) {
    let kit = StandIn::start(tools).await;
    let mut world = World::with(Era::Modern, &(kit.section("kit", "") + more)).await;
    world
        .rewrite(r#"tools = ["notes.*""#, r#"tools = ["kit.*", "notes.*""#)
        .await;
    (kit, world)
}

/// One tool that needs nothing, and one that needs an account.
fn tools() -> Vec<Value> {
    vec![
        tool("Add", json!({})),
        tool("WhoAmI", json!({ "requirements": account("acme") })),
    ]
}

/// The definitions whose names begin with `prefix`.
async fn listed(client: &Client, prefix: &str) -> Vec<Value> {
    let result = client.request("tools/list", json!({})).await.result();
    let tools = result["tools"].as_array().unwrap().iter();
    let ours = tools.filter(|tool| tool["name"].as_str().unwrap().starts_with(prefix));
    ours.cloned().collect()
}

/// Calls a tool that needs an account, connects it, and comes back with the answer.
async fn connected_and_called(world: &World, user: &str, name: &str) -> Value {
    let client = asking::url_client(world, user);
    let asked = client.call(name, json!({})).await.result();
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    world.connect(asking::link(&asked, "acme"), user).await;
    let retry = json!({
        "name": name, "arguments": {},
        "inputResponses": { "connect_acme": { "action": "accept" } },
        "requestState": asked["requestState"],
    });
    client.request("tools/call", retry).await.result()
}
