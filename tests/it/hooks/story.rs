//! What a hook is asked, and what comes of what it says.

use serde_json::json;

use super::{PREFIX, audited, calls, names, world, world_with};
use crate::support::{
    hook::{Hook, Manner},
    log::Log,
};

#[tokio::test]
async fn a_tool_that_a_hook_denies_is_not_listed_and_answers_as_unknown() {
    let hook = Hook::start().await;
    hook.says(
        "access",
        json!({ "deny": { "plain": { "tools": { "whoami": [] } } } }),
    );
    let world = world(&hook, &["access"], "").await;
    let alice = world.client("alice");
    let seen = names(&alice).await;
    assert!(seen.contains(&"plain_echo".to_owned()), "{seen:?}");
    assert!(!seen.contains(&"plain_whoami".to_owned()), "{seen:?}");
    let (denied, nobodys) = (
        alice.call("plain_whoami", json!({})).await,
        alice.call("plain_nothing", json!({})).await,
    );
    assert_eq!(denied.error(), nobodys.error());
    assert_eq!(
        denied.text.replace("whoami", "nothing").len(),
        nobodys.text.len()
    );
    assert_eq!(calls(&world), 0);
    let echo = alice.call("plain_echo", json!({ "text": "x" })).await;
    assert_eq!(echo.result()["structuredContent"]["text"], "x");
}

#[tokio::test]
async fn access_is_asked_with_the_user_every_tool_and_what_it_needs() {
    let hook = Hook::start().await;
    let world = world(&hook, &["access"], "token = \"of-the-guard\"").await;
    names(&world.client("alice")).await;
    let asked = hook.asked("access").remove(0);
    assert_eq!(asked.body["user_id"], "alice");
    assert_eq!(asked.headers["authorization"], "Bearer of-the-guard");
    assert_eq!(asked.headers["anteroom-gateway"], "work");
    assert_eq!(asked.headers["anteroom-user-source"], "team");
    let kits = &asked.body["toolkits"];
    assert_eq!(kits["plain"]["tools"]["echo"][0]["version"], "");
    let needs = &kits["notes"]["tools"]["echo"][0]["requirements"]["authorization"][0];
    assert_eq!(
        *needs,
        json!({ "provider_id": "acme", "provider_type": "oauth2", "oauth2": { "scopes": ["notes"] } })
    );
    // A call asks again, about its own tool only.
    world.client("bob").call("plain_echo", json!({})).await;
    let asked = hook.asked("access").pop().unwrap();
    assert_eq!(asked.body["user_id"], "bob");
    let tools = json!({ "echo": [{ "version": "", "requirements": { "authorization": [], "secrets": [] } }] });
    assert_eq!(
        asked.body["toolkits"],
        json!({ "plain": { "tools": tools } })
    );
}

#[tokio::test]
async fn what_only_names_is_all_there_is_for_that_user_and_others_have_their_own() {
    let hook = Hook::start().await;
    let decide = |question: &serde_json::Value| match question["user_id"].as_str() {
        Some("alice") => json!({ "only": { "plain": { "tools": { "echo": [] } } } }),
        _ => json!({ "only": {} }),
    };
    hook.answers("access", Manner::By(std::sync::Arc::new(decide)));
    let world = world(&hook, &["access"], "").await;
    assert_eq!(names(&world.client("alice")).await, ["plain_echo"]);
    assert!(names(&world.client("bob")).await.is_empty());
}

