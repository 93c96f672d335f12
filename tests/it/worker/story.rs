//! The way it should go.

use serde_json::{Value, json};

use super::{connected_and_called, kit, listed, tools};
use crate::support::{asking, worker::tool};

#[tokio::test]
async fn a_workers_tools_are_listed_and_called_like_all_others() {
    let add = tool(
        "Add",
        json!({
            "input": { "parameters": [
                { "name": "a", "required": true, "description": "The first number", "value_schema": { "val_type": "integer" } },
                { "name": "ratio", "required": false, "value_schema": { "val_type": "number" } },
                { "name": "tenant", "required": false, "inferrable": false, "value_schema": { "val_type": "string" } },
            ] },
            "output": { "available_modes": ["value", "error"], "value_schema": { "val_type": "integer" } },
            "deprecation_message": "Use Sum",
            "metadata": { "behavior": { "read_only": true, "destructive": false, "idempotent": true, "open_world": false } },
        }),
    );
    let (kit, world) = kit(vec![add], "").await;
    let client = world.client("alice");

    let listed = listed(&client, "Kit_").await;
    assert_eq!(
        listed,
        [json!({
            "name": "Kit_Add",
            "description": "[DEPRECATED: Use Sum] Does Add",
            "inputSchema": {
                "type": "object",
                "properties": { "a": { "type": "integer", "description": "The first number" }, "ratio": { "type": "number" } },
                "additionalProperties": false, "required": ["a"],
            },
            "outputSchema": { "type": "object", "properties": { "result": { "type": "integer" } } },
            "annotations": { "title": "Add", "readOnlyHint": true, "destructiveHint": false, "idempotentHint": true, "openWorldHint": false },
            "_meta": { "arcade": { "metadata": { "behavior": { "read_only": true, "destructive": false, "idempotent": true, "open_world": false } } } },
        })]
    );

    kit.answer(
        "Add",
        [json!({ "success": true, "output": { "value": 3 } })],
    );
    let arguments = json!({ "a": 1, "ratio": null });
    let result = client.call("Kit_Add", arguments).await.result();
    assert_eq!(result["content"], json!([{ "type": "text", "text": "3" }]));
    assert_eq!(result["structuredContent"], json!({ "result": 3 }));
    assert!(result["isError"].is_null(), "{result}");

    let asked = &kit.invoked()[0];
    assert_eq!(
        asked["tool"],
        json!({ "name": "Add", "toolkit": "Kit", "version": "1.2.3" })
    );
    assert_eq!(
        asked["inputs"],
        json!({ "a": 1 }),
        "a null for nothing is left out"
    );
    assert!(asked["execution_id"].as_str().unwrap().starts_with("te_"));
    assert!(asked["context"].get("authorization").is_none(), "{asked}");
    assert_eq!(asked["context"]["user_id"], "alice");
}

#[tokio::test]
async fn every_request_is_signed_and_carries_nothing_of_the_clients() {
    let (kit, world) = kit(tools(), "").await;
    world
        .client("alice")
        .call("Kit_Add", json!({}))
        .await
        .result();
    let now = 1_800_000_000;
    assert!(kit.claims().len() >= 2, "the catalogue, and the call");
    for claims in kit.claims() {
        assert_eq!(
            claims,
            json!({ "aud": "worker", "ver": "1", "exp": now + 300 })
        );
    }
    let headers = &kit.headers()[0];
    assert!(headers.get("arcade-user-id").is_none() && headers.get("traceparent").is_none());
}

#[tokio::test]
async fn a_user_is_asked_for_the_account_and_the_tool_runs_with_it() {
    let (kit, world) = kit(tools(), "").await;
    let result = connected_and_called(&world, "alice", "Kit_WhoAmI").await;
    assert!(result["isError"].is_null(), "{result}");
    let token = &world.provider.access_tokens()[0];
    assert_eq!(result["structuredContent"]["token"], json!(token));
    assert_eq!(kit.invoked().len(), 1, "nothing ran before");
    let asked = &kit.invoked()[0]["context"];
    assert!(asked["authorization"]["user_info"].is_object(), "{asked}");
    assert_eq!(world.provider.authorizations()[0]["scope"], "notes");

    // It is alice's alone.
    let bob = asking::url_client(&world, "bob");
    let asked = bob.call("Kit_WhoAmI", json!({})).await.result();
    assert_eq!(asked["resultType"], "input_required", "{asked}");
}

#[tokio::test]
async fn secrets_and_facts_go_to_the_tool_that_asks_for_them_and_to_no_other() {
    let sealing = tool(
        "Seal",
        json!({ "requirements": { "authorization": null, "secrets": [{ "key": "ACME_KEY" }], "metadata": null } }),
    );
    let more = "[secrets]\nACME_KEY = \"s3cret-of-acme\"\nOTHER = \"s3cret-of-others\"\n";
    let (kit, world) = kit([tools(), vec![sealing]].concat(), more).await;
    let client = world.client("alice");
    client.call("Kit_Seal", json!({})).await.result();
    client.call("Kit_Add", json!({})).await.result();
    let [sealed, added] = &kit.invoked()[..] else {
        panic!("two calls")
    };
    assert_eq!(
        sealed["context"]["secrets"],
        json!([{ "key": "ACME_KEY", "value": "s3cret-of-acme" }])
    );
    assert_eq!(added["context"]["secrets"], json!([]));
    let shown = client.request("tools/list", json!({})).await.text;
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[tokio::test]
async fn a_tool_that_fails_tells_the_model_how_to_do_better_and_programs_what_it_was() {
    let (kit, world) = kit(tools(), "").await;
    let client = world.client("alice");
    let failed = json!({ "success": false, "output": { "error": {
        "kind": "TOOL_RUNTIME_RETRY", "message": "There is no such city", "can_retry": true, "retry_after_ms": 500,
        "additional_prompt_content": "The cities are Oslo and Bergen", "developer_message": "cities.csv line 7", "stacktrace": "Traceback: cities.py",
    } } });
    kit.answer("Add", [failed]);
    let answer = client.call("Kit_Add", json!({})).await;
    let result = answer.result();
    assert_eq!(result["isError"], true);
    assert_eq!(
        answer.words(),
        "There is no such city\n\nThe cities are Oslo and Bergen"
    );
    assert_eq!(
        result["_meta"]["arcade"],
        json!({ "errorKind": "TOOL_RUNTIME_RETRY", "canRetry": true, "additionalPromptContent": "The cities are Oslo and Bergen", "retryAfterMs": 500, "statusCode": null })
    );
    assert!(!answer.text.contains("cities.py") && !answer.text.contains("line 7"));
}

#[tokio::test]
async fn an_operator_chooses_among_a_workers_tools() {
    let (_kit, mut world) = kit(tools(), "").await;
    world.rewrite(r#""kit.*""#, r#""kit.Kit.A*""#).await;
    let client = world.client("alice");
    let names: Vec<Value> = listed(&client, "Kit_")
        .await
        .iter()
        .map(|tool| tool["name"].clone())
        .collect();
    assert_eq!(names, ["Kit_Add"]);
    assert_eq!(client.call("Kit_WhoAmI", json!({})).await.error().1, -32602);
}
