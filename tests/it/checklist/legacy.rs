//! Transport, 2025-03-26 to 2025-11-25: items 34 to 46.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{upstream::eventually, world::World};

#[tokio::test]
async fn items_34_and_35_versions_are_negotiated() {
    let world = World::start().await;
    let client = world.client("alice");
    for (asked, given) in [
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("1.0", "2025-11-25"),
    ] {
        let result = client.initialize(asked).await.result();
        assert_eq!(result["protocolVersion"], given, "{asked}");
        assert_eq!(result["serverInfo"]["name"], "anteroom");
        assert_eq!(result["instructions"], "Be brief.");
        assert!(result["resultType"].is_null() && result["capabilities"]["tools"].is_object());
    }
    let broken = client
        .post(
            &[],
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#,
        )
        .await;
    assert_eq!(broken.error(), (200, -32602));
}

#[tokio::test]
async fn item_36_session_ids_are_visible_and_not_to_be_guessed() {
    let world = World::start().await;
    let (one, other) = (
        world.client("alice").initialized("2025-11-25").await,
        world.client("alice").initialized("2025-11-25").await,
    );
    let (one, other) = (one.session().unwrap(), other.session().unwrap());
    assert!(one.bytes().all(|byte| (0x21..=0x7e).contains(&byte)));
    assert_ne!(one, other);
}

/// The design wins over the checklist where a request has lost its session id: it is served without one (claude.ai drops
/// it), so that is no 400.
#[tokio::test]
async fn item_37_sessions_that_are_missing_unknown_or_somebody_elses() {
    let world = World::start().await;
    let lost = world.client("alice").without_session("2025-11-25");
    assert_eq!(lost.call("plain_echo", json!({})).await.status, 200);

    let alice = world.client("alice").initialized("2025-11-25").await;
    let id = alice.session().unwrap();
    let tampered = format!("{}A{}", &id[..40], &id[41..]);
    for (client, session) in [
        (world.client("alice"), tampered.as_str()),
        (world.client("alice"), "nonsense"),
        (world.client("bob"), id),
    ] {
        let answer = client
            .post(
                &[("mcp-session-id", session)],
                r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
            )
            .await;
        assert_eq!(answer.status, 404, "{session}");
    }
    let good = world
        .client("alice")
        .post(
            &[("mcp-session-id", id)],
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
        )
        .await;
    assert_eq!(good.status, 200);
    world.advance(31 * 24 * 3600);
    let expired = world
        .client("alice")
        .post(
            &[("mcp-session-id", id)],
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
        )
        .await;
    assert_eq!(expired.status, 404);
}

#[tokio::test]
async fn item_38_version_headers() {
    let world = World::start().await;
    let client = world.client("alice");
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    for (version, status) in [
        (Some("2024-11-05"), 400),
        (Some("nonsense"), 400),
        (Some("2025-06-18"), 200),
        (None, 200),
    ] {
        let headers: Vec<_> = version
            .iter()
            .map(|version| ("mcp-protocol-version", *version))
            .collect();
        assert_eq!(
            client.post(&headers, ping).await.status.as_u16(),
            status,
            "{version:?}"
        );
    }
    // Without a header it is 2025-03-26, which has batches.
    let batch = client.post(&[], &format!("[{ping}]")).await;
    assert_eq!(batch.status, 200, "{}", batch.text);
}

#[tokio::test]
async fn item_39_notifications_and_responses_are_accepted() {
    let world = World::start().await;
    let client = world.client("alice").initialized("2025-11-25").await;
    let session = [("mcp-session-id", client.session().unwrap())];
    for body in [
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#,
        r#"{"jsonrpc":"2.0","id":"unasked","result":{"action":"accept"}}"#,
        r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"no"}}"#,
    ] {
        let answer = client.post(&session, body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.text.as_str()),
            (202, ""),
            "{body}"
        );
    }
}

#[tokio::test]
async fn item_40_get_is_a_stream_and_delete_ends_the_session() {
    let mut world = World::start().await;
    let client = world.client("alice").initialized("2025-11-25").await;
    let stream = client.get(&[]).await;
    assert!(stream.status == 200 && stream.is_stream());
    assert_eq!(client.delete().await.status, 200);
    assert_eq!(client.call("plain_echo", json!({})).await.status, 404);
    assert_eq!(client.get(&[]).await.status, 404);
    assert_eq!(client.delete().await.status, 404);
    world.restart().await;
    assert_eq!(
        client.call("plain_echo", json!({})).await.status,
        404,
        "what was ended stays ended"
    );
    let nameless = world.client("alice").delete().await;
    assert_eq!(nameless.status.as_u16() / 100, 4);
}

