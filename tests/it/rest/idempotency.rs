//! `Idempotency-Key`: the same request again, at every bad moment, and never a second run.

use std::time::Duration;

use serde_json::json;

use super::scheduled::{calls, in_seconds};
use crate::support::{
    rest::{Answer, Rest},
    upstream::{Manner, Then, eventually},
    world::{OTHER_KEY, World},
};

const EXECUTE: &str = "/v1/tools/execute";

fn with_key(world: &World, key: &str) -> Rest {
    world.rest().with("idempotency-key", key)
}

async fn echo(rest: &Rest, words: &str) -> Answer {
    let body = json!({ "tool_name": "plain.echo", "input": { "words": words } });
    rest.post(EXECUTE, &body).await
}

/// What the upstream says when it is told to say it late.
fn late(milliseconds: u64) -> Manner {
    let text = r#"data: {"jsonrpc":"2.0","id":{id},"result":{"resultType":"complete","content":[{"type":"text","text":"late"}]}}"#;
    let late = Then::Late(Duration::from_millis(milliseconds));
    Manner::Events(format!("{text}\n\n"), late)
}

#[tokio::test]
async fn the_same_request_again_is_answered_as_it_was() {
    let mut world = World::start().await;
    let rest = with_key(&world, "stainless-node-retry-1");
    let first = echo(&rest, "once").await;
    assert_eq!(first.good()["output"]["value"]["words"], "once");
    assert_eq!(first.header("idempotency-replayed"), "");
    // By another address of the same path, too, and after a restart.
    let again = echo(&rest, "once").await;
    assert_eq!(
        (again.status, &again.text),
        (first.status, &first.text),
        "the same to the letter"
    );
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.header("content-type"), first.header("content-type"));
    assert_eq!(again.header("cache-control"), "no-store");
    let body = json!({ "tool_name": "plain.echo", "input": { "words": "once" } });
    let path = format!("/v1/orgs/o/projects/p{}", &EXECUTE["/v1".len()..]);
    assert_eq!(rest.post(&path, &body).await.text, first.text);
    world.restart().await;
    assert_eq!(echo(&rest, "once").await.text, first.text);
    assert_eq!(calls(&world), 1);
    // Without a key, and with another, it is another.
    echo(&world.rest(), "once").await.good();
    echo(&with_key(&world, "another"), "once").await.good();
    assert_eq!(calls(&world), 3);
    // After an hour nobody remembers.
    world.advance(3601);
    echo(&rest, "once").await.good();
    assert_eq!(calls(&world), 4);
}

#[tokio::test]
async fn a_key_is_good_for_one_request_of_one_program() {
    let toml = "\n[gateways.other]\nuser_source = \"others\"\naccess = [\"headers\"]\ntools = [\"plain.*\"]\n";
    let world = World::with(anteroom::config::Era::Modern, toml).await;
    let rest = with_key(&world, "k");
    echo(&rest, "once").await.good();
    let other = echo(&rest, "something else").await;
    other.expect(422, "idempotency_key_reused");
    let stranger = Rest::new(&world.base, OTHER_KEY).with("idempotency-key", "k");
    let theirs = echo(&stranger, "once").await;
    assert_eq!(theirs.header("idempotency-replayed"), "");
    theirs.good();
    assert_eq!(calls(&world), 2);
}

#[tokio::test]
async fn whoever_comes_second_waits_for_the_first() {
    let world = World::start().await;
    world.second.misbehave("tools/call", late(500));
    let rest = with_key(&world, "k");
    let all = futures_util::future::join_all((0..5).map(|_| echo(&rest, "x"))).await;
    let first = &all[0];
    assert_eq!(first.good()["output"]["value"], "late");
    assert!(all.iter().all(|answer| answer.text == first.text));
    let replayed = all
        .iter()
        .filter(|answer| answer.header("idempotency-replayed") == "true");
    assert_eq!(replayed.count(), 4);
    assert_eq!(calls(&world), 1);
}

#[tokio::test]
async fn whoever_hangs_up_finds_the_answer_when_asking_again() {
    let world = World::start().await;
    world.second.misbehave("tools/call", late(500));
    let rest = with_key(&world, "k");
    let impatient = tokio::time::timeout(Duration::from_millis(200), echo(&rest, "x")).await;
    assert!(impatient.is_err());
    assert_eq!(calls(&world), 1);
    let answer = echo(&rest, "x").await;
    assert_eq!(answer.good()["output"]["value"], "late");
    assert_eq!(calls(&world), 1);
}

