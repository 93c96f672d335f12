//! Asking for authorization, in each way: items 48 to 61 as far as they stand with `headers` access.

use std::time::Duration;

use anteroom::config::Era;
use serde_json::{Value, json};

use crate::support::{client::Client, world::World};

fn url_client(world: &World, user: &str) -> Client {
    world
        .client(user)
        .declaring(json!({ "elicitation": { "form": {}, "url": {} } }))
}

fn link(result: &Value) -> String {
    result["inputRequests"]["connect_acme"]["params"]["url"]
        .as_str()
        .unwrap_or_else(|| panic!("{result}"))
        .to_owned()
}

fn retry(first: &Value, action: &str) -> Value {
    json!({
        "name": "notes_echo", "arguments": { "a": 1 },
        "inputResponses": { "connect_acme": { "action": action } },
        "requestState": first["requestState"],
    })
}

async fn ask(client: &Client) -> Value {
    client.call("notes_echo", json!({ "a": 1 })).await.result()
}

#[tokio::test]
async fn item_48_a_modern_client_with_url_mode_is_asked_by_an_input_request() {
    let world = World::start().await;
    let result = ask(&url_client(&world, "alice")).await;
    assert_eq!(result["resultType"], "input_required");
    let request = &result["inputRequests"]["connect_acme"];
    assert_eq!(
        (&request["method"], &request["params"]["mode"]),
        (&json!("elicitation/create"), &json!("url"))
    );
    assert!(request["params"]["elicitationId"].is_null());
    let link = link(&result);
    assert!(link.starts_with(&format!("{}/connect/", world.base)) && !link.contains("alice"));
    assert!(result["ttlMs"].is_null());
    assert!(
        !world.upstream.methods().contains(&"tools/call".to_owned()),
        "nothing was executed"
    );
}

#[tokio::test]
async fn items_49_and_57_without_url_mode_the_link_is_in_the_text() {
    let world = World::start().await;
    for capabilities in [
        json!({}),
        json!({ "elicitation": {} }),
        json!({ "elicitation": { "form": {} } }),
    ] {
        for client in [
            world.client("alice").declaring(capabilities.clone()),
            world
                .client("alice")
                .declaring(capabilities.clone())
                .initialized("2025-11-25")
                .await,
            world
                .client("alice")
                .declaring(json!({ "elicitation": { "url": {} } }))
                .initialized("2025-06-18")
                .await,
            world.client("alice").without_session("2025-03-26"),
        ] {
            let answer = client.call("notes_echo", json!({})).await;
            let result = answer.result();
            assert_eq!(result["isError"], true, "{result}");
            let words = answer.words();
            let links: Vec<_> = words
                .lines()
                .filter(|line| line.starts_with("http"))
                .collect();
            assert_eq!(links.len(), 1, "{words}");
            assert_eq!(result["structuredContent"]["authorization_url"], links[0]);
            assert!(words.ends_with("Then call the tool again."), "{words}");
            assert!(result["_meta"]["dev.anteroom/authorization-required"].is_object());
        }
    }
}

#[tokio::test]
async fn item_50_two_missing_providers_are_asked_for_at_once() {
    let more = r#"
[providers.second]
title = "Second"
authorize_url = "http://127.0.0.1:1/authorize"
token_url = "http://127.0.0.1:1/token"
client_id = "x"
client_secret = "y"

[upstreams.both]
url = "URL"
auth = [{ provider = "acme", scopes = ["notes"] }, { provider = "second", header = "x-second-token" }]

[gateways.wide]
user_source = "team"
access = ["headers"]
tools = ["both.*"]
"#;
    let other = crate::support::upstream::StandIn::start(&[Era::Modern]).await;
    let world = World::with(Era::Modern, &more.replace("URL", other.url.as_str())).await;
    let endpoint = format!("{}/mcp/wide", world.base);
    let client = Client::new(&endpoint, crate::support::world::KEY, "alice")
        .declaring(json!({ "elicitation": { "url": {} } }));
    let result = client.call("both_echo", json!({})).await.result();
    let keys: Vec<_> = result["inputRequests"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(keys, ["connect_acme", "connect_second"]);
}

#[tokio::test]
async fn items_51_and_52_a_retry_waits_for_the_connection_and_then_completes() {
    let world = World::start().await;
    let client = url_client(&world, "alice");
    let first = ask(&client).await;
    let waiting = client.request("tools/call", retry(&first, "accept"));
    let connecting = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        world.connect(&link(&first), "alice").await;
    };
    let (answer, ()) = tokio::join!(waiting, connecting);
    let result = answer.result();
    assert_eq!(result["resultType"], "complete", "{result}");
    assert_eq!(result["structuredContent"], json!({ "a": 1 }));
    assert!(result["ttlMs"].is_null());
    let token = world
        .upstream
        .last("tools/call")
        .header("authorization")
        .unwrap()
        .to_owned();
    assert!(
        token.starts_with("Bearer ") && !answer.text.contains(token.trim_start_matches("Bearer "))
    );
}

