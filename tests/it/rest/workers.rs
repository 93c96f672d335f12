//! Upstreams, as operators' programs see them.

use anteroom::config::UpstreamKind;
use serde_json::json;

use super::{operated, pasted};
use crate::support::{
    rest::Rest,
    worker::{self, tool},
};

#[tokio::test]
async fn upstreams_are_listed_and_described_without_what_is_secret_in_them() {
    let more = "\n[upstreams.kit]\ntype = \"arcade\"\nurl = \"http://127.0.0.1:1/?key=in-the-query\"\nsecret = \"hunter2\"\ncall_timeout = \"2m\"\n[upstreams.notes.headers]\nx-api-key = \"hunter3\"\n";
    let world = operated(more).await;
    let page = world.operator().get("/v1/workers?limit=2").await.good();
    assert_eq!(
        (&page["total_count"], &page["page_count"]),
        (&json!(3), &json!(2))
    );
    assert_eq!(page["items"][0]["id"], "kit");

    let kit = world.operator().get("/v1/workers/kit").await.good();
    let expected = json!({
        "id": "kit", "type": "http", "enabled": true, "managed": false,
        "binding": { "id": "gateway.toml", "type": "static" },
        "requirements": { "met": true },
        "http": {
            "uri": "http://127.0.0.1:1/", "timeout": 120, "retry": 0,
            "secret": { "exists": true, "editable": false, "binding": "static" },
        },
    });
    assert_eq!(kit, expected);
    let notes = world.operator().get("/v1/workers/notes").await.good();
    assert_eq!(notes["mcp"]["headers"], json!({ "x-api-key": "(secret)" }));
    let said = format!("{page}{kit}{notes}");
    assert!(
        !said.contains("hunter") && !said.contains("in-the-query"),
        "{said}"
    );
    world
        .operator()
        .get("/v1/workers/none")
        .await
        .expect(404, "not_found");
}

#[tokio::test]
async fn changes_are_answered_with_the_lines_that_make_them() {
    let world = operated("").await;
    let operator = world.operator();
    let lines = |answer: crate::support::rest::Answer| {
        let said = answer.expect(409, "configured_in_file");
        assert_eq!(answer.header("x-should-retry"), "false");
        assert!(!answer.text.contains("hunter2"), "{answer:?}");
        said["toml"].as_str().unwrap().to_owned()
    };

    let kit = json!({ "id": "kit", "enabled": true, "http": {
        "uri": "http://127.0.0.1:8002/?a=${file:/etc/passwd}", "secret": "hunter2", "timeout": 30, "retry": 3,
    } });
    let config = pasted(&lines(operator.post("/v1/workers", &kit).await));
    let made = &config.upstreams["kit"];
    assert!(matches!(made.kind, UpstreamKind::Arcade(_)));
    assert_eq!(made.call_timeout.as_secs(), 30);
    assert_eq!(
        made.url.as_str(),
        "http://127.0.0.1:8002/?a=${file:/etc/passwd}",
        "no reference, a text"
    );

    let remote = json!({ "id": "remote", "mcp": {
        "uri": "https://mcp.example.com/mcp", "headers": { "X-Api-Key": "hunter2" }, "oauth2": { "client_id": "x" },
    } });
    let toml = lines(operator.post("/v1/workers", &remote).await);
    assert!(toml.starts_with("# ") && toml.contains("`auth`"), "{toml}");
    assert_eq!(pasted(&toml).upstreams["remote"].headers.len(), 1);

    let patch = json!({ "enabled": false, "mcp": { "timeout": 5 } });
    let toml = lines(operator.patch("/v1/workers/plain", &patch).await);
    assert!(
        toml.contains("[upstreams.plain]\n")
            && toml.contains("status = \"inactive\"")
            && toml.contains("call_timeout = \"5s\""),
        "{toml}"
    );
    let toml = lines(operator.delete("/v1/workers/plain").await);
    assert!(
        toml.contains("[upstreams.plain]\nstatus = \"inactive\""),
        "{toml}"
    );
    operator
        .patch("/v1/workers/none", &patch)
        .await
        .expect(404, "not_found");
    operator
        .delete("/v1/workers/none")
        .await
        .expect(404, "not_found");
    assert_eq!(
        operator.get("/v1/workers").await.good()["total_count"],
        2,
        "nothing was changed"
    );
}

