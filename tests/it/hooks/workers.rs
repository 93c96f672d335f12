//! Hooks about the tools of a worker: by the names the worker gives them, with secrets by name, and values put in place.

use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use serde_json::{Value, json};

use super::{PREFIX, names, world_with};
use crate::support::{self, hook::Hook, world::World};

type Invocations = Arc<Mutex<Vec<Value>>>;

/// A tool server with one tool, which says its inputs.
async fn worker() -> (url::Url, Invocations) {
    let seen = Invocations::default();
    let inside = Arc::clone(&seen);
    let catalogue = json!([{
        "name": "SendMail", "fully_qualified_name": "Office.SendMail", "description": "Sends mail",
        "toolkit": { "name": "Office", "version": "1.2.3" },
        "input": { "parameters": [{ "name": "to", "required": true, "inferrable": true, "value_schema": { "val_type": "string" } }] },
        "output": { "available_modes": ["value", "error"], "value_schema": { "val_type": "json" } },
        "requirements": { "secrets": [{ "key": "OFFICE_KEY" }] },
        "metadata": { "behavior": { "operations": ["create"], "destructive": false } },
    }]);
    let invoke = |State(seen): State<Invocations>, Json(body): Json<Value>| async move {
        seen.lock().unwrap().push(body.clone());
        let output = match body["inputs"]["to"].as_str() {
            Some("nobody") => {
                json!({ "error": { "kind": "TOOL_RUNTIME_FATAL", "message": "no such person", "developer_message": "at line 7" } })
            }
            _ => json!({ "value": body["inputs"], "logs": [{ "message": "to whom" }] }),
        };
        let success = output["error"].is_null();
        Json(json!({ "execution_id": body["execution_id"], "success": success, "output": output }))
    };
    let url = support::serve(|_| {
        Router::new()
            .route("/worker/tools", get(move || async move { Json(catalogue) }))
            .route("/worker/tools/invoke", post(invoke))
            .with_state(inside)
    })
    .await;
    (url, seen)
}

async fn office(hook: &Hook) -> (World, Invocations) {
    let (url, seen) = worker().await;
    let section = hook.section(
        "guard",
        &["access", "pre", "post"],
        "tools = [\"office.*\"]",
    );
    let mut world = world_with(&format!(
        "{section}\n[secrets]\nOFFICE_KEY = \"of-the-operator\"\n[upstreams.office]\ntype = \"arcade\"\nurl = \"{url}\"\nsecret = \"dev\"\n"
    ))
    .await;
    world
        .rewrite(
            "tools = [\"notes.*\",",
            "tools = [\"office.*\", \"notes.*\",",
        )
        .await;
    (world, seen)
}

#[tokio::test]
async fn a_workers_tool_is_asked_about_by_its_own_names_with_what_it_says_of_itself() {
    let hook = Hook::start().await;
    let (world, seen) = office(&hook).await;
    let alice = world.client("alice");
    assert!(names(&alice).await.contains(&"Office_SendMail".to_owned()));
    let answer = alice.call("Office_SendMail", json!({ "to": "bob" })).await;
    assert!(answer.result()["isError"].is_null(), "{}", answer.text);
    let offered =
        hook.asked("access").remove(0).body["toolkits"]["Office"]["tools"]["SendMail"][0].clone();
    assert_eq!(offered["version"], "1.2.3");
    assert_eq!(
        offered["requirements"]["secrets"],
        json!([{ "name": "OFFICE_KEY" }])
    );
    assert_eq!(
        offered["metadata"]["behavior"]["operations"],
        json!(["create"])
    );
    let asked = hook.asked("pre").remove(0).body;
    assert_eq!(
        (&asked["tool"]["toolkit"], &asked["tool"]["version"]),
        (&json!("Office"), &json!("1.2.3"))
    );
    assert_eq!(asked["context"]["secrets"], json!(["OFFICE_KEY"]));
    assert!(!hook.everything().contains("of-the-operator"));
    let invoked = seen.lock().unwrap()[0].clone();
    assert_eq!(invoked["execution_id"], asked["execution_id"]);
    assert_eq!(
        hook.asked("post").remove(0).body["output"],
        json!({ "to": "bob" })
    );
}

#[tokio::test]
async fn hooks_put_inputs_secrets_and_values_in_place() {
    let hook = Hook::start().await;
    let (world, seen) = office(&hook).await;
    let put = json!({ "inputs": { "to": "carol" }, "secrets": [{ "OFFICE_KEY": "of-the-hook" }] });
    hook.says("pre", json!({ "code": "OK", "override": put }));
    hook.says(
        "post",
        json!({ "code": "OK", "override": { "output": { "to": "(somebody)" } } }),
    );
    let answer = world
        .client("alice")
        .call("Office_SendMail", json!({ "to": "bob" }))
        .await;
    assert!(
        answer.words().contains("(somebody)") && !answer.text.contains("carol"),
        "{}",
        answer.text
    );
    let invoked = seen.lock().unwrap()[0].clone();
    assert_eq!(invoked["inputs"], json!({ "to": "carol" }));
    assert_eq!(
        invoked["context"]["secrets"],
        json!([{ "key": "OFFICE_KEY", "value": "of-the-hook" }])
    );
}

#[tokio::test]
async fn errors_of_a_worker_pass_post_in_full_and_keep_their_kind() {
    let hook = Hook::start().await;
    let (world, _) = office(&hook).await;
    hook.says(
        "post",
        json!({ "code": "OK", "override": { "output": "Not found." } }),
    );
    let answer = world
        .client("alice")
        .call("Office_SendMail", json!({ "to": "nobody" }))
        .await;
    let asked = hook.asked("post").remove(0).body;
    assert_eq!(
        (&asked["success"], &asked["execution_error"]),
        (&json!(false), &json!("no such person"))
    );
    assert_eq!(asked["output"]["developer_message"], "at line 7");
    assert_eq!(answer.words(), "Not found.");
    assert_eq!(
        answer.result()["_meta"]["arcade"]["errorKind"],
        "TOOL_RUNTIME_FATAL"
    );
}

#[tokio::test]
async fn a_call_of_a_workers_tool_that_is_denied_never_reaches_it() {
    let hook = Hook::start().await;
    let (world, seen) = office(&hook).await;
    hook.says(
        "pre",
        json!({ "code": "CHECK_FAILED", "error_message": "Not today." }),
    );
    let answer = world
        .client("alice")
        .call("Office_SendMail", json!({ "to": "bob" }))
        .await;
    assert_eq!(answer.words(), format!("{PREFIX}Not today."));
    assert!(seen.lock().unwrap().is_empty());
}
