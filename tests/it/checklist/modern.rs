//! Transport, 2026-07-28: items 1 to 20, 26 to 28 and 47.

use anteroom::config::Era;
use serde_json::{Value, json};

use crate::support::{
    client::{CAPABILITIES, CLIENT_INFO, Client, PROTOCOL_VERSION},
    upstream::tool,
    world::World,
};

/// Posts `body` with its proper headers, except for what `change` says.
async fn post(client: &Client, body: &Value, change: &[(&str, Option<&str>)]) -> (u16, Value) {
    let mut headers: Vec<(String, String)> = client
        .headers(body)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    for (name, value) in change {
        headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        headers.extend(value.map(|value| ((*name).to_owned(), value.to_owned())));
    }
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let answer = client.post(&headers, &body.to_string()).await;
    (answer.status.as_u16(), answer.json())
}

fn code(answer: &(u16, Value)) -> (u16, i64) {
    (
        answer.0,
        answer.1["error"]["code"].as_i64().unwrap_or_default(),
    )
}

fn discover(client: &Client) -> Value {
    client.body("server/discover", json!({}))
}

#[tokio::test]
async fn item_01_modern_meta_without_the_version_header() {
    let world = World::start().await;
    let client = world.client("alice");
    let mut body = discover(&client);
    body["id"] = json!("mine");
    let answer = post(&client, &body, &[("mcp-protocol-version", None)]).await;
    assert_eq!(
        (code(&answer), &answer.1["id"]),
        ((400, -32020), &json!("mine"))
    );
}

#[tokio::test]
async fn item_02_version_header_and_meta_differ() {
    let world = World::start().await;
    let client = world.client("alice");
    let body = discover(&client);
    let answer = post(
        &client,
        &body,
        &[("mcp-protocol-version", Some("v999.0.0"))],
    )
    .await;
    assert_eq!(code(&answer), (400, -32020));
    let mut body = discover(&client);
    body["params"]["_meta"][PROTOCOL_VERSION] = json!("v999.0.0");
    assert_eq!(code(&post(&client, &body, &[]).await), (400, -32020));
}

