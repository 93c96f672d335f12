//! Tools as programs run them, and what programs are told when that does not go well.

use anteroom::config::Era;
use serde_json::{Value, json};

use crate::support::{
    log::Log,
    provider::AtToken,
    rest::Answer,
    upstream::{Manner, Then, tool},
    world::World,
};

async fn execute(world: &World, tool: &str, user: Option<&str>, input: &Value) -> Answer {
    let mut body = json!({ "tool_name": tool, "input": input });
    if let Some(user) = user {
        body["user_id"] = user.into();
    }
    world.rest().post("/v1/tools/execute", &body).await
}

/// The error of a run that did not go well, which is no error of HTTP.
fn failed(answer: &Answer) -> Value {
    let said = answer.good();
    assert_eq!(answer.status, 200);
    assert_eq!(
        (&said["success"], &said["status"]),
        (&json!(false), &json!("failed"))
    );
    assert!(said["output"]["value"].is_null());
    said["output"]["error"].clone()
}

#[tokio::test]
async fn authorize_wait_execute() {
    for era in [Era::Modern, Era::Legacy] {
        let world = World::with(era, "").await;
        *world.upstream.inside.tools.lock().unwrap() = vec![tool("whoami")];
        let refused = execute(&world, "Notes.Whoami", Some("alice"), &json!({})).await;
        let said = refused.expect(403, "authorization_required");
        let words = said["message"].as_str().unwrap();
        assert!(words.starts_with("authorization required: "), "{words}");

        let body = json!({ "tool_name": "Notes.Whoami", "user_id": "alice" });
        let asked = world.rest().post("/v1/tools/authorize", &body).await.good();
        assert_eq!(
            (&asked["status"], &asked["provider_id"]),
            (&json!("pending"), &json!("acme"))
        );
        let again = world.rest().post("/v1/tools/authorize", &body).await.good();
        assert_eq!(asked["url"], again["url"]);
        world.connect(asked["url"].as_str().unwrap(), "alice").await;
        let path = format!(
            "/v1/auth/status?id={}&wait=45",
            asked["id"].as_str().unwrap()
        );
        let status = world.rest().get(&path).await.good();
        assert_eq!(status["status"], "completed");
        let there = world.rest().post("/v1/tools/authorize", &body).await.good();
        assert_eq!(there["status"], "completed");

        let ran = execute(&world, "Notes_Whoami", Some("alice"), &json!({}))
            .await
            .good();
        assert_eq!(
            (&ran["success"], &ran["status"]),
            (&json!(true), &json!("completed"))
        );
        let value = ran["output"]["value"].as_str().unwrap();
        assert!(value.starts_with("Bearer "), "{value}");
        assert_eq!(ran["tool_name"], "notes.whoami");
        assert_eq!(ran["metadata"], json!({}));
        assert_eq!(ran["execution_type"], "immediate");
        assert!(ran["execution_id"].as_str().unwrap().starts_with("te_"));
        assert!(ran["duration"].as_f64().unwrap() >= 0.0);
        // Somebody else's account is somebody else's.
        let bobs = execute(&world, "notes.whoami", Some("bob"), &json!({})).await;
        bobs.expect(403, "authorization_required");
    }
}

#[tokio::test]
async fn a_tool_that_needs_nobody_runs_for_a_program_and_one_that_needs_somebody_asks_for_whom() {
    let world = World::start().await;
    let ran = execute(&world, "plain.echo", None, &json!({ "a": [1, null] })).await;
    assert_eq!(ran.good()["output"]["value"], json!({ "a": [1, null] }));
    let body = json!({ "tool_name": "plain.echo" });
    let asked = world.rest().post("/v1/tools/authorize", &body).await.good();
    assert_eq!(asked["status"], "completed");
    let refused = execute(&world, "notes.echo", None, &json!({})).await;
    refused.expect(400, "user_id_required");
    let body = json!({ "tool_name": "notes.echo" });
    let refused = world.rest().post("/v1/tools/authorize", &body).await;
    refused.expect(400, "user_id_required");
}

