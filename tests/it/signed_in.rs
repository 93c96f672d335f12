//! A client that signed its user in: from the bare address of a gateway to a tool's result, and to the end of it.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{
    browser::Browser,
    client::{Answer, Client},
    oauth::Program,
    world::{PASSWORD, World},
};

async fn echo(client: &Client) -> Answer {
    client.call("plain_echo", json!({ "text": "hello" })).await
}

#[tokio::test]
async fn from_a_bare_address_to_a_tools_result() {
    let world = World::signing_in("").await;
    let alone = world.client("alice").with_key(None).with_user(None);
    let refused = echo(&alone).await;
    let challenge = refused.headers["www-authenticate"].to_str().unwrap();
    let metadata = challenge.split('"').nth(1).unwrap();
    let program = Program::register(&world.base).await;
    let path = metadata.strip_prefix(&world.base).expect("our own address");
    let resource = program.get(path).await.json["resource"].clone();
    assert_eq!(resource, world.endpoint());
    let server = program.get("/.well-known/oauth-authorization-server").await;
    let ours = |endpoint: &str| {
        server.json[endpoint]
            .as_str()
            .unwrap()
            .starts_with(&world.base)
    };
    assert!(
        ours("authorization_endpoint") && ours("token_endpoint") && ours("registration_endpoint")
    );

    let browser = Browser::new();
    let page = browser
        .open(program.request(&world.endpoint(), |_| {}))
        .await;
    let page = program.go_on(&browser, page, "alice", PASSWORD).await;
    let tokens = program.trade(&program.code(&page), |_| {}).await.tokens();
    let answer = echo(&world.bearer(&tokens.access)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert!(answer.text.contains("hello"), "{}", answer.text);

    // The second time nobody is asked anything: the browser remembers the person, and the person the client.
    let page = browser
        .open(program.request(&world.endpoint(), |_| {}))
        .await;
    program.code(&page);
}

#[tokio::test]
async fn an_expired_token_is_renewed_and_a_stolen_refresh_token_ends_everything() {
    let world = World::signing_in("").await;
    let (program, first) = world.tokens("alice").await;
    world.advance(601);
    assert_eq!(
        echo(&world.bearer(&first.access)).await.status,
        StatusCode::UNAUTHORIZED
    );
    let second = program.refresh(&first.refresh).await.tokens();
    assert_eq!(
        echo(&world.bearer(&second.access)).await.status,
        StatusCode::OK
    );

    world.advance(60);
    let reused = program.refresh(&first.refresh).await;
    assert_eq!(
        (reused.status, reused.error()),
        (StatusCode::BAD_REQUEST, "invalid_grant")
    );
    assert_eq!(
        echo(&world.bearer(&second.access)).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        program.refresh(&second.refresh).await.error(),
        "invalid_grant"
    );
}

#[tokio::test]
async fn a_revoked_grant_ends_at_the_next_request_and_its_streams_at_once() {
    let world = World::signing_in("").await;
    let (program, tokens) = world.tokens("alice").await;
    let client = world.bearer(&tokens.access).initialized("2025-11-25").await;
    let session = client.session().expect("a session").to_owned();
    let mut stream = client.get(&[("mcp-session-id", &session)]).await;
    assert_eq!(stream.status, StatusCode::OK);
    assert_eq!(program.revoke(&tokens.refresh).await.status, StatusCode::OK);
    let end = stream.within(Duration::from_secs(5)).await;
    assert!(matches!(end, Some(None)), "the stream has ended: {end:?}");
    assert_eq!(echo(&client).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_grant_survives_a_restart() {
    let mut world = World::signing_in("").await;
    let (program, tokens) = world.tokens("alice").await;
    world.restart().await;
    assert_eq!(
        echo(&world.bearer(&tokens.access)).await.status,
        StatusCode::OK
    );
    program.refresh(&tokens.refresh).await.tokens();
}

#[tokio::test]
async fn an_account_that_goes_takes_its_tokens_along() {
    let mut world = World::signing_in("").await;
    let (program, tokens) = world.tokens("bob").await;
    world.rewrite("accounts.bob", "accounts.bert").await;
    assert_eq!(
        echo(&world.bearer(&tokens.access)).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        program.refresh(&tokens.refresh).await.error(),
        "invalid_grant"
    );
}

/// The account at the provider belongs to the user, however a client says who that is.
#[tokio::test]
async fn a_connection_made_through_one_client_serves_the_other_and_asks_by_name() {
    let world = World::signing_in("").await;
    let (_, tokens) = world.tokens("alice").await;
    let client = world.bearer(&tokens.access);
    let asked = client.call("notes_echo", json!({})).await;
    let link = asked.json()["result"]["structuredContent"]["authorization_url"].clone();
    let link = link
        .as_str()
        .unwrap_or_else(|| panic!("{}", asked.text))
        .to_owned();
    let browser = world.signed_in("alice").await;
    let page = browser.open(&link).await;
    assert!(page.words().contains("Test Client"), "{}", page.words());
    world.connect(&link, "alice").await;
    let (_, others) = world.tokens("alice").await;
    for token in [&tokens.access, &others.access] {
        let answer = world.bearer(token).call("notes_echo", json!({})).await;
        assert_ne!(
            answer.json()["result"]["isError"],
            Value::Bool(true),
            "{}",
            answer.text
        );
    }
}

#[tokio::test]
async fn a_refused_client_asks_on_over_the_same_connection() {
    let world = World::signing_in("").await;
    let address = world.base.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(address).await.unwrap();
    let post = format!(
        "POST /mcp HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n"
    );
    connection.write_all(post.as_bytes()).await.unwrap();
    // Its body is under way while the gateway has long seen that there is no token.
    echo(&world.client("alice").with_key(None).with_user(None)).await;
    connection.write_all(b"{}").await.unwrap();
    let mut answer = vec![0; 4096];
    let length = connection.read(&mut answer).await.unwrap();
    assert!(answer[..length].starts_with(b"HTTP/1.1 401 "));

    let next =
        format!("GET /.well-known/oauth-authorization-server HTTP/1.1\r\nhost: {address}\r\n\r\n");
    connection.write_all(next.as_bytes()).await.unwrap();
    let length = connection.read(&mut answer).await.unwrap();
    assert!(answer[..length].starts_with(b"HTTP/1.1 200 "));
}