#[tokio::test]
async fn item_52_a_retry_without_a_connection_ends_with_the_link_and_never_with_a_second_question()
{
    let world = World::with(Era::Modern, "").await;
    let client = url_client(&world, "alice");
    let first = ask(&client).await;
    let answer = client.request("tools/call", retry(&first, "accept")).await;
    let result = answer.result();
    assert_eq!(
        (&result["resultType"], &result["isError"]),
        (&json!("complete"), &json!(true)),
        "{result}"
    );
    assert!(
        answer.words().contains(&link(&first)),
        "the same link while the flow is open"
    );
}

#[tokio::test]
async fn item_53_decline_and_cancel_are_final() {
    let world = World::start().await;
    let client = url_client(&world, "alice");
    for action in ["decline", "cancel"] {
        let first = ask(&client).await;
        let began = std::time::Instant::now();
        let result = client
            .request("tools/call", retry(&first, action))
            .await
            .result();
        assert_eq!(
            (&result["resultType"], &result["isError"]),
            (&json!("complete"), &json!(true)),
            "{action}"
        );
        assert!(
            began.elapsed() < Duration::from_secs(2),
            "{action} is not waited for"
        );
    }
}

#[tokio::test]
async fn item_53_denied_at_the_provider_ends_the_held_call_at_once() {
    use crate::support::provider::AtAuthorize;
    let world = World::start().await;
    world
        .provider
        .switch(|switches| switches.authorize = AtAuthorize::Error("access_denied"));
    let client = url_client(&world, "alice");
    let first = ask(&client).await;
    let waiting = client.request("tools/call", retry(&first, "accept"));
    let denying = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let browser = world.signed_in("alice").await;
        let page = browser.open(link(&first)).await;
        browser.submit(&page.form("Continue to Acme Notes")).await;
    };
    let (answer, ()) = tokio::join!(waiting, denying);
    assert!(answer.words().contains("denied"), "{}", answer.text);
    let fresh = ask(&client).await;
    assert_ne!(
        link(&fresh),
        link(&first),
        "a flow that ended is not offered again"
    );
}

#[tokio::test]
async fn item_53_a_retry_after_the_user_was_denied_is_told_so_at_once() {
    use crate::support::provider::AtAuthorize;
    let world = World::start().await;
    world
        .provider
        .switch(|switches| switches.authorize = AtAuthorize::Error("access_denied"));
    let client = url_client(&world, "alice");
    let first = ask(&client).await;
    let browser = world.signed_in("alice").await;
    let page = browser.open(link(&first)).await;
    browser.submit(&page.form("Continue to Acme Notes")).await;
    let began = std::time::Instant::now();
    let answer = client.request("tools/call", retry(&first, "accept")).await;
    assert!(answer.words().contains("denied"), "{}", answer.text);
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "nobody was shown another link, so there is nothing to wait for"
    );
}

#[tokio::test]
async fn item_54_malformed_responses() {
    let world = World::start().await;
    let client = url_client(&world, "alice");
    let first = ask(&client).await;
    for responses in [
        json!("x"),
        json!({ "connect_acme": "accept" }),
        json!({ "connect_acme": { "action": "maybe" } }),
    ] {
        let mut params = retry(&first, "accept");
        params["inputResponses"] = responses;
        assert_eq!(client.request("tools/call", params).await.error().1, -32602);
    }
}

