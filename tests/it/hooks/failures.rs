//! Hooks that are down, slow, or say what is none of the contract: nothing they should have let pass passes, unless the operator
//! wants it so.

use serde_json::json;

use super::{PREFIX, calls, names, world};
use crate::support::{
    hook::{Hook, Manner},
    log::Log,
    upstream,
    world::World,
};

const IMPATIENT: &str = "timeout = \"300ms\"";

/// Every manner in which a hook may fail at any point, and a word of what the log has to say of it.
fn failures(elsewhere: &Hook) -> Vec<(Manner, &'static str)> {
    vec![
        (Manner::Hang, "did not answer in time"),
        (Manner::HangInside, "did not answer in time"),
        (Manner::Answer(500, "{}"), "500"),
        (Manner::Answer(401, r#"{"code":"OK"}"#), "401"),
        (Manner::Answer(201, r#"{"code":"OK"}"#), "201"),
        (Manner::Answer(204, ""), "204"),
        (Manner::Answer(200, ""), "not JSON"),
        (Manner::Answer(200, "<html>OK</html>"), "not JSON"),
        (Manner::Answer(200, "[]"), "not an object"),
        (Manner::Answer(200, "null"), "not an object"),
        (Manner::Endless, "larger than"),
        (Manner::Redirect(format!("{}/pre", elsewhere.base)), "307"),
    ]
}

/// That a call is denied before it leaves.
async fn denied(world: &World, what: &str) {
    let before = calls(world);
    let answer = world.client("alice").call("plain_echo", json!({})).await;
    let words = format!("{PREFIX}the policy could not be checked; try again later.");
    assert_eq!(answer.words(), words, "{what}");
    let apart = &answer.result()["_meta"]["arcade"];
    assert_eq!(
        (&apart["errorKind"], &apart["canRetry"]),
        (&json!("CONTEXT_CHECK_FAILED"), &json!(true))
    );
    assert_eq!(calls(world), before, "{what}");
}

#[tokio::test]
async fn a_call_stays_here_while_pre_does_not_answer_as_the_contract_says() {
    let log = Log::listen();
    let (hook, elsewhere) = (Hook::start().await, Hook::start().await);
    let world = world(&hook, &["pre"], IMPATIENT).await;
    let mut told = 0;
    for (manner, why) in failures(&elsewhere) {
        hook.answers("pre", manner);
        denied(&world, why).await;
        let lines = log.lines("a hook did not answer");
        told += 1;
        assert_eq!(lines.len(), told, "{lines:?}");
        let last = lines.last().unwrap();
        assert!(
            last.contains(why) && last.contains("hook=guard"),
            "{why}: {last}"
        );
        assert!(!last.contains("alice"), "{last}");
    }
    for shape in [
        "{}",
        r#"{"code":true}"#,
        r#"{"code":"OK","override":{"inputs":[1]}}"#,
    ] {
        hook.answers("pre", Manner::Answer(200, shape));
        denied(&world, shape).await;
    }
    assert!(elsewhere.points().is_empty(), "a redirect is not followed");
    hook.says("pre", json!({ "code": "OK" }));
    let answer = world.client("alice").call("plain_echo", json!({})).await;
    assert!(
        answer.result()["isError"].is_null(),
        "it has recovered: {}",
        answer.text
    );
}

#[tokio::test]
async fn nothing_is_listed_or_found_while_access_does_not_answer_as_the_contract_says() {
    let (hook, elsewhere) = (Hook::start().await, Hook::start().await);
    let world = world(&hook, &["access"], IMPATIENT).await;
    let alice = world.client("alice");
    let mut manners: Vec<_> = failures(&elsewhere)
        .into_iter()
        .map(|(manner, _)| manner)
        .collect();
    for wrong in [
        r#"{"deny":["plain.whoami"]}"#,
        r#"{"deny":{"plain":["whoami"]}}"#,
        r#"{"deny":{"plain":{"tools":["whoami"]}}}"#,
        r#"{"denied":{"plain":{"tools":{"whoami":[]}}}}"#,
        r#"{"code":"CHECK_FAILED","error":"no"}"#,
    ] {
        manners.push(Manner::Answer(200, wrong));
    }
    for manner in manners {
        hook.answers("access", manner);
        assert!(names(&alice).await.is_empty());
        let call = alice.call("plain_echo", json!({})).await;
        assert_eq!(call.json()["error"]["code"], -32602, "{}", call.text);
    }
    assert_eq!(calls(&world), 0);
    assert!(elsewhere.points().is_empty());
    hook.says("access", json!({}));
    assert!(!names(&alice).await.is_empty());
}

#[tokio::test]
async fn an_answer_is_withheld_while_post_does_not_answer_as_the_contract_says() {
    let (hook, elsewhere) = (Hook::start().await, Hook::start().await);
    let world = world(&hook, &["post"], IMPATIENT).await;
    let mut manners: Vec<_> = failures(&elsewhere)
        .into_iter()
        .map(|(manner, _)| manner)
        .collect();
    manners.push(Manner::Answer(200, r#"{"code":"OK","override":"x"}"#));
    manners.push(Manner::Answer(
        200,
        r#"{"code":"OK","override":{"content":"x"}}"#,
    ));
    for manner in manners {
        hook.answers("post", manner);
        let answer = world
            .client("alice")
            .call("plain_echo", json!({ "text": "private" }))
            .await;
        assert!(answer.words().starts_with(PREFIX), "{}", answer.text);
        assert!(
            answer.words().contains("The tool has run"),
            "{}",
            answer.text
        );
        assert!(!answer.text.contains("private"), "{}", answer.text);
        assert_eq!(answer.result()["_meta"]["arcade"]["canRetry"], false);
    }
}

#[tokio::test]
async fn a_hook_that_is_gone_lets_nothing_pass() {
    let mut hook = Hook::start().await;
    let world = world(&hook, &["pre"], "").await;
    let answer = world.client("alice").call("plain_echo", json!({})).await;
    assert!(answer.result()["isError"].is_null(), "{}", answer.text);
    hook.dies().await;
    denied(&world, "nobody is there").await;
}

#[tokio::test]
async fn where_the_operator_wants_it_so_calls_go_on_without_the_hook() {
    let log = Log::listen();
    let (hook, elsewhere) = (Hook::start().await, Hook::start().await);
    let points = ["access", "pre", "post"];
    let more = format!("{IMPATIENT}\nfailure_mode = \"fail_open\"");
    let world = world(&hook, &points, &more).await;
    let alice = world.client("alice");
    for (manner, why) in failures(&elsewhere) {
        for point in points {
            hook.answers(point, manner.clone());
        }
        let answer = alice.call("plain_echo", json!({ "text": "x" })).await;
        assert_eq!(answer.result()["structuredContent"]["text"], "x", "{why}");
    }
    assert!(names(&alice).await.contains(&"plain_echo".to_owned()));
    assert!(
        !log.lines("that is let pass, as it is configured")
            .is_empty()
    );
    // What it says counts all the same.
    hook.says("access", json!({}));
    hook.says("pre", json!({ "code": "whatever" }));
    let answer = alice.call("plain_echo", json!({})).await;
    assert!(answer.words().starts_with(PREFIX), "{}", answer.text);
}

#[tokio::test]
async fn a_failure_of_access_is_not_remembered() {
    let hook = Hook::start().await;
    let world = world(&hook, &["access"], "access.cache = \"1h\"").await;
    hook.answers("access", Manner::Answer(503, ""));
    assert!(names(&world.client("alice")).await.is_empty());
    hook.says("access", json!({}));
    assert!(!names(&world.client("alice")).await.is_empty());
}

#[tokio::test]
async fn attack_a_hook_cannot_flood_the_model_with_words() {
    let hook = Hook::start().await;
    let words = "a".repeat(500_000);
    hook.says(
        "pre",
        json!({ "code": "CHECK_FAILED", "error_message": words }),
    );
    let world = world(&hook, &["pre"], "").await;
    let answer = world.client("alice").call("plain_echo", json!({})).await;
    assert!(answer.text.len() < 10_000, "{}", answer.text.len());
}

#[tokio::test]
async fn attack_arguments_that_a_hook_and_a_tool_could_read_differently_go_nowhere() {
    let hook = Hook::start().await;
    let world = world(&hook, &["pre"], "").await;
    let alice = world.client("alice");
    let body = alice.body(
        "tools/call",
        json!({ "name": "plain_echo", "arguments": { "x": { "to": "bob" } } }),
    );
    let headers = alice.headers(&body);
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let twice = body
        .to_string()
        .replace(r#"{"to":"bob"}"#, r#"{"to":"eve","\u0074o":"bob"}"#);
    let answer = alice.post(&headers, &twice).await;
    assert!(answer.words().contains("a name twice"), "{}", answer.text);
    assert!(hook.points().is_empty() && calls(&world) == 0);
}

#[tokio::test]
async fn attack_an_answer_that_a_hook_and_a_client_could_read_differently_is_withheld() {
    let hook = Hook::start().await;
    let world = world(&hook, &["post"], "").await;
    let alice = world.client("alice");
    names(&alice).await;
    let result = r#"{"jsonrpc":"2.0","id":{id},"result":{"resultType":"complete","content":[{"type":"text","text":"private","text":"harmless"}]}}"#;
    let json = &[("content-type", "application/json")];
    world.second.misbehave(
        "tools/call",
        upstream::Manner::Answer(200, json, result.to_owned()),
    );
    let answer = alice.call("plain_echo", json!({})).await;
    assert!(
        answer.words().contains("cannot be understood"),
        "{}",
        answer.text
    );
    assert!(
        !answer.text.contains("private") && !answer.text.contains("harmless"),
        "{}",
        answer.text
    );
}
