//! What clients of Arcade's rely on without asking for it.

use std::time::{Duration, Instant};

use anteroom::config::Era;
use serde_json::{Value, json};

use super::operated;
use crate::support::{
    upstream::Manner,
    worker::{StandIn, account, tool},
    world::World,
};

/// They go on to the next page while `offset` and the items they got are less than `total_count`.
#[tokio::test]
async fn every_list_is_a_page_with_all_five_members() {
    let world = operated("").await;
    let operator = world.operator();
    for path in [
        "/v1/tools",
        "/v1/formatted_tools",
        "/v1/scheduled_tools",
        "/v1/workers",
        "/v1/workers/plain/tools",
        "/v1/admin/auth_providers",
        "/v1/admin/user_connections",
        "/v1/admin/secrets",
    ] {
        let page = operator.get(path).await.good();
        let items = page["items"].as_array().unwrap().len();
        assert_eq!(page["page_count"], items, "{path}");
        assert_eq!(
            (&page["limit"], &page["offset"]),
            (&json!(25), &json!(0)),
            "{path}"
        );
        assert!(
            page["total_count"].as_u64().unwrap() >= items as u64,
            "{path}"
        );
        let most = operator.get(&format!("{path}?limit=1000")).await.good();
        assert_eq!(most["limit"], 100, "{path}");
        for odd in ["limit=0", "limit=-1", "limit=x", "offset=-1"] {
            let refused = operator.get(&format!("{path}?{odd}")).await;
            refused.expect(400, "invalid_request");
        }
    }
}

/// Their methods for these two take no page, and give no second one.
#[tokio::test]
async fn secrets_are_listed_whole_where_nobody_asks_for_a_page() {
    let world = operated("").await;
    let operator = world.operator();
    for number in 0..30 {
        let path = format!("/v1/admin/secrets/KEY_{number:02}");
        operator.post(&path, &json!({ "value": "s3" })).await.good();
    }
    let whole = operator.get("/v1/admin/secrets").await.good();
    assert_eq!(whole["items"].as_array().unwrap().len(), 30);
    assert_eq!(
        (&whole["limit"], &whole["total_count"]),
        (&json!(30), &json!(30))
    );
    let page = operator
        .get("/v1/admin/secrets?limit=25&offset=25")
        .await
        .good();
    assert_eq!(page["page_count"], 5);
}

/// Scopes add up at one provider: what a connected account is good for is told, not what was asked of it last.
#[tokio::test]
async fn an_account_is_told_with_all_that_it_is_good_for() {
    let more =
        json!({ "authorization": { "id": "acme", "oauth2": { "scopes": ["notes", "more"] } } });
    let kit = StandIn::start(vec![
        tool("Read", json!({ "requirements": account("acme") })),
        tool("More", json!({ "requirements": more })),
    ])
    .await;
    let mut world = World::with(Era::Modern, &kit.section("kit", "")).await;
    world
        .rewrite("tools = [\"notes.*\"", "tools = [\"kit.*\", \"notes.*\"")
        .await;
    let rest = world.rest();
    let authorize = async |name: &str| {
        let body = json!({ "tool_name": name, "user_id": "alice" });
        rest.post("/v1/tools/authorize", &body).await.good()
    };
    let scopes = |said: &Value| {
        let mut scopes: Vec<String> = serde_json::from_value(said["scopes"].clone()).unwrap();
        scopes.sort();
        scopes
    };
    let asked = authorize("Kit.More").await;
    world.connect(asked["url"].as_str().unwrap(), "alice").await;
    let settled = authorize("Kit.Read").await;
    assert_eq!(settled["status"], "completed");
    assert_eq!(scopes(&settled), ["more", "notes"]);
    let path = format!("/v1/auth/status?id={}", asked["id"].as_str().unwrap());
    assert_eq!(scopes(&rest.get(&path).await.good()), ["more", "notes"]);
}

/// A tool that finds out while it runs that it needs an account of its own says so in `output.authorization`.
#[tokio::test]
async fn an_account_that_a_tool_wants_while_it_runs_is_told_with_its_link() {
    let kit = StandIn::start(vec![tool("Add", json!({}))]).await;
    let mut world = World::with(Era::Modern, &kit.section("kit", "")).await;
    world
        .rewrite("tools = [\"notes.*\"", "tools = [\"kit.*\", \"notes.*\"")
        .await;
    let link = "https://acme.example/connect";
    let wants = json!({ "authorization_url": link, "authorization_id": "a1", "scopes": ["s"], "status": "pending" });
    let wants = json!({ "success": false, "output": { "requires_authorization": wants } });
    kit.answer("Add", [wants]);
    let body = json!({ "tool_name": "Kit.Add" });
    let ran = world.rest().post("/v1/tools/execute", &body).await.good();
    let wanted = &ran["output"]["authorization"];
    assert_eq!(
        (&ran["success"], &wanted["status"]),
        (&json!(false), &json!("pending"))
    );
    assert_eq!(
        (&wanted["url"], &wanted["id"]),
        (&json!(link), &json!("a1"))
    );
}

/// `shutdown_grace` is how long all of it may take, also what goes on when its caller is gone.
#[tokio::test]
async fn a_stop_gives_runs_one_grace_and_not_one_after_the_other() {
    let mut world = World::start().await;
    world
        .rewrite("call_timeout = \"5s\"", "call_timeout = \"60s\"")
        .await;
    world
        .rewrite("shutdown_grace = \"5s\"", "shutdown_grace = \"2s\"")
        .await;
    world.second.misbehave("tools/call", Manner::Hang);
    let rest = world.rest().with("idempotency-key", "k");
    let waiting = tokio::spawn(async move {
        let body = json!({ "tool_name": "plain.echo" });
        rest.send(reqwest::Method::POST, "/v1/tools/execute", Some(&body))
            .await
    });
    world.second.wait_for("tools/call", 1).await;
    let begun = Instant::now();
    world.stop().await;
    assert!(
        begun.elapsed() < Duration::from_millis(3800),
        "{:?}",
        begun.elapsed()
    );
    waiting.abort();
}
