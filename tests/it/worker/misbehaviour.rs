//! Workers that are down, slow, broken, or say what cannot be understood: each time the client is told, once, and the log says why.

use std::time::Duration;

use serde_json::json;

use super::{kit, listed, tools};
use crate::support::{log::Log, upstream::Manner, worker::StandIn, world::World};

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
const TEXT: &[(&str, &str)] = &[("content-type", "text/plain; charset=utf-8")];

/// What `Kit_Add` comes to, in words, and how often it was invoked for that.
async fn called(kit: &StandIn, world: &World) -> (String, usize) {
    let before = kit.invoked().len();
    let answer = world.client("alice").call("Kit_Add", json!({})).await;
    assert_eq!(answer.result()["isError"], true, "{}", answer.text);
    (answer.words(), kit.invoked().len() - before)
}

#[tokio::test]
async fn whatever_a_worker_answers_to_a_call_it_is_asked_once_and_the_client_is_told() {
    let log = Log::listen();
    let (kit, world) = kit(tools(), "").await;
    assert_eq!(listed(&world.client("alice"), "Kit_").await.len(), 2);
    let deep = format!(
        r#"{{"success":true,"output":{{"value":{}{}}}}}"#,
        "[".repeat(30_000),
        "]".repeat(30_000)
    );
    let garbage = "sent an answer that cannot be understood";
    for (manner, expected) in [
        (
            Manner::Answer(500, TEXT, "Internal Server Error".into()),
            "is not available right now",
        ),
        (
            Manner::Answer(503, TEXT, String::new()),
            "is not available right now",
        ),
        (
            Manner::Answer(429, JSON, "{}".into()),
            "is not available right now",
        ),
        (
            Manner::Answer(400, JSON, r#"{"code":-32602}"#.into()),
            "refused the request",
        ),
        (
            Manner::Answer(403, JSON, "{}".into()),
            "refused the request",
        ),
        (
            Manner::Answer(302, &[("location", "https://evil.example/")], String::new()),
            garbage,
        ),
        (Manner::Answer(200, JSON, "{".into()), garbage),
        (Manner::Answer(200, JSON, "[]".into()), garbage),
        (Manner::Answer(200, JSON, deep), garbage),
        (
            Manner::Answer(200, JSON, r#"{"success":"perhaps"}"#.into()),
            garbage,
        ),
        (Manner::Answer(200, JSON, String::new()), garbage),
        (
            Manner::Answer(200, TEXT, r#"{"success":true}"#.into()),
            garbage,
        ),
        (
            Manner::Answer(200, JSON, r#"{"success":false}"#.into()),
            "did not say why",
        ),
        (
            Manner::Endless("application/json"),
            "larger answer than is allowed",
        ),
        (Manner::Hang, "did not answer in time"),
    ] {
        kit.misbehave("invoke", manner);
        let (words, times) = called(&kit, &world).await;
        assert!(words.contains(expected), "{words}");
        assert_eq!(times, 1, "{words}");
        assert!(
            !words.contains("evil") && !words.contains("127.0.0.1"),
            "{words}"
        );
    }
    kit.behave();
    let result = world
        .client("alice")
        .call("Kit_Add", json!({}))
        .await
        .result();
    assert!(result["isError"].is_null(), "{result}");
    assert!(log.lines("ERROR").is_empty());
}

#[tokio::test]
async fn a_worker_that_does_not_know_our_signature_is_the_operators_affair() {
    let log = Log::listen();
    let (kit, world) = kit(tools(), "").await;
    assert_eq!(listed(&world.client("alice"), "Kit_").await.len(), 2);
    kit.expect("another secret");
    let (words, times) = called(&kit, &world).await;
    assert!(words.contains("operator"), "{words}");
    assert!(
        !words.contains("connect"),
        "the user is not asked for anything: {words}"
    );
    assert_eq!(times, 0, "nothing ran");
    let lines = log.lines("upstreams.kit.secret");
    assert_eq!(lines.len(), 1, "{lines:?}");
    world.advance(11);
    assert_eq!(
        listed(&world.client("alice"), "Kit_").await.len(),
        2,
        "what is known stays, for a while"
    );
    assert!(log.lines("the-secret-of-the-kit").is_empty());
}

#[tokio::test]
async fn whatever_a_worker_lists_the_tools_of_others_are_there() {
    for manner in [
        Manner::Hang,
        Manner::Endless("application/json"),
        Manner::Answer(500, TEXT, "Internal Server Error".into()),
        Manner::Answer(200, JSON, "{}".into()),
        Manner::Answer(200, TEXT, "[]".into()),
        Manner::Answer(401, JSON, "{}".into()),
        Manner::Answer(307, &[("location", "https://evil.example/")], String::new()),
    ] {
        let kit = StandIn::start(tools()).await;
        kit.misbehave("tools", manner);
        let section = kit.section("kit", "");
        let mut world = World::with(anteroom::config::Era::Modern, &section).await;
        world
            .rewrite(r#"tools = ["notes.*""#, r#"tools = ["kit.*", "notes.*""#)
            .await;
        let client = world.client("alice");
        assert!(listed(&client, "Kit_").await.is_empty());
        assert_eq!(listed(&client, "plain_").await.len(), 1);
        // It gets better, and is listed.
        kit.behave();
        world.advance(11);
        let better = async {
            while listed(&client, "Kit_").await.len() != 2 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), better)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_worker_that_is_down_is_left_out_and_comes_back() {
    let (kit, mut world) = kit(tools(), "").await;
    let there = kit.url.to_string();
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    };
    world.rewrite(&there, &gone).await;
    let client = world.client("alice");
    assert!(listed(&client, "Kit_").await.is_empty());
    assert_eq!(listed(&client, "plain_").await.len(), 1);
    world.rewrite(&gone, &there).await;
    assert_eq!(listed(&client, "Kit_").await.len(), 2);
}
