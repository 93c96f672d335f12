//! What upstreams of both eras get from us and what we make of their answers.

mod eras;
mod faults;
mod lists;
mod secrecy;

use std::sync::{Arc, atomic::Ordering};

use anteroom::{
    base::clock::{ManualClock, Timestamp},
    config::Era,
    protocol::mirrored,
    upstream::{
        Answered, Caller, Event, Outcome, SessionLimits, ToolCall, UpstreamError, Upstreams,
    },
};
use http::{HeaderName, HeaderValue, header};
use serde_json::{Value, json, value::RawValue};

use crate::support::upstream::{StandIn, eventually, tool};

fn upstreams() -> Upstreams {
    let clock = ManualClock::new(Timestamp::from_second(1_800_000_000).unwrap());
    Upstreams::new(Arc::new(clock))
}

fn caller(user: &str) -> Caller {
    let token = HeaderValue::try_from(format!("Bearer token-of-{user}")).unwrap();
    Caller {
        user: user.to_owned(),
        credentials: vec![(header::AUTHORIZATION, token)],
        credential: "acme".to_owned(),
        ..Caller::default()
    }
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

async fn result(reply: Answered) -> Value {
    let (events, outcome) = everything(reply).await;
    assert!(events.is_empty(), "{events:?}");
    match outcome {
        Outcome::Result(result) => serde_json::from_str(result.get()).unwrap(),
        Outcome::Error { code, message, .. } => panic!("{code} {message}"),
    }
}

async fn everything(answered: Answered) -> (Vec<(String, Value)>, Outcome) {
    let mut reply = answered.reply().expect("MCP servers reply");
    let mut events = Vec::new();
    loop {
        match reply.next().await.expect("an answer comes").unwrap() {
            Event::Notification { method, params } => {
                events.push((method, serde_json::from_str(params.get()).unwrap()));
            }
            Event::Done(outcome) => {
                assert!(reply.next().await.is_none());
                return (events, outcome);
            }
        }
    }
}

#[tokio::test]
async fn a_modern_upstream_gets_whole_requests_and_is_probed_once() {
    let server = StandIn::start(&[Era::Modern]).await;
    let (upstreams, upstream) = (upstreams(), server.upstream());
    let arguments = raw(r#"{"text":"hi"}"#);
    for streams in [false, true] {
        *server.inside.streams.lock().unwrap() = streams;
        let call = ToolCall {
            arguments: Some(&arguments),
            ..ToolCall::named("echo")
        };
        let reply = upstreams
            .call(&upstream, &caller("alice"), call)
            .await
            .unwrap();
        assert_eq!(
            result(reply).await,
            json!({"content": [], "structuredContent": {"text": "hi"}, "unknownKey": true})
        );
    }
    assert_eq!(
        server.methods(),
        ["server/discover", "tools/call", "tools/call"]
    );
    let facts = upstreams.facts(&upstream).unwrap();
    assert_eq!(facts.era, Era::Modern);
    assert_eq!(facts.name.as_deref(), Some("modern stand-in"));
    assert_eq!(facts.instructions.as_deref(), Some("be kind"));
}

#[tokio::test]
async fn a_legacy_upstream_gets_a_handshake_and_a_session() {
    let server = StandIn::start(&[Era::Legacy]).await;
    let (upstreams, upstream) = (upstreams(), server.upstream());
    for streams in [false, true] {
        *server.inside.streams.lock().unwrap() = streams;
        let reply = upstreams
            .call(&upstream, &caller("alice"), ToolCall::named("whoami"))
            .await;
        assert_eq!(
            result(reply.unwrap()).await["content"][0]["text"],
            "Bearer token-of-alice"
        );
    }
    assert_eq!(
        server.methods(),
        [
            "server/discover",
            "initialize",
            "notifications/initialized",
            "tools/call",
            "tools/call"
        ]
    );
    let call = server.last("tools/call");
    assert_eq!(call.header("mcp-session-id"), Some("session-1"));
    assert_eq!(call.header("mcp-protocol-version"), Some("2025-11-25"));
    assert_eq!(call.header("mcp-method"), None);
    assert_eq!(call.body["params"], json!({"_meta": {}, "name": "whoami"}));
    assert_eq!(
        upstreams.facts(&upstream).unwrap().name.as_deref(),
        Some("legacy stand-in")
    );
}

#[tokio::test]
async fn a_dual_upstream_is_spoken_to_in_the_modern_era() {
    let server = StandIn::start(&[Era::Modern, Era::Legacy]).await;
    let upstreams = upstreams();
    let mut upstream = server.upstream();
    upstreams
        .call(&upstream, &caller("a"), ToolCall::named("echo"))
        .await
        .unwrap();
    assert_eq!(server.methods(), ["server/discover", "tools/call"]);
    upstream.era = Some(Era::Legacy);
    upstreams
        .call(&upstream, &caller("a"), ToolCall::named("echo"))
        .await
        .unwrap();
    assert_eq!(
        server.methods()[2..],
        ["initialize", "notifications/initialized", "tools/call"]
    );
}

#[tokio::test]
async fn item_100_the_native_name_is_in_body_and_header() {
    let server = StandIn::start(&[Era::Modern]).await;
    let (upstreams, upstream) = (upstreams(), server.upstream());
    for (name, header) in [("echo", "echo"), ("grüße", "=?base64?Z3LDvMOfZQ==?=")] {
        // The stand-in refuses what is not equal.
        let reply = upstreams
            .call(&upstream, &caller("a"), ToolCall::named(name))
            .await
            .unwrap();
        let (_, outcome) = everything(reply).await;
        assert_ne!(outcome.code(), Some(-32020));
        let seen = server.last("tools/call");
        assert_eq!(seen.header("mcp-name"), Some(header));
        assert_eq!(seen.body["params"]["name"], name);
    }
}

#[tokio::test]
async fn item_10_annotated_arguments_travel_in_headers_too() {
    let server = StandIn::start(&[Era::Modern]).await;
    let (upstreams, upstream) = (upstreams(), server.upstream());
    let mut regional = tool("echo");
    regional["inputSchema"]["properties"]["region"] =
        json!({"type": "string", "x-mcp-header": "Region"});
    *server.inside.tools.lock().unwrap() = vec![regional];
    let list = upstreams.list_tools(&upstream, &caller("a")).await.unwrap();
    for arguments in [
        r#"{"region":"eu west"}"#,
        r#"{"region":"süd"}"#,
        r#"{"region":null}"#,
        "{}",
    ] {
        let arguments = raw(arguments);
        let headers = mirrored::headers(&list.tools[0].mirrored, Some(&arguments));
        let call = ToolCall {
            arguments: Some(&arguments),
            mirrored: &headers,
            ..ToolCall::named("echo")
        };
        result(upstreams.call(&upstream, &caller("a"), call).await.unwrap()).await;
    }
}

#[tokio::test]
async fn progress_comes_back_under_the_clients_token_and_others_do_not() {
    for era in [Era::Modern, Era::Legacy] {
        let server = StandIn::start(&[era]).await;
        let (upstreams, upstream) = (upstreams(), server.upstream());
        let token = raw(r#""mine""#);
        let call = ToolCall {
            progress: Some(&token),
            ..ToolCall::named("slow")
        };
        let reply = upstreams.call(&upstream, &caller("a"), call).await.unwrap();
        let (events, _) = everything(reply).await;
        assert_eq!(
            events,
            [
                (
                    "notifications/progress".to_owned(),
                    json!({"progressToken": "mine", "progress": 1, "extra": "kept"})
                ),
                (
                    "notifications/message".to_owned(),
                    json!({"level": "info", "data": "working"})
                ),
            ]
        );
        let sent = server.last("tools/call").body;
        assert_eq!(
            sent["params"]["_meta"]["progressToken"], sent["id"],
            "fresh per hop"
        );

        let reply = upstreams
            .call(&upstream, &caller("a"), ToolCall::named("slow"))
            .await
            .unwrap();
        let (events, _) = everything(reply).await;
        assert_eq!(events.len(), 1, "no progress without a token");
    }
}

#[tokio::test]
async fn item_22_and_109_a_dropped_modern_reply_closes_the_stream() {
    let server = StandIn::start(&[Era::Modern]).await;
    let (upstreams, upstream) = (upstreams(), server.upstream());
    let held = || server.inside.held.load(Ordering::SeqCst);
    // Before the head of the answer.
    let pending = {
        let (upstreams, upstream) = (upstreams.clone(), server.upstream());
        tokio::spawn(async move {
            upstreams
                .call(&upstream, &caller("a"), ToolCall::named("hold"))
                .await
        })
    };
    eventually(|| held() == 1, "a held call").await;
    pending.abort();
    eventually(|| held() == 0, "the end of the held call").await;
    // Within the stream.
    *server.inside.streams.lock().unwrap() = true;
    let reply = upstreams
        .call(&upstream, &caller("a"), ToolCall::named("hold"))
        .await
        .unwrap();
    eventually(|| held() == 1, "a held stream").await;
    reply.reply().unwrap().cancel();
    eventually(|| held() == 0, "the end of the held stream").await;
    assert!(
        !server
            .methods()
            .contains(&"notifications/cancelled".to_owned())
    );
}

#[tokio::test]
async fn item_109_a_dropped_legacy_reply_sends_a_cancellation() {
    let server = StandIn::start(&[Era::Legacy]).await;
    let (upstreams, upstream) = (upstreams(), server.upstream());
    *server.inside.streams.lock().unwrap() = true;
    let reply = upstreams
        .call(&upstream, &caller("a"), ToolCall::named("hold"))
        .await
        .unwrap();
    drop(reply);
    server.wait_for("notifications/cancelled", 1).await;
    let cancelled = server.last("notifications/cancelled");
    assert_eq!(
        cancelled.body["params"]["requestId"],
        server.last("tools/call").body["id"]
    );
    assert_eq!(cancelled.header("mcp-session-id"), Some("session-1"));
    assert_eq!(cancelled.header("authorization"), Some("Bearer token-of-a"));

    *server.inside.streams.lock().unwrap() = false;
    let timed_out = upstreams
        .call(&upstream, &caller("a"), ToolCall::named("hold"))
        .await;
    assert!(
        matches!(timed_out, Err(UpstreamError::TimedOut)),
        "{timed_out:?}"
    );
    server.wait_for("notifications/cancelled", 2).await;

    result(
        upstreams
            .call(&upstream, &caller("a"), ToolCall::named("echo"))
            .await
            .unwrap(),
    )
    .await;
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let cancelled = |method: &&String| *method == "notifications/cancelled";
    assert_eq!(
        server.methods().iter().filter(cancelled).count(),
        2,
        "nothing that was answered"
    );
}

#[tokio::test]
async fn item_107_a_legacy_upstream_that_asks_is_told_that_we_cannot() {
    let server = StandIn::start(&[Era::Legacy]).await;
    let (upstreams, upstream) = (upstreams(), server.upstream());
    result(
        upstreams
            .call(&upstream, &caller("a"), ToolCall::named("ask"))
            .await
            .unwrap(),
    )
    .await;
    server.wait_for("(answer)", 2).await;
    let seen = server.inside.seen.lock().unwrap();
    let answer = |id: &str| {
        seen.iter()
            .find(|seen| seen.method() == "(answer)" && seen.body["id"] == id)
            .unwrap()
    };
    assert_eq!(answer("p").body["result"], json!({}));
    assert_eq!(answer("e").body["error"]["code"], -32601);
    assert_eq!(answer("e").header("mcp-session-id"), Some("session-1"));
    let initialize = seen
        .iter()
        .find(|seen| seen.method() == "initialize")
        .unwrap();
    assert_eq!(initialize.body["params"]["capabilities"], json!({}));
}