#[tokio::test]
async fn an_answer_of_access_holds_as_long_as_the_file_says_for_its_user_alone() {
    let hook = Hook::start().await;
    let world = world(&hook, &["access"], "access.cache = \"1m\"").await;
    let (alice, bob) = (world.client("alice"), world.client("bob"));
    names(&alice).await;
    names(&alice).await;
    alice.call("plain_echo", json!({})).await;
    assert_eq!(hook.asked("access").len(), 1);
    names(&bob).await;
    assert_eq!(hook.asked("access").len(), 2, "bob's is another");
    hook.says("access", json!({ "only": {} }));
    assert!(!names(&alice).await.is_empty(), "it holds");
    world.advance(61);
    assert!(names(&alice).await.is_empty(), "its time is over");
    hook.says("access", json!({}));
    world.advance(-3600);
    assert!(
        !names(&alice).await.is_empty(),
        "not for another hour because the clock was set back"
    );
}

#[tokio::test]
async fn a_call_that_pre_denies_never_leaves_and_says_why() {
    let log = Log::listen();
    let hook = Hook::start().await;
    let no = json!({ "code": "CHECK_FAILED", "error_message": "Ask Dana first." });
    hook.says("pre", no);
    let world = world(&hook, &["pre", "post"], "").await;
    let arguments = json!({ "text": "the secret plan" });
    let answer = world
        .client("alice")
        .call("plain_echo", arguments.clone())
        .await;
    assert_eq!(answer.words(), format!("{PREFIX}Ask Dana first."));
    assert_eq!(answer.result()["isError"], true);
    assert_eq!(
        answer.result()["_meta"]["arcade"]["errorKind"],
        "CONTEXT_DENIED"
    );
    assert_eq!(calls(&world), 0);
    assert_eq!(hook.points(), ["pre"]);
    let asked = hook.asked("pre").remove(0).body;
    assert!(asked["execution_id"].as_str().unwrap().starts_with("te_"));
    assert_eq!(
        asked["tool"],
        json!({ "name": "echo", "toolkit": "plain", "version": "" })
    );
    assert_eq!(asked["inputs"], arguments);
    let context = json!({ "authorization": [], "secrets": [], "metadata": {}, "user_id": "alice" });
    assert_eq!(asked["context"], context);
    let told = log.lines("a hook denied a call");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("hook=guard") && !told[0].contains("alice"),
        "{told:?}"
    );
    assert!(
        !told[0].contains("secret plan") && !told[0].contains("Dana"),
        "{told:?}"
    );
}

#[tokio::test]
async fn too_many_calls_are_a_denial_that_may_be_tried_again() {
    let hook = Hook::start().await;
    hook.says("pre", json!({ "code": "RATE_LIMIT_EXCEEDED" }));
    let world = world(&hook, &["pre"], "").await;
    let answer = world.client("alice").call("plain_echo", json!({})).await;
    assert_eq!(
        answer.words(),
        format!("{PREFIX}too many calls; try again later.")
    );
    let apart = &answer.result()["_meta"]["arcade"];
    assert_eq!(
        (&apart["errorKind"], &apart["canRetry"]),
        (&json!("CONTEXT_DENIED"), &json!(true))
    );
}

#[tokio::test]
async fn what_pre_puts_in_place_is_what_the_tool_gets() {
    let hook = Hook::start().await;
    hook.says(
        "pre",
        json!({ "code": "OK", "override": { "inputs": { "text": "tame" } } }),
    );
    let world = world(&hook, &["pre", "post"], "").await;
    let answer = world
        .client("alice")
        .call("plain_echo", json!({ "text": "wild", "more": 1 }))
        .await;
    assert_eq!(
        answer.result()["structuredContent"],
        json!({ "text": "tame" })
    );
    let (pre, post) = (
        hook.asked("pre").remove(0).body,
        hook.asked("post").remove(0).body,
    );
    assert_eq!(pre["execution_id"], post["execution_id"]);
    assert_eq!(post["inputs"], json!({ "text": "tame" }));
    assert_eq!(
        (&post["success"], &post["output"]),
        (&json!(true), &json!({ "text": "tame" }))
    );
}

