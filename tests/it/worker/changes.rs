//! A catalogue that changes between the list and the call, and what tools need that is not there.

use serde_json::{Value, json};

use super::{kit, listed, tools};
use crate::support::{
    log::Log,
    worker::{account, tool},
};

#[tokio::test]
async fn a_new_catalogue_is_seen_after_ten_seconds() {
    let (kit, world) = kit(tools(), "").await;
    let client = world.client("alice");
    assert_eq!(listed(&client, "Kit_").await.len(), 2);
    kit.offer([tools(), vec![tool("New", json!({}))]].concat());
    world.advance(9);
    assert_eq!(listed(&client, "Kit_").await.len(), 2);
    world.advance(2);
    assert_eq!(listed(&client, "Kit_").await.len(), 3);
    client.call("Kit_New", json!({})).await.result();
}

#[tokio::test]
async fn a_tool_that_went_since_it_was_listed_is_said_to_be_gone() {
    let (kit, world) = kit(tools(), "").await;
    let client = world.client("alice");
    assert_eq!(listed(&client, "Kit_").await.len(), 2);
    kit.offer(Vec::new());
    let looks = kit.looks();
    let answer = client.call("Kit_Add", json!({})).await;
    assert_eq!(answer.result()["isError"], true);
    assert!(
        answer.words().contains("list the tools again"),
        "{}",
        answer.words()
    );
    assert_eq!(kit.looks(), looks + 1, "one look at the catalogue");
    assert!(
        listed(&client, "Kit_").await.is_empty(),
        "the list is fresh at once"
    );
}

#[tokio::test]
async fn a_tool_that_has_another_version_since_is_not_run_in_that_version() {
    let (kit, world) = kit(tools(), "").await;
    let client = world.client("alice");
    assert_eq!(listed(&client, "Kit_").await.len(), 2);
    let mut newer = tools();
    for tool in &mut newer {
        tool["toolkit"]["version"] = "2.0.0".into();
    }
    kit.offer(newer);
    let answer = client.call("Kit_Add", json!({})).await;
    assert!(
        answer.words().contains("not in this version"),
        "{}",
        answer.words()
    );
    // Clients that do not list again get there too.
    let result = client.call("Kit_Add", json!({})).await.result();
    assert!(result["isError"].is_null(), "{result}");
    let versions: Vec<Value> = kit
        .invoked()
        .iter()
        .map(|asked| asked["tool"]["version"].clone())
        .collect();
    assert_eq!(versions, ["1.2.3", "2.0.0"]);
}

#[tokio::test]
async fn a_secret_that_nobody_set_is_missed_before_anything_runs() {
    let keys = json!([{ "key": "ACME_KEY" }, { "key": "ACME_OTHER" }]);
    let sealing = tool("Seal", json!({ "requirements": { "secrets": keys } }));
    let (kit, world) = kit(vec![sealing], "[secrets]\nACME_OTHER = \"x\"\n").await;
    let answer = world.client("alice").call("Kit_Seal", json!({})).await;
    assert_eq!(answer.result()["isError"], true);
    let words = answer.words();
    assert!(
        words.contains("ACME_KEY") && !words.contains("ACME_OTHER"),
        "{words}"
    );
    assert!(kit.invoked().is_empty());
}

#[tokio::test]
async fn a_provider_that_nobody_configured_is_said_once_in_the_log_and_at_each_call() {
    let log = Log::listen();
    let unknown =
        json!({ "authorization": { "provider_id": "gitlab", "provider_type": "oauth2" } });
    let tools = vec![
        tool("Add", json!({})),
        tool("List", json!({ "requirements": unknown })),
        tool("Get", json!({ "requirements": account("acme-idp") })),
    ];
    let (kit, world) = kit(tools, "").await;
    let client = world.client("alice");
    assert_eq!(
        listed(&client, "Kit_").await.len(),
        3,
        "the others are not hidden"
    );
    world.advance(11);
    listed(&client, "Kit_").await;
    let lines = log.lines("providers that are not configured");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].contains("count=2") && lines[0].contains("gitlab"),
        "{lines:?}"
    );
    let answer = client.call("Kit_List", json!({})).await;
    assert_eq!(answer.result()["isError"], true);
    assert!(answer.words().contains("“gitlab”"), "{}", answer.words());
    assert!(kit.invoked().is_empty());
}

#[tokio::test]
async fn none_written_as_a_name_means_no_name() {
    let odd = json!({ "authorization": { "id": "None", "provider_id": "acme", "provider_type": "oauth2", "oauth2": { "scopes": ["notes"] } } });
    let (_kit, world) = kit(vec![tool("Odd", json!({ "requirements": odd }))], "").await;
    let client = crate::support::asking::url_client(&world, "alice");
    let asked = client.call("Kit_Odd", json!({})).await.result();
    assert!(
        asked["inputRequests"]["connect_acme"].is_object(),
        "{asked}"
    );
}

#[tokio::test]
async fn a_tool_that_wants_an_account_while_it_runs_passes_its_own_link_on() {
    let (kit, world) = kit(tools(), "").await;
    let wants = json!({ "authorization_url": "https://acme.example/connect", "status": "pending" });
    let wants = json!({ "success": false, "output": { "requires_authorization": wants } });
    kit.answer("Add", [wants]);
    let answer = world.client("alice").call("Kit_Add", json!({})).await;
    assert_eq!(answer.result()["isError"], true);
    assert!(
        answer.words().contains("https://acme.example/connect"),
        "{}",
        answer.words()
    );
}