#[tokio::test]
async fn item_41_a_dropped_connection_is_no_cancellation_but_cancelled_is() {
    let world = World::start().await;
    let client = world.client("alice").initialized("2025-11-25").await;
    client.request("tools/list", json!({})).await.result();
    let body = json!({ "jsonrpc": "2.0", "id": "long", "method": "tools/call", "params": { "name": "plain_hold", "arguments": {} } });
    *world.second.inside.tools.lock().unwrap() = vec![crate::support::upstream::tool("hold")];
    world.advance(120);
    let session = client.session().unwrap();
    let headers = [
        ("mcp-session-id", session),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    let text = body.to_string();
    let held = || {
        world
            .second
            .inside
            .held
            .load(std::sync::atomic::Ordering::SeqCst)
    };

    let dropped =
        tokio::time::timeout(Duration::from_millis(600), client.post(&headers, &text)).await;
    assert!(
        dropped.is_err(),
        "the call is still running when its client goes away"
    );
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(held(), 1, "and goes on running");

    let cancelled = client
        .notify("notifications/cancelled", json!({ "requestId": "long" }))
        .await;
    assert_eq!(cancelled.status, 202);
    eventually(|| held() == 0, "the upstream's call is cancelled").await;
}

/// We issue no event ids, so there is nothing to resume: a GET with `Last-Event-ID` gets the ordinary stream and no
/// message of another one.
#[tokio::test]
async fn item_42_nothing_is_replayed() {
    let world = World::start().await;
    *world.second.inside.tools.lock().unwrap() = vec![crate::support::upstream::tool("slow")];
    let client = world.client("alice").initialized("2025-11-25").await;
    let answer = client
        .request(
            "tools/call",
            json!({ "name": "plain_slow", "_meta": { "progressToken": 1 } }),
        )
        .await;
    assert!(
        !answer.text.lines().any(|line| line.starts_with("id:")),
        "{}",
        answer.text
    );
    let mut resumed = client.get(&[("last-event-id", "1")]).await;
    assert!(resumed.within(Duration::from_millis(300)).await.is_none());
}

#[tokio::test]
async fn item_43_each_message_is_sent_on_one_stream_only() {
    let world = World::start().await;
    *world.second.inside.tools.lock().unwrap() = vec![crate::support::upstream::tool("slow")];
    let client = world.client("alice").initialized("2025-11-25").await;
    let mut listening = client.get(&[]).await;
    let answer = client
        .request(
            "tools/call",
            json!({ "name": "plain_slow", "_meta": { "progressToken": "t" } }),
        )
        .await;
    assert!(
        answer.text.contains("notifications/progress"),
        "{}",
        answer.text
    );
    assert!(listening.within(Duration::from_millis(300)).await.is_none());
}

#[tokio::test]
async fn item_44_batches() {
    let world = World::start().await;
    let old = world.client("alice").initialized("2025-03-26").await;
    let headers = [("mcp-session-id", old.session().unwrap())];
    let batch = json!([
        { "jsonrpc": "2.0", "id": 1, "method": "ping" },
        { "jsonrpc": "2.0", "method": "notifications/initialized" },
        { "jsonrpc": "2.0", "id": "two", "method": "tools/call", "params": { "name": "plain_echo", "arguments": { "a": 1 } } },
        { "jsonrpc": "2.0", "id": 3, "method": "no/such" },
        { "jsonrpc": "2.0", "id": 4, "method": "initialize", "params": {} },
        7,
    ]);
    let answer = old.post(&headers, &batch.to_string()).await;
    let answers: Vec<Value> = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(answers.len(), 5, "{}", answer.text);
    assert_eq!(answers[0]["result"], json!({}));
    assert_eq!(
        (
            &answers[1]["id"],
            &answers[1]["result"]["structuredContent"]["a"]
        ),
        (&json!("two"), &json!(1))
    );
    assert_eq!(answers[2]["error"]["code"], -32601);
    assert_eq!(answers[3]["error"]["code"], -32600);
    assert_eq!(answers[4]["error"]["code"], -32600);
    let quiet = old
        .post(
            &headers,
            r#"[{"jsonrpc":"2.0","method":"notifications/initialized"}]"#,
        )
        .await;
    assert_eq!(quiet.status, 202);
    let many = vec![json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }); 51];
    assert_eq!(
        old.post(&headers, &json!(many).to_string()).await.status,
        400
    );
    assert_eq!(old.post(&headers, "[]").await.status, 400);

    let new = world.client("alice").initialized("2025-06-18").await;
    let answer = new
        .post(
            &[("mcp-session-id", new.session().unwrap())],
            &batch.to_string(),
        )
        .await;
    assert_eq!(answer.error(), (400, -32600));
}

#[tokio::test]
async fn item_45_ping_and_what_is_not_advertised() {
    let world = World::start().await;
    let client = world.client("alice").initialized("2025-11-25").await;
    assert_eq!(client.request("ping", json!({})).await.result(), json!({}));
    for method in [
        "logging/setLevel",
        "resources/list",
        "prompts/list",
        "server/discover",
        "subscriptions/listen",
    ] {
        assert_eq!(
            client.request(method, json!({})).await.error(),
            (200, -32601),
            "{method}"
        );
    }
}

#[tokio::test]
async fn item_46_results_have_nothing_a_legacy_client_does_not_know() {
    let world = World::start().await;
    let client = world.client("alice").initialized("2025-11-25").await;
    let list = client.request("tools/list", json!({})).await.result();
    for member in ["resultType", "ttlMs", "cacheScope"] {
        assert!(list[member].is_null(), "{member}");
    }
    let called = client.call("plain_echo", json!({})).await.result();
    assert!(called["resultType"].is_null() && called["_meta"].is_null());
}

#[tokio::test]
async fn item_41_a_call_cancelled_in_its_own_batch_is_stopped_and_not_answered() {
    let world = World::start().await;
    *world.second.inside.tools.lock().unwrap() = vec![crate::support::upstream::tool("hold")];
    let client = world.client("alice").initialized("2025-03-26").await;
    let batch = json!([
        { "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "plain_hold", "arguments": {} } },
        { "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } },
        { "jsonrpc": "2.0", "id": 2, "method": "ping" },
    ]);
    let session = [("mcp-session-id", client.session().unwrap())];
    let answer = client.post(&session, &batch.to_string()).await;
    let answers: Value = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(
        answers,
        json!([{ "jsonrpc": "2.0", "id": 2, "result": {} }])
    );
    let held = &world.second.inside.held;
    eventually(
        || held.load(std::sync::atomic::Ordering::SeqCst) == 0,
        "nothing is left upstream",
    )
    .await;
}
