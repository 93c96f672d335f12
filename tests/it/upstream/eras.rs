//! Finding out the era, once; noticing that it changed; sessions that end.

use std::time::Duration;

use anteroom::base::clock::Span;
use futures_util::future::join_all;

use super::*;
use crate::support::upstream::{Manner, Then, upstream_at};

fn with_clock() -> (Upstreams, ManualClock) {
    let clock = ManualClock::new(Timestamp::from_second(1_800_000_000).unwrap());
    (Upstreams::new(Arc::new(clock.clone())), clock)
}

async fn echo(upstreams: &Upstreams, server: &StandIn, user: &str) {
    let reply = upstreams
        .call(&server.upstream(), &caller(user), ToolCall::named("echo"))
        .await;
    result(reply.unwrap()).await;
}

fn count(server: &StandIn, method: &str) -> usize {
    server
        .methods()
        .iter()
        .filter(|seen| *seen == method)
        .count()
}

#[tokio::test]
async fn first_calls_that_come_together_probe_once_and_open_one_session() {
    for era in [Era::Modern, Era::Legacy] {
        let server = StandIn::start(&[era]).await;
        let (upstreams, _) = with_clock();
        join_all((0..20).map(|_| echo(&upstreams, &server, "alice"))).await;
        assert_eq!(count(&server, "server/discover"), 1);
        assert_eq!(count(&server, "tools/call"), 20);
        assert_eq!(
            count(&server, "initialize"),
            usize::from(era == Era::Legacy)
        );
    }
}

#[tokio::test]
async fn those_who_wait_for_a_failing_probe_do_not_wait_one_after_another() {
    let server = StandIn::start(&[Era::Modern]).await;
    server.misbehave("*", Manner::Hang);
    let (upstreams, _) = with_clock();
    let begun = std::time::Instant::now();
    let (mut upstream, caller) = (server.upstream(), caller("a"));
    upstream.connect_timeout = Duration::from_millis(300);
    let calls = (0..10).map(|_| upstreams.call(&upstream, &caller, ToolCall::named("echo")));
    assert!(join_all(calls).await.iter().all(Result::is_err));
    assert!(begun.elapsed() < Duration::from_millis(2000));
}

#[tokio::test]
async fn a_probe_that_needs_a_credential_decides_nothing() {
    let server = StandIn::start(&[Era::Modern]).await;
    server.misbehave("*", Manner::Answer(401, &[], String::new()));
    let (upstreams, _) = with_clock();
    let error = upstreams
        .call(&server.upstream(), &caller("a"), ToolCall::named("echo"))
        .await
        .unwrap_err();
    assert!(
        matches!(error, UpstreamError::Unauthorized { .. }),
        "{error:?}"
    );
    server.behave();
    echo(&upstreams, &server, "a").await;
    assert_eq!(count(&server, "initialize"), 0);
}

