//! Policy hooks: servers of the operator's that decide what users see and do, asked as the published contract says.

mod certificates;
mod failures;
mod order;
mod programs;
mod story;
mod workers;

use anteroom::{audit::Query, config::Era};
use serde_json::{Value, json};

use crate::support::{client::Client, hook::Hook, upstream::tool, world::World};

const PREFIX: &str = "Tool execution was denied by an extension policy: ";

/// A world with these sections in its file; the tools of `plain` are `echo` and `whoami`.
async fn world_with(sections: &str) -> World {
    let world = World::with(Era::Modern, sections).await;
    let tools = vec![tool("echo"), tool("whoami")];
    *world.second.inside.tools.lock().unwrap() = tools;
    world
}

/// One that asks `hook` at these points.
async fn world(hook: &Hook, points: &[&str], more: &str) -> World {
    world_with(&hook.section("guard", points, more)).await
}

async fn names(client: &Client) -> Vec<String> {
    let answer = client.request("tools/list", json!({})).await;
    let tools = answer.result()["tools"].as_array().unwrap().clone();
    let name = |tool: &Value| tool["name"].as_str().unwrap().to_owned();
    tools.iter().map(name).collect()
}

/// How often a tool of `plain` was called at its server.
fn calls(world: &World) -> usize {
    let methods = world.second.methods();
    methods.iter().filter(|it| *it == "tools/call").count()
}

/// The audit log.
async fn audited(world: &World) -> String {
    let operators = world.operators();
    operators.trail.flush().await.unwrap();
    let mut export = operators.archive.export(Query::default()).await.unwrap();
    let mut lines = String::new();
    while let Some(line) = export.next().await.unwrap() {
        lines.push_str(&line);
        lines.push('\n');
    }
    lines
}
