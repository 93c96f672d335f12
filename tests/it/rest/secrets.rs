//! Secrets that are set while the gateway runs.

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
    sync::Arc,
};

use anteroom::{
    base::secret::ExposeSecret,
    store::{Store, sled::SledStore},
};
use serde_json::{Value, json};

use super::{operated, pasted};
use crate::{
    audit::program::{Serving, text, with_admin},
    support::{
        log::Log,
        rest::{OPERATOR_KEY, Rest},
        worker::{self, tool},
        world::World,
    },
};

const VALUE: &str = "hunter2-of-acme";

/// What the gateway would give to a tool.
async fn given(world: &World, name: &str) -> Option<String> {
    let operators = world.operators();
    let found = operators.secrets.find(&operators.live.now(), name).await;
    found
        .unwrap()
        .map(|secret| secret.expose_secret().to_owned())
}

#[tokio::test]
async fn a_secret_is_set_listed_replaced_and_removed_and_never_shown() {
    let log = Log::listen();
    let mut world = operated("").await;
    let set = json!({ "value": VALUE, "description": "Acme's key" });
    let first = world
        .operator()
        .post("/v1/admin/secrets/ACME_KEY", &set)
        .await
        .good();
    assert_eq!(first["id"], "ACME_KEY");
    assert_eq!(first["binding"]["type"], "project");
    assert_eq!(given(&world, "ACME_KEY").await.as_deref(), Some(VALUE));

    world.advance(60);
    let set = json!({ "value": "another-value-of-acme" });
    let again = world
        .operator()
        .post("/v1/admin/secrets/ACME_KEY", &set)
        .await
        .good();
    assert_eq!(again["created_at"], first["created_at"]);
    assert_ne!(again["updated_at"], first["updated_at"]);
    assert_eq!(again["description"], "Acme's key");

    // The SDKs go on while there is more: all five fields.
    let page = world.operator().get("/v1/admin/secrets").await.good();
    assert_eq!(
        page,
        json!({ "items": [again], "limit": 25, "offset": 0, "page_count": 1, "total_count": 1 })
    );

    world.restart().await;
    assert_eq!(
        given(&world, "ACME_KEY").await.as_deref(),
        Some("another-value-of-acme")
    );
    let left = world.operator().delete("/v1/admin/secrets/ACME_KEY").await;
    assert_eq!((left.status, left.text.as_str()), (204, ""));
    assert_eq!(given(&world, "ACME_KEY").await, None);
    world
        .operator()
        .delete("/v1/admin/secrets/ACME_KEY")
        .await
        .expect(404, "not_found");

    let said = format!("{first}{again}{page}");
    for value in [VALUE, "another-value-of-acme"] {
        assert!(!said.contains(value), "{said}");
        assert!(!log.text().contains(value), "{:?}", log.lines(value));
    }
}

