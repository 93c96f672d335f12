//! Consent (checklist 96 to 98), and those who would have it from somebody who did not give it.

use axum::http::{StatusCode, header};

use super::door::{House, code, one};
use crate::{
    user_source::fixture::{PASSWORD, Visitor},
    web::fetch::Fetcher,
};

const SECURE: &str = "https://gw.example.com";

fn secure() -> House {
    House::with(SECURE, "", Fetcher::new())
}

#[tokio::test]
async fn item_96_the_first_time_a_user_is_asked_and_told_by_whom() {
    let house = House::new();
    let mut alice = house.door.signed_in("alice").await;
    let page = house.open(&mut alice, &[]).await;
    for shown in [
        "The CLI",
        "127.0.0.1",
        "Work tools",
        "Alice Example",
        "See and use the tools",
    ] {
        assert!(page.text.contains(shown), "{shown}");
    }
    let policy = page.headers[header::CONTENT_SECURITY_POLICY]
        .to_str()
        .unwrap();
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(page.headers[header::X_FRAME_OPTIONS], "DENY");
    assert!(!page.text.contains("can pretend to be"));

    let local = house
        .open(
            &mut alice,
            &[("client_id", "trusted"), ("prompt", "consent")],
        )
        .await;
    assert!(local.text.contains("can pretend to be"));
}