#[tokio::test]
async fn item_03_unsupported_version() {
    let world = World::start().await;
    let client = world.client("alice");
    let mut body = discover(&client);
    body["params"]["_meta"][PROTOCOL_VERSION] = json!("v999.0.0");
    let answer = post(
        &client,
        &body,
        &[("mcp-protocol-version", Some("v999.0.0"))],
    )
    .await;
    assert_eq!(code(&answer), (400, -32022));
    let data = &answer.1["error"]["data"];
    assert_eq!(data["requested"], "v999.0.0");
    let discovered = client.request("server/discover", json!({})).await.result();
    assert_eq!(data["supported"], discovered["supportedVersions"]);
    assert!(!data["supported"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn item_04_required_meta_is_missing() {
    let world = World::start().await;
    let client = world.client("alice");
    for missing in [PROTOCOL_VERSION, CAPABILITIES] {
        let mut body = discover(&client);
        body["params"]["_meta"]
            .as_object_mut()
            .unwrap()
            .remove(missing);
        assert_eq!(
            code(&post(&client, &body, &[]).await),
            (400, -32602),
            "{missing}"
        );
    }
    for params in [json!({}), json!({ "_meta": {} }), json!({ "_meta": 7 })] {
        let body =
            json!({ "jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": params });
        assert_eq!(
            code(&post(&client, &body, &[]).await),
            (400, -32602),
            "{body}"
        );
    }
    let mut body = discover(&client);
    body["params"]["_meta"][CAPABILITIES] = json!([]);
    assert_eq!(code(&post(&client, &body, &[]).await), (400, -32602));
}

#[tokio::test]
async fn item_05_client_info_may_be_absent() {
    let world = World::start().await;
    let client = world.client("alice");
    let mut body = discover(&client);
    body["params"]["_meta"]
        .as_object_mut()
        .unwrap()
        .remove(CLIENT_INFO);
    assert_eq!(post(&client, &body, &[]).await.0, 200);
}

#[tokio::test]
async fn item_06_mcp_method_missing_or_different() {
    let world = World::start().await;
    let client = world.client("alice");
    let body = discover(&client);
    for value in [None, Some("tools/list"), Some("Server/Discover"), Some("")] {
        assert_eq!(
            code(&post(&client, &body, &[("mcp-method", value)]).await),
            (400, -32020),
            "{value:?}"
        );
    }
}

#[tokio::test]
async fn item_07_mcp_name_missing_or_different() {
    let world = World::start().await;
    let client = world.client("alice");
    for (method, params) in [
        ("tools/call", json!({ "name": "plain_echo" })),
        ("prompts/get", json!({ "name": "x" })),
        ("resources/read", json!({ "uri": "x:y" })),
    ] {
        let body = client.body(method, params);
        for value in [None, Some("other")] {
            assert_eq!(
                code(&post(&client, &body, &[("mcp-name", value)]).await),
                (400, -32020),
                "{method} {value:?}"
            );
        }
    }
}

#[tokio::test]
async fn item_08_encoded_padded_and_oddly_cased_headers() {
    let world = World::start().await;
    let client = world.client("alice");
    let body = client.body(
        "tools/call",
        json!({ "name": "plain_echo", "arguments": {} }),
    );
    for value in ["=?base64?cGxhaW5fZWNobw==?=", "  plain_echo  "] {
        let (status, answer) = post(&client, &body, &[("mcp-name", Some(value))]).await;
        assert_eq!((status, &answer["error"]), (200, &Value::Null), "{value}");
    }
    for value in ["=?base64?cGxhaW5fZWNobw?=", "=?base64?!!!?="] {
        assert_eq!(
            code(&post(&client, &body, &[("mcp-name", Some(value))]).await),
            (400, -32020),
            "{value}"
        );
    }
    let name = [
        ("MCP-NAME", Some("plain_echo")),
        ("mcp-name", None),
        ("MCP-NAME", Some("plain_echo")),
    ];
    assert_eq!(post(&client, &body, &name).await.0, 200);
}

#[tokio::test]
async fn item_09_an_upper_case_marker_is_literal() {
    let world = World::start().await;
    let client = world.client("alice");
    let body = client.body("tools/call", json!({ "name": "=?BASE64?x?=" }));
    let answer = post(&client, &body, &[("mcp-name", Some("=?BASE64?x?="))]).await;
    // The header agrees with the body; that there is no such tool is another matter.
    assert_eq!(code(&answer), (200, -32602));
}

#[tokio::test]
async fn item_10_and_11_mirrored_arguments() {
    let world = World::start().await;
    let mut regional = tool("echo");
    regional["inputSchema"]["properties"] = json!({
        "region": { "type": "string", "x-mcp-header": "Region" },
        "count": { "type": "integer", "x-mcp-header": "Count" },
    });
    *world.second.inside.tools.lock().unwrap() = vec![regional];
    let client = world.client("alice");
    let call = |arguments: Value| {
        client.body(
            "tools/call",
            json!({ "name": "plain_echo", "arguments": arguments }),
        )
    };
    for (arguments, header, served) in [
        (
            json!({ "region": "eu" }),
            Some(("mcp-param-region", "eu")),
            true,
        ),
        (json!({ "region": "eu" }), None, false),
        (
            json!({ "region": "eu" }),
            Some(("mcp-param-region", "us")),
            false,
        ),
        (
            json!({ "region": "eu" }),
            Some(("mcp-param-region", "=?base64?e?=")),
            false,
        ),
        (json!({ "region": null }), None, true),
        (json!({}), None, true),
        (
            json!({ "count": 42 }),
            Some(("mcp-param-count", "42.0")),
            true,
        ),
        (json!({}), Some(("mcp-param-foo", "whatever")), true),
    ] {
        let headers: Vec<_> = header
            .iter()
            .map(|(name, value)| (*name, Some(*value)))
            .collect();
        let answer = post(&client, &call(arguments.clone()), &headers).await;
        let expected = if served { (200, 0) } else { (400, -32020) };
        assert_eq!(
            code(&answer),
            expected,
            "{arguments} {header:?} {}",
            answer.1
        );
    }
}

#[tokio::test]
async fn items_12_to_14_methods_that_are_not_there() {
    let world = World::start().await;
    let client = world.client("alice");
    for method in [
        "no/such",
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
        "resources/list",
        "prompts/list",
        "completion/complete",
        "tasks/get",
    ] {
        let answer = client.request(method, json!({})).await;
        assert_eq!(answer.error(), (404, -32601), "{method}");
        assert!(answer.json()["id"].is_number(), "{method}");
    }
}

#[tokio::test]
async fn items_15_and_16_discover() {
    let world = World::start().await;
    let answer = world
        .client("alice")
        .request("server/discover", json!({}))
        .await;
    assert_eq!(answer.status, 200);
    let result = answer.result();
    assert_eq!(result["resultType"], "complete");
    assert_eq!(
        result["supportedVersions"],
        json!(["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"])
    );
    assert!(
        result["capabilities"]["tools"].is_object()
            && result["capabilities"]["resources"].is_null()
    );
    assert!(result["ttlMs"].is_u64() && result["cacheScope"].is_string());
    assert_eq!(result["instructions"], "Be brief.");
    assert_eq!(
        result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"],
        "anteroom"
    );
}

#[tokio::test]
async fn item_16_every_result_has_a_type() {
    for era in [Era::Modern, Era::Legacy] {
        let world = World::with(era, "").await;
        let client = world
            .client("alice")
            .declaring(json!({ "elicitation": { "url": {} } }));
        for (method, params, kind) in [
            ("tools/list", json!({}), "complete"),
            ("tools/call", json!({ "name": "plain_echo" }), "complete"),
            (
                "tools/call",
                json!({ "name": "notes_echo" }),
                "input_required",
            ),
        ] {
            let result = client.request(method, params).await.result();
            assert_eq!(result["resultType"], kind, "{method}");
            assert_eq!(
                result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"],
                "anteroom"
            );
        }
    }
}

#[tokio::test]
async fn item_17_bodies_that_are_no_request() {
    let world = World::start().await;
    let client = world.client("alice");
    let modern = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/list"),
    ];
    for (body, code) in [
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, -32600),
        (
            r#"[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]"#,
            -32600,
        ),
        ("7", -32600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"tools/list"}"#, -32600),
        (
            r#"{"jsonrpc":"2.0","id":null,"method":"tools/list"}"#,
            -32600,
        ),
        ("{", -32700),
        ("", -32700),
        ("\u{feff}{}", -32700),
    ] {
        assert_eq!(
            client.post(&modern, body).await.error(),
            (400, code),
            "{body}"
        );
    }
    let answer = client
        .post(
            &modern,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":[1]}"#,
        )
        .await;
    assert_eq!(answer.error(), (400, -32602));
}

#[tokio::test]
async fn item_18_notifications() {
    let world = World::start().await;
    let client = world.client("alice");
    let modern = [("mcp-protocol-version", "2026-07-28")];
    let accepted = client
        .post(
            &modern,
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#,
        )
        .await;
    assert_eq!(
        (accepted.status.as_u16(), accepted.text.as_str()),
        (202, "")
    );
    let refused = client
        .post(
            &modern,
            r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"plain_echo"}}"#,
        )
        .await;
    assert_eq!(refused.error(), (400, -32600));
    assert!(!world.second.methods().contains(&"tools/call".to_owned()));
}

