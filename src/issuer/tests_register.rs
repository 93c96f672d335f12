//! Clients that register themselves (checklist 95).

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::door::House;
use crate::{user_source::fixture::Visitor, web::fetch::Fetcher};

const DAY: i64 = 24 * 60 * 60;

fn claude() -> Value {
    json!({
        "client_name": "Claude",
        "redirect_uris": ["http://localhost:3118/callback", "https://claude.ai/api/mcp/auth_callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "application_type": "native",
    })
}

fn but(name: &str, value: Value) -> Value {
    let mut metadata = claude();
    metadata[name] = value;
    metadata
}

#[tokio::test]
async fn a_client_registers_itself_and_is_told_what_was_understood() {
    let house = House::new();
    let (status, answer) = house.register(&claude()).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    assert_eq!(answer["token_endpoint_auth_method"], "none");
    assert_eq!(answer["redirect_uris"], claude()["redirect_uris"]);
    assert_eq!(answer["client_name"], "Claude");
    assert_eq!(answer["application_type"], "native");
    assert!(answer.get("client_secret").is_none());
    let id = answer["client_id"].as_str().unwrap();
    assert!(id.starts_with("dcr_"));

    let other = [
        ("client_id", id),
        ("redirect_uri", "http://localhost:9/callback"),
    ];
    let page = house.open(&mut Visitor::new(), &other).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("Claude") && page.text.contains("registered itself"));
}

#[tokio::test]
async fn item_95_redirects_that_a_browser_would_act_on_are_refused() {
    let house = House::new();
    for uri in [
        "javascript:alert(1)",
        "data:text/html,x",
        "https://claude.ai/callback#x",
        "http://claude.ai/callback",
        "https://user@claude.ai/callback",
        "https://claude.ai/callback?code=mine",
        "callback",
        "",
    ] {
        let (status, answer) = house.register(&but("redirect_uris", json!([uri]))).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{uri}");
        assert_eq!(answer["error"], "invalid_redirect_uri", "{uri}");
    }
    for none in [json!([]), Value::Null] {
        let (_, answer) = house.register(&but("redirect_uris", none)).await;
        assert_eq!(answer["error"], "invalid_redirect_uri");
    }
}