#[tokio::test]
async fn lines_cannot_be_smuggled_into_the_file() {
    let world = operated("").await;
    for (id, uri) in [
        (
            "x]\n[api_keys.evil]\nhash = \"…\"\n[a",
            "https://mcp.example.com/",
        ),
        (
            "x",
            "https://mcp.example.com/\"\nadmin_listen = \"0.0.0.0:1",
        ),
        ("x", "https://user:hunter2@mcp.example.com/"),
        ("x", "file:///etc/passwd"),
        ("x", "not a url"),
    ] {
        let body = json!({ "id": id, "mcp": { "uri": uri } });
        let answer = world.operator().post("/v1/workers", &body).await;
        if answer.status == 409 {
            let toml = answer.json()["toml"].as_str().unwrap().to_owned();
            let table: toml::Table = toml.parse().unwrap();
            assert_eq!(table.keys().collect::<Vec<_>>(), ["upstreams"], "{toml}");
        } else {
            assert_eq!(answer.status, 400, "{answer:?}");
        }
    }
    for header in ["x\n[evil]", "", "ä", "a b"] {
        let body = json!({ "id": "x", "mcp": { "uri": "https://mcp.example.com/", "headers": { header: "v" } } });
        world
            .operator()
            .post("/v1/workers", &body)
            .await
            .expect(400, "invalid_headers");
    }
    for body in [
        json!({ "id": "x" }),
        json!({ "id": "x", "http": { "uri": "http://127.0.0.1:1/" } }),
        json!({ "id": "x", "http": {}, "mcp": {} }),
        json!({ "id": "x", "http": { "uri": "http://127.0.0.1:1/", "secret": "s", "timeout": -1 } }),
        json!({ "id": 7 }),
    ] {
        let answer = world.operator().post("/v1/workers", &body).await;
        assert_eq!(answer.status, 400, "{answer:?}");
    }
}

#[tokio::test]
async fn an_upstream_says_how_it_is_and_what_it_offers() {
    let more =
        "\n[upstreams.dead]\nurl = \"http://127.0.0.1:1/mcp\"\nconnect_timeout = \"500ms\"\n";
    let world = operated(more).await;
    let health = world
        .operator()
        .get("/v1/workers/plain/health")
        .await
        .good();
    assert_eq!(
        (&health["id"], &health["enabled"], &health["healthy"]),
        (&json!("plain"), &json!(true), &json!(true))
    );
    let tools = world
        .operator()
        .get("/v1/workers/plain/tools?limit=100")
        .await
        .good();
    let names: Vec<_> = tools["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["qualified_name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"plain.echo"), "{names:?}");
    assert!(
        tools["items"][0]["input"]["json_schema"].is_object(),
        "{tools}"
    );

    let dead = world.operator().get("/v1/workers/dead/health").await.good();
    assert_eq!(dead["healthy"], false);
    let tools = world.operator().get("/v1/workers/dead/tools").await;
    tools.expect(502, "upstream_unavailable");
    assert_eq!(tools.header("x-should-retry"), "false");
    for path in ["/v1/workers/none/health", "/v1/workers/none/tools"] {
        world.operator().get(path).await.expect(404, "not_found");
    }
}

#[tokio::test]
async fn a_tool_server_says_how_it_is_and_whose_secret_is_wrong() {
    let kit = worker::StandIn::start(vec![tool("Add", json!({}))]).await;
    let world = operated(&kit.section("kit", "")).await;
    let operator = world.operator();
    let health = operator.get("/v1/workers/kit/health").await.good();
    assert_eq!(health["healthy"], true, "{health}");
    let tools = operator.get("/v1/workers/kit/tools").await.good();
    assert_eq!(tools["items"][0]["fully_qualified_name"], "Kit.Add@1.2.3");
    assert_eq!(tools["items"][0]["toolkit"]["name"], "Kit");

    let uri = kit.url.as_str();
    for (secret, success) in [
        (Some(worker::SECRET), true),
        (Some("wrong"), false),
        (None, true),
    ] {
        let body = json!({ "type": "http", "http": { "uri": uri, "secret": secret } });
        let tested = operator.post("/v1/workers/test", &body).await.good();
        assert_eq!(tested["success"], success, "{secret:?}: {tested}");
    }
    kit.expect("another");
    let health = operator.get("/v1/workers/kit/health").await.good();
    assert_eq!(health["healthy"], false, "{health}");
    assert!(
        health["message"]
            .as_str()
            .unwrap()
            .contains("`upstreams.kit.secret`"),
        "{health}"
    );
}

#[tokio::test]
async fn an_address_is_tried_before_it_is_in_the_file() {
    let world = operated("").await;
    let operator: Rest = world.operator();
    let good = json!({ "type": "mcp", "mcp": { "uri": world.second.url } });
    let tested = operator.post("/v1/workers/test", &good).await.good();
    assert_eq!(tested["success"], true, "{tested}");
    assert!(tested["serverInfo"]["name"].is_string(), "{tested}");

    let nobody = json!({ "mcp": { "uri": "http://127.0.0.1:1/mcp" } });
    let tested = operator.post("/v1/workers/test", &nobody).await.good();
    assert_eq!(tested["success"], false);
    // What listens there is not what it was said to be, and its words go to nobody.
    let other = json!({ "http": { "uri": world.base, "secret": "s" } });
    let tested = operator.post("/v1/workers/test", &other).await.good();
    assert_eq!(tested["success"], false);
    for body in [
        json!({}),
        json!({ "http": { "uri": "x" } }),
        json!({ "mcp": { "uri": "file:///etc/passwd" } }),
    ] {
        let answer = operator.post("/v1/workers/test", &body).await;
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    // The upstreams that there are go on.
    let health = operator.get("/v1/workers/plain/health").await.good();
    assert_eq!(health["healthy"], true);
}
