//! What a question to the user leaves behind: two at once, answers nobody asked for, retries that come late.

use std::time::Duration;

use anteroom::config::Era;
use serde_json::{Value, json};

use crate::support::{
    client::{Client, Events},
    provider::AtAuthorize,
    upstream::Manner,
    world::World,
};

const IN_BAND: &str = "\n[[elicitation.overrides]]\nclient = \"test-*\"\nask = \"url_in_band\"\n";

fn url_client(world: &World, user: &str) -> Client {
    world
        .client(user)
        .declaring(json!({ "elicitation": { "form": {}, "url": {} } }))
}

#[tokio::test]
async fn item_58_two_calls_that_ask_in_band_at_once_each_get_their_own_answer() {
    let world = World::with(Era::Modern, IN_BAND).await;
    let client = url_client(&world, "alice").initialized("2025-11-25").await;
    let call = json!({ "name": "notes_echo", "arguments": {} });
    let mut one = client.events("tools/call", call.clone()).await;
    let mut other = client.events("tools/call", call).await;
    let (first, second) = (one.next().await.unwrap(), other.next().await.unwrap());
    assert_ne!(first["id"], second["id"], "ids of requests are unique");
    assert_eq!(first["params"]["url"], second["params"]["url"]);
    let session = [("mcp-session-id", client.session().unwrap())];
    let decline = |id: &Value| {
        json!({ "jsonrpc": "2.0", "id": id, "result": { "action": "decline" } }).to_string()
    };
    let flow = first["params"]["elicitationId"].clone();
    for unasked in [flow, json!("x"), json!("../x"), json!(1), Value::Null] {
        client.post(&session, &decline(&unasked)).await;
    }
    assert!(
        one.within(Duration::from_millis(300)).await.is_none(),
        "what nobody asked changes nothing"
    );
    client.post(&session, &decline(&first["id"])).await;
    assert_eq!(one.next().await.unwrap()["result"]["isError"], true);
    assert!(
        other.within(Duration::from_millis(300)).await.is_none(),
        "one answer ends one call"
    );
    client.post(&session, &decline(&second["id"])).await;
    let ended = other.within(Duration::from_secs(3)).await.flatten();
    assert_eq!(ended.unwrap()["result"]["isError"], true);
}

fn link(result: &Value) -> &str {
    result["inputRequests"]["connect_acme"]["params"]["url"]
        .as_str()
        .unwrap_or_else(|| panic!("{result}"))
}

fn retry(first: &Value, responses: &Value) -> Value {
    json!({
        "name": "notes_echo", "arguments": {},
        "inputResponses": responses, "requestState": first["requestState"],
    })
}

#[tokio::test]
async fn item_53_a_retry_of_a_flow_that_ended_opens_no_other() {
    let mut world = World::start().await;
    world
        .provider
        .switch(|switches| switches.authorize = AtAuthorize::Error("access_denied"));
    let client = url_client(&world, "alice");
    let first = client.call("notes_echo", json!({})).await.result();
    let browser = world.signed_in("alice").await;
    let page = browser.open(link(&first).to_owned()).await;
    browser.submit(&page.form("Continue to Acme Notes")).await;
    for (action, said) in [
        ("decline", "declined"),
        ("cancel", "closed the question"),
        ("accept", "denied"),
    ] {
        let responses = json!({ "connect_acme": { "action": action } });
        let answer = client
            .request("tools/call", retry(&first, &responses))
            .await;
        assert!(answer.words().contains(said), "{action}: {}", answer.text);
    }
    assert_eq!(world.records("flows").await, 1);
}

#[tokio::test]
async fn an_upstreams_question_whose_account_went_meanwhile_is_answered_with_the_link() {
    let world = World::start().await;
    let client = url_client(&world, "alice");
    let first = client.call("notes_echo", json!({})).await.result();
    world.connect(link(&first), "alice").await;
    let question = r#"{"jsonrpc":"2.0","id":{id},"result":{"resultType":"input_required","inputRequests":{"sure":{"method":"elicitation/create"}},"requestState":"s"}}"#;
    let asks = Manner::Answer(
        200,
        &[("content-type", "application/json")],
        question.into(),
    );
    let refuses = || Manner::Answer(401, &[], String::new());
    world
        .upstream
        .misbehave("tools/call", Manner::in_turn([asks, refuses(), refuses()]));
    let asked = client.call("notes_echo", json!({})).await.result();
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    let yes = json!({ "sure": { "action": "accept", "content": {} } });
    let mut links = Vec::new();
    // The first is refused by the upstream, the second not even sent there.
    for _ in 0..2 {
        let answer = client.request("tools/call", retry(&asked, &yes)).await;
        let result = answer.result();
        assert_eq!(result["isError"], true, "{result}");
        assert_eq!(
            result["resultType"], "complete",
            "a retry is never answered with a second question"
        );
        links.push(result["structuredContent"]["authorization_url"].clone());
    }
    assert_eq!(links[0], links[1]);
    world.connect(links[0].as_str().unwrap(), "alice").await;
    client
        .request("tools/call", retry(&asked, &yes))
        .await
        .result();
    let seen = world.upstream.last("tools/call").body["params"].clone();
    assert_eq!(
        (&seen["requestState"], &seen["inputResponses"]),
        (&json!("s"), &yes)
    );
}