#[tokio::test]
async fn nothing_is_left_of_an_answer_in_whose_place_post_puts_another() {
    let hook = Hook::start().await;
    let world = world(&hook, &["post"], "").await;
    let alice = world.client("alice");
    let arguments = json!({ "ssn": "078-05-1120" });
    for (put, content, structured) in [
        (
            json!({ "output": { "ssn": "(gone)" } }),
            "{\"ssn\":\"(gone)\"}",
            json!({ "ssn": "(gone)" }),
        ),
        (
            json!({ "output": "nothing to see" }),
            "nothing to see",
            json!(null),
        ),
        (json!({ "output": null }), "", json!(null)),
        (json!({ "output": 7, "content": [] }), "7", json!(null)),
        (
            json!({ "output": { "n": 1 }, "content": [{ "type": "text", "text": "one" }] }),
            "one",
            json!({ "n": 1 }),
        ),
    ] {
        hook.says("post", json!({ "code": "OK", "override": put.clone() }));
        let answer = alice.call("plain_echo", arguments.clone()).await;
        assert_eq!(answer.words(), content, "{put}");
        assert_eq!(answer.result()["structuredContent"], structured, "{put}");
        assert!(
            !answer.text.contains("078-05") && !answer.text.contains("unknownKey"),
            "{put}"
        );
    }
    // What was only text stays only text.
    hook.says(
        "post",
        json!({ "code": "OK", "override": { "output": { "who": "x" } } }),
    );
    let answer = alice.call("plain_whoami", json!({})).await;
    assert_eq!(answer.words(), "{\"who\":\"x\"}");
    assert!(answer.result()["structuredContent"].is_null());
    let asked = hook.asked("post").pop().unwrap().body;
    assert_eq!(asked["output"], "nobody");
    assert_eq!(
        asked["content"],
        json!([{ "type": "text", "text": "nobody" }])
    );
}

#[tokio::test]
async fn an_answer_that_post_denies_is_withheld_and_the_model_knows_that_the_tool_ran() {
    let hook = Hook::start().await;
    hook.says(
        "post",
        json!({ "code": "CHECK_FAILED", "error_message": "Too much." }),
    );
    let world = world(&hook, &["post"], "").await;
    let answer = world
        .client("alice")
        .call("plain_echo", json!({ "text": "private" }))
        .await;
    assert!(
        answer.words().starts_with(&format!("{PREFIX}Too much.")),
        "{}",
        answer.text
    );
    assert!(
        answer.words().contains("The tool has run"),
        "{}",
        answer.text
    );
    assert!(!answer.text.contains("private"), "{}", answer.text);
    assert_eq!(answer.result()["isError"], true);
    assert_eq!(answer.result()["_meta"]["arcade"]["canRetry"], false);
    assert_eq!(calls(&world), 1);
}

#[tokio::test]
async fn notifications_pass_and_the_end_of_a_stream_waits_for_post() {
    let hook = Hook::start().await;
    hook.says(
        "post",
        json!({ "code": "OK", "override": { "output": "checked" } }),
    );
    let world = world(&hook, &["post"], "").await;
    world
        .second
        .inside
        .tools
        .lock()
        .unwrap()
        .push(crate::support::upstream::tool("slow"));
    world.advance(120);
    let params =
        json!({ "name": "plain_slow", "arguments": {}, "_meta": { "progressToken": "p" } });
    let mut events = world.client("alice").events("tools/call", params).await;
    let progress = events.next().await.unwrap();
    assert_eq!(progress["params"]["progressToken"], "p");
    let mut last = progress;
    while let Some(message) = events.next().await {
        last = message;
    }
    assert_eq!(last["result"]["content"][0]["text"], "checked");
}

