//! The service behind a tool does not take the user's token.

use serde_json::json;

use super::{connected_and_called, kit};
use crate::support::{
    asking,
    worker::{account, refused_token, tool},
};

#[tokio::test]
async fn a_refused_token_is_renewed_once_and_a_tool_that_may_run_twice_runs_again() {
    let safe = json!({ "behavior": { "read_only": true } });
    let safe = tool(
        "WhoAmI",
        json!({ "requirements": account("acme"), "metadata": safe }),
    );
    let (kit, world) = kit(vec![safe], "").await;
    kit.answer("WhoAmI", [refused_token()]);
    let result = connected_and_called(&world, "alice", "Kit_WhoAmI").await;
    let tokens = world.provider.access_tokens();
    assert_eq!(tokens.len(), 2, "one of the code, and one renewed");
    assert_eq!(
        result["structuredContent"]["token"],
        json!(tokens[1]),
        "{result}"
    );
    assert_eq!(kit.invoked().len(), 2);
}

#[tokio::test]
async fn a_tool_that_may_not_run_twice_is_not_repeated_and_the_next_call_has_the_new_token() {
    let (kit, world) = kit(
        vec![tool("WhoAmI", json!({ "requirements": account("acme") }))],
        "",
    )
    .await;
    connected_and_called(&world, "alice", "Kit_WhoAmI").await;
    kit.answer("WhoAmI", [refused_token()]);
    let client = asking::url_client(&world, "alice");
    let answer = client.call("Kit_WhoAmI", json!({})).await;
    let result = answer.result();
    assert_eq!(
        (&result["isError"], kit.invoked().len()),
        (&json!(true), 2),
        "{result}"
    );
    assert!(
        answer
            .words()
            .contains("has been renewed: call the tool again"),
        "{}",
        answer.words()
    );
    assert_eq!(result["_meta"]["arcade"]["canRetry"], true);
    assert!(!answer.text.contains("internal"), "{}", answer.text);
    let result = client.call("Kit_WhoAmI", json!({})).await.result();
    assert_eq!(
        result["structuredContent"]["token"],
        json!(world.provider.access_tokens()[1])
    );
}

#[tokio::test]
async fn a_token_that_is_refused_again_after_it_was_renewed_is_asked_for_at_this_very_call() {
    let safe = json!({ "behavior": { "idempotent": true } });
    let safe = tool(
        "WhoAmI",
        json!({ "requirements": account("acme"), "metadata": safe }),
    );
    let (kit, world) = kit(vec![safe], "").await;
    connected_and_called(&world, "alice", "Kit_WhoAmI").await;
    kit.answer("WhoAmI", [refused_token(), refused_token()]);
    let client = asking::url_client(&world, "alice");
    let asked = client.call("Kit_WhoAmI", json!({})).await.result();
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    assert_eq!(kit.invoked().len(), 3, "not a loop");
    world.connect(asking::link(&asked, "acme"), "alice").await;
    let result = client.call("Kit_WhoAmI", json!({})).await.result();
    assert!(result["isError"].is_null(), "{result}");
}

#[tokio::test]
async fn a_service_that_forbids_one_thing_does_not_cost_the_account() {
    let (kit, world) = kit(
        vec![tool("WhoAmI", json!({ "requirements": account("acme") }))],
        "",
    )
    .await;
    connected_and_called(&world, "alice", "Kit_WhoAmI").await;
    let mut forbidden = refused_token();
    forbidden["output"]["error"]["status_code"] = json!(403);
    kit.answer("WhoAmI", [forbidden]);
    let client = asking::url_client(&world, "alice");
    let result = client.call("Kit_WhoAmI", json!({})).await.result();
    assert_eq!(result["_meta"]["arcade"]["statusCode"], 403, "{result}");
    assert_eq!(
        world.provider.access_tokens().len(),
        1,
        "nothing was renewed"
    );
    let result = client.call("Kit_WhoAmI", json!({})).await.result();
    assert!(result["isError"].is_null(), "{result}");
}