/// One of its tools needs a secret that the other does not name.
#[tokio::test]
async fn a_tool_that_names_a_secret_gets_it_as_soon_as_it_is_set_and_no_other_does() {
    let needs = json!({ "requirements": { "secrets": [{ "key": "ACME_KEY" }] } });
    let kit = worker::StandIn::start(vec![tool("Sign", needs), tool("Add", json!({}))]).await;
    let mut world = operated(&kit.section("kit", "")).await;
    world
        .rewrite(r#"tools = ["notes.*""#, r#"tools = ["kit.*", "notes.*""#)
        .await;
    let client = world.client("alice");

    let without = client.call("Kit_Sign", json!({})).await.result();
    assert_eq!(without["isError"], true, "{without}");
    assert!(without.to_string().contains("ACME_KEY"), "{without}");
    assert!(kit.invoked().is_empty());

    let set = json!({ "value": VALUE });
    world
        .operator()
        .post("/v1/admin/secrets/ACME_KEY", &set)
        .await
        .good();
    let result = client.call("Kit_Sign", json!({})).await.result();
    assert!(
        result["isError"].is_null() || result["isError"] == false,
        "{result}"
    );
    assert!(!result.to_string().contains(VALUE), "{result}");
    client.call("Kit_Add", json!({})).await.result();
    let asked = kit.invoked();
    assert_eq!(
        asked[0]["context"]["secrets"],
        json!([{ "key": "ACME_KEY", "value": VALUE }]),
        "{asked:?}"
    );
    assert!(!asked[1].to_string().contains(VALUE), "{asked:?}");
}

#[tokio::test]
async fn what_the_file_says_wins_and_is_changed_there() {
    let world = operated("\n[secrets]\nACME_KEY = \"from-the-file\"\n\"odd.name\" = \"x\"\n").await;
    assert_eq!(
        given(&world, "ACME_KEY").await.as_deref(),
        Some("from-the-file")
    );
    let page = world.operator().get("/v1/admin/secrets").await.good();
    assert_eq!(
        page["items"][0],
        json!({ "id": "ACME_KEY", "key": "ACME_KEY", "binding": { "id": "gateway.toml", "type": "static" } })
    );

    for name in ["ACME_KEY", "odd.name"] {
        let path = format!("/v1/admin/secrets/{name}");
        let set = world
            .operator()
            .post(&path, &json!({ "value": VALUE }))
            .await;
        for refused in [set, world.operator().delete(&path).await] {
            let said = refused.expect(409, "configured_in_file");
            // Else the SDKs would try a conflict again.
            assert_eq!(refused.header("x-should-retry"), "false");
            assert!(!refused.text.contains(VALUE) && !refused.text.contains("from-the-file"));
            let config = pasted(said["toml"].as_str().unwrap());
            assert_eq!(config.secrets[name].expose_secret(), "hunter2");
        }
    }
}

#[tokio::test]
async fn names_and_values_that_cannot_be_are_refused() {
    let world = operated("").await;
    let operator = world.operator();
    let value = json!({ "value": "x" });
    for name in [
        "a%20b",
        "%2e%2e%2fx",
        "%ff",
        "%00",
        &"x".repeat(101),
        "%F0%9F%97%9D",
    ] {
        let answer = operator
            .post(&format!("/v1/admin/secrets/{name}"), &value)
            .await;
        assert!([400, 404].contains(&answer.status), "{name}: {answer:?}");
    }
    let path = "/v1/admin/secrets/NAME";
    for (body, name) in [
        (json!({ "value": "" }), "invalid_value"),
        (json!({ "value": "ä".repeat(5001) }), "invalid_value"),
        (
            json!({ "value": "x", "description": "x".repeat(501) }),
            "invalid_description",
        ),
        (json!({ "value": ["hunter2"] }), "invalid_request"),
        (json!({}), "invalid_request"),
        (json!([]), "invalid_request"),
    ] {
        let answer = operator.post(path, &body).await;
        answer.expect(400, name);
        assert!(!answer.text.contains("hunter2"));
    }
    let long = json!({ "value": "ä".repeat(5000) });
    operator.post(path, &long).await.good();
    let huge = json!({ "value": "x".repeat(70_000) });
    operator.post(path, &huge).await.expect(413, "too_large");
    let total = &operator.get("/v1/admin/secrets?limit=1").await.good()["total_count"];
    assert_eq!(total, 1);
}

/// Somebody who can write to the store has the sealed value of one secret stand for another.
#[tokio::test]
async fn a_value_that_was_moved_to_another_name_does_not_open() {
    let mut world = operated("").await;
    let value = json!({ "value": VALUE });
    world
        .operator()
        .post("/v1/admin/secrets/ONE", &value)
        .await
        .good();
    world.stop().await;
    {
        let path = world.directory.path().join("store");
        let store = SledStore::open(&path, Arc::new(world.clock.clone())).unwrap();
        let record = store.get("secrets/ONE").await.unwrap().unwrap();
        assert!(!String::from_utf8_lossy(&record.value).contains(VALUE));
        store
            .create("secrets/OTHER", record.value, None)
            .await
            .unwrap()
            .unwrap();
    }
    world.restart().await;
    let operators = world.operators();
    let error = operators
        .secrets
        .find(&operators.live.now(), "OTHER")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("secrets/OTHER"), "{error}");
    assert_eq!(given(&world, "ONE").await.as_deref(), Some(VALUE));
}