#[tokio::test]
async fn item_55_states_that_are_not_for_this_call() {
    let world = World::start().await;
    let (alice, bob) = (url_client(&world, "alice"), url_client(&world, "bob"));
    let first = ask(&alice).await;
    let state = first["requestState"].as_str().unwrap();
    let tampered = format!("{}A{}", &state[..50], &state[51..]);
    for (client, params) in [
        (&bob, retry(&first, "accept")),
        (&alice, {
            let mut params = retry(&first, "accept");
            params["requestState"] = json!(tampered);
            params
        }),
        (&alice, {
            let mut params = retry(&first, "accept");
            params["requestState"] = json!("nonsense");
            params
        }),
        (&alice, {
            let mut params = retry(&first, "accept");
            params["requestState"] = json!(7);
            params
        }),
        (&alice, {
            let mut params = retry(&first, "accept");
            params["arguments"] = json!({ "a": 2 });
            params
        }),
        (&alice, {
            let mut params = retry(&first, "accept");
            params["name"] = json!("plain_echo");
            params
        }),
    ] {
        let answer = client.request("tools/call", params).await;
        assert_eq!(answer.error().1, -32602, "{}", answer.text);
    }
    world.advance(24 * 3600);
    assert_eq!(
        alice
            .request("tools/call", retry(&first, "accept"))
            .await
            .error()
            .1,
        -32602,
        "expired"
    );
    assert!(
        !world.upstream.methods().contains(&"tools/call".to_owned()),
        "nothing was executed"
    );
}

#[tokio::test]
async fn items_58_60_and_61_a_2025_11_25_client_gets_an_error_and_then_the_notification() {
    let world = World::start().await;
    let client = url_client(&world, "alice").initialized("2025-11-25").await;
    let bystander = url_client(&world, "alice").initialized("2025-11-25").await;
    let (mut stream, mut other) = (client.get(&[]).await, bystander.get(&[]).await);
    let answer = client.call("notes_echo", json!({})).await;
    assert_eq!(answer.error(), (200, -32042));
    let elicitation = answer.json()["error"]["data"]["elicitations"][0].clone();
    assert_eq!(elicitation["mode"], "url");
    assert!(elicitation["message"].is_string());
    let again = client.call("notes_echo", json!({})).await.json()["error"]["data"]["elicitations"]
        [0]
    .clone();
    assert_eq!(
        again, elicitation,
        "the same link and id while the flow is open"
    );

    world
        .connect(elicitation["url"].as_str().unwrap(), "alice")
        .await;
    let told = loop {
        let message = stream.next().await.unwrap();
        if message["method"] != "notifications/tools/list_changed" {
            break message;
        }
    };
    assert_eq!(told["method"], "notifications/elicitation/complete");
    assert_eq!(
        told["params"]["elicitationId"],
        elicitation["elicitationId"]
    );
    assert!(
        other.within(Duration::from_millis(300)).await.is_none(),
        "only the session that asked is told"
    );
    assert!(
        stream.within(Duration::from_millis(300)).await.is_none(),
        "and only once"
    );
    assert!(client.call("notes_echo", json!({})).await.result()["isError"].is_null());
}

#[tokio::test]
async fn item_60_a_session_that_listens_late_is_still_told() {
    let world = World::start().await;
    let client = url_client(&world, "alice").initialized("2025-11-25").await;
    let answer = client.call("notes_echo", json!({})).await.json();
    let elicitation = &answer["error"]["data"]["elicitations"][0];
    world
        .connect(elicitation["url"].as_str().unwrap(), "alice")
        .await;
    let mut stream = client.get(&[]).await;
    let told = stream.next().await.unwrap();
    assert_eq!(
        told["params"]["elicitationId"],
        elicitation["elicitationId"]
    );
}

