//! Alice's client, which can open links, and what it is asked for.

use serde_json::{Value, json};

use super::{client::Client, world::World};

/// A client of this user that declares URL elicitation.
pub fn url_client(world: &World, user: &str) -> Client {
    world
        .client(user)
        .declaring(json!({ "elicitation": { "url": {} } }))
}

/// What it gets for a call of a tool that needs an account.
pub async fn ask(client: &Client) -> Value {
    client.call("notes_echo", json!({})).await.result()
}

/// The link of the question for an account at `provider`.
pub fn link<'a>(asked: &'a Value, provider: &str) -> &'a str {
    asked["inputRequests"][format!("connect_{provider}")]["params"]["url"]
        .as_str()
        .unwrap_or_else(|| panic!("{asked}"))
}
