//! Requests of clients: who is answered, where, and with what (checklist 82 to 85, 88).

use axum::http::{StatusCode, header};

use super::door::{CALLBACK, House, VERIFIER, code, one};
use crate::user_source::fixture::Visitor;

#[tokio::test]
async fn from_a_request_in_a_url_to_an_access_token() {
    let house = House::new();
    let mut browser = Visitor::new();
    let page = house.open(&mut browser, &[]).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    for shown in ["The CLI", "Work tools", "127.0.0.1", "Acme team"] {
        assert!(page.text.contains(shown), "{shown}");
    }

    let begun = house.press(&mut browser, &page, "allow").await;
    assert!(begun.location().contains("/sign-in/team?return_to="));
    let back = house.sign_in(&mut browser, &begun, "alice").await;
    let end = house.go_on(&mut browser, &back).await;
    let code = code(&end).unwrap();

    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", "cli"),
        ("code", &*code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let (status, tokens) = house.token(&form, &[]).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    assert_eq!(tokens["scope"], "mcp:tools");

    // From now on nobody is asked any more.
    let again = house.open(&mut browser, &[]).await;
    assert!(super::door::code(&again).is_some());
}

#[tokio::test]
async fn item_82_without_pkce_s256_the_client_is_refused() {
    let house = House::new();
    for other in [
        &[("code_challenge", "")][..],
        &[("code_challenge_method", "plain")],
        &[("code_challenge_method", "")],
        &[("code_challenge_method", "s256")],
        &[("code_challenge", "too-short")],
        &[("code_challenge", &"=".repeat(43))],
    ] {
        let told = house.open(&mut Visitor::new(), other).await.told();
        assert_eq!(one(&told, "error").unwrap(), "invalid_request", "{other:?}");
        assert_eq!(one(&told, "iss").unwrap(), "http://localhost:8080");
        assert_eq!(one(&told, "state").unwrap(), "s t/a%te");
        assert_eq!(one(&told, "code"), None);
    }
}

#[tokio::test]
async fn item_83_only_a_registered_redirect_uri_is_ever_led_to() {
    let house = House::new();
    for refused in [
        "http://127.0.0.1:4711/other",
        "http://127.0.0.1:4711/callback/",
        "http://127.0.0.1:4711/callback?x=y",
        "http://localhost:4711/callback",
        "https://cli.example.com:8443/callback",
        "https://cli.example.com/callback/../evil",
        "https://evil.example/callback",
        "http://cli.example.com/callback",
        "javascript:alert(1)",
        "//evil.example/callback",
    ] {
        let answer = house
            .open(&mut Visitor::new(), &[("redirect_uri", refused)])
            .await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{refused}");
        assert!(
            answer.stays() && !answer.text.contains("evil.example"),
            "{refused}"
        );
    }
    for taken in [
        "http://127.0.0.1:1/callback",
        "https://cli.example.com/callback",
    ] {
        let answer = house
            .open(&mut Visitor::new(), &[("redirect_uri", taken)])
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{taken}");
    }
    // Which of the two would it be?
    let unsaid = house
        .open(&mut Visitor::new(), &[("redirect_uri", "")])
        .await;
    assert_eq!(unsaid.status, StatusCode::BAD_REQUEST);
    assert!(unsaid.stays());
}

#[tokio::test]
async fn item_84_an_unknown_client_is_told_nothing_its_user_is() {
    let house = House::new();
    for id in ["nobody", "dcr_nobody", ""] {
        let answer = house.open(&mut Visitor::new(), &[("client_id", id)]).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{id}");
        assert!(answer.stays(), "{id}");
        assert!(answer.text.contains("What to do next"), "{id}");
    }
}

#[tokio::test]
async fn item_85_success_and_error_carry_state_and_iss_once_each() {
    let house = House::new();
    let mut alice = house.agreed("alice").await;
    let good = house.open(&mut alice, &[]).await;
    let bad = house.open(&mut alice, &[("response_type", "token")]).await;
    for answer in [&good, &bad] {
        let told = answer.told();
        assert_eq!(one(&told, "iss").unwrap(), "http://localhost:8080");
        assert_eq!(one(&told, "state").unwrap(), "s t/a%te");
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(answer.headers[header::REFERRER_POLICY], "no-referrer");
    }
    assert!(code(&good).is_some());
    assert_eq!(
        one(&bad.told(), "error").unwrap(),
        "unsupported_response_type"
    );
}

#[tokio::test]
async fn item_88_an_unknown_resource_is_invalid_target() {
    let house = House::new();
    // Two gateways and no default: who names none could mean either.
    for resource in [
        "https://other.example/mcp",
        "http://localhost:8080/mcp/none",
        "",
    ] {
        let answer = house
            .open(&mut Visitor::new(), &[("resource", resource)])
            .await;
        assert_eq!(
            one(&answer.told(), "error").unwrap(),
            "invalid_target",
            "{resource}"
        );
    }
    let slash = [("resource", "http://localhost:8080/mcp/work/")];
    let answer = house.open(&mut Visitor::new(), &slash).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn a_repeated_parameter_is_refused_and_two_recipients_are_answered_nowhere() {
    let house = House::new();
    let twice = |more: &str| format!("/oauth2/authorize?{}&{more}", house.request(&[]));
    for more in ["scope=mcp", "state=other", "resource=x"] {
        let answer = house.door.get(&mut Visitor::new(), &twice(more)).await;
        let told = answer.told();
        assert_eq!(one(&told, "error").unwrap(), "invalid_request", "{more}");
        one(&told, "state");
    }
    for more in [
        "client_id=other",
        "redirect_uri=https%3A%2F%2Fcli.example.com%2Fcallback",
    ] {
        let answer = house.door.get(&mut Visitor::new(), &twice(more)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{more}");
        assert!(answer.stays(), "{more}");
    }
}

#[tokio::test]
async fn scopes_are_narrowed_to_what_there_is() {
    let house = House::new();
    let mut alice = house.door.signed_in("alice").await;
    for (asked, shown) in [
        ("openid profile mcp offline_access", "Use everything"),
        ("openid", "See and use the tools"),
        ("", "See and use the tools"),
    ] {
        let page = house.open(&mut alice, &[("scope", asked)]).await;
        assert!(page.text.contains(shown), "{asked}");
        assert!(!page.text.contains("openid </"), "{asked}");
    }
}

#[tokio::test]
async fn prompts_are_honoured() {
    let house = House::new();
    let none = [("prompt", "none")];
    let told = house.open(&mut Visitor::new(), &none).await.told();
    assert_eq!(one(&told, "error").unwrap(), "login_required");
    let mut alice = house.door.signed_in("alice").await;
    let told = house.open(&mut alice, &none).await.told();
    assert_eq!(one(&told, "error").unwrap(), "consent_required");

    let mut alice = house.agreed("alice").await;
    assert!(code(&house.open(&mut alice, &none).await).is_some());
    let asked = house.open(&mut alice, &[("prompt", "consent")]).await;
    assert!(code(&house.press(&mut alice, &asked, "allow").await).is_some());

    // Who is to sign in again is nobody until they did.
    let asked = house.open(&mut alice, &[("prompt", "login")]).await;
    let begun = house.press(&mut alice, &asked, "allow").await;
    assert!(house.local(&begun).ends_with("&as=someone-else"));
    assert_eq!(house.door.who(&alice).await, None);
    let back = house.sign_in(&mut alice, &begun, "alice").await;
    assert!(code(&house.go_on(&mut alice, &back).await).is_some());
    let told = house
        .open(&mut alice, &[("prompt", "none login")])
        .await
        .told();
    assert_eq!(one(&told, "error").unwrap(), "invalid_request");
}

/// FastMCP fetches the address itself before it opens the browser; so do programs that preview links.
#[tokio::test]
async fn a_request_may_be_fetched_as_often_as_one_likes() {
    let house = House::new();
    let before = records(&house).await;
    for _ in 0..3 {
        let page = house.open(&mut Visitor::new(), &[]).await;
        assert_eq!(page.status, StatusCode::OK);
    }
    assert_eq!(records(&house).await, before);
}

async fn records(house: &House) -> usize {
    house.door.store.list("", None, 1000).await.unwrap().len()
}

#[tokio::test]
async fn a_request_without_end_and_requests_without_end_are_refused() {
    let house = House::new();
    let long = "x".repeat(9000);
    let answer = house.open(&mut Visitor::new(), &[("state", &long)]).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let mut answers = Vec::new();
    for _ in 0..130 {
        answers.push(house.open(&mut Visitor::new(), &[]).await);
    }
    let last = answers.last().unwrap();
    assert_eq!(last.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(last.headers.contains_key(header::RETRY_AFTER));
    let neighbour = &mut Visitor::from("198.51.100.9:1");
    assert_eq!(house.open(neighbour, &[]).await.status, StatusCode::OK);
}