#[tokio::test]
async fn every_strange_answer_to_the_probe_means_legacy() {
    let json: &[_] = &[("content-type", "application/json")];
    for manner in [
        Manner::Answer(400, &[], String::new()),
        Manner::Answer(404, &[], "not found".into()),
        Manner::Answer(405, &[], String::new()),
        Manner::Answer(500, &[], "oops".into()),
        Manner::Answer(202, &[], String::new()),
        Manner::Answer(200, &[("content-type", "text/html")], "<html>".into()),
        Manner::Answer(200, json, r#"{"jsonrpc":"2.0","id":{id},"error":{"code":-32601,"message":"x"}}"#.into()),
        Manner::Answer(400, json, r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"x"}}"#.into()),
        Manner::Answer(400, json, r#"{"jsonrpc":"2.0","id":{id},"error":{"code":-32022,"message":"x","data":{"supported":["2025-11-25"]}}}"#.into()),
    ] {
        let server = StandIn::start(&[Era::Legacy]).await;
        server.misbehave("server/discover", manner);
        echo(&with_clock().0, &server, "a").await;
        assert_eq!(count(&server, "initialize"), 1);
    }
}

#[tokio::test]
async fn a_modern_error_to_the_probe_means_modern() {
    let server = StandIn::start(&[Era::Modern, Era::Legacy]).await;
    let json: &[_] = &[("content-type", "application/json")];
    let body = r#"{"jsonrpc":"2.0","id":{id},"error":{"code":-32021,"message":"x"}}"#;
    server.misbehave("server/discover", Manner::Answer(400, json, body.into()));
    echo(&with_clock().0, &server, "a").await;
    assert_eq!(server.methods(), ["server/discover", "tools/call"]);
}

#[tokio::test]
async fn a_change_of_era_is_noticed_and_the_call_goes_through() {
    let server = StandIn::start(&[Era::Modern]).await;
    let (upstreams, clock) = with_clock();
    echo(&upstreams, &server, "a").await;
    *server.inside.speaks.lock().unwrap() = vec![Era::Legacy];
    echo(&upstreams, &server, "a").await;
    assert_eq!(
        upstreams.facts(&server.upstream()).unwrap().era,
        Era::Legacy
    );
    *server.inside.speaks.lock().unwrap() = vec![Era::Modern];
    let again = upstreams
        .call(&server.upstream(), &caller("a"), ToolCall::named("echo"))
        .await
        .unwrap();
    let (_, outcome) = everything(again).await;
    let within_half_a_minute = outcome.code();
    assert_eq!(
        within_half_a_minute,
        Some(-32602),
        "it is not probed at every call"
    );
    clock.advance(Span::from_secs(31));
    echo(&upstreams, &server, "a").await;
    assert_eq!(
        upstreams.facts(&server.upstream()).unwrap().era,
        Era::Modern
    );
}

#[tokio::test]
async fn a_named_era_is_never_doubted() {
    let server = StandIn::start(&[Era::Legacy]).await;
    let mut upstream = server.upstream();
    upstream.era = Some(Era::Modern);
    let reply = upstreams()
        .call(&upstream, &caller("a"), ToolCall::named("echo"))
        .await
        .unwrap();
    let (_, outcome) = everything(reply).await;
    assert_eq!(outcome.code(), Some(-32000));
    assert_eq!(server.methods(), ["tools/call"]);
}

#[tokio::test]
async fn a_session_that_ended_is_opened_again_behind_the_callers_back() {
    let server = StandIn::start(&[Era::Legacy]).await;
    let (upstreams, _) = with_clock();
    echo(&upstreams, &server, "a").await;
    server.inside.sessions.lock().unwrap().clear();
    join_all((0..5).map(|_| echo(&upstreams, &server, "a"))).await;
    assert_eq!(
        server.last("tools/call").header("mcp-session-id"),
        Some("session-2")
    );
    assert_eq!(count(&server, "initialize"), 2);
    assert_eq!(count(&server, "server/discover"), 1);
    assert!(
        !server
            .methods()
            .contains(&"notifications/cancelled".to_owned())
    );
}

#[tokio::test]
async fn a_session_that_ends_again_and_again_is_no_loop() {
    let server = StandIn::start(&[Era::Legacy]).await;
    let (upstreams, _) = with_clock();
    echo(&upstreams, &server, "a").await;
    server.misbehave("tools/call", Manner::Answer(404, &[], String::new()));
    let error = upstreams
        .call(&server.upstream(), &caller("a"), ToolCall::named("echo"))
        .await
        .unwrap_err();
    assert!(
        matches!(error, UpstreamError::Refused { status: 404 }),
        "{error:?}"
    );
    assert_eq!(count(&server, "tools/call"), 3);
}

#[tokio::test]
async fn sessions_belong_to_one_user_and_one_credential() {
    let server = StandIn::start(&[Era::Legacy]).await;
    let (upstreams, _) = with_clock();
    echo(&upstreams, &server, "alice").await;
    echo(&upstreams, &server, "bob").await;
    let mut other = caller("alice");
    other.credential = "another account".into();
    upstreams
        .call(&server.upstream(), &other, ToolCall::named("echo"))
        .await
        .unwrap();
    let mut upstream = server.upstream();
    upstream.headers = vec![(HeaderName::from_static("x-key"), "secret".into())];
    upstreams
        .call(&upstream, &caller("alice"), ToolCall::named("echo"))
        .await
        .unwrap();
    assert_eq!(count(&server, "initialize"), 4);
    let sessions: Vec<_> = {
        let seen = server.inside.seen.lock().unwrap();
        let calls = seen.iter().filter(|seen| seen.method() == "tools/call");
        calls
            .map(|seen| seen.header("mcp-session-id").unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        sessions,
        ["session-1", "session-2", "session-3", "session-4"]
    );
}

#[tokio::test]
async fn an_old_revision_is_spoken_as_it_was() {
    let server = StandIn::start(&[Era::Legacy]).await;
    *server.inside.revision.lock().unwrap() = "2025-03-26";
    echo(&upstreams(), &server, "a").await;
    assert_eq!(
        server.last("tools/call").header("mcp-protocol-version"),
        None
    );
    *server.inside.revision.lock().unwrap() = "2026-07-28";
    let error = upstreams()
        .call(&server.upstream(), &caller("a"), ToolCall::named("echo"))
        .await
        .unwrap_err();
    assert!(matches!(error, UpstreamError::Protocol { .. }), "{error:?}");
}

#[tokio::test]
async fn item_23_the_log_level_is_asked_for_in_the_eras_own_way() {
    for era in [Era::Modern, Era::Legacy] {
        let server = StandIn::start(&[era]).await;
        let (upstreams, _) = with_clock();
        for _ in 0..2 {
            let call = ToolCall {
                log_level: Some("warning"),
                ..ToolCall::named("echo")
            };
            result(
                upstreams
                    .call(&server.upstream(), &caller("a"), call)
                    .await
                    .unwrap(),
            )
            .await;
        }
        let meta = &server.last("tools/call").body["params"]["_meta"];
        match era {
            Era::Modern => assert_eq!(meta["io.modelcontextprotocol/logLevel"], "warning"),
            Era::Legacy => {
                assert_eq!(*meta, json!({}));
                assert_eq!(
                    server.last("logging/setLevel").body["params"]["level"],
                    "warning"
                );
                assert_eq!(count(&server, "logging/setLevel"), 1);
            }
        }
    }
}

#[tokio::test]
async fn calls_still_try_an_upstream_that_lists_leave_alone() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (upstreams, clock) = with_clock();
    let upstream = upstream_at(&format!("http://{address}/mcp"));
    let caller = caller("a");
    let list = || upstreams.list_tools(&upstream, &caller);
    for _ in 0..3 {
        assert!(!list().await.unwrap_err().to_string().contains("lately"));
    }
    assert!(
        list().await.unwrap_err().to_string().contains("lately"),
        "at once, without trying"
    );
    let call = upstreams
        .call(&upstream, &caller, ToolCall::named("echo"))
        .await;
    assert!(!call.unwrap_err().to_string().contains("lately"));
    clock.advance(Span::from_secs(5));
    assert!(
        !list().await.unwrap_err().to_string().contains("lately"),
        "one tries again"
    );
}

/// Upstreams with one session at most, idle for a moment at most.
fn with_few_sessions() -> Upstreams {
    let clock = ManualClock::new(Timestamp::from_second(1_800_000_000).unwrap());
    let limits = SessionLimits {
        at_most: 1,
        idle: Duration::from_millis(100),
    };
    Upstreams::with_limits(Arc::new(clock), limits)
}

#[tokio::test]
async fn idle_sessions_are_deleted_and_opened_again_when_needed() {
    let server = StandIn::start(&[Era::Legacy]).await;
    let upstreams = with_few_sessions();
    echo(&upstreams, &server, "a").await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    upstreams.tidy().await;
    server.wait_for("DELETE", 1).await;
    let farewell = server.last("DELETE");
    assert_eq!(farewell.header("mcp-session-id"), Some("session-1"));
    assert_eq!(farewell.header("authorization"), Some("Bearer token-of-a"));
    echo(&upstreams, &server, "a").await;
    assert_eq!(
        server.last("tools/call").header("mcp-session-id"),
        Some("session-2")
    );
}

#[tokio::test]
async fn a_session_is_not_deleted_under_a_call() {
    let server = StandIn::start(&[Era::Legacy]).await;
    let upstreams = with_few_sessions();
    *server.inside.streams.lock().unwrap() = true;
    let held = upstreams
        .call(&server.upstream(), &caller("a"), ToolCall::named("hold"))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(150)).await;
    upstreams.tidy().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(count(&server, "DELETE"), 0);
    drop(held);
    server.wait_for("DELETE", 1).await;
}

