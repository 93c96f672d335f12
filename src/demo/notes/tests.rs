//! The toy upstream over real HTTP: what a right request gets, and that every wrong one is told so.

use std::sync::Arc;

use reqwest::Response;
use tokio::net::TcpListener;

use super::*;
use crate::{
    base::{
        clock::{ManualClock, Span, Timestamp},
        entropy::SeededEntropy,
        secret::TokenHash,
    },
    demo::acme::{Account, Client, Settings, tests::access_token},
};

async fn start() -> String {
    start_with().await.0
}

async fn start_with() -> (String, Acme, Arc<ManualClock>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let clock = Arc::new(ManualClock::new(
        Timestamp::from_second(1_800_000_000).unwrap(),
    ));
    let settings = Settings {
        issuer: "http://127.0.0.1:1".into(),
        client: Client {
            id: "c".into(),
            secret: TokenHash::of("s"),
            title: "C".into(),
            redirect_uris: vec![],
        },
        accounts: ["zelda", "otto"]
            .map(|name| Account {
                name: name.into(),
                password: TokenHash::of("p"),
                display_name: format!("{name} at Acme"),
            })
            .into(),
        access_lifetime: Span::from_secs(60),
    };
    let acme = Acme::new(settings, clock.clone(), Arc::new(SeededEntropy::new(1)));
    let router = Notes::new(acme.clone(), url.clone(), clock.clone()).router();
    tokio::spawn(async { axum::serve(listener, router).await });
    (url, acme, clock)
}