#[tokio::test]
async fn item_58_in_band_where_the_operator_says_so() {
    let more = "\n[[elicitation.overrides]]\nclient = \"test-*\"\nask = \"url_in_band\"\n";
    let world = World::with(Era::Modern, more).await;
    let client = url_client(&world, "alice").initialized("2025-11-25").await;
    let mut events = client
        .events(
            "tools/call",
            json!({ "name": "notes_echo", "arguments": { "a": 1 } }),
        )
        .await;
    let asked = events.next().await.unwrap();
    assert_eq!(
        (&asked["method"], &asked["params"]["mode"]),
        (&json!("elicitation/create"), &json!("url"))
    );
    let session = [("mcp-session-id", client.session().unwrap())];
    let accepted = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": { "action": "accept" } });
    assert_eq!(
        client.post(&session, &accepted.to_string()).await.status,
        202
    );
    world
        .connect(asked["params"]["url"].as_str().unwrap(), "alice")
        .await;
    let done = events.next().await.unwrap();
    assert_eq!(
        done["result"]["structuredContent"],
        json!({ "a": 1 }),
        "{done}"
    );

    let bob = url_client(&world, "bob").initialized("2025-11-25").await;
    let mut events = bob
        .events("tools/call", json!({ "name": "notes_echo" }))
        .await;
    let asked = events.next().await.unwrap();
    let declined =
        json!({ "jsonrpc": "2.0", "id": asked["id"], "result": { "action": "decline" } });
    assert_eq!(
        bob.post(
            &[("mcp-session-id", bob.session().unwrap())],
            &declined.to_string()
        )
        .await
        .status,
        202
    );
    assert_eq!(events.next().await.unwrap()["result"]["isError"], true);
}

#[tokio::test]
async fn clients_that_misdeclare_are_asked_as_the_table_says() {
    let world = World::start().await;
    let client = url_client(&world, "alice");
    let mut body = client.body(
        "tools/call",
        json!({ "name": "notes_echo", "arguments": {} }),
    );
    body["params"]["_meta"]["io.modelcontextprotocol/clientInfo"]["name"] =
        json!("Cursor (via mcp-remote 0.15.1)");
    let headers = client.headers(&body);
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let answer = client.post(&headers, &body.to_string()).await;
    assert_eq!(
        answer.result()["isError"],
        true,
        "mcp-remote cannot pass an input request on"
    );
}

#[tokio::test]
async fn a_link_in_structured_content_only_where_no_schema_forbids_it() {
    let world = World::start().await;
    *world.upstream.inside.tools.lock().unwrap() = vec![
        json!({ "name": "echo", "inputSchema": { "type": "object" }, "outputSchema": { "type": "object", "required": ["a"] } }),
    ];
    let answer = world.client("alice").call("notes_echo", json!({})).await;
    assert!(
        answer.result()["structuredContent"].is_null() && answer.words().contains("/connect/"),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn an_upstream_that_lists_only_for_its_users_shows_one_tool_until_they_connected() {
    use crate::support::upstream::Manner;
    let world = World::start().await;
    world.upstream.misbehave(
        "*",
        Manner::Answer(
            401,
            &[("www-authenticate", "Bearer error=\"invalid_token\"")],
            String::new(),
        ),
    );
    let client = url_client(&world, "alice");
    let names = async |client: &Client| {
        let tools = client.request("tools/list", json!({})).await.result()["tools"].clone();
        tools
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| tool["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(&client).await,
        ["notes_connect", "plain_echo"],
        "a closed upstream does not hide the other"
    );
    let asked = client.call("notes_connect", json!({})).await.result();
    world.connect(&link(&asked), "alice").await;
    world.upstream.behave();
    assert_eq!(names(&client).await, ["notes_echo", "plain_echo"]);
    assert_eq!(
        names(&url_client(&world, "bob")).await[0],
        "notes_connect",
        "bob has connected nothing"
    );
    assert!(client.call("notes_echo", json!({})).await.result()["isError"].is_null());
}

#[tokio::test]
async fn items_100_and_105_one_dead_upstream_does_not_hide_the_others() {
    use crate::support::upstream::Manner;
    let world = World::start().await;
    world.upstream.misbehave("*", Manner::Hang);
    let list = world
        .client("alice")
        .request("tools/list", json!({}))
        .await
        .result();
    assert_eq!(list["tools"].as_array().unwrap().len(), 1, "{list}");
    world
        .client("alice")
        .call("plain_echo", json!({}))
        .await
        .result();
    let seen = world.second.last("tools/call");
    assert_eq!(
        (
            seen.header("mcp-name"),
            seen.body["params"]["name"].as_str()
        ),
        (Some("echo"), Some("echo"))
    );
    assert!(
        seen.header("arcade-user-id").is_none() && seen.header("authorization").is_none(),
        "nothing inbound goes on"
    );
}
