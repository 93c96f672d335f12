//! Runs that are ordered for later: how a program orders one and hears of it, across restarts and crashes.

use std::time::Duration;

use anteroom::config::Era;
use serde_json::{Value, json};

use crate::support::{
    rest::Rest,
    upstream::{Manner, Then},
    world::{OTHER_KEY, World},
};

/// So many seconds from now, as the programs of Arcade's documents write it.
pub fn in_seconds(world: &World, seconds: i64) -> String {
    use anteroom::base::clock::{Clock, Span};
    let then = world.clock.now() + Span::from_secs(seconds);
    then.to_string().trim_end_matches('Z').to_owned()
}

/// An order of `plain.echo` in an hour; the run's id.
pub async fn order(world: &World, tool: &str, user: Option<&str>) -> String {
    let mut body = json!({
        "tool_name": tool,
        "input": { "words": "of the input" },
        "run_at": in_seconds(world, 3600),
    });
    if let Some(user) = user {
        body["user_id"] = user.into();
    }
    let ordered = world.rest().post("/v1/tools/execute", &body).await.good();
    assert_eq!(ordered["status"], "pending", "{ordered}");
    ordered["id"].as_str().unwrap().to_owned()
}

pub async fn look(rest: &Rest, id: &str) -> Value {
    rest.get(&format!("/v1/scheduled_tools/{id}")).await.good()
}

