//! Several hooks: in their turn, each about what the ones before left, and the first no is the last word.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{PREFIX, calls, names, world_with};
use crate::support::hook::{Hook, Manner};

/// Writes its letter behind what is there.
fn writes(letter: &'static str) -> Manner {
    Manner::By(Arc::new(move |question: &Value| {
        let trace = question["inputs"]["trace"].as_str().unwrap_or_default();
        json!({ "code": "OK", "override": { "inputs": { "trace": format!("{trace}{letter}") } } })
    }))
}

#[tokio::test]
async fn hooks_are_asked_by_phase_then_priority_then_name_and_each_sees_what_the_ones_before_left()
{
    let hook = Hook::start().await;
    let mut sections = String::new();
    for (name, letter, more) in [
        ("zero", "e", "phase = \"after\"\npriority = 0"),
        ("b", "b", "priority = 5"),
        ("a", "c", "priority = 5\npre.priority = 6"),
        (
            "d",
            "d",
            "phase = \"after\"\npriority = 9\npre.phase = \"before\"",
        ),
        ("first", "a", "priority = 5\npre.priority = 0"),
    ] {
        hook.answers(letter, writes(letter));
        sections.push_str(&format!(
            "\n[hooks.{name}]\n{more}\npre.url = \"{}/{letter}\"\n",
            hook.base
        ));
    }
    let world = world_with(&sections).await;
    let answer = world
        .client("alice")
        .call("plain_echo", json!({ "trace": ">" }))
        .await;
    assert_eq!(
        answer.result()["structuredContent"],
        json!({ "trace": ">abcde" })
    );
}

#[tokio::test]
async fn the_first_no_is_the_last_word() {
    let (strict, later) = (Hook::start().await, Hook::start().await);
    let sections = strict.section("strict", &["access", "pre"], "priority = 1")
        + &later.section("later", &["access", "pre"], "");
    let world = world_with(&sections).await;
    strict.says(
        "pre",
        json!({ "code": "CHECK_FAILED", "error_message": "No." }),
    );
    strict.says(
        "access",
        json!({ "deny": { "plain": { "tools": { "whoami": [] } } } }),
    );
    later.says(
        "access",
        json!({ "only": { "plain": { "tools": { "whoami": [], "echo": [] } } } }),
    );
    let alice = world.client("alice");
    assert_eq!(names(&alice).await, ["plain_echo"]);
    let asked = later.asked("access").remove(0).body["toolkits"]["plain"]["tools"].clone();
    assert!(asked["whoami"].is_null(), "{asked}");
    let answer = alice.call("plain_echo", json!({})).await;
    assert_eq!(answer.words(), format!("{PREFIX}No."));
    assert!(later.asked("pre").is_empty());
    assert_eq!(calls(&world), 0);
}

#[tokio::test]
async fn each_hook_after_a_call_sees_what_the_one_before_put_there_and_nothing_else() {
    let (first, second) = (Hook::start().await, Hook::start().await);
    let sections =
        first.section("a", &["post"], "") + &second.section("b", &["post"], "phase = \"after\"");
    let world = world_with(&sections).await;
    first.says(
        "post",
        json!({ "code": "OK", "override": { "output": "tame" } }),
    );
    world
        .client("alice")
        .call("plain_echo", json!({ "text": "wild" }))
        .await;
    let asked = second.asked("post").remove(0).body;
    assert_eq!(
        (&asked["output"], &asked["content"]),
        (&json!("tame"), &Value::Null)
    );
}

#[tokio::test]
async fn a_hook_is_asked_about_its_own_tools_only() {
    let hook = Hook::start().await;
    let more = "tools = [\"plain.*\", \"!plain.whoami\"]";
    let world = world_with(&hook.section("guard", &["access", "pre", "post"], more)).await;
    hook.says("access", json!({ "only": {} }));
    hook.says("pre", json!({ "code": "CHECK_FAILED" }));
    let alice = world.client("alice");
    let seen = names(&alice).await;
    assert_eq!(seen, ["notes_echo", "plain_whoami"], "{seen:?}");
    let kits = hook.asked("access").remove(0).body["toolkits"].clone();
    assert_eq!(kits.as_object().unwrap().len(), 1, "{kits}");
    assert_eq!(
        alice.call("plain_whoami", json!({})).await.words(),
        "nobody"
    );
    assert_eq!(hook.points(), ["access"]);
}

#[tokio::test]
async fn a_tool_that_only_connects_is_nobody_elses_business() {
    let hook = Hook::start().await;
    let world = world_with(&hook.section("guard", &["access", "pre", "post"], "")).await;
    hook.says("access", json!({ "only": {} }));
    world.upstream.misbehave(
        "tools/list",
        crate::support::upstream::Manner::Answer(
            401,
            &[("www-authenticate", "Bearer")],
            String::new(),
        ),
    );
    assert_eq!(names(&world.client("alice")).await, ["notes_connect"]);
    let answer = world.client("alice").call("notes_connect", json!({})).await;
    assert!(answer.text.contains("/connect/"), "{}", answer.text);
    assert!(hook.asked("pre").is_empty());
}