/// The program, with something at its standard input.
fn anteroom(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_anteroom"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("ANTEROOM_CONFIG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

#[tokio::test]
async fn the_command_sets_secrets_in_the_store_and_through_the_gateway_that_has_it() {
    let mut world = operated("\n[secrets]\nFIXED = \"from-the-file\"\n").await;
    world.stop().await;
    let folder = world.directory.path();
    let set = anteroom(
        folder,
        &["secrets", "set", "ONE", "--description", "The first"],
        &format!("{VALUE}\n"),
    );
    assert!(set.status.success(), "{set:?}");
    assert_eq!(text(&set.stdout), "set ONE\n");

    let address = with_admin(folder);
    let serving = Serving::start(folder, &format!("http://{address}/healthz")).await;
    let two = anteroom(folder, &["secrets", "set", "TWO"], "two-of-acme");
    assert!(two.status.success(), "{two:?}");
    let list = anteroom(folder, &["secrets", "list", "--json"], "");
    let lines: Vec<Value> = text(&list.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let names: Vec<_> = lines
        .iter()
        .map(|line| (&line["name"], &line["place"]))
        .collect();
    let (file, store) = (json!("gateway.toml"), json!("store"));
    assert_eq!(
        names,
        [
            (&json!("FIXED"), &file),
            (&json!("ONE"), &store),
            (&json!("TWO"), &store)
        ]
    );
    assert_eq!(lines[1]["description"], "The first");

    let program = Rest::new(&world.base, OPERATOR_KEY)
        .get("/v1/admin/secrets")
        .await
        .good();
    assert_eq!(program["total_count"], 3, "the same secrets");
    for (arguments, why) in [
        (&["secrets", "delete", "FIXED"][..], "gateway.toml"),
        (&["secrets", "set", "FIXED"][..], "gateway.toml"),
        (&["secrets", "delete", "NONE"][..], "no such secret"),
        (&["secrets", "set", "no name"][..], "1 to 100 letters"),
        (
            &["secrets", "set", "../admin/reload"][..],
            "1 to 100 letters",
        ),
    ] {
        let refused = anteroom(folder, arguments, "some-value");
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert!(text(&refused.stderr).contains(why), "{refused:?}");
    }
    let nothing = anteroom(folder, &["secrets", "set", "THREE"], "\n");
    assert!(
        !nothing.status.success() && text(&nothing.stderr).contains("empty"),
        "{nothing:?}"
    );
    // A value in the arguments is seen by everybody on the machine.
    let argument = anteroom(folder, &["secrets", "set", "THREE", "value"], "");
    assert_eq!(argument.status.code(), Some(2), "{argument:?}");

    let gone = anteroom(folder, &["secrets", "delete", "ONE"], "");
    assert_eq!(text(&gone.stdout), "deleted ONE\n");
    serving.kill();
    let list = anteroom(folder, &["secrets", "list"], "");
    let said = text(&list.stdout);
    assert!(
        said.contains("TWO  in store") && !said.contains("ONE"),
        "{said}"
    );
    for output in [set, two, list] {
        let said = format!("{output:?}");
        assert!(
            !said.contains(VALUE) && !said.contains("two-of-acme"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_page_that_got_hold_of_an_operators_browser_sets_no_secret() {
    let mut world = World::start().await;
    world.stop().await;
    let folder = world.directory.path();
    let address = with_admin(folder);
    let _serving = Serving::start(folder, &format!("http://{address}/healthz")).await;
    let url = format!("http://{address}/admin/secrets/ONE");
    let client = reqwest::Client::new();
    let put = || client.put(&url).json(&json!({ "value": VALUE }));
    let from_a_page = put()
        .header("origin", "https://evil.example")
        .send()
        .await
        .unwrap();
    assert_eq!(from_a_page.status(), 403);
    let rebound = put().header("host", "evil.example").send().await.unwrap();
    assert_eq!(rebound.status(), 403);
    let garbage = client
        .put(&url)
        .header("content-type", "application/json")
        .body("{\"value\": 77777}");
    let garbage = garbage.send().await.unwrap();
    assert_eq!(garbage.status(), 400);
    assert!(!garbage.text().await.unwrap().contains("77777"));
    let list = client
        .get(format!("http://{address}/admin/secrets"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        list.json::<Value>().await.unwrap(),
        json!({ "secrets": [] })
    );
}

#[tokio::test]
async fn keys_are_issued_with_what_they_may_do() {
    let folder = tempfile::tempdir().unwrap();
    let issue = [
        "keys",
        "issue",
        "ops",
        "--user-source",
        "team",
        "--admin",
        "--expose-tokens",
        "--gateway",
        "work",
        "--json",
    ];
    let issued = anteroom(folder.path(), &issue, "");
    let issued: Value = serde_json::from_slice(&issued.stdout).unwrap();
    let toml = issued["toml"].as_str().unwrap();
    let config = crate::config::parse(&format!(
        "[user_sources.team]\ntype = \"accounts\"\n[upstreams.notes]\nurl = \"http://127.0.0.1:1/mcp\"\n[gateways.work]\nuser_source = \"team\"\naccess = [\"headers\"]\ntools = [\"notes.*\"]\n{toml}"
    ));
    let config = config.unwrap_or_else(|problems| panic!("{problems}"));
    let key = &config.api_keys["ops"];
    assert!(key.admin && key.expose_tokens);
    assert_eq!(key.gateway.as_ref().unwrap().as_str(), "work");
}
