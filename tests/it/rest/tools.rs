//! Tools as programs find them: by the page, by any of their names, in every format, with what they need.

use serde_json::{Value, json};

use crate::support::{upstream::tool, world::World};

/// A world whose upstream `plain` has these tools.
pub(super) async fn world_with(tools: Vec<Value>) -> World {
    let world = World::start().await;
    *world.second.inside.tools.lock().unwrap() = tools;
    world
}

/// A tool that says much of itself.
pub(super) fn send() -> Value {
    json!({
        "name": "send_email",
        "description": "Sends an e-mail.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "to": { "type": "string", "description": "Whom" },
                "tags": { "type": "array", "items": { "type": "string" } },
            },
            "required": ["to"],
        },
        "annotations": { "readOnlyHint": false, "destructiveHint": true },
    })
}

fn names(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().unwrap().iter();
    items
        .map(|item| item["qualified_name"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_program_reads_page_after_page_until_it_has_them_all() {
    let tools = (0..60).map(|number| tool(&format!("tool_{number:02}")));
    let world = world_with(tools.collect()).await;
    let (mut offset, mut found) = (0, Vec::new());
    loop {
        let path = format!("/v1/tools?toolkit=plain&offset={offset}");
        let page = world.rest().get(&path).await.good();
        let items = page["items"].as_array().unwrap().len() as u64;
        assert_eq!(
            (
                &page["limit"],
                &page["offset"],
                &page["page_count"],
                &page["total_count"]
            ),
            (&json!(25), &json!(offset), &json!(items), &json!(60))
        );
        found.extend(names(&page).into_iter().map(str::to_owned));
        offset += items;
        if offset >= page["total_count"].as_u64().unwrap() {
            break;
        }
    }
    let all: Vec<_> = (0..60)
        .map(|number| format!("plain.tool_{number:02}"))
        .collect();
    assert_eq!(found, all);
    let most = world
        .rest()
        .get("/v1/tools?limit=1000&toolkit=plain")
        .await
        .good();
    assert_eq!(
        (&most["limit"], &most["page_count"]),
        (&json!(100), &json!(60))
    );
}

#[tokio::test]
async fn a_tool_of_an_mcp_server_is_told_in_the_words_of_arcades_sdks() {
    let world = world_with(vec![send()]).await;
    let path = "/v1/tools/plain.send_email?include_format=openai%2Canthropic&user_id=alice";
    let found = world.rest().get(path).await.good();
    assert_eq!(found["qualified_name"], "plain.send_email");
    assert_eq!(found["fully_qualified_name"], "plain.send_email@1");
    assert_eq!(found["toolkit"]["name"], "plain");
    assert_eq!(found["toolkit"]["version"], "1");
    let parameters = found["input"]["parameters"].as_array().unwrap();
    let of = |name: &str| parameters.iter().find(|it| it["name"] == name).unwrap();
    assert_eq!(of("to")["value_schema"]["val_type"], "string");
    assert_eq!(
        (&of("to")["required"], &of("to")["description"]),
        (&json!(true), &json!("Whom"))
    );
    let tags = &of("tags")["value_schema"];
    assert_eq!(
        (&tags["val_type"], &tags["inner_val_type"]),
        (&json!("array"), &json!("string"))
    );
    assert_eq!(found["requirements"], json!({ "met": true }));
    assert_eq!(found["metadata"]["behavior"]["destructive"], true);
    let function = &found["formatted_schema"]["openai"]["function"];
    assert_eq!(function["name"], "plain_send_email");
    assert_eq!(function["parameters"]["required"], json!(["to"]));
    assert_eq!(
        found["formatted_schema"]["anthropic"]["input_schema"],
        function["parameters"]
    );
}

#[tokio::test]
async fn formats_are_what_apis_of_models_take() {
    let world = world_with(vec![send(), tool("echo")]).await;
    let rest = world.rest();
    let openai = rest
        .get("/v1/formatted_tools?format=openai&toolkit=PLAIN")
        .await
        .good();
    assert_eq!(openai["total_count"], 2);
    let first = &openai["items"][0];
    assert_eq!(first["type"], "function");
    assert_eq!(first["function"]["description"], "Sends an e-mail.");
    assert!(first["function"].get("strict").is_none());
    let echo = &openai["items"][1]["function"]["parameters"];
    assert_eq!(
        *echo,
        json!({ "type": "object", "properties": {}, "required": [] })
    );

    let strict = rest
        .get("/v1/formatted_tools/plain_send_email?format=openai&strict=true")
        .await;
    let function = &strict.good()["function"];
    assert_eq!(function["strict"], true);
    let parameters = &function["parameters"];
    assert_eq!(parameters["additionalProperties"], false);
    assert_eq!(
        parameters["properties"]["tags"]["type"],
        json!(["array", "null"])
    );
    let mut required: Vec<_> = parameters["required"].as_array().unwrap().iter().collect();
    required.sort_by_key(|name| name.as_str());
    assert_eq!(required, ["tags", "to"]);

    let anthropic = rest
        .get("/v1/formatted_tools/plain.echo?format=anthropic")
        .await
        .good();
    assert_eq!(anthropic["name"], "plain_echo");
    let arcade = rest
        .get("/v1/formatted_tools/plain.echo?format=arcade")
        .await
        .good();
    assert_eq!(arcade, rest.get("/v1/tools/plain.echo").await.good());
    rest.get("/v1/formatted_tools?format=gemini")
        .await
        .expect(400, "unknown_format");
    rest.get("/v1/tools?include_format=openai,gemini")
        .await
        .expect(400, "unknown_format");
}

#[tokio::test]
async fn what_a_tool_needs_is_told_for_the_user_who_is_named() {
    let world = World::start().await;
    let rest = world.rest();
    let needs = |user: &'static str| {
        let rest = rest.clone();
        async move {
            let path = format!("/v1/tools?limit=30&toolkit=Notes{user}");
            let page = rest.get(&path).await.good();
            page["items"][0]["requirements"].clone()
        }
    };
    let nobodys = needs("").await;
    assert_eq!(nobodys["authorization"]["id"], "acme");
    assert_eq!(nobodys["authorization"]["status"], "active");
    assert_eq!(nobodys["authorization"]["provider_type"], "oauth2");
    assert_eq!(
        nobodys["authorization"]["oauth2"]["scopes"],
        json!(["notes"])
    );
    assert!(nobodys["authorization"].get("token_status").is_none());
    let alices = needs("&user_id=alice").await;
    assert_eq!(alices["met"], false);
    assert_eq!(alices["authorization"]["token_status"], "not_started");
    let body = json!({ "tool_name": "Notes_Echo", "user_id": "alice" });
    let asked = rest.post("/v1/tools/authorize", &body).await.good();
    world.connect(asked["url"].as_str().unwrap(), "alice").await;
    let alices = needs("&user_id=alice").await;
    assert_eq!(alices["met"], true);
    assert_eq!(alices["authorization"]["token_status"], "completed");
    let bobs = needs("&user_id=bob").await;
    assert_eq!(bobs["authorization"]["token_status"], "not_started");
}

#[tokio::test]
async fn the_requirements_of_several_tools_are_begun_with_one_request() {
    let world = World::start().await;
    let rest = world.rest();
    let body =
        json!({ "tool_names": ["notes.echo", "Plain_Echo", "NOTES.ECHO"], "user_id": "alice" });
    let told = rest.post("/v1/tools/requirements", &body).await.good();
    assert_eq!(told["met"], false);
    let acme = &told["authorization"]["items"]["acme"];
    assert_eq!(
        (&acme["met"], &acme["token_status"]),
        (&json!(false), &json!("not_started"))
    );
    assert_eq!(acme["tool_names"], json!(["notes.echo"]));
    assert!(acme.get("url").is_none());
    assert_eq!(told["secrets"], json!({ "met": true, "items": {} }));

    let mut begin = body.clone();
    begin["authorize"] = true.into();
    let begun = rest.post("/v1/tools/requirements", &begin).await.good();
    let acme = &begun["authorization"]["items"]["acme"];
    assert_eq!(acme["token_status"], "pending");
    world.connect(acme["url"].as_str().unwrap(), "alice").await;
    let id = acme["authorization_id"].as_str().unwrap();
    let status = rest.get(&format!("/v1/auth/status?id={id}")).await.good();
    assert_eq!(status["status"], "completed");
    let told = rest.post("/v1/tools/requirements", &body).await.good();
    assert_eq!(told["met"], true);

    for (body, name, status) in [
        (json!({ "tool_names": [] }), "invalid_request", 400),
        (json!({}), "invalid_request", 400),
        (
            json!({ "tool_names": vec!["plain.echo"; 101] }),
            "invalid_request",
            400,
        ),
        (json!({ "tool_names": ["plain.nothing"] }), "not_found", 404),
        (
            json!({ "tool_names": ["notes.echo"], "authorize": true }),
            "user_id_required",
            400,
        ),
    ] {
        rest.post("/v1/tools/requirements", &body)
            .await
            .expect(status, name);
    }
}

#[tokio::test]
async fn a_filter_chooses_by_what_tools_say_of_themselves() {
    let world = world_with(vec![send(), tool("echo")]).await;
    let rest = world.rest();
    let filtered = |filter: &str| {
        let filter: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
        let path = format!("/v1/tools?filter={filter}");
        let rest = rest.clone();
        async move { rest.get(&path).await }
    };
    let found = filtered(r#"{"destructive":true}"#).await.good();
    assert_eq!(names(&found), ["plain.send_email"]);
    let found = filtered(r#"{"read_only":true}"#).await.good();
    assert_eq!(found["total_count"], 0);
    filtered("{").await.expect(400, "invalid_filter");
    filtered(r#"{"colour":"red"}"#)
        .await
        .expect(400, "invalid_filter");
}

#[tokio::test]
async fn a_key_of_another_user_source_sees_and_runs_nothing() {
    use crate::support::{rest::Rest, world::OTHER_KEY};

    let world = World::start().await;
    let theirs = Rest::new(&world.base, OTHER_KEY);
    theirs.get("/v1/tools").await.expect(403, "no_gateway");
    theirs
        .get("/v1/tools/plain.echo")
        .await
        .expect(403, "no_gateway");
    let body = json!({ "tool_name": "plain.echo", "user_id": "alice" });
    theirs
        .post("/v1/tools/execute", &body)
        .await
        .expect(403, "no_gateway");
    theirs
        .post("/v1/tools/authorize", &body)
        .await
        .expect(403, "no_gateway");
    let methods = world.second.methods();
    assert!(!methods.contains(&"tools/call".to_owned()), "{methods:?}");
}

#[tokio::test]
async fn tools_that_the_gateway_hides_are_not_there() {
    let world = world_with(vec![tool("hidden_echo"), tool("echo")]).await;
    let rest = world.rest();
    let page = rest.get("/v1/tools?toolkit=plain").await.good();
    assert_eq!(names(&page), ["plain.echo"]);
    rest.get("/v1/tools/plain.hidden_echo")
        .await
        .expect(404, "not_found");
    let body = json!({ "tool_name": "plain_hidden_echo" });
    rest.post("/v1/tools/execute", &body)
        .await
        .expect(404, "not_found");
}

#[tokio::test]
async fn queries_that_mean_nothing_are_refused_in_one_shape() {
    let world = World::start().await;
    let rest = world.rest();
    for path in [
        "/v1/tools?limit=0",
        "/v1/tools?limit=-1",
        "/v1/tools?limit=many",
        "/v1/tools?offset=-1",
        "/v1/tools?offset=18446744073709551615",
        "/v1/tools?limit=1&limit=2",
        "/v1/tools?include_all_versions=perhaps",
        "/v1/formatted_tools?strict=maybe",
    ] {
        rest.get(path).await.expect(400, "invalid_request");
    }
    rest.get("/v1/tools?user_id=")
        .await
        .expect(400, "invalid_user_id");
    rest.get("/v1/tools?user_id=a%00b")
        .await
        .expect(400, "invalid_user_id");
    rest.get("/v1/tools?user_id=mallory")
        .await
        .expect(400, "unknown_user");
    rest.get("/v1/tools/%ff").await.expect(404, "not_found");
    rest.get(&format!("/v1/tools/{}", "x".repeat(5000)))
        .await
        .expect(404, "not_found");
    let project = rest
        .get("/v1/orgs/acme/projects/main/tools?limit=1")
        .await
        .good();
    assert_eq!(project["page_count"], 1);
}
