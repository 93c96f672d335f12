//! Items 73 to 80: what the endpoint makes of tokens.

use anteroom::config::Era;
use reqwest::StatusCode;
use serde_json::json;

use crate::support::{
    browser::Browser,
    client::{Answer, Client},
    oauth::Program,
    world::{PASSWORD, World},
};

fn challenge(answer: &Answer) -> String {
    let header = &answer.headers["www-authenticate"];
    header.to_str().unwrap().to_owned()
}

async fn listed(client: &Client) -> Answer {
    client.request("tools/list", json!({})).await
}

#[tokio::test]
async fn item_73_no_token_is_401_with_where_to_sign_in_and_no_error() {
    let world = World::signing_in("").await;
    let answer = listed(&world.client("alice").with_key(None).with_user(None)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let metadata = format!(
        "{}/.well-known/oauth-protected-resource/mcp/work",
        world.base
    );
    assert_eq!(
        challenge(&answer),
        format!(r#"Bearer resource_metadata="{metadata}", scope="mcp:tools""#)
    );
}

#[tokio::test]
async fn item_74_a_bad_token_is_401_invalid_token_and_says_where_to_get_another() {
    let world = World::signing_in("").await;
    let (program, tokens) = world.tokens("alice").await;
    assert_eq!(
        listed(&world.bearer(&tokens.access)).await.status,
        StatusCode::OK
    );
    let (header, rest) = tokens.access.split_once('.').unwrap();
    let refused = async |token: &str| {
        let answer = listed(&world.bearer(token)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{token}");
        let challenge = challenge(&answer);
        assert!(
            challenge.starts_with(r#"Bearer error="invalid_token", error_description=""#),
            "{challenge}"
        );
        assert!(
            challenge.contains("resource_metadata=") && challenge.contains("scope="),
            "{challenge}"
        );
        assert!(token.is_empty() || !answer.text.contains(token));
    };
    for token in [
        "garbage",
        "arc_world-key-of-the-team",
        &format!("{header}.{}", &rest[1..]),
        &format!("{}A", tokens.access),
        &tokens.refresh,
    ] {
        refused(token).await;
    }
    program.revoke(&tokens.access).await;
    refused(&tokens.access).await;

    let (_, tokens) = world.tokens("alice").await;
    world.advance(601);
    refused(&tokens.access).await;
}

#[tokio::test]
async fn item_75_a_token_in_the_query_is_no_token() {
    let world = World::signing_in("").await;
    let (_, tokens) = world.tokens("alice").await;
    let endpoint = format!("{}?access_token={}", world.endpoint(), tokens.access);
    let client = Client::new(&endpoint, "", "")
        .with_key(None)
        .with_user(None);
    let answer = listed(&client).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(!challenge(&answer).contains("error="), "as without a token");
}

#[tokio::test]
async fn item_76_a_token_for_one_endpoint_opens_no_other() {
    let other =
        "\n[gateways.other]\nuser_source = \"team\"\naccess = [\"oauth\"]\ntools = [\"plain.*\"]\n";
    let world = World::signing_in(other).await;
    let (_, tokens) = world.tokens("alice").await;
    for endpoint in ["/mcp/other", "/mcp"] {
        let client = Client::new(&format!("{}{endpoint}", world.base), &tokens.access, "");
        let answer = listed(&client.with_user(None)).await;
        let expected = if endpoint == "/mcp" {
            StatusCode::NOT_FOUND
        } else {
            StatusCode::UNAUTHORIZED
        };
        assert_eq!(answer.status, expected, "{endpoint}: {}", answer.text);
    }
}

#[tokio::test]
async fn item_77_a_token_without_the_scope_is_403_with_the_scope_to_ask_for() {
    let world = World::signing_in("").await;
    let program = Program::register(&world.base).await;
    let browser = Browser::new();
    let request = program.request(&world.endpoint(), |parameters| {
        parameters.retain(|(name, _)| *name != "scope");
        parameters.push(("scope", "mcp offline_access".to_owned()));
    });
    let page = browser.open(request).await;
    let page = program.go_on(&browser, page, "alice", PASSWORD).await;
    let wide = program.trade(&program.code(&page), |_| {}).await.tokens();
    let answer = listed(&world.bearer(&wide.access)).await;
    assert_eq!(
        answer.status,
        StatusCode::OK,
        "the broader scope implies it"
    );

    let narrow = program
        .refresh_for(&wide.refresh, "offline_access")
        .await
        .tokens();
    let answer = listed(&world.bearer(&narrow.access)).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text);
    let challenge = challenge(&answer);
    assert!(
        challenge.contains(r#"error="insufficient_scope""#),
        "{challenge}"
    );
    assert!(challenge.contains(r#"scope="mcp:tools""#), "{challenge}");
}

#[tokio::test]
async fn item_78_the_metadata_of_an_endpoint_names_exactly_it() {
    let world = World::signing_in("").await;
    let program = Program::unregistered(&world.base).await;
    for (path, resource) in [
        ("/mcp/work", world.endpoint()),
        ("/mcp", format!("{}/mcp", world.base)),
    ] {
        let said = program
            .get(&format!("/.well-known/oauth-protected-resource{path}"))
            .await;
        assert_eq!(said.status, StatusCode::OK);
        assert_eq!(said.json["resource"], resource);
        assert_eq!(said.json["authorization_servers"], json!([world.base]));
        assert_eq!(said.headers["access-control-allow-origin"], "*");
    }
    let unknown = program
        .get("/.well-known/oauth-protected-resource/mcp/never")
        .await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_slash_at_the_end_of_an_endpoints_address_does_no_harm() {
    let world = World::signing_in("").await;
    let (_, tokens) = world.tokens("alice").await;
    for endpoint in ["/mcp/work", "/mcp"] {
        let with_slash = format!("{}{endpoint}/", world.base);
        let client = Client::new(&with_slash, &tokens.access, "nobody").with_user(None);
        let answer = listed(&client).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let challenge = challenge(&listed(&client.with_key(None)).await);
        let metadata = format!(
            "{}/.well-known/oauth-protected-resource{endpoint}\"",
            world.base
        );
        assert!(challenge.contains(&metadata), "{challenge}");
    }
}

#[tokio::test]
async fn a_gateway_with_keys_only_publishes_nothing_that_would_send_clients_to_sign_in() {
    let world = World::with(Era::Modern, "").await;
    let program = Program::unregistered(&world.base).await;
    for path in [
        "/.well-known/oauth-protected-resource/mcp/work",
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
    ] {
        assert_eq!(
            program.get(path).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    let answer = listed(&world.client("alice").with_key(None)).await;
    assert_eq!(challenge(&answer), "Bearer");
}

#[tokio::test]
async fn item_79_a_session_id_alone_is_nobody() {
    let world = World::signing_in("").await;
    let (_, tokens) = world.tokens("alice").await;
    let client = world.bearer(&tokens.access).initialized("2025-11-25").await;
    let session = client.session().expect("a session").to_owned();
    let client = client.with_key(None);
    assert_eq!(listed(&client).await.status, StatusCode::UNAUTHORIZED);
    let stream = client.get(&[("mcp-session-id", &session)]).await;
    assert_eq!(stream.status, StatusCode::UNAUTHORIZED);
    assert_eq!(client.delete().await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn item_80_the_token_of_a_client_never_reaches_an_upstream() {
    let world = World::signing_in("").await;
    let (_, tokens) = world.tokens("alice").await;
    let client = world.bearer(&tokens.access);
    let answer = client.call("plain_echo", json!({ "text": "hello" })).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let seen = world.second.last("tools/call");
    assert_eq!(seen.header("authorization"), None);
}
