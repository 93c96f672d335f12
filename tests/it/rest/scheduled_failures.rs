//! Runs whose time comes when things are not as they were: what is tried again, what fails, and how it says so.

use anteroom::base::secret::TokenHash;
use serde_json::{Value, json};

use super::scheduled::{calls, ended, in_seconds, order, until};
use crate::support::{
    provider::AtToken,
    rest::Rest,
    world::{KEY, World},
};

/// Whether so many attempts are over, and another is to come.
fn waits_after(attempts: usize) -> impl Fn(&Value) -> bool {
    move |run| {
        run["execution_status"] == "pending"
            && run["attempts"].as_array().unwrap().len() == attempts
    }
}

/// The error of the last attempt of a run that failed.
fn failed(run: &Value) -> Value {
    assert_eq!(run["execution_status"], "failed", "{run}");
    let attempts = run["attempts"].as_array().unwrap();
    attempts.last().unwrap()["output"]["error"].clone()
}

#[tokio::test]
async fn a_connection_that_dies_before_the_time_fails_the_run_in_the_words_of_authorization() {
    let world = World::start().await;
    let body = json!({ "tool_name": "notes.echo", "user_id": "alice" });
    let asked = world.rest().post("/v1/tools/authorize", &body).await.good();
    world.connect(asked["url"].as_str().unwrap(), "alice").await;
    let (alices, bobs) = (
        order(&world, "notes.echo", Some("alice")).await,
        order(&world, "notes.echo", Some("bob")).await,
    );
    world
        .provider
        .switch(|acme| acme.token = AtToken::Say(400, r#"{"error":"invalid_grant"}"#));
    world.advance(100_000);
    for (id, word) in [(&alices, "expired"), (&bobs, "connect")] {
        let run = ended(&world.rest(), id).await;
        let error = failed(&run);
        assert_eq!(error["kind"], "TOOL_REQUIREMENTS_NOT_MET");
        let words = error["message"].as_str().unwrap();
        assert!(words.contains("authorization required"), "{words}");
        assert!(words.contains(word), "{words}");
        assert_eq!(run["attempts"].as_array().unwrap().len(), 1, "{run}");
    }
    assert!(!world.upstream.methods().contains(&"tools/call".to_owned()));
}

#[tokio::test]
async fn a_provider_that_is_silent_for_a_while_is_asked_again() {
    let world = World::start().await;
    let body = json!({ "tool_name": "notes.echo", "user_id": "alice" });
    let asked = world.rest().post("/v1/tools/authorize", &body).await.good();
    world.connect(asked["url"].as_str().unwrap(), "alice").await;
    let id = order(&world, "notes.echo", Some("alice")).await;
    world
        .provider
        .switch(|acme| acme.token = AtToken::Say(503, ""));
    world.advance(100_000);
    let run = until(&world.rest(), &id, waits_after(1)).await;
    assert_eq!(run["attempts"][0]["output"]["error"]["can_retry"], true);
    world.provider.switch(|acme| acme.token = AtToken::Json);
    world.advance(3600);
    let run = ended(&world.rest(), &id).await;
    assert_eq!(run["execution_status"], "completed", "{run}");
}

#[tokio::test]
async fn an_upstream_that_is_down_is_called_when_it_is_back() {
    let mut world = World::start().await;
    let id = order(&world, "plain.echo", None).await;
    let there = world.second.url.to_string();
    world.rewrite(&there, "http://127.0.0.1:9/mcp").await;
    world.advance(3600);
    let rest = world.rest();
    until(&rest, &id, waits_after(1)).await;
    world.advance(15);
    until(&rest, &id, waits_after(2)).await;
    world.rewrite("http://127.0.0.1:9/mcp", &there).await;
    world.advance(3600);
    let run = ended(&rest, &id).await;
    assert_eq!(run["execution_status"], "completed", "{run}");
    assert_eq!(calls(&world), 1);
}

#[tokio::test]
async fn attack_a_key_that_was_replaced_leaves_no_run_behind() {
    let mut world = World::start().await;
    let id = order(&world, "plain.echo", Some("alice")).await;
    let (old, new) = (TokenHash::of(KEY), TokenHash::of("arc_new-key"));
    let (old, new) = (String::from(old), String::from(new));
    world.rewrite(&old, &new).await;
    world.advance(3600);
    let rest = Rest::new(&world.base, "arc_new-key");
    let run = ended(&rest, &id).await;
    let words = failed(&run)["message"].clone();
    assert!(words.as_str().unwrap().contains("replaced"), "{words}");
    assert_eq!(calls(&world), 0);
}

#[tokio::test]
async fn a_user_who_is_gone_has_no_runs() {
    let mut world = World::start().await;
    let id = order(&world, "plain.echo", Some("bob")).await;
    world
        .change(|toml| {
            let bobs = |line: &&str| !line.starts_with("accounts.bob");
            toml.lines().filter(bobs).collect::<Vec<_>>().join("\n")
        })
        .await;
    world.advance(3600);
    let error = failed(&ended(&world.rest(), &id).await);
    let words = error["message"].as_str().unwrap();
    assert!(words.contains("no such user"), "{words}");
    assert_eq!(calls(&world), 0);
}

#[tokio::test]
async fn a_tool_that_policy_takes_away_does_not_run() {
    let mut world = World::start().await;
    let id = order(&world, "plain.echo", None).await;
    world.rewrite(r#""plain.*", "#, "").await;
    for (times, wait) in [3600, 15, 60, 300, 900].into_iter().enumerate() {
        world.advance(wait);
        until(&world.rest(), &id, waits_after(times + 1)).await;
    }
    world.advance(1800);
    let error = failed(&ended(&world.rest(), &id).await);
    let words = error["message"].as_str().unwrap();
    assert!(words.contains("no such tool"), "{words}");
    assert_eq!(calls(&world), 0);
}

#[tokio::test]
async fn a_time_that_is_none_and_one_too_far_away_are_refused() {
    let world = World::start().await;
    let year_and_more = in_seconds(&world, 367 * 24 * 3600);
    for run_at in [
        "soon",
        "2026-13-01T00:00:00Z",
        "1800000000",
        &year_and_more,
        &"9".repeat(5000),
    ] {
        let body = json!({ "tool_name": "plain.echo", "run_at": run_at });
        let refused = world.rest().post("/v1/tools/execute", &body).await;
        refused.expect(400, "invalid_run_at");
    }
    let body = json!({ "tool_name": "plain.nothing", "run_at": in_seconds(&world, 1) });
    let refused = world.rest().post("/v1/tools/execute", &body).await;
    refused.expect(404, "not_found");
    let all = world.rest().get("/v1/scheduled_tools").await.good();
    assert_eq!(all["total_count"], 0);
}