#[tokio::test]
async fn item_55_a_state_does_not_fit_other_arguments_however_deep_they_are() {
    let world = World::start().await;
    let client = url_client(&world, "alice");
    let call = async |deepest: &str, state: Option<&Value>| {
        let arguments = format!("{}{deepest}{}", r#"{"a":"#.repeat(200), "}".repeat(200));
        let mut body = client.body("tools/call", json!({ "name": "notes_echo" }));
        if let Some(state) = state {
            body["params"]["requestState"] = state.clone();
            body["params"]["inputResponses"] = json!({ "connect_acme": { "action": "decline" } });
        }
        let headers = client.headers(&body);
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let text = body.to_string();
        let text = text.replacen(
            r#""params":{"#,
            &format!(r#""params":{{"arguments":{arguments},"#),
            1,
        );
        client.post(&headers, &text).await
    };
    let first = call("1", None).await.result();
    let state = &first["requestState"];
    assert!(state.is_string(), "{first}");
    assert_eq!(call("2", Some(state)).await.error().1, -32602);
    assert!(call("1", Some(state)).await.words().contains("declined"));
}

#[tokio::test]
async fn a_call_that_asked_in_band_does_not_run_for_a_client_that_has_left() {
    let world = World::with(Era::Modern, IN_BAND).await;
    let client = url_client(&world, "alice").initialized("2025-11-25").await;
    let call = json!({ "name": "notes_echo", "arguments": {} });
    let mut events = client.events("tools/call", call).await;
    let asked = events.next().await.unwrap();
    drop(events);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let link = asked["params"]["url"].as_str().unwrap();
    world.connect(link, "alice").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(
        !world.upstream.methods().contains(&"tools/call".to_owned()),
        "nobody is there to hear what came of it"
    );
}

/// A call of alice's that asked her in-band, through an access token, and waits; and the link.
async fn held(world: &World, access: &str) -> (Events, String) {
    let client = world
        .bearer(access)
        .declaring(json!({ "elicitation": { "form": {}, "url": {} } }))
        .initialized("2025-11-25")
        .await;
    let call = json!({ "name": "notes_echo", "arguments": {} });
    let mut events = client.events("tools/call", call).await;
    let asked = events.next().await.unwrap();
    let link = asked["params"]["url"].as_str().unwrap().to_owned();
    (events, link)
}

#[tokio::test]
async fn a_call_that_waits_does_not_run_once_its_grant_is_revoked() {
    let world = World::signing_in(IN_BAND).await;
    let (program, tokens) = world.tokens("alice").await;
    let (mut events, link) = held(&world, &tokens.access).await;
    assert_eq!(program.revoke(&tokens.access).await.status, 200);
    world.connect(&link, "alice").await;
    let answer = events.next().await.unwrap();
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    assert!(!world.upstream.methods().contains(&"tools/call".to_owned()));
}

#[tokio::test]
async fn a_call_that_waits_does_not_run_once_a_rule_keeps_its_tool_from_its_user() {
    let mut world = World::signing_in(IN_BAND).await;
    let (_, tokens) = world.tokens("alice").await;
    let (mut events, link) = held(&world, &tokens.access).await;
    let rule =
        "\n[[gateways.work.rules]]\ntools = [\"notes.*\"]\nrequire = { groups = [\"admins\"] }\n";
    world.change(|toml| toml + rule).await;
    world.connect(&link, "alice").await;
    let answer = events.next().await.unwrap();
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    assert!(!world.upstream.methods().contains(&"tools/call".to_owned()));
}

#[tokio::test]
async fn a_call_that_waits_runs_when_its_connection_lands_and_nothing_was_lost() {
    let world = World::signing_in(IN_BAND).await;
    let (_, tokens) = world.tokens("alice").await;
    let (mut events, link) = held(&world, &tokens.access).await;
    world.connect(&link, "alice").await;
    let answer = events.next().await.unwrap();
    assert!(answer["result"]["isError"].is_null(), "{answer}");
    assert!(world.upstream.methods().contains(&"tools/call".to_owned()));
}
