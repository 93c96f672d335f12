//! Who may use what, by claims: what a user may not use is not there.

use anteroom::config::Era;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{
    browser::Browser,
    client::{Answer, Client},
    log::Log,
    oauth::Program,
    world::{PASSWORD, World},
};

const RULES: &str = r#"
[[gateways.work.rules]]
tools = ["plain.echo"]
require = { groups = ["admins", "owners"] }
"#;

/// Alice is an admin, Bob is not.
async fn world() -> World {
    let mut world = World::with(Era::Modern, RULES).await;
    grant(&mut world, "alice", "eng\", \"admins").await;
    grant(&mut world, "bob", "eng").await;
    world
}

async fn grant(world: &mut World, who: &str, groups: &str) {
    let account = format!("accounts.{who} = {{");
    let claims = format!("{account} claims = {{ groups = [\"{groups}\"] }},");
    world.rewrite(&account, &claims).await;
}

fn names(answer: &Answer) -> Vec<String> {
    let tools = answer.json()["result"]["tools"].as_array().unwrap().clone();
    let name = |tool: &Value| tool["name"].as_str().unwrap().to_owned();
    tools.iter().map(name).collect()
}

async fn list(client: &Client) -> Vec<String> {
    names(&client.request("tools/list", json!({})).await)
}

#[tokio::test]
async fn a_tool_that_a_rule_keeps_from_a_user_is_not_listed_and_answers_as_unknown() {
    let world = world().await;
    let (alice, bob) = (world.client("alice"), world.client("bob"));
    let (hers, his) = (list(&alice).await, list(&bob).await);
    assert!(hers.contains(&"plain_echo".to_owned()), "{hers:?}");
    let all_but_it: Vec<_> = hers
        .into_iter()
        .filter(|name| name != "plain_echo")
        .collect();
    assert_eq!(his, all_but_it);

    let hers = alice.call("plain_echo", json!({ "text": "x" })).await;
    assert_eq!(hers.status, StatusCode::OK, "{}", hers.text);
    assert!(hers.json()["error"].is_null(), "{}", hers.text);
    let (his, nobodys) = (
        bob.call("plain_echo", json!({ "text": "x" })).await,
        bob.call("plain_nothing", json!({ "text": "x" })).await,
    );
    assert_eq!(his.status, nobodys.status);
    assert_eq!(his.json()["error"]["code"], -32602);
    let blind = |answer: &Answer| {
        answer.json()["error"]["message"]
            .to_string()
            .replace("echo", "nothing")
    };
    assert_eq!(blind(&his), blind(&nobodys), "nothing tells that it exists");
}

#[tokio::test]
async fn a_claim_taken_from_a_user_counts_at_the_next_request() {
    let mut world = world().await;
    let alice = world.client("alice");
    assert!(list(&alice).await.contains(&"plain_echo".to_owned()));
    world.rewrite("\"eng\", \"admins\"", "\"eng\"").await;
    assert!(!list(&alice).await.contains(&"plain_echo".to_owned()));
    let answer = alice.call("plain_echo", json!({})).await;
    assert_eq!(answer.json()["error"]["code"], -32602, "{}", answer.text);
}

#[tokio::test]
async fn a_gateway_that_a_user_may_not_use_answers_as_one_that_never_was() {
    let log = Log::listen();
    let mut world = world().await;
    let requirement = "[gateways.work]\nrequire = { groups = [\"admins\"] }";
    world.rewrite("[gateways.work]", requirement).await;
    let alice = world.client("alice").request("tools/list", json!({})).await;
    assert_eq!(alice.status, StatusCode::OK, "{}", alice.text);
    let bob = world.client("bob").request("tools/list", json!({})).await;
    let told = log
        .text()
        .contains("lacks a claim that the gateway requires");
    assert!(
        told && log.text().contains("claim=\"groups\""),
        "the operator knows"
    );
    let never = Client::new(&format!("{}/mcp/never", world.base), "arc_x", "bob");
    let never = never.request("tools/list", json!({})).await;
    assert_eq!((bob.status, bob.text), (never.status, never.text));
}

#[tokio::test]
async fn whoever_lacks_the_claims_is_told_so_at_the_browser_and_gets_no_code() {
    let mut world = World::signing_in("").await;
    grant(&mut world, "alice", "admins").await;
    let requirement = "[gateways.work]\nrequire = { groups = [\"admins\"] }";
    world.rewrite("[gateways.work]", requirement).await;
    world.tokens("alice").await;

    let program = Program::register(&world.base).await;
    let browser = Browser::new();
    let page = browser
        .open(program.request(&world.endpoint(), |_| {}))
        .await;
    let page = browser.submit(&page.form("Allow and sign in")).await;
    let form = page
        .form("Sign in")
        .with("username", "bob")
        .with("password", PASSWORD);
    let page = browser.submit(&form).await;
    assert_eq!(
        page.status,
        StatusCode::FORBIDDEN,
        "{} {}",
        page.url,
        page.words()
    );
    assert!(!page.url.as_str().contains("code="), "{}", page.url);
}

#[tokio::test]
async fn tools_that_are_hidden_keep_their_names_from_others() {
    let mut world = World::with(Era::Modern, &RULES.replace("plain.echo", "notes.*")).await;
    world
        .rewrite("[gateways.work]", "[gateways.work]\nnames = \"plain\"")
        .await;
    grant(&mut world, "alice", "admins").await;
    let (hers, his) = (
        list(&world.client("alice")).await,
        list(&world.client("bob")).await,
    );
    assert!(
        his.iter().all(|name| hers.contains(name)),
        "{his:?} {hers:?}"
    );
    assert!(his.len() < hers.len());
}
