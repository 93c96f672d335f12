//! Programs meet the same hooks, and the same answers in their own words.

use serde_json::{Value, json};

use super::{PREFIX, calls, world};
use crate::support::{
    hook::{Hook, Manner},
    world::World,
};

async fn execute(world: &World, tool: &str, input: Value) -> Value {
    let body = json!({ "tool_name": tool, "input": input, "user_id": "alice" });
    world.rest().post("/v1/tools/execute", &body).await.good()
}

fn error(executed: &Value) -> (bool, &str, &str) {
    let error = &executed["output"]["error"];
    let text = |key: &str| error[key].as_str().unwrap_or_else(|| panic!("{executed}"));
    (
        executed["success"].as_bool().unwrap(),
        text("kind"),
        text("message"),
    )
}

#[tokio::test]
async fn a_tool_that_a_hook_denies_is_not_there_for_programs_either() {
    let hook = Hook::start().await;
    hook.says(
        "access",
        json!({ "deny": { "plain": { "tools": { "whoami": [] } } } }),
    );
    let world = world(&hook, &["access"], "").await;
    let rest = world.rest();
    let listed = rest.get("/v1/tools?user_id=alice").await.good();
    let items = listed["items"].as_array().unwrap().iter();
    let names: Vec<_> = items
        .map(|tool| tool["qualified_name"].as_str().unwrap())
        .collect();
    assert!(
        names.contains(&"plain.echo") && !names.contains(&"plain.whoami"),
        "{names:?}"
    );
    assert_eq!(
        rest.get("/v1/tools/plain.whoami?user_id=alice")
            .await
            .status,
        404
    );
    let body = json!({ "tool_name": "plain.whoami", "user_id": "alice" });
    for path in ["/v1/tools/execute", "/v1/tools/authorize"] {
        assert_eq!(rest.post(path, &body).await.status, 404, "{path}");
    }
    assert_eq!(calls(&world), 0);
}

#[tokio::test]
async fn a_denied_call_is_an_execution_without_success_that_says_so() {
    let hook = Hook::start().await;
    let world = world(&hook, &["pre"], "timeout = \"300ms\"").await;
    for (manner, kind, words) in [
        (
            Manner::Say(json!({ "code": "CHECK_FAILED", "error_message": "Ask Dana." })),
            "CONTEXT_DENIED",
            "Ask Dana.",
        ),
        (
            Manner::Say(json!({ "code": "RATE_LIMIT_EXCEEDED" })),
            "CONTEXT_DENIED",
            "too many calls; try again later.",
        ),
        (
            Manner::Hang,
            "CONTEXT_CHECK_FAILED",
            "the policy could not be checked; try again later.",
        ),
    ] {
        hook.answers("pre", manner);
        let executed = execute(&world, "plain.echo", json!({ "text": "x" })).await;
        let message = format!("{PREFIX}{words}");
        assert_eq!(error(&executed), (false, kind, message.as_str()));
        let asked = hook.asked("pre").pop().unwrap().body;
        assert_eq!(
            asked["execution_id"], executed["execution_id"],
            "{executed}"
        );
        assert_eq!(asked["inputs"], json!({ "text": "x" }));
    }
    assert_eq!(calls(&world), 0);
}

#[tokio::test]
async fn post_decides_what_a_program_gets() {
    let hook = Hook::start().await;
    let world = world(&hook, &["post"], "").await;
    hook.says(
        "post",
        json!({ "code": "OK", "override": { "output": { "text": "tame" } } }),
    );
    let executed = execute(&world, "plain.echo", json!({ "text": "wild" })).await;
    assert_eq!(executed["output"]["value"], json!({ "text": "tame" }));
    hook.says(
        "post",
        json!({ "code": "CHECK_FAILED", "error_message": "Too much." }),
    );
    let executed = execute(&world, "plain.echo", json!({ "text": "wild" })).await;
    let (success, kind, words) = error(&executed);
    assert_eq!((success, kind), (false, "CONTEXT_DENIED"));
    assert!(words.starts_with(&format!("{PREFIX}Too much.")), "{words}");
    assert_eq!(executed["output"]["error"]["can_retry"], false);
    assert!(!executed.to_string().contains("wild"), "{executed}");
}

#[tokio::test]
async fn a_program_that_acts_for_nobody_is_asked_about_as_nobody() {
    let hook = Hook::start().await;
    let world = world(&hook, &["access", "pre"], "").await;
    let body = json!({ "tool_name": "plain.echo", "input": {} });
    let executed = world.rest().post("/v1/tools/execute", &body).await.good();
    assert_eq!(executed["success"], true, "{executed}");
    assert_eq!(hook.asked("access").remove(0).body["user_id"], "");
    let context = hook.asked("pre").remove(0).body["context"].clone();
    assert!(context["user_id"].is_null(), "{context}");
}
