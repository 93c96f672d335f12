//! Upstreams that hang, lie, close early, talk nonsense or never stop.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};

use super::*;
use crate::support::{
    upstream::{Manner, Then, upstream_at},
    wire::{Deed, Wire, json_answer},
};

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

/// What becomes of a call when the upstream does this, in each era.
async fn call_against(era: Era, manner: Manner) -> Result<Outcome, UpstreamError> {
    let server = StandIn::start(&[era]).await;
    let (upstreams, mut upstream) = (upstreams(), server.upstream());
    upstream.call_timeout = Duration::from_secs(2);
    upstreams
        .call(&upstream, &caller("a"), ToolCall::named("echo"))
        .await
        .unwrap();
    server.misbehave("tools/call", manner);
    let begun = Instant::now();
    let outcome = match upstreams
        .call(&upstream, &caller("a"), ToolCall::named("echo"))
        .await
    {
        Ok(reply) => to_the_end(reply).await,
        Err(error) => Err(error),
    };
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "within the call's time"
    );
    server.behave();
    result(
        upstreams
            .call(&upstream, &caller("a"), ToolCall::named("echo"))
            .await
            .unwrap(),
    )
    .await;
    outcome
}

async fn to_the_end(answered: Answered) -> Result<Outcome, UpstreamError> {
    let mut reply = answered.reply().expect("MCP servers reply");
    while let Some(event) = reply.next().await {
        if let Event::Done(outcome) = event? {
            return Ok(outcome);
        }
    }
    panic!("an error or an answer comes");
}

fn answer(status: u16, body: &str) -> Manner {
    Manner::Answer(status, JSON, body.to_owned())
}

fn events(data: &[&str], then: Then) -> Manner {
    let text = data
        .iter()
        .map(|data| format!("data: {data}\n\n"))
        .collect();
    Manner::Events(text, then)
}

/// An outcome in one word.
fn kind(outcome: &Result<Outcome, UpstreamError>) -> String {
    match outcome {
        Ok(Outcome::Result(_)) => "result".into(),
        Ok(Outcome::Error { code, .. }) => format!("error {code}"),
        Err(UpstreamError::TimedOut) => "timed out".into(),
        Err(UpstreamError::TooLarge { .. }) => "too large".into(),
        Err(UpstreamError::Protocol { .. }) => "not MCP".into(),
        Err(UpstreamError::Refused { status }) => format!("refused {status}"),
        Err(UpstreamError::Unavailable { sent: true, .. }) => "broken".into(),
        Err(error) => format!("{error:?}"),
    }
}