#[tokio::test]
async fn item_19_no_sessions_and_no_get_stream() {
    let world = World::start().await;
    let client = world.client("alice");
    let body = discover(&client);
    let with = [
        ("mcp-session-id", Some("whatever")),
        ("last-event-id", Some("7")),
    ];
    assert_eq!(post(&client, &body, &with).await.0, 200);
    let answer = client.request("server/discover", json!({})).await;
    assert!(answer.headers.get("mcp-session-id").is_none());
    // We serve both eras: a GET of 2026-07-28 is told that there is none, one of a legacy client gets its stream (item 40).
    assert_eq!(
        client
            .get(&[("mcp-protocol-version", "2026-07-28")])
            .await
            .status,
        405
    );
}

#[tokio::test]
async fn item_20_foreign_origins() {
    let world = World::start().await;
    let client = world.client("alice").with_key(None);
    let body = discover(&client);
    for origin in ["https://evil.example", "null"] {
        assert_eq!(
            post(&client, &body, &[("origin", Some(origin))]).await.0,
            403,
            "{origin}"
        );
        assert_eq!(
            client.get(&[("origin", origin)]).await.status,
            403,
            "{origin}"
        );
    }
    assert_eq!(
        post(&client, &body, &[("host", Some("evil.example"))])
            .await
            .0,
        403
    );
    let client = world.client("alice");
    for origin in [
        Some(world.base.as_str()),
        Some("http://localhost:5173"),
        None,
    ] {
        assert_eq!(
            post(&client, &body, &[("origin", origin)]).await.0,
            200,
            "{origin:?}"
        );
    }
}