/// What came of it, once something has.
pub async fn until(rest: &Rest, id: &str, is: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..500 {
        let run = look(rest, id).await;
        if is(&run) {
            return run;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never came: {}", look(rest, id).await);
}

pub async fn ended(rest: &Rest, id: &str) -> Value {
    until(rest, id, |run| run["finished_at"].is_string()).await
}

/// How often the upstream `plain` was called.
pub fn calls(world: &World) -> usize {
    let methods = world.second.methods();
    methods.iter().filter(|it| *it == "tools/call").count()
}

#[tokio::test]
async fn order_wait_and_hear_what_came_of_it() {
    for era in [Era::Modern, Era::Legacy] {
        let world = World::with(era, "").await;
        let rest = world.rest();
        let run_at = in_seconds(&world, 3600);
        let body = json!({ "tool_name": "Plain_Echo", "input": { "a": 1 }, "user_id": "alice", "run_at": run_at });
        let ordered = rest.post("/v1/tools/execute", &body).await.good();
        assert_eq!(
            (
                &ordered["status"],
                &ordered["execution_type"],
                &ordered["success"]
            ),
            (&json!("pending"), &json!("scheduled"), &json!(true))
        );
        assert_eq!(ordered["run_at"], format!("{run_at}Z"));
        assert_eq!(ordered["id"], ordered["execution_id"]);
        assert!(ordered["output"].is_null(), "{ordered}");

        let page = rest.get("/v1/scheduled_tools").await.good();
        assert_eq!(
            (&page["total_count"], &page["items"][0]["id"]),
            (&json!(1), &ordered["id"])
        );
        let run = &page["items"][0];
        assert_eq!(
            (
                &run["toolkit_name"],
                &run["tool_name"],
                &run["execution_status"],
                &run["user_id"]
            ),
            (
                &json!("plain"),
                &json!("echo"),
                &json!("pending"),
                &json!("alice")
            )
        );
        assert!(run["input"].is_null());

        let id = ordered["id"].as_str().unwrap();
        world.advance(3599);
        let run = look(&rest, id).await;
        assert_eq!(
            (&run["execution_status"], &run["attempts"]),
            (&json!("pending"), &json!([]))
        );
        assert_eq!(run["input"], json!({ "a": 1 }));
        assert_eq!(calls(&world), 0);
        world.advance(1);
        let run = ended(&rest, id).await;
        assert_eq!(run["execution_status"], "completed", "{run}");
        let attempt = &run["attempts"][0];
        assert_eq!(
            (&attempt["success"], &attempt["output"]["value"]),
            (&json!(true), &json!({ "a": 1 }))
        );
        assert_eq!(calls(&world), 1);
    }
}

#[tokio::test]
async fn what_was_ordered_for_the_past_runs_at_once() {
    let world = World::start().await;
    let body = json!({ "tool_name": "plain.echo", "run_at": "1999-12-31T23:59:59" });
    let ordered = world.rest().post("/v1/tools/execute", &body).await.good();
    assert_eq!(ordered["run_at"], "1999-12-31T23:59:59Z");
    let run = ended(&world.rest(), ordered["id"].as_str().unwrap()).await;
    assert_eq!(run["execution_status"], "completed", "{run}");
}

#[tokio::test]
async fn an_order_outlives_a_restart_and_a_crash() {
    let mut world = World::start().await;
    let (first, second) = (
        order(&world, "plain.echo", None).await,
        order(&world, "plain.echo", Some("bob")).await,
    );
    world.restart().await;
    world.crash().await;
    assert_eq!(
        look(&world.rest(), &first).await["execution_status"],
        "pending"
    );
    world.advance(3600);
    for id in [&first, &second] {
        let run = ended(&world.rest(), id).await;
        assert_eq!(run["execution_status"], "completed", "{run}");
        assert_eq!(
            run["attempts"][0]["output"]["value"]["words"],
            "of the input"
        );
    }
    assert_eq!(calls(&world), 2);
    // What ended stays so.
    world.restart().await;
    world.advance(7200);
    let run = look(&world.rest(), &first).await;
    assert_eq!(run["attempts"].as_array().unwrap().len(), 1);
    assert_eq!(calls(&world), 2);
}

#[tokio::test]
async fn what_was_due_while_the_gateway_was_down_runs_when_it_is_back() {
    let mut world = World::start().await;
    let id = order(&world, "plain.echo", None).await;
    world.stop().await;
    world.advance(90_000);
    world.restart().await;
    let run = ended(&world.rest(), &id).await;
    assert_eq!(run["execution_status"], "completed", "{run}");
}

#[tokio::test]
async fn a_crash_while_the_tool_runs_repeats_only_what_may_run_twice() {
    for (annotations, again) in [
        (json!({}), false),
        (json!({ "destructiveHint": true }), false),
        (json!({ "readOnlyHint": true }), true),
        (json!({ "idempotentHint": true }), true),
    ] {
        let mut world = World::start().await;
        let tool = json!({ "name": "echo", "inputSchema": { "type": "object" }, "annotations": annotations });
        *world.second.inside.tools.lock().unwrap() = vec![tool];
        let id = order(&world, "plain.echo", None).await;
        world.second.misbehave("tools/call", Manner::Hang);
        world.advance(3600);
        world.second.wait_for("tools/call", 1).await;
        let run = look(&world.rest(), &id).await;
        assert_eq!(run["execution_status"], "running", "{run}");
        world.crash().await;
        world.second.behave();
        world.advance(60);
        if again {
            let rest = world.rest();
            until(&rest, &id, |run| run["execution_status"] == "pending").await;
            world.advance(15);
        }
        let run = ended(&world.rest(), &id).await;
        let attempts = run["attempts"].as_array().unwrap();
        if again {
            assert_eq!(run["execution_status"], "completed", "{run}");
            assert_eq!((attempts.len(), calls(&world)), (2, 2), "{run}");
            assert_eq!(attempts[0]["success"], false);
        } else {
            assert_eq!(run["execution_status"], "failed", "{run}");
            assert_eq!((attempts.len(), calls(&world)), (1, 1), "{run}");
            let words = attempts[0]["output"]["error"]["message"].as_str().unwrap();
            assert!(words.contains("not known"), "{words}");
            assert_eq!(attempts[0]["system_error_message"], words);
        }
    }
}

#[tokio::test]
async fn a_stop_waits_for_a_run_that_is_under_way() {
    let mut world = World::start().await;
    let id = order(&world, "plain.echo", None).await;
    let text = r#"data: {"jsonrpc":"2.0","id":{id},"result":{"resultType":"complete","content":[{"type":"text","text":"late"}]}}"#;
    let late = Then::Late(Duration::from_millis(400));
    let manner = Manner::Events(format!("{text}\n\n"), late);
    world.second.misbehave("tools/call", manner);
    world.advance(3600);
    world.second.wait_for("tools/call", 1).await;
    world.restart().await;
    let run = look(&world.rest(), &id).await;
    assert_eq!(run["execution_status"], "completed", "{run}");
    assert_eq!(run["attempts"][0]["output"]["value"], "late");
    assert_eq!(calls(&world), 1);
}

#[tokio::test]
async fn the_latest_is_the_first_of_the_list_and_pages_add_up() {
    let world = World::start().await;
    let mut ordered = Vec::new();
    for _ in 0..7 {
        ordered.push(order(&world, "plain.echo", None).await);
        world.advance(1);
    }
    ordered.reverse();
    let mut listed = Vec::new();
    for offset in [0, 3, 6] {
        let path = format!("/v1/scheduled_tools?limit=3&offset={offset}");
        let page = world.rest().get(&path).await.good();
        assert_eq!(page["total_count"], 7);
        let items = page["items"].as_array().unwrap().clone();
        listed.extend(
            items
                .iter()
                .map(|run| run["id"].as_str().unwrap().to_owned()),
        );
    }
    assert_eq!(listed, ordered);
}

#[tokio::test]
async fn nothing_of_inputs_and_outputs_stands_in_the_store_in_clear() {
    let mut world = World::start().await;
    let id = order(&world, "plain.echo", None).await;
    world.advance(3600);
    ended(&world.rest(), &id).await;
    let records = world.all_records().await;
    assert!(records.contains(&id));
    assert!(!records.contains("of the input"));
}

#[tokio::test]
async fn attack_another_keys_runs_are_not_there() {
    let world = World::start().await;
    let id = order(&world, "plain.echo", Some("alice")).await;
    let other = Rest::new(&world.base, OTHER_KEY);
    let path = format!("/v1/scheduled_tools/{id}");
    other.get(&path).await.expect(404, "not_found");
    assert_eq!(
        other.get("/v1/scheduled_tools").await.good()["total_count"],
        0
    );
    let nobody = world.rest().without_key();
    nobody.get(&path).await.expect(401, "unauthorized");
}

#[tokio::test]
async fn attack_an_id_that_climbs_out_of_its_key_finds_nothing() {
    let world = World::start().await;
    let id = order(&world, "plain.echo", None).await;
    let long = "x".repeat(5000);
    let climbing = format!("..%2Fteam%2F{id}");
    for bad in ["te_", "%00", "te_%F0%9F%92%A9", &long, &climbing, "%ff"] {
        let path = format!("/v1/scheduled_tools/{bad}");
        let other = Rest::new(&world.base, OTHER_KEY);
        for rest in [world.rest(), other] {
            rest.get(&path).await.expect(404, "not_found");
        }
    }
}
