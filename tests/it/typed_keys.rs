//! A tool whose server wants a key: from the first call to the next key, as the client, the user and that server see it.

use anteroom::config::Era;
use serde_json::{Value, json};

use crate::support::{
    app::post,
    asking::{self, ask, url_client},
    log::Log,
    provider::KEY,
    upstream::Manner,
    world::{self, World},
};

const CONNECT: &str = "Connect Weather service";
const DONE: &str = "Connected. You can close this window.";
const NARROW: Manner = Manner::Answer(
    403,
    &[(
        "www-authenticate",
        r#"Bearer error="insufficient_scope", scope="more""#,
    )],
    String::new(),
);
const REFUSED: Manner = Manner::Answer(401, &[], String::new());

/// One in which the tools of `notes` need a key.
async fn world() -> World {
    let mut world = World::with(Era::Modern, "").await;
    let weather = format!(
        r#"
[providers.weather]
type = "api_key"
title = "Weather service"
[providers.weather.probe]
url = "{}key"
id = "$.account.id"
"#,
        world.provider.base
    );
    world
        .change(|toml| {
            let auth = r#"auth = { provider = "acme", scopes = ["notes"] }"#;
            let key = r#"auth = { provider = "weather", header = "x-api-key" }"#;
            assert!(toml.contains(auth));
            toml.replace(auth, key) + &weather
        })
        .await;
    world
}

fn link(asked: &Value) -> &str {
    asking::link(asked, "weather")
}

async fn give(world: &World, link: &str, key: &str) -> String {
    let browser = world.signed_in("alice").await;
    let page = browser.open(link).await;
    let page = browser.submit(&page.form(CONNECT).with("key", key)).await;
    assert!(!page.text.contains(key));
    page.title()
}

#[tokio::test]
async fn a_key_goes_from_our_page_to_the_tools_server_and_nowhere_else() {
    let log = Log::listen();
    let world = world().await;
    let client = url_client(&world, "alice");
    let asked = ask(&client).await;
    assert_eq!(give(&world, link(&asked), KEY).await, DONE);
    let retry = json!({
        "name": "notes_echo", "arguments": {},
        "inputResponses": { "connect_weather": { "action": "accept" } },
        "requestState": asked["requestState"],
    });
    let answer = client.request("tools/call", retry).await;
    assert!(answer.result()["isError"].is_null(), "{}", answer.text);
    let seen = world.upstream.last("tools/call");
    assert_eq!(seen.header("x-api-key"), Some(KEY));
    assert_eq!(seen.header("authorization"), None);
    assert!(!answer.text.contains(KEY) && !asked.to_string().contains(KEY));
    let lines = log.lines(KEY);
    assert!(lines.is_empty(), "{lines:?}");
    // It does not end by itself.
    world.advance(400 * 24 * 60 * 60);
    assert!(ask(&client).await["isError"].is_null());
}

#[tokio::test]
async fn a_key_that_the_tools_server_refuses_is_asked_for_anew() {
    let world = world().await;
    let client = url_client(&world, "alice");
    let first = ask(&client).await;
    give(&world, link(&first), KEY).await;
    assert!(ask(&client).await["isError"].is_null());
    world.upstream.inside.seen.lock().unwrap().clear();
    world.upstream.misbehave("tools/call", REFUSED);
    let asked = ask(&client).await;
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    assert_ne!(link(&asked), link(&first));
    assert_eq!(
        world.upstream.methods(),
        ["tools/call"],
        "nothing to renew, so tried once"
    );
    assert_eq!(link(&ask(&client).await), link(&asked));
    assert_eq!(
        world.upstream.methods().len(),
        1,
        "the key is known to need its user"
    );
    world.upstream.behave();
    let title = give(&world, link(&asked), "the-key-of-yesterday").await;
    assert!(title.contains("wants to use Weather service"), "{title}");
    assert_eq!(give(&world, link(&asked), KEY).await, DONE);
    assert!(ask(&client).await["isError"].is_null());
}

/// Typing it again would not help, so nobody is asked to.
#[tokio::test]
async fn a_key_that_permits_too_little_is_an_error_and_no_question() {
    let world = world().await;
    let client = url_client(&world, "alice");
    give(&world, link(&ask(&client).await), KEY).await;
    world.upstream.misbehave("tools/call", NARROW);
    let answer = client.call("notes_echo", json!({})).await;
    let result = answer.result();
    assert_eq!(result["isError"], true, "{result}");
    assert!(
        answer.words().contains("wants more access"),
        "{}",
        answer.words()
    );
    assert!(!answer.text.contains("/connect/"), "{}", answer.text);
    world.upstream.behave();
    assert!(
        ask(&client).await["isError"].is_null(),
        "the key is as good as before"
    );
}

/// A program that asks for a connection is told what a call would find: no scopes stand in the way of a key, and a key is none of
/// the tokens that its provider gives from now on.
#[tokio::test]
async fn a_program_that_asks_for_a_key_is_told_when_it_is_there() {
    let mut world = world().await;
    let body = json!({
        "user_id": "alice",
        "auth_requirement": { "provider_id": "weather", "oauth2": { "scopes": ["forecast"] } },
    });
    let url = format!("{}/v1/auth/authorize", world.base);
    let asked = post(&url, world::KEY, &body).await;
    assert_eq!(asked.json["status"], "pending", "{asked:?}");
    give(&world, asked.json["url"].as_str().unwrap(), KEY).await;
    let asked = post(&url, world::KEY, &body).await;
    assert_eq!(asked.json["status"], "completed", "{asked:?}");
    world
        .change(|toml| {
            let (before, _) = toml.split_once("[providers.weather]").unwrap();
            let acme = toml.split_once("[providers.acme]").unwrap().1;
            let acme = acme.split("\n[").next().unwrap();
            format!("{before}[providers.weather]{acme}")
        })
        .await;
    let asked = post(&url, world::KEY, &body).await;
    assert_eq!(asked.json["status"], "pending", "{asked:?}");
}
