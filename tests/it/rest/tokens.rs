//! Tokens are for upstreams, and for those programs whose operator says that they may see them.

use anteroom::config::Era;
use serde_json::{Value, json};

use crate::support::world::World;

/// Connects alice's account; everything that the program was told on the way.
async fn everything_told(world: &World) -> Vec<Value> {
    let rest = world.rest();
    let for_tool = json!({ "tool_name": "notes.echo", "user_id": "alice" });
    let for_provider = json!({
        "auth_requirement": { "provider_id": "acme", "provider_type": "oauth2", "oauth2": { "scopes": ["notes"] } },
        "user_id": "alice",
    });
    let asked = rest.post("/v1/tools/authorize", &for_tool).await.good();
    world.connect(asked["url"].as_str().unwrap(), "alice").await;
    let path = format!("/v1/auth/status?id={}", asked["id"].as_str().unwrap());
    vec![
        rest.get(&path).await.good(),
        rest.get(&format!("{path}&wait=5")).await.good(),
        rest.post("/v1/auth/authorize", &for_provider).await.good(),
        rest.post("/v1/tools/authorize", &for_tool).await.good(),
    ]
}

#[tokio::test]
async fn a_key_that_may_see_tokens_is_told_them_and_that_is_noted() {
    let mut world = World::start().await;
    let key = "[api_keys.team]\n";
    world
        .rewrite(key, &format!("{key}expose_tokens = true\n"))
        .await;
    let told = everything_told(&world).await;
    for answer in &told {
        assert_eq!(answer["status"], "completed");
        let token = answer["context"]["token"].as_str().unwrap();
        assert!(!token.is_empty());
        assert_eq!(answer["scopes"], json!(["notes"]));
        assert!(answer["context"]["user_info"].is_object());
    }
    let operators = world.operators();
    operators.trail.flush().await.unwrap();
    let mut export = operators
        .archive
        .export(anteroom::audit::Query::default())
        .await
        .unwrap();
    let mut shown = 0;
    while let Some(line) = export.next().await.unwrap() {
        let line: Value = serde_json::from_str(&line).unwrap();
        if line["event"] == "token_shown" {
            assert_eq!(
                (&line["api_key"], &line["user"]),
                (&json!("team"), &json!("alice"))
            );
            shown += 1;
        }
    }
    assert_eq!(shown, told.len());
}

#[tokio::test]
async fn attack_a_key_without_that_right_gets_no_token_anywhere() {
    let world = World::with(Era::Modern, "").await;
    for answer in everything_told(&world).await {
        assert_eq!(answer["status"], "completed");
        assert_eq!(answer["context"], json!({}));
    }
}