#[tokio::test]
async fn other_metadata_that_cannot_be_are_refused_and_what_we_do_not_know_is_not() {
    let house = House::new();
    for (name, value) in [
        ("grant_types", json!(["client_credentials"])),
        ("response_types", json!(["token"])),
        ("token_endpoint_auth_method", json!("tls_client_auth")),
        ("token_endpoint_auth_method", json!("private_key_jwt")),
        ("client_name", json!(7)),
        ("redirect_uris", json!("https://claude.ai/")),
    ] {
        let (status, answer) = house.register(&but(name, value.clone())).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{name} {value}");
        assert_eq!(answer["error"], "invalid_client_metadata", "{name} {value}");
    }
    let (status, _) = house.register(&json!("Claude")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (status, _) = house
        .register(&but("x_unheard_of", json!({ "a": [] })))
        .await;
    assert_eq!(status, StatusCode::CREATED);
}

#[tokio::test]
async fn who_registers_at_each_start_is_one_client() {
    let house = House::new();
    let mut ids = std::collections::BTreeSet::new();
    for port in 1..=5 {
        let uri = format!("http://localhost:{port}/callback");
        let (_, answer) = house.register(&but("redirect_uris", json!([uri]))).await;
        ids.insert(answer["client_id"].to_string());
    }
    assert_eq!(ids.len(), 1);
    let (_, named_otherwise) = house
        .register(&but("client_name", json!("Claude Code")))
        .await;
    assert!(!ids.contains(&named_otherwise["client_id"].to_string()));
}

#[tokio::test]
async fn who_asks_for_a_secret_gets_one_of_their_own_and_must_use_it() {
    let house = House::new();
    let asks = but("token_endpoint_auth_method", json!("client_secret_post"));
    let (_, first) = house.register(&asks).await;
    let (_, second) = house.register(&asks).await;
    assert_ne!(first["client_id"], second["client_id"]);
    assert_eq!(first["token_endpoint_auth_method"], "client_secret_post");
    assert_eq!(first["client_secret_expires_at"], 0);
    let (id, secret) = (text(&first["client_id"]), text(&first["client_secret"]));
    let form = |secret: &'static str| {
        let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", "x")];
        form.extend(
            [("client_secret", secret)]
                .iter()
                .filter(|(_, s)| !s.is_empty()),
        );
        form
    };
    for wrong in ["", "wrong"] {
        let mut form = form(wrong);
        form.push(("client_id", &id));
        let (status, answer) = house.token(&form, &[]).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{wrong}");
        assert_eq!(answer["error"], "invalid_client");
    }
    let mut good = form("");
    good.extend([("client_id", &*id), ("client_secret", &secret)]);
    let (_, answer) = house.token(&good, &[]).await;
    assert_eq!(
        answer["error"], "invalid_grant",
        "the client is known, its grant is not"
    );
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_registration_that_nobody_uses_expires_and_is_then_invalid_client() {
    let house = House::new();
    let (_, unused) = house.register(&claude()).await;
    let (_, used) = house.register(&but("client_name", json!("Used"))).await;
    let (unused, used) = (text(&unused["client_id"]), text(&used["client_id"]));
    let ask = async |id: &str| {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", "x"),
            ("client_id", id),
        ];
        let (status, answer) = house.token(&form, &[]).await;
        (status, text(&answer["error"]))
    };
    house.advance(29 * DAY);
    assert_eq!(ask(&used).await.1, "invalid_grant");
    house.advance(2 * DAY);
    let gone = (StatusCode::UNAUTHORIZED, "invalid_client".to_owned());
    assert_eq!(ask(&unused).await, gone);
    // Its refresh token may be good for thirty days, and thirty more it is remembered.
    house.advance(57 * DAY);
    assert_eq!(ask(&used).await.1, "invalid_grant");
    house.advance(61 * DAY);
    assert_eq!(ask(&used).await, gone);
}

#[tokio::test]
async fn names_are_cleaned_of_what_hides_and_turns_text() {
    let house = House::new();
    let named = |name: &str| but("client_name", json!(name));
    let (_, answer) = house
        .register(&named("Cla\u{202e}ude\u{0}\n\u{200b}"))
        .await;
    assert_eq!(answer["client_name"], "Claude");
    let (_, answer) = house.register(&named(&"x".repeat(1000))).await;
    assert!(text(&answer["client_name"]).chars().count() <= 61);
    let (_, answer) = house.register(&named(" \u{200b} ")).await;
    assert_eq!(answer["client_name"], "Unnamed client");
    let (_, answer) = house.register(&named("<script>alert(1)</script>")).await;
    let id = text(&answer["client_id"]);
    let other = [
        ("client_id", &*id),
        ("redirect_uri", "https://claude.ai/api/mcp/auth_callback"),
    ];
    let page = house.open(&mut Visitor::new(), &other).await;
    assert!(!page.text.contains("<script"));
}

#[tokio::test]
async fn registrations_without_end_are_slowed_down() {
    let house = House::new();
    let mut statuses = Vec::new();
    for _ in 0..31 {
        statuses.push(house.register(&claude()).await.0);
    }
    assert_eq!(statuses[29], StatusCode::CREATED);
    assert_eq!(statuses[30], StatusCode::TOO_MANY_REQUESTS);
    house.advance(10);
    assert_eq!(house.register(&claude()).await.0, StatusCode::CREATED);
}

#[tokio::test]
async fn a_registration_without_end_is_not_read() {
    let house = House::new();
    let (status, _) = house.register(&but("x", json!("x".repeat(17_000)))).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn where_nobody_may_register_they_are_told_so() {
    let off = "dynamic_registration = false";
    let house = House::with("http://localhost:8080", off, Fetcher::new());
    let (status, answer) = house.register(&claude()).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(text(&answer["error_description"]).contains("ask the people who run this gateway"));
}