fn body(method: &str, params: Value) -> Value {
    let mut params = params;
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

/// Sends a body with right headers, except for those in `change` (empty takes one away).
async fn send(url: &str, body: &Value, change: &[(&str, &str)]) -> Response {
    let mut headers = vec![
        ("accept", "application/json, text/event-stream"),
        ("content-type", "application/json"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", body["method"].as_str().unwrap_or_default()),
        (
            "mcp-name",
            body["params"]["name"].as_str().unwrap_or_default(),
        ),
    ];
    headers.retain(|(name, _)| !change.iter().any(|(changed, _)| changed == name));
    headers.extend(change);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = http.post(url).body(body.to_string());
    for (name, value) in headers.into_iter().filter(|(_, value)| !value.is_empty()) {
        request = request.header(name, value);
    }
    request.send().await.unwrap()
}

async fn expect(response: Response, status: u16, code: i32) -> Value {
    assert_eq!(response.status(), status);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["code"], code, "{body}");
    body
}

#[tokio::test]
async fn discover_list_and_time_need_no_token() {
    let url = start().await;
    let body_of = async |method, params| {
        let response = send(&url, &body(method, params), &[]).await;
        assert_eq!(response.status(), 200);
        response.json::<Value>().await.unwrap()["result"].clone()
    };
    let discovered = body_of("server/discover", json!({})).await;
    assert_eq!(discovered["supportedVersions"], json!(["2026-07-28"]));
    let listed = body_of("tools/list", json!({})).await;
    let names = |tools: &Value| {
        let tools = tools.as_array().unwrap().clone();
        tools
            .iter()
            .map(|tool| tool["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(&listed["tools"]),
        ["add_note", "list_notes", "server_time", "whoami"]
    );
    assert_eq!(
        (&listed["cacheScope"], &listed["resultType"]),
        (&json!("public"), &json!("complete"))
    );
    let time = body_of("tools/call", json!({ "name": "server_time" })).await;
    assert_eq!(time["structuredContent"]["time"], "2027-01-15T08:00:00Z");
    assert_eq!(
        time["_meta"]["io.modelcontextprotocol/serverInfo"]["name"],
        "acme-notes"
    );
}

#[tokio::test]
async fn tools_with_an_owner_are_challenged_without_a_good_token() {
    let url = start().await;
    for name in ["whoami", "list_notes", "add_note"] {
        let call = body("tools/call", json!({ "name": name, "arguments": {} }));
        for (authorization, error) in [("", false), ("Bearer stale", true)] {
            let response = send(&url, &call, &[("authorization", authorization)]).await;
            assert_eq!(response.status(), 401);
            let challenge = response.headers()["www-authenticate"]
                .to_str()
                .unwrap()
                .to_owned();
            assert!(challenge.starts_with("Bearer ") && challenge.contains("resource_metadata="));
            assert_eq!(challenge.contains("invalid_token"), error, "{challenge}");
        }
    }
}

#[tokio::test]
async fn headers_must_say_what_the_body_says() {
    let url = start().await;
    let call = body("tools/call", json!({ "name": "server_time" }));
    for change in [
        ("mcp-protocol-version", ""),
        ("mcp-protocol-version", "2025-11-25"),
        ("mcp-method", ""),
        ("mcp-method", "tools/list"),
        ("mcp-method", "Tools/Call"),
        ("mcp-name", ""),
        ("mcp-name", "whoami"),
        ("mcp-name", "=?base64?!!!?="),
        ("mcp-name", "=?BASE64?c2VydmVyX3RpbWU=?="),
    ] {
        let refused = expect(send(&url, &call, &[change]).await, 400, -32_020).await;
        assert_eq!(refused["id"], 1, "{change:?}");
    }
    let encoded = [("mcp-name", "=?base64?c2VydmVyX3RpbWU=?=")];
    assert_eq!(send(&url, &call, &encoded).await.status(), 200);
}

#[tokio::test]
async fn mirrored_parameters_are_checked_before_the_token() {
    let url = start().await;
    let limited = body(
        "tools/call",
        json!({ "name": "list_notes", "arguments": { "limit": 2 } }),
    );
    for change in [
        vec![],
        vec![("mcp-param-limit", "3")],
        vec![("mcp-param-limit", "two")],
    ] {
        expect(send(&url, &limited, &change).await, 400, -32_020).await;
    }
    for good in ["2", "02", "=?base64?Mg==?="] {
        let response = send(&url, &limited, &[("mcp-param-limit", good)]).await;
        assert_eq!(response.status(), 401, "{good}");
    }
    let unlimited = body("tools/call", json!({ "name": "list_notes" }));
    expect(
        send(&url, &unlimited, &[("mcp-param-limit", "2")]).await,
        400,
        -32_020,
    )
    .await;
}

#[tokio::test]
async fn meta_version_and_method_have_their_codes() {
    let url = start().await;
    let mut bare = body("tools/list", json!({}));
    bare["params"]["_meta"] = json!({});
    expect(send(&url, &bare, &[]).await, 400, -32_602).await;
    let mut incapable = body("tools/list", json!({}));
    incapable["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = Value::Null;
    expect(send(&url, &incapable, &[]).await, 400, -32_602).await;

    let mut future = body("tools/list", json!({}));
    future["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("v999");
    expect(send(&url, &future, &[]).await, 400, -32_020).await;
    let refused = send(&url, &future, &[("mcp-protocol-version", "v999")]).await;
    let refused = expect(refused, 400, -32_022).await;
    assert_eq!(
        refused["error"]["data"],
        json!({ "supported": ["2026-07-28"], "requested": "v999" })
    );

    for method in ["initialize", "ping", "subscriptions/listen", "nonsense"] {
        expect(
            send(&url, &body(method, json!({})), &[]).await,
            404,
            -32_601,
        )
        .await;
    }
    let legacy = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "protocolVersion": "2025-11-25" } });
    let refused = send(
        &url,
        &legacy,
        &[("mcp-protocol-version", ""), ("mcp-method", "")],
    )
    .await;
    let refused = expect(refused, 400, -32_022).await;
    assert_eq!(refused["error"]["data"]["supported"], json!(["2026-07-28"]));
    let unknown = body("tools/call", json!({ "name": "no_such_tool" }));
    expect(send(&url, &unknown, &[]).await, 400, -32_602).await;
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let url = start().await;
    let list = body("tools/list", json!({}));
    for (change, status) in [
        (("accept", "application/json"), 406),
        (("content-type", "text/plain"), 415),
        (("origin", "https://evil.example"), 403),
        (("host", "evil.example"), 403),
    ] {
        assert_eq!(
            send(&url, &list, &[change]).await.status(),
            status,
            "{change:?}"
        );
    }
    assert_eq!(
        send(&url, &list, &[("origin", "http://localhost:1")])
            .await
            .status(),
        200
    );
    expect(send(&url, &json!([list]), &[]).await, 400, -32_600).await;
    for id in [Value::Null, json!(1.5), json!({})] {
        let mut odd = list.clone();
        odd["id"] = id;
        expect(send(&url, &odd, &[]).await, 400, -32_600).await;
    }
    let mut notification = list.clone();
    notification.as_object_mut().unwrap().remove("id");
    assert_eq!(send(&url, &notification, &[]).await.status(), 202);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    assert_eq!(http.get(&url).send().await.unwrap().status(), 405);
    assert_eq!(http.delete(&url).send().await.unwrap().status(), 405);
    let huge = http
        .post(&url)
        .body(vec![b' '; LARGEST_BODY + 1])
        .send()
        .await
        .unwrap();
    assert_eq!(huge.status(), 413);
}

/// Calls a tool with a token.
async fn call(url: &str, token: &str, name: &str, arguments: Value) -> Response {
    let limit = arguments.get("limit").map(Value::to_string);
    let body = body(
        "tools/call",
        json!({ "name": name, "arguments": arguments }),
    );
    let bearer = format!("Bearer {token}");
    let mut headers = vec![("authorization", bearer.as_str())];
    headers.extend(limit.as_deref().map(|limit| ("mcp-param-limit", limit)));
    send(url, &body, &headers).await
}

async fn result(url: &str, token: &str, name: &str, arguments: Value) -> Value {
    let response = call(url, token, name, arguments).await;
    assert_eq!(response.status(), 200);
    response.json::<Value>().await.unwrap()["result"].clone()
}

#[tokio::test]
async fn a_token_opens_its_owners_notes_and_nobody_elses() {
    let (url, acme, _) = start_with().await;
    let zelda = access_token(&acme, "zelda", &["notes", "profile"]);
    let otto = access_token(&acme, "otto", &["notes"]);
    let who = result(&url, &zelda, "whoami", json!({})).await;
    let expected = json!({ "account": "zelda", "name": "zelda at Acme" });
    assert_eq!(who["structuredContent"], expected);
    let added = result(&url, &zelda, "add_note", json!({ "text": "Grüße" })).await;
    assert_eq!(added["structuredContent"], json!({ "count": 3 }));
    let newest = result(&url, &zelda, "list_notes", json!({ "limit": 1 })).await;
    assert_eq!(newest["structuredContent"], json!({ "notes": ["Grüße"] }));
    assert_eq!(newest["content"][0]["text"], r#"{"notes":["Grüße"]}"#);
    let others = result(&url, &otto, "list_notes", json!({})).await;
    let others = others["structuredContent"]["notes"].as_array().unwrap();
    assert_eq!(others.len(), 2);
}

#[tokio::test]
async fn a_token_is_for_its_scopes_and_its_minute() {
    let (url, acme, clock) = start_with().await;
    let otto = access_token(&acme, "otto", &["notes"]);
    let refused = call(&url, &otto, "whoami", json!({})).await;
    assert_eq!(refused.status(), 403);
    let challenge = refused.headers()["www-authenticate"].to_str().unwrap();
    let right = challenge.contains("insufficient_scope") && challenge.contains("scope=\"profile\"");
    assert!(right, "{challenge}");
    clock.advance(Span::from_secs(60));
    let late = call(&url, &otto, "list_notes", json!({})).await;
    assert_eq!(late.status(), 401);
}

#[tokio::test]
async fn wrong_arguments_are_the_tools_failure() {
    let (url, acme, _) = start_with().await;
    let zelda = access_token(&acme, "zelda", &["notes"]);
    for (name, arguments) in [
        ("add_note", json!({})),
        ("add_note", json!({ "text": "" })),
        ("add_note", json!({ "text": "a".repeat(501) })),
        ("add_note", json!({ "text": "a", "b": 1 })),
        ("list_notes", json!({ "limit": 0 })),
    ] {
        let result = result(&url, &zelda, name, arguments).await;
        assert_eq!(result["isError"], true);
    }
}