#[tokio::test]
async fn errors_of_a_tool_pass_post_as_well_and_stay_errors() {
    let hook = Hook::start().await;
    let world = world(&hook, &["post"], "").await;
    let alice = world.client("alice");
    world
        .second
        .inside
        .tools
        .lock()
        .unwrap()
        .push(crate::support::upstream::tool("lost"));
    world.advance(120);
    let answer = alice.call("plain_lost", json!({})).await;
    assert_eq!(answer.json()["error"]["message"], "unknown tool");
    let asked = hook.asked("post").remove(0).body;
    assert_eq!(
        (&asked["success"], &asked["execution_code"]),
        (&json!(false), &json!("-32602"))
    );
    assert_eq!(asked["execution_error"], "unknown tool");
    hook.says(
        "post",
        json!({ "code": "OK", "override": { "output": "Try echo." } }),
    );
    let answer = alice.call("plain_lost", json!({})).await;
    assert_eq!(
        (answer.words(), &answer.result()["isError"]),
        ("Try echo.".to_owned(), &json!(true))
    );
}

#[tokio::test]
async fn users_are_asked_to_connect_before_pre_and_hooks_never_see_a_token() {
    let hook = Hook::start().await;
    let world = world(&hook, &["access", "pre", "post"], "").await;
    world
        .upstream
        .inside
        .tools
        .lock()
        .unwrap()
        .push(crate::support::upstream::tool("whoami"));
    let alice = world.client("alice");
    let asked = alice.call("notes_whoami", json!({})).await;
    assert!(hook.asked("pre").is_empty(), "{}", asked.text);
    let link = asked.result()["structuredContent"]["authorization_url"].clone();
    world.connect(link.as_str().unwrap(), "alice").await;
    let answer = alice.call("notes_whoami", json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let context = hook.asked("pre").remove(0).body["context"].clone();
    assert_eq!(context["authorization"][0]["provider_id"], "acme");
    assert_eq!(
        context["authorization"][0]["oauth2"]["scopes"],
        json!(["notes"])
    );
    let token = world
        .upstream
        .last("tools/call")
        .header("authorization")
        .unwrap()
        .to_owned();
    let token = token.strip_prefix("Bearer ").unwrap();
    let said: Vec<_> = hook
        .asked("pre")
        .into_iter()
        .chain(hook.asked("access"))
        .collect();
    assert!(!format!("{said:?}").contains(token));
}

#[tokio::test]
async fn a_denied_call_uses_no_credential() {
    let hook = Hook::start().await;
    let world = world(&hook, &["pre"], "").await;
    let alice = world.client("alice");
    let asked = alice.call("notes_echo", json!({})).await;
    let link = asked.result()["structuredContent"]["authorization_url"].clone();
    world.connect(link.as_str().unwrap(), "alice").await;
    hook.says("pre", json!({ "code": "CHECK_FAILED" }));
    let answer = alice.call("notes_echo", json!({})).await;
    assert!(answer.words().starts_with(PREFIX), "{}", answer.text);
    assert!(!world.upstream.methods().contains(&"tools/call".to_owned()));
    let told = audited(&world).await;
    assert!(told.contains("\"event\":\"connected\""), "{told}");
    assert!(!told.contains("\"event\":\"used\""), "{told}");
}

#[tokio::test]
async fn hooks_of_a_changed_file_are_asked_from_the_next_request_on() {
    let hook = Hook::start().await;
    let mut world = world_with("").await;
    let section = hook.section("guard", &["pre"], "");
    assert!(
        world
            .client("alice")
            .call("plain_echo", json!({}))
            .await
            .result()["isError"]
            .is_null()
    );
    world.change(|toml| toml + &section).await;
    hook.says("pre", json!({ "code": "CHECK_FAILED" }));
    let answer = world.client("alice").call("plain_echo", json!({})).await;
    assert!(answer.words().starts_with(PREFIX), "{}", answer.text);
    world
        .rewrite("[hooks.guard]", "[hooks.guard]\nstatus = \"inactive\"")
        .await;
    let answer = world.client("alice").call("plain_echo", json!({})).await;
    assert!(answer.result()["isError"].is_null(), "{}", answer.text);
    assert_eq!(hook.points(), ["pre"]);
}