#[tokio::test]
async fn item_20_pages_of_allowed_origins_may_read_answers() {
    let world = World::start().await;
    let client = world.client("alice");
    let body = discover(&client);
    let mut headers = client.headers(&body);
    headers.push(("origin", world.base.clone()));
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let answer = client.post(&headers, &body.to_string()).await;
    assert_eq!(
        answer.headers["access-control-allow-origin"],
        world.base.as_str()
    );
    let http = reqwest::Client::new();
    let preflight = async |origin: &str| {
        let request = http
            .request(reqwest::Method::OPTIONS, world.endpoint())
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,mcp-method");
        let answer = request.send().await.unwrap();
        answer
            .headers()
            .get("access-control-allow-origin")
            .map(|origin| origin.to_str().unwrap().to_owned())
    };
    assert_eq!(
        preflight(&world.base).await.as_deref(),
        Some(world.base.as_str())
    );
    assert_eq!(preflight("https://evil.example").await, None);
}

#[tokio::test]
async fn item_107_upstreams_are_told_of_what_can_be_relayed_and_no_more() {
    let world = World::start().await;
    let declared = json!({
        "sampling": {}, "elicitation": { "form": {} },
        "extensions": { "io.modelcontextprotocol/tasks": {} }, "experimental": { "x": {} },
    });
    let seen = async |client: Client| {
        client.call("plain_echo", json!({})).await.result();
        world.second.last("tools/call").body["params"]["_meta"][CAPABILITIES].clone()
    };
    let told = seen(world.client("alice").declaring(declared.clone())).await;
    assert_eq!(
        told,
        json!({ "sampling": {}, "elicitation": { "form": {} } })
    );
    assert_eq!(seen(world.client("alice")).await, json!({}));
    let legacy = world
        .client("alice")
        .declaring(declared)
        .initialized("2025-11-25")
        .await;
    assert_eq!(
        seen(legacy).await,
        json!({}),
        "a legacy client's questions cannot be relayed yet"
    );
}

#[tokio::test]
async fn items_26_and_27_codes_about_the_hop_are_ours_alone() {
    use crate::support::upstream::Manner;
    let world = World::start().await;
    let client = world.client("alice");
    client.call("plain_echo", json!({})).await.result();
    for code in [-32002, -32020, -32022, -32042, -32050, -32099] {
        let error =
            json!({ "jsonrpc": "2.0", "id": "{id}", "error": { "code": code, "message": "no" } });
        let body = error.to_string().replace("\"{id}\"", "{id}");
        world.second.misbehave(
            "tools/call",
            Manner::Answer(200, &[("content-type", "application/json")], body),
        );
        let answer = client.call("plain_echo", json!({})).await.json();
        let relayed = answer["error"]["code"].as_i64();
        assert!(
            relayed == Some(-32603) || answer["result"]["isError"] == true,
            "{code}: {answer}"
        );
    }
}