/// Chromium holds every redirect after the form to the page's policy.
#[tokio::test]
async fn the_page_lets_its_form_lead_to_the_client_and_nowhere_else_unencrypted() {
    let house = House::new();
    for (client, redirect, gateway, allowed) in [
        (
            "cli",
            "http://127.0.0.1:4711/callback",
            "work",
            "https: http://127.0.0.1:4711",
        ),
        ("other", "cursor://anysphere/cb", "work", "https: cursor:"),
        // No policy can name an IPv6 address.
        ("other", "http://[::1]:4711/cb", "work", "https: http:"),
        // By way of the company's provider, which is on plain http only in development.
        (
            "other",
            "cursor://anysphere/cb",
            "corp",
            "https: cursor: http://127.0.0.1:9753",
        ),
    ] {
        let resource = format!("http://localhost:8080/mcp/{gateway}");
        let other = [
            ("client_id", client),
            ("redirect_uri", redirect),
            ("resource", &resource),
        ];
        let page = house.open(&mut Visitor::new(), &other).await;
        let policy = page.headers[header::CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap();
        let allowed = format!("form-action 'self' {allowed}");
        assert!(policy.ends_with(&allowed), "{policy}");
    }
}

#[tokio::test]
async fn item_97_consent_csrf() {
    let house = House::new();
    let mut alice = house.door.signed_in("alice").await;
    let page = house.open(&mut alice, &[]).await;
    let (csrf, request) = (page.field("csrf"), page.field("request"));
    let other = house.request(&[("client_id", "other")]);
    let stranger = house.open(&mut Visitor::new(), &[]).await.field("csrf");
    let own = ("sec-fetch-site", "same-origin");
    for (csrf, request, header) in [
        ("", &*request, own),
        ("nonsense", &request, own),
        (&stranger, &request, own),
        // What Alice was shown is not what is sent.
        (&csrf, &other, own),
        (&csrf, &request, ("sec-fetch-site", "cross-site")),
        (&csrf, &request, ("origin", "https://evil.example")),
    ] {
        let fields = [("csrf", csrf), ("request", request), ("answer", "allow")];
        let header = &[header];
        let path = "/oauth2/authorize";
        let answer = house
            .door
            .post_with(&mut alice, path, &fields, header)
            .await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{header:?}");
        assert!(answer.stays());
    }
    let fields = [("request", &*request), ("answer", "allow")];
    let answer = house
        .door
        .post(&mut alice, "/oauth2/authorize", &fields)
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    // Nothing of it was taken for a yes.
    let asked = house.open(&mut alice, &[]).await;
    assert_eq!(asked.status, StatusCode::OK);
}

#[tokio::test]
async fn item_97_a_consent_is_for_one_client_one_address_one_gateway_and_those_scopes() {
    let house = House::new();
    let mut alice = house.agreed("alice").await;
    for other in [
        &[("client_id", "other")][..],
        &[("redirect_uri", "https://cli.example.com/callback")],
        &[("resource", "http://localhost:8080/mcp/lab")],
        &[("scope", "mcp")],
    ] {
        let page = house.open(&mut alice, other).await;
        assert_eq!(page.status, StatusCode::OK, "{other:?}");
    }
    // Another port of the same machine is the same address.
    let port = [("redirect_uri", "http://127.0.0.1:9999/callback")];
    assert_eq!(
        house.open(&mut alice, &port).await.status,
        StatusCode::SEE_OTHER
    );
    // And it is Alice's.
    let mut bob = house.door.signed_in("bob").await;
    assert_eq!(house.open(&mut bob, &[]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn item_98_before_consent_nothing_exists_that_a_sign_in_could_answer_to() {
    let house = secure();
    let mut browser = Visitor::new();
    let page = house.open(&mut browser, &[]).await;
    assert_eq!(page.status, StatusCode::OK);
    // The key that tells browsers apart, and no state.
    assert_eq!(names(&browser), ["__Host-anteroom-browser"]);
    let none = house
        .door
        .store
        .list("authorizations/", None, 9)
        .await
        .unwrap();
    assert!(none.is_empty());

    let begun = house.press(&mut browser, &page, "allow").await;
    let cookie = begun.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(
        cookie.starts_with("__Host-anteroom-authorization-"),
        "{cookie}"
    );
    for flag in [
        "HttpOnly",
        "SameSite=Lax",
        "Secure",
        "Path=/",
        "Max-Age=600",
    ] {
        assert!(cookie.contains(flag), "{flag}");
    }
    let back = house.sign_in(&mut browser, &begun, "alice").await;
    let end = house.go_on(&mut browser, &back).await;
    assert!(code(&end).is_some());
    assert_eq!(names(&browser), ["__Host-anteroom-browser"]);
}

fn names(browser: &Visitor) -> Vec<&str> {
    let names = browser.cookies.iter();
    names
        .map(|cookie| cookie.split('=').next().unwrap())
        .collect()
}

#[tokio::test]
async fn whoever_says_no_tells_the_client() {
    let house = House::new();
    for mut browser in [Visitor::new(), house.door.signed_in("alice").await] {
        let page = house.open(&mut browser, &[]).await;
        let told = house.press(&mut browser, &page, "deny").await.told();
        assert_eq!(one(&told, "error").unwrap(), "access_denied");
        assert_eq!(one(&told, "iss").unwrap(), "http://localhost:8080");
        assert_eq!(house.open(&mut browser, &[]).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn not_you_signs_out_and_asks_whoever_comes_next() {
    let house = House::new();
    let mut browser = house.door.signed_in("alice").await;
    let page = house.open(&mut browser, &[]).await;
    let switched = house.press(&mut browser, &page, "switch").await;
    let page = house.door.get(&mut browser, &house.local(&switched)).await;
    assert!(!page.text.contains("Alice Example"));
    assert_eq!(house.door.who(&browser).await, None);
    let begun = house.press(&mut browser, &page, "allow").await;
    assert!(begun.location().ends_with("&as=someone-else"));
    let back = house.sign_in(&mut browser, &begun, "bob").await;
    assert!(code(&house.go_on(&mut browser, &back).await).is_some());
    assert_eq!(house.door.who(&browser).await.unwrap(), "bob");
}

#[tokio::test]
async fn an_authorization_resumed_from_another_browser_is_refused_and_stays_as_it_is() {
    let house = House::new();
    let mut alice = Visitor::new();
    let page = house.open(&mut alice, &[]).await;
    let begun = house.press(&mut alice, &page, "allow").await;
    let back = resumed(&house.local(&begun));

    // Mallory sends her link to Bob, who is signed in; and follows it herself, signed in.
    for mut other in [house.door.signed_in("bob").await, Visitor::new()] {
        for path in [back.clone(), format!("{back}/go")] {
            let answer = house.door.get(&mut other, &path).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
            assert!(answer.stays());
        }
    }
    let page = house.sign_in(&mut alice, &begun, "alice").await;
    assert!(code(&house.go_on(&mut alice, &page).await).is_some());
}

/// A code that one browser fetched is no good for the login that another browser began: there is one per handle and cookie.
#[tokio::test]
async fn code_injection_by_a_second_browser() {
    let house = House::new();
    let (mut alice, mut mallory) = (Visitor::new(), Visitor::new());
    let page = house.open(&mut alice, &[]).await;
    let begun = house.press(&mut alice, &page, "allow").await;
    let page = house.open(&mut mallory, &[]).await;
    house.press(&mut mallory, &page, "allow").await;
    // Mallory's cookie beside Alice's handle.
    house.door.try_as(&mut mallory, "bob", PASSWORD).await;
    let back = resumed(&house.local(&begun));
    let answer = house.door.get(&mut mallory, &format!("{back}/go")).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

fn resumed(sign_in: &str) -> String {
    let url = url::Url::parse("http://localhost:8080")
        .unwrap()
        .join(sign_in)
        .unwrap();
    let (_, back) = url.query_pairs().next().unwrap();
    back.into_owned()
}

#[tokio::test]
async fn an_authorization_is_finished_once_and_not_for_ever() {
    let house = House::new();
    let mut alice = Visitor::new();
    let page = house.open(&mut alice, &[]).await;
    let begun = house.press(&mut alice, &page, "allow").await;
    let kept = alice.cookies.clone();
    let page = house.sign_in(&mut alice, &begun, "alice").await;
    assert!(code(&house.go_on(&mut alice, &page).await).is_some());
    alice.cookies.extend(kept);
    let again = house.go_on(&mut alice, &page).await;
    assert_eq!(again.status, StatusCode::GONE);

    let mut late = Visitor::new();
    let page = house.open(&mut late, &[]).await;
    let begun = house.press(&mut late, &page, "allow").await;
    house.advance(601);
    let page = house.sign_in(&mut late, &begun, "alice").await;
    assert_eq!(page.status, StatusCode::GONE);
}

#[tokio::test]
async fn whoever_comes_back_signed_out_again_and_again_is_told_so() {
    let house = House::new();
    let mut browser = Visitor::new();
    let page = house.open(&mut browser, &[]).await;
    let begun = house.press(&mut browser, &page, "allow").await;
    let back = resumed(&house.local(&begun));
    for _ in 0..5 {
        let answer = house.door.get(&mut browser, &back).await;
        assert!(house.local(&answer).starts_with("/sign-in/team"));
    }
    let answer = house.door.get(&mut browser, &back).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.text.contains("You are not signed in"));
}

#[tokio::test]
async fn a_client_that_the_operator_trusts_needs_no_page() {
    let house = House::new();
    let trusted = [("client_id", "trusted")];
    let mut alice = house.door.signed_in("alice").await;
    assert!(code(&house.open(&mut alice, &trusted).await).is_some());

    let mut browser = Visitor::new();
    let begun = house.open(&mut browser, &trusted).await;
    let back = house.sign_in(&mut browser, &begun, "alice").await;
    assert!(code(&house.go_on(&mut browser, &back).await).is_some());
    let consents = house.door.store.list("consents/", None, 9).await.unwrap();
    assert!(consents.is_empty(), "nobody agreed to anything");
}

#[tokio::test]
async fn a_client_that_the_operator_trusts_no_more_while_its_user_signs_in_is_asked_about() {
    let house = House::new();
    let mut browser = Visitor::new();
    let begun = house.open(&mut browser, &[("client_id", "trusted")]).await;
    let back = house.sign_in(&mut browser, &begun, "alice").await;
    house.change("skip_consent = [\"trusted\"]", "");
    let page = house.go_on(&mut browser, &back).await;
    assert!(code(&page).is_none(), "nobody agreed to anything");
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let answer = house.press(&mut browser, &page, "allow").await;
    assert!(code(&answer).is_some());
}

#[tokio::test]
async fn whom_the_gateway_does_not_take_is_told_and_may_go_back_or_be_someone_else() {
    let house = House::new();
    let lab = [("resource", "http://localhost:8080/mcp/lab")];
    let mut bob = Visitor::new();
    let page = house.open(&mut bob, &lab).await;
    let begun = house.press(&mut bob, &page, "allow").await;
    let back = house.sign_in(&mut bob, &begun, "bob").await;
    let page = house.go_on(&mut bob, &back).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.text.contains("You may not use") && page.text.contains("bob"));
    // Not by sending the answer of the page that he was not shown, either.
    let forced = house.press(&mut bob, &page, "allow").await;
    assert_eq!(forced.status, StatusCode::FORBIDDEN);

    let told = house.press(&mut bob, &page, "deny").await.told();
    assert_eq!(one(&told, "error").unwrap(), "access_denied");
    let switched = house.press(&mut bob, &page, "switch").await;
    let page = house.door.get(&mut bob, &house.local(&switched)).await;
    let begun = house.press(&mut bob, &page, "allow").await;
    let back = house.sign_in(&mut bob, &begun, "alice").await;
    assert!(code(&house.go_on(&mut bob, &back).await).is_some());
}