#[tokio::test]
async fn a_legacy_stream_is_taken_up_where_its_connection_ended() {
    let server = StandIn::start(&[Era::Legacy]).await;
    let (upstreams, _) = with_clock();
    let reply = upstreams
        .call(&server.upstream(), &caller("a"), ToolCall::named("polled"))
        .await
        .unwrap();
    assert_eq!(result(reply).await, json!({"content": [], "polled": true}));
    let resumed = server.last("GET");
    assert_eq!(resumed.header("last-event-id"), Some("here"));
    assert_eq!(resumed.header("accept"), Some("text/event-stream"));
    assert_eq!(resumed.header("mcp-session-id"), Some("session-1"));
    assert_eq!(resumed.header("authorization"), Some("Bearer token-of-a"));
}

#[tokio::test]
async fn a_legacy_stream_that_is_taken_up_in_vain_ends() {
    let server = StandIn::start(&[Era::Legacy]).await;
    let (upstreams, _) = with_clock();
    echo(&upstreams, &server, "a").await;
    let primed = "id: x\nretry: 1\ndata:\n\n";
    server.misbehave("tools/call", Manner::Events(primed.to_owned(), Then::End));
    let refused = upstreams
        .call(&server.upstream(), &caller("a"), ToolCall::named("echo"))
        .await;
    let error = refused
        .unwrap()
        .reply()
        .unwrap()
        .next()
        .await
        .unwrap()
        .unwrap_err();
    assert!(
        matches!(error, UpstreamError::Unavailable { sent: true, .. }),
        "{error:?}"
    );
    assert_eq!(count(&server, "GET"), 1, "405 is final");

    server.misbehave(
        "*",
        Manner::Events(": nothing\n\nid: y\nretry: 1\n\n".to_owned(), Then::End),
    );
    let endless = upstreams
        .call(&server.upstream(), &caller("a"), ToolCall::named("echo"))
        .await;
    let error = endless
        .unwrap()
        .reply()
        .unwrap()
        .next()
        .await
        .unwrap()
        .unwrap_err();
    assert!(matches!(error, UpstreamError::TimedOut), "{error:?}");
    assert!(count(&server, "GET") < 50);
}