#[tokio::test]
async fn every_bad_answer_has_its_error() {
    let html: &[_] = &[("content-type", "text/html")];
    let page = |status| Manner::Answer(status, html, "<html>hello</html>".to_owned());
    let good = r#"{"jsonrpc":"2.0","id":{id},"result":{}}"#;
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let note = r#"{"jsonrpc":"2.0","method":"notifications/message"}"#;
    let failed = r#"{"jsonrpc":"2.0","id":{id},"error":{"code":-32603,"message":"x"}}"#;
    let table = [
        ("hangs", Manner::Hang, "timed out"),
        ("a page", page(200), "not MCP"),
        ("a page with 500", page(500), "broken"),
        ("an error with 500", answer(500, failed), "error -32603"),
        (
            "busy",
            Manner::Answer(429, &[("retry-after", "7")], String::new()),
            "broken",
        ),
        (
            "forbidden",
            Manner::Answer(403, &[], String::new()),
            "refused 403",
        ),
        (
            "a redirect",
            Manner::Answer(307, &[("location", "http://127.0.0.1:1/")], String::new()),
            "not MCP",
        ),
        ("garbage", answer(200, "!!!"), "not MCP"),
        (
            "no type",
            Manner::Answer(200, &[], good.to_owned()),
            "not MCP",
        ),
        (
            "no answer",
            Manner::Answer(202, &[], String::new()),
            "not MCP",
        ),
        ("empty JSON", answer(200, ""), "not MCP"),
        (
            "another id",
            answer(200, r#"{"jsonrpc":"2.0","id":999999,"result":{}}"#),
            "not MCP",
        ),
        (
            "an id of another type",
            answer(200, r#"{"jsonrpc":"2.0","id":"{id}","result":{}}"#),
            "not MCP",
        ),
        (
            "no id",
            answer(200, r#"{"jsonrpc":"2.0","result":{}}"#),
            "not MCP",
        ),
        (
            "a doubled result",
            answer(
                200,
                r#"{"jsonrpc":"2.0","id":{id},"result":{},"result":{}}"#,
            ),
            "not MCP",
        ),
        (
            "no object",
            answer(200, r#"{"jsonrpc":"2.0","id":{id},"result":[]}"#),
            "not MCP",
        ),
        ("a request", answer(200, ping), "not MCP"),
        ("100 MB", Manner::Endless("application/json"), "too large"),
        ("100 MB of a page", Manner::Endless("text/html"), "not MCP"),
        (
            "100 MB in an event",
            Manner::Endless("text/event-stream"),
            "too large",
        ),
        ("a stream hangs", events(&[], Then::Hang), "timed out"),
        (
            "a stream hangs after its answer",
            events(&[good], Then::Hang),
            "result",
        ),
        ("a stream ends early", events(&[note], Then::End), "broken"),
        (
            "a stream is cut in an event",
            Manner::Events(format!("data: {good}"), Then::End),
            "broken",
        ),
        (
            "a stream of garbage",
            events(&["!!!"], Then::Hang),
            "not MCP",
        ),
        (
            "a stream answers another",
            events(&[r#"{"jsonrpc":"2.0","id":0,"result":{}}"#], Then::Hang),
            "not MCP",
        ),
        (
            "a legacy stream asks without end",
            events(&[ping; 101], Then::Hang),
            "not MCP",
        ),
    ];
    let rows = table
        .into_iter()
        .flat_map(|row| [Era::Modern, Era::Legacy].map(|era| (era, row.clone())));
    let rows = rows.map(|(era, (name, manner, expected))| async move {
        let outcome = call_against(era, manner).await;
        assert_eq!(kind(&outcome), expected, "{name}, {era:?}: {outcome:?}");
    });
    stream::iter(rows).buffer_unordered(6).collect::<()>().await;
}

#[tokio::test]
async fn when_to_come_back_is_passed_on() {
    let busy = Manner::Answer(503, &[("retry-after", "7")], String::new());
    let outcome = call_against(Era::Modern, busy).await;
    let Err(UpstreamError::Unavailable { retry_after, .. }) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(retry_after, Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn a_modern_upstream_that_asks_is_not_heard() {
    let asks = r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{}}"#;
    let answers = r#"{"jsonrpc":"2.0","id":{id},"result":{}}"#;
    let outcome = call_against(Era::Modern, events(&[asks, answers], Then::End)).await;
    assert!(matches!(outcome, Ok(Outcome::Result(_))), "{outcome:?}");
}

#[tokio::test]
async fn item_80_challenges_are_errors_and_nothing_was_executed() {
    for era in [Era::Modern, Era::Legacy] {
        let challenge: &[_] = &[(
            "www-authenticate",
            r#"Bearer error="invalid_token", scope="a b""#,
        )];
        let error = call_against(era, Manner::Answer(401, challenge, String::new()))
            .await
            .unwrap_err();
        assert!(error.nothing_was_executed());
        let UpstreamError::Unauthorized { error, scope } = error else {
            panic!("{error:?}");
        };
        assert_eq!(error.as_deref(), Some("invalid_token"));
        assert_eq!(scope.unwrap().to_string(), "a b");

        let challenge: &[_] = &[(
            "www-authenticate",
            r#"Bearer error="insufficient_scope", scope="c""#,
        )];
        let error = call_against(era, Manner::Answer(403, challenge, String::new()))
            .await
            .unwrap_err();
        assert!(error.nothing_was_executed());
        let UpstreamError::InsufficientScope { scope } = error else {
            panic!("{error:?}");
        };
        assert_eq!(scope.unwrap().to_string(), "c");
    }
}

/// What becomes of a call to a modern upstream, below HTTP.
async fn call_wire(deeds: Vec<Deed>) -> Result<Outcome, UpstreamError> {
    let wire = Wire::start(deeds).await;
    let mut upstream = upstream_at(&wire.url);
    upstream.era = Some(Era::Modern);
    match upstreams()
        .call(&upstream, &caller("a"), ToolCall::named("echo"))
        .await
    {
        Ok(reply) => to_the_end(reply).await,
        Err(error) => Err(error),
    }
}

#[tokio::test]
async fn broken_connections_say_that_something_was_sent() {
    let short = r#"HTTP/1.1 200 OK
content-type: application/json
content-length: 1000

{"jsonrpc":"2.0","id":1,"result":{}}"#;
    let chunked = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n8\r\ndata: {}";
    for deed in [
        Deed::Reset,
        Deed::Say(Vec::new()),
        Deed::Say(b"HTTP/1.1 200 OK\r\ncontent-t".to_vec()),
        Deed::Say(short.replace('\n', "\r\n").into_bytes()),
        Deed::Say(chunked.into()),
        Deed::Say(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        Deed::Say([b"HTTP/1.1 200 OK\r\nx: ".to_vec(), vec![b'x'; 1 << 20]].concat()),
    ] {
        let outcome = call_wire(vec![deed]).await;
        let sent = matches!(outcome, Err(UpstreamError::Unavailable { sent: true, .. }));
        assert!(sent, "{outcome:?}");
    }
}

#[tokio::test]
async fn a_length_beyond_the_limit_is_believed_at_once() {
    let head =
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999999999\r\n\r\n";
    let outcome = call_wire(vec![Deed::SayAndStay(head.to_vec())]).await;
    assert!(
        matches!(outcome, Err(UpstreamError::TooLarge { .. })),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn an_upstream_that_is_not_there_got_nothing() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let refused = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    for url in [
        refused.as_str(),
        "http://does-not-exist.invalid/",
        "https://127.0.0.1:1/",
    ] {
        let outcome = upstreams()
            .call(&upstream_at(url), &caller("a"), ToolCall::named("echo"))
            .await;
        let error = outcome.unwrap_err();
        assert!(
            matches!(error, UpstreamError::Unavailable { sent: false, .. }),
            "{url}: {error:?}"
        );
        assert!(error.nothing_was_executed());
        assert!(!error.public().contains("127"));
    }
}

#[tokio::test]
async fn a_handshake_without_answer_is_nothing_sent() {
    let wire = Wire::start(vec![Deed::Nothing]).await;
    let mut upstream = upstream_at(&wire.url);
    upstream.connect_timeout = Duration::from_millis(300);
    let begun = Instant::now();
    let outcome = upstreams()
        .call(&upstream, &caller("a"), ToolCall::named("echo"))
        .await;
    assert!(
        matches!(outcome, Err(UpstreamError::Unavailable { sent: false, .. })),
        "{outcome:?}"
    );
    assert!(
        begun.elapsed() < Duration::from_millis(2000),
        "the handshake has less time than a call"
    );
}

#[tokio::test]
async fn connections_are_used_again_and_closed_ones_are_replaced() {
    let body =
        |id: u64| json_answer(&json!({"jsonrpc": "2.0", "id": id, "result": {}}).to_string());
    let wire = Wire::start(vec![
        Deed::SayAndStay(body(1)),
        Deed::Say(body(2)),
        Deed::SayAndStay(body(3)),
    ])
    .await;
    let mut upstream = upstream_at(&wire.url);
    upstream.era = Some(Era::Modern);
    let upstreams = upstreams();
    for _ in 0..3 {
        result(
            upstreams
                .call(&upstream, &caller("a"), ToolCall::named("echo"))
                .await
                .unwrap(),
        )
        .await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(wire.requests.load(Ordering::SeqCst), 3);
    assert_eq!(wire.connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn streams_give_their_connections_back() {
    let server = StandIn::start(&[Era::Modern]).await;
    let (upstreams, upstream) = (upstreams(), server.upstream());
    *server.inside.streams.lock().unwrap() = true;
    for _ in 0..20 {
        result(
            upstreams
                .call(&upstream, &caller("a"), ToolCall::named("echo"))
                .await
                .unwrap(),
        )
        .await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let connections = server.inside.connections.load(Ordering::SeqCst);
    assert!(connections <= 3, "{connections} connections");
}