#[tokio::test]
async fn item_28_nothing_of_earlier_requests_is_needed() {
    let mut world = World::start().await;
    let client = world.client("alice");
    let first = client.call("plain_echo", json!({ "a": 1 })).await.result();
    world.restart().await;
    let again = client.call("plain_echo", json!({ "a": 1 })).await.result();
    assert_eq!(first, again);
}

#[tokio::test]
async fn item_47_the_same_tool_in_both_eras() {
    let world = World::start().await;
    let arguments = json!({ "deep": { "number": 1.5 } });
    let modern = world
        .client("alice")
        .call("plain_echo", arguments.clone())
        .await
        .result();
    let legacy = world
        .client("alice")
        .initialized("2025-11-25")
        .await
        .call("plain_echo", arguments)
        .await
        .result();
    for member in ["content", "structuredContent", "unknownKey"] {
        assert_eq!(modern[member], legacy[member], "{member}");
    }
    assert!(legacy["resultType"].is_null());
}

#[tokio::test]
async fn bad_access_is_told_apart_and_leaks_nothing() {
    use crate::support::world::OTHER_KEY;
    let world = World::start().await;
    let ask = async |client: Client| {
        let body = discover(&client);
        post(&client, &body, &[]).await.0
    };
    assert_eq!(ask(world.client("alice").with_key(None)).await, 401);
    assert_eq!(
        ask(world.client("alice").with_key(Some("arc_wrong"))).await,
        401
    );
    assert_eq!(
        ask(world.client("alice").with_key(Some(OTHER_KEY))).await,
        401
    );
    assert_eq!(ask(world.client("alice").with_user(None)).await, 403);
    assert_eq!(ask(world.client("alice").with_user(Some("  "))).await, 403);
    assert_eq!(ask(world.client(&"x".repeat(300))).await, 403);
    assert_eq!(ask(world.client("nobody")).await, 403);
    let elsewhere = Client::new(&format!("{}/mcp/nowhere", world.base), "arc_wrong", "alice");
    assert_eq!(ask(elsewhere).await, 404);
    let only = Client::new(
        &format!("{}/mcp", world.base),
        crate::support::world::KEY,
        "alice",
    );
    assert_eq!(
        ask(only).await,
        200,
        "the only gateway is served at /mcp, too"
    );

    let bare = world.client("alice").with_key(None);
    let body = discover(&bare);
    let answer = post(
        &bare,
        &body,
        &[("authorization", Some(crate::support::world::KEY))],
    )
    .await;
    assert_eq!(answer.0, 200, "the key without `Bearer` is accepted");
    let unauthorized = bare.post(&[], &body.to_string()).await;
    assert_eq!(unauthorized.headers["www-authenticate"], "Bearer");
}

#[tokio::test]
async fn huge_and_odd_bodies() {
    let world = World::start().await;
    let client = world.client("alice");
    let huge = client.body(
        "tools/call",
        json!({ "name": "plain_echo", "arguments": { "x": "y".repeat(70_000) } }),
    );
    assert_eq!(post(&client, &huge, &[]).await.0, 413);
    let many: Value = (0..300)
        .map(|n| (format!("k{n}"), json!(n)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let answer = post(
        &client,
        &client.body("tools/call", many),
        &[("mcp-name", Some("x"))],
    )
    .await;
    assert_eq!(
        code(&answer).0 / 100,
        2,
        "a request with many unknown parameters is only strange: {}",
        answer.1
    );
    for (params, expected) in [
        (json!({}), -32602),
        (json!({ "name": 7 }), -32602),
        (json!({ "name": "plain_echo", "arguments": [1] }), -32602),
        (json!({ "name": "plain_nothing" }), -32602),
        (json!({ "name": "plain_hidden" }), -32602),
        (json!({ "name": "other_echo" }), -32602),
    ] {
        let answer = client.request("tools/call", params.clone()).await;
        assert_eq!(answer.error(), (200, expected), "{params}");
    }
    assert_eq!(
        client
            .request("tools/list", json!({ "cursor": "forged" }))
            .await
            .error(),
        (200, -32602)
    );
}