#[tokio::test]
async fn what_a_tool_says_comes_as_one_value() {
    let world = World::start().await;
    let text = |words: &str| json!({ "type": "text", "text": words });
    for (result, value) in [
        (json!({ "content": [text("one")] }), json!("one")),
        (
            json!({ "content": [text("one"), text("two")] }),
            json!("one\ntwo"),
        ),
        (json!({ "content": [] }), json!("")),
        (
            json!({ "content": [text("x")], "structuredContent": { "n": 3 } }),
            json!({ "n": 3 }),
        ),
        (
            json!({ "content": [text("x"), { "type": "image", "data": "AA==", "mimeType": "image/png" }] }),
            json!([text("x"), { "type": "image", "data": "AA==", "mimeType": "image/png" }]),
        ),
    ] {
        answers(&world, &result);
        let ran = execute(&world, "plain.echo", None, &json!({})).await.good();
        assert_eq!(ran["output"]["value"], value, "{result}");
    }
}

/// Has the upstream `plain` answer calls with this result.
fn answers(world: &World, result: &Value) {
    let mut result = result.clone();
    result["resultType"] = "complete".into();
    let body = format!(r#"{{"jsonrpc":"2.0","id":{{id}},"result":{result}}}"#);
    let kind: &[_] = &[("content-type", "application/json")];
    world
        .second
        .misbehave("tools/call", Manner::Answer(200, kind, body));
}

#[tokio::test]
async fn what_goes_wrong_inside_a_tool_is_no_error_of_http() {
    let world = World::start().await;
    execute(&world, "plain.echo", None, &json!({})).await.good();
    let result =
        json!({ "isError": true, "content": [{ "type": "text", "text": "no such note" }] });
    answers(&world, &result);
    let error = failed(&execute(&world, "plain.echo", None, &json!({})).await);
    assert_eq!(
        (&error["kind"], &error["message"]),
        (&json!("TOOL_RUNTIME_FATAL"), &json!("no such note"))
    );
    let mut of_kind = result.clone();
    of_kind["_meta"] = json!({ "arcade": { "errorKind": "TOOL_RUNTIME_RETRY", "canRetry": true, "retryAfterMs": 500, "additionalPromptContent": "say a date" } });
    answers(&world, &of_kind);
    let error = failed(&execute(&world, "plain.echo", None, &json!({})).await);
    assert_eq!(
        (&error["kind"], &error["can_retry"]),
        (&json!("TOOL_RUNTIME_RETRY"), &json!(true))
    );
    assert_eq!(
        (
            &error["retry_after_ms"],
            &error["additional_prompt_content"]
        ),
        (&json!(500), &json!("say a date"))
    );

    let json: &[_] = &[("content-type", "application/json")];
    let refusal = r#"{"jsonrpc":"2.0","id":{id},"error":{"code":-32602,"message":"bad to"}}"#;
    for (manner, kind) in [
        (
            Manner::Answer(200, json, refusal.to_owned()),
            "TOOL_RUNTIME_BAD_INPUT_VALUE",
        ),
        (
            Manner::Answer(503, &[], String::new()),
            "UPSTREAM_RUNTIME_SERVER_ERROR",
        ),
        (
            Manner::Answer(401, &[], String::new()),
            "UPSTREAM_RUNTIME_AUTH_ERROR",
        ),
        (
            Manner::Answer(404, &[], String::new()),
            "UPSTREAM_RUNTIME_BAD_REQUEST",
        ),
        (
            Manner::Answer(200, json, "{".to_owned()),
            "NETWORK_TRANSPORT_RUNTIME_UNMAPPED",
        ),
        (
            Manner::Endless("application/json"),
            "NETWORK_TRANSPORT_RUNTIME_UNMAPPED",
        ),
        (
            Manner::Events(String::new(), Then::End),
            "UPSTREAM_RUNTIME_SERVER_ERROR",
        ),
    ] {
        world.second.misbehave("tools/call", manner);
        let error = failed(&execute(&world, "plain.echo", None, &json!({})).await);
        assert_eq!(error["kind"], kind, "{error}");
    }
}

#[tokio::test]
async fn a_tool_that_takes_too_long_is_given_up_and_run_once() {
    let mut world = World::start().await;
    world
        .rewrite("call_timeout = \"5s\"", "call_timeout = \"300ms\"")
        .await;
    execute(&world, "plain.echo", None, &json!({})).await.good();
    world.second.misbehave("tools/call", Manner::Hang);
    let error = failed(&execute(&world, "plain.echo", None, &json!({})).await);
    assert_eq!(
        (&error["kind"], &error["can_retry"]),
        (&json!("NETWORK_TRANSPORT_RUNTIME_TIMEOUT"), &json!(false))
    );
    let methods = world.second.methods();
    assert_eq!(
        methods.iter().filter(|it| *it == "tools/call").count(),
        2,
        "{methods:?}"
    );
}

/// Arcade's Python client says nothing by which a request that comes again is known for the same.
#[tokio::test]
async fn a_client_that_would_send_it_again_is_answered_before_it_gives_up() {
    let world = World::start().await;
    let client = world.rest().with("x-stainless-read-timeout", "1");
    let body = json!({ "tool_name": "plain.echo", "input": {} });
    client.post("/v1/tools/execute", &body).await.good();
    world.second.misbehave("tools/call", Manner::Hang);
    let begun = std::time::Instant::now();
    let error = failed(&client.post("/v1/tools/execute", &body).await);
    assert!(begun.elapsed().as_millis() < 1000, "{:?}", begun.elapsed());
    assert_eq!(
        (&error["kind"], &error["can_retry"]),
        (&json!("NETWORK_TRANSPORT_RUNTIME_TIMEOUT"), &json!(false))
    );
}

#[tokio::test]
async fn nulls_that_models_write_for_nothing_do_not_reach_the_tool() {
    let world = World::start().await;
    let schema = json!({
        "type": "object",
        "properties": { "a": { "type": "string" }, "b": { "type": ["string", "null"] }, "c": { "type": "string" } },
        "required": ["c"],
    });
    *world.second.inside.tools.lock().unwrap() =
        vec![json!({ "name": "echo", "inputSchema": schema })];
    let input = json!({ "a": null, "b": null, "c": null });
    let ran = execute(&world, "plain.echo", None, &input).await.good();
    assert_eq!(ran["output"]["value"], json!({ "b": null, "c": null }));
}

#[tokio::test]
async fn a_connection_that_died_is_told_as_expired() {
    let world = World::start().await;
    let body = json!({ "tool_name": "notes.echo", "user_id": "alice" });
    let asked = world.rest().post("/v1/tools/authorize", &body).await.good();
    world.connect(asked["url"].as_str().unwrap(), "alice").await;
    execute(&world, "notes.echo", Some("alice"), &json!({}))
        .await
        .good();
    world
        .provider
        .switch(|acme| acme.token = AtToken::Say(400, r#"{"error":"invalid_grant"}"#));
    world.advance(100_000);
    let refused = execute(&world, "notes.echo", Some("alice"), &json!({})).await;
    let said = refused.expect(403, "authorization_required");
    let words = said["message"].as_str().unwrap();
    assert!(
        words.contains("authorization required") && words.contains("expired"),
        "{words}"
    );
    let shown = world
        .rest()
        .get("/v1/tools/notes.echo?user_id=alice")
        .await
        .good();
    assert_eq!(
        shown["requirements"]["authorization"]["token_status"],
        "failed"
    );
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_worth_another_try() {
    let world = World::start().await;
    let body = json!({ "tool_name": "notes.echo", "user_id": "alice" });
    let asked = world.rest().post("/v1/tools/authorize", &body).await.good();
    world.connect(asked["url"].as_str().unwrap(), "alice").await;
    world
        .provider
        .switch(|acme| acme.token = AtToken::Say(503, ""));
    world.advance(100_000);
    let refused = execute(&world, "notes.echo", Some("alice"), &json!({})).await;
    refused.expect(503, "unavailable");
    assert_eq!(refused.header("x-should-retry"), "true");
    assert!(!refused.header("retry-after").is_empty());
}

#[tokio::test]
async fn inputs_may_be_as_large_as_the_file_says_and_no_other_body_is() {
    let mut world = World::start().await;
    world
        .rewrite("max_request_bytes = 65536", "max_request_bytes = 200000")
        .await;
    let large = json!({ "text": "x".repeat(100_000) });
    let ran = execute(&world, "plain.echo", None, &large).await;
    // The answer is larger than the upstream may send: it went there.
    let error = failed(&ran);
    assert_eq!(error["kind"], "NETWORK_TRANSPORT_RUNTIME_UNMAPPED");
    let too_large = json!({ "text": "x".repeat(300_000) });
    let refused = execute(&world, "plain.echo", None, &too_large).await;
    refused.expect(413, "too_large");
    let body = json!({ "tool_name": "plain.echo", "next_uri": "x".repeat(100_000) });
    let refused = world.rest().post("/v1/tools/authorize", &body).await;
    refused.expect(413, "too_large");
}

#[tokio::test]
async fn bodies_that_mean_nothing_are_refused_and_run_nothing() {
    let world = World::start().await;
    let rest = world.rest();
    for body in [
        json!(null),
        json!([]),
        json!({}),
        json!({ "tool_name": 7 }),
        json!({ "tool_name": "plain.echo", "input": "{}" }),
        json!({ "tool_name": "plain.echo", "input": [] }),
        json!({ "tool_name": "plain.echo", "include_error_stacktrace": "yes" }),
    ] {
        rest.post("/v1/tools/execute", &body)
            .await
            .expect(400, "invalid_request");
    }
    for (body, status, name) in [
        (json!({ "tool_name": "" }), 400, "invalid_request"),
        (json!({ "tool_name": "x".repeat(10_000) }), 404, "not_found"),
        (
            json!({ "tool_name": "plain.echo", "user_id": "" }),
            400,
            "invalid_user_id",
        ),
        (
            json!({ "tool_name": "plain.echo", "user_id": "a\nb" }),
            400,
            "invalid_user_id",
        ),
        (
            json!({ "tool_name": "plain.echo", "user_id": "\u{0}team" }),
            400,
            "invalid_user_id",
        ),
        (
            json!({ "tool_name": "plain.echo", "user_id": "mallory" }),
            400,
            "unknown_user",
        ),
    ] {
        rest.post("/v1/tools/execute", &body)
            .await
            .expect(status, name);
    }
    assert!(!world.second.methods().contains(&"tools/call".to_owned()));
    let keyless = rest.without_key();
    keyless
        .post("/v1/tools/execute", &json!({ "tool_name": "plain.echo" }))
        .await
        .expect(401, "unauthorized");
}

#[tokio::test]
async fn no_input_and_no_answer_stands_in_the_log() {
    let log = Log::listen();
    let world = World::start().await;
    let input = json!({ "text": "the-very-private-input" });
    execute(&world, "plain.echo", None, &input).await.good();
    let result = json!({ "isError": true, "content": [{ "type": "text", "text": "the-very-private-answer" }] });
    answers(&world, &result);
    failed(&execute(&world, "plain.echo", None, &input).await);
    world.second.misbehave(
        "tools/call",
        Manner::Answer(503, &[], "the-very-private-failure".to_owned()),
    );
    failed(&execute(&world, "plain.echo", None, &input).await);
    let text = log.text();
    assert!(text.contains("a tool call failed"), "{text}");
    assert!(!text.contains("the-very-private"), "{text}");
}