#[tokio::test]
async fn after_a_crash_nobody_knows_and_nothing_runs_again() {
    let mut world = World::start().await;
    world.second.misbehave("tools/call", Manner::Hang);
    let rest = with_key(&world, "k");
    let cut_off = tokio::spawn({
        let rest = rest.clone();
        async move {
            let body = json!({ "tool_name": "plain.echo", "input": { "words": "x" } });
            let _ = tokio::time::timeout(Duration::from_secs(3), rest.post(EXECUTE, &body)).await;
        }
    });
    world.second.wait_for("tools/call", 1).await;
    cut_off.abort();
    world.crash().await;
    world.second.behave();
    world.advance(61);
    for _ in 0..2 {
        let answer = echo(&rest, "x").await;
        answer.expect(409, "outcome_unknown");
        assert_eq!(answer.header("x-should-retry"), "false");
    }
    assert_eq!(calls(&world), 1);
    echo(&with_key(&world, "new"), "x").await.good();
}

#[tokio::test]
async fn what_did_not_run_gives_its_key_back() {
    let world = World::start().await;
    let rest = with_key(&world, "k");
    let body = json!({ "tool_name": "notes.echo", "user_id": "alice" });
    for _ in 0..2 {
        let refused = rest.post(EXECUTE, &body).await;
        refused.expect(403, "authorization_required");
        assert_eq!(refused.header("idempotency-replayed"), "");
    }
    let asked = world.rest().post("/v1/tools/authorize", &body).await.good();
    world.connect(asked["url"].as_str().unwrap(), "alice").await;
    rest.post(EXECUTE, &body).await.good();
    let again = rest.post(EXECUTE, &body).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
}

#[tokio::test]
async fn a_tool_that_failed_has_run() {
    let world = World::start().await;
    world
        .second
        .misbehave("tools/call", Manner::Answer(500, &[], String::new()));
    let rest = with_key(&world, "k");
    let failed = echo(&rest, "x").await;
    assert_eq!(failed.good()["success"], false);
    world.second.behave();
    assert_eq!(echo(&rest, "x").await.text, failed.text);
    assert_eq!(calls(&world), 1);
}

#[tokio::test]
async fn one_order_for_later_is_one_run() {
    let world = World::start().await;
    let rest = with_key(&world, "k");
    let body = json!({ "tool_name": "plain.echo", "run_at": in_seconds(&world, 60) });
    let (first, second) = tokio::join!(rest.post(EXECUTE, &body), rest.post(EXECUTE, &body));
    assert_eq!(first.good()["id"], second.good()["id"]);
    let all = world.rest().get("/v1/scheduled_tools").await.good();
    assert_eq!(all["total_count"], 1);
    world.advance(60);
    eventually(|| calls(&world) == 1, "the run").await;
}

#[tokio::test]
async fn a_large_answer_is_kept_and_one_too_large_is_never_run_again() {
    let mut world = World::start().await;
    world
        .change(|toml| {
            toml.replace("max_response_bytes = 65536", "max_response_bytes = 4000000")
                .replace("max_request_bytes = 65536", "max_request_bytes = 4000000")
        })
        .await;
    for (key, length, kept) in [("large", 900_000, true), ("larger", 1_200_000, false)] {
        let before = calls(&world);
        let rest = with_key(&world, key);
        let words = "x".repeat(length);
        let first = echo(&rest, &words).await;
        assert_eq!(first.good()["success"], true, "{:.300}", first.text);
        let again = echo(&rest, &words).await;
        if kept {
            assert!(again.text == first.text);
        } else {
            again.expect(409, "answer_not_kept");
            assert_eq!(again.header("x-should-retry"), "false");
        }
        assert_eq!(calls(&world), before + 1);
    }
    let records = world.all_records().await;
    assert!(!records.contains("xxxxxxxxxxxxxxxx"));
}

#[tokio::test]
async fn keys_that_are_none_are_refused_and_other_paths_do_not_look_at_them() {
    let world = World::start().await;
    for bad in ["", " ", "a b", "\u{e4}", &"k".repeat(256)] {
        let refused = echo(&with_key(&world, bad), "x").await;
        refused.expect(400, "invalid_idempotency_key");
    }
    let twice = with_key(&world, "a").with("idempotency-key", "b");
    let refused = echo(&twice, "x").await;
    refused.expect(400, "invalid_idempotency_key");
    let nobody = with_key(&world, "k").without_key();
    echo(&nobody, "x").await.expect(401, "unauthorized");
    assert_eq!(calls(&world), 0);
    let body = json!({ "tool_name": "plain.echo" });
    let rest = with_key(&world, "a b");
    let asked = rest.post("/v1/tools/authorize", &body);
    asked.await.good();
}
