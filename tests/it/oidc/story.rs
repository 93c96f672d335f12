//! The way it should go.

use axum::http::StatusCode;
use serde_json::json;

use super::office::{Office, pass};
use crate::support::browser::Browser;

#[tokio::test]
async fn a_person_signs_in_at_the_company() {
    let office = Office::open().await;
    let browser = Browser::new();

    // Straight to the provider, with a fresh key and all that is needed to know the answer again.
    let away = browser.get(office.sign_in_page()).await;
    assert_eq!(away.status, StatusCode::SEE_OTHER);
    assert_eq!(away.headers["cache-control"], "no-store");
    let there = away.location().unwrap();
    assert!(
        there.as_str().starts_with(office.idp.base.as_str()),
        "{there}"
    );
    let key = browser.cookies();

    let page = browser.follow(away).await;
    let page = pass(&browser, page, "alice").await;
    assert_eq!(page.url.as_str(), office.at("/"));
    assert_eq!(page.title(), "You are signed in");
    assert!(page.words().contains("alice"), "{}", page.words());
    assert!(page.words().contains("Acme"), "{}", page.words());
    let ours = |cookies: &[String]| {
        cookies
            .iter()
            .find(|cookie| cookie.starts_with("anteroom"))
            .cloned()
    };
    assert_ne!(
        ours(&key),
        ours(&browser.cookies()),
        "the key changes at the sign-in"
    );

    let asked = &office.idp.asked("authorize")[0];
    assert_eq!(
        asked["redirect_uri"],
        office.at("/oauth2/intermediate_callback")
    );
    assert_eq!(asked["scope"], "openid");
    assert!(!asked.contains_key("prompt"));
    let exchange = &office.idp.asked("token")[0];
    assert!(
        !exchange.contains_key("client_secret"),
        "it goes in the header"
    );
    assert!(office.idp.asked("userinfo").is_empty());

    // And is known from now on.
    let again = browser
        .open(office.at("/sign-in/corp?return_to=%2Fsigned-out"))
        .await;
    assert_eq!(again.url.as_str(), office.at("/signed-out"));
    assert_eq!(office.idp.asked("authorize").len(), 1);
}

/// A client with an API key asks; the browser that opens the link proves at the company's provider that it is Alice's.
#[tokio::test]
async fn the_connect_flow_verifies_its_user_at_the_company() {
    let office = Office::open().await;
    let link = link(&office).await;

    let browser = Browser::new();
    let page = browser.open(&link).await;
    assert_eq!(page.url.host_str(), office.idp.base.host_str());
    assert_eq!(page.title(), "Acme");
    let page = pass(&browser, page, "alice").await;
    assert_eq!(page.url.as_str(), link, "straight back to the flow");
    let page = browser.submit(&page.form("Continue to Acme Notes")).await;
    assert_eq!(page.title(), "Connected. You can close this window.");

    let answer = office.client("alice").call("notes_echo", json!({})).await;
    assert_ne!(answer.result()["isError"], true, "{}", answer.words());
}

#[tokio::test]
async fn whoever_else_is_known_at_the_company_is_refused_and_may_sign_in_anew() {
    let office = Office::open().await;
    office.idp.claim("name", "Bob Example");
    let link = link(&office).await;
    let browser = office.signed_in("bob").await;
    let page = browser.open(&link).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_eq!(page.title(), "This link is for someone else");
    assert!(page.words().contains("Bob Example"), "{}", page.words());

    // The provider remembers Bob, and would say so again: it is told to ask.
    let page = browser.submit(&page.form("Sign in as someone else")).await;
    assert_eq!(page.title(), "Acme");
    let asked = office.idp.asked("authorize");
    assert_eq!(asked.last().unwrap()["prompt"], "login");
    assert!(office.idp.asked("end_session").is_empty());
    office.idp.claim("name", "Alice Example");
    let page = pass(&browser, page, "alice").await;
    assert_eq!(page.url.as_str(), link);
    assert!(page.words().contains("Alice Example"), "{}", page.words());
    assert!(page.has_button("Continue to Acme Notes"));
}

#[tokio::test]
async fn signing_out_signs_out_at_the_company_too() {
    let office = Office::open().await;
    let browser = office.signed_in("alice").await;
    let home = browser.open(office.at("/")).await;
    let left = browser.press(&home.form("Sign out")).await;
    assert_eq!(
        left.status,
        StatusCode::OK,
        "not a redirect: the page's policy would stop it"
    );
    assert_eq!(left.title(), "You are signed out here");
    assert!(
        browser
            .cookies()
            .iter()
            .all(|cookie| !cookie.starts_with("anteroom"))
    );
    let page = browser.follow(left).await;
    assert_eq!(page.url.as_str(), office.at("/signed-out"));
    let asked = &office.idp.asked("end_session")[0];
    assert_eq!(asked["post_logout_redirect_uri"], office.at("/signed-out"));
    assert!(office.idp.secrets().contains(&asked["id_token_hint"]));
    assert_eq!(asked["client_id"], crate::support::idp::CLIENT.0);
    // So the next one is asked who they are.
    assert_eq!(browser.open(office.sign_in_page()).await.title(), "Acme");
}

#[tokio::test]
async fn signing_out_works_where_the_company_offers_nothing_for_it_or_is_down() {
    let office = Office::open().await;
    office.idp.switch(|idp| {
        drop(
            idp.metadata
                .insert("end_session_endpoint".into(), json!(null)),
        )
    });
    let browser = office.signed_in("alice").await;
    let home = browser.open(office.at("/")).await;
    let page = browser.submit(&home.form("Sign out")).await;
    assert_eq!(page.url.as_str(), office.at("/signed-out"));

    let browser = office.signed_in("alice").await;
    let home = browser.open(office.at("/")).await;
    office.advance(2 * 60 * 60);
    office
        .idp
        .switch(|idp| idp.discovery = crate::support::idp::Document::Status(500));
    let page = browser.submit(&home.form("Sign out")).await;
    assert_eq!(page.url.as_str(), office.at("/signed-out"));
    assert_eq!(
        browser.open(office.at("/")).await.title(),
        "You are not signed in"
    );
}

#[tokio::test]
async fn people_are_called_as_the_company_calls_them() {
    let office = Office::open().await;
    office.idp.claim("name", "Alice <Example>");
    office.idp.claim("email", "alice@acme.example");
    let browser = office.signed_in("alice").await;
    let page = browser.open(office.at("/")).await;
    assert!(page.words().contains("Alice <Example>"), "{}", page.text);
    assert!(page.words().contains("alice@acme.example"));
    let page = browser.open(link(&office).await).await;
    assert!(page.words().contains("Alice <Example>"), "{}", page.words());
}

#[tokio::test]
async fn another_claim_than_sub_can_name_the_user_also_by_userinfo() {
    let office = Office::with("subject_claim = \"email\"\nscopes = [\"email\"]").await;
    let said = json!({ "email": "alice", "email_verified": "true" });
    office
        .idp
        .switch(|idp| idp.userinfo = said.as_object().cloned());
    let browser = Browser::new();
    let page = browser.open(link(&office).await).await;
    assert_eq!(office.idp.asked("authorize")[0]["scope"], "openid email");
    let page = pass(&browser, page, "bob").await;
    assert!(
        page.has_button("Continue to Acme Notes"),
        "{}",
        page.words()
    );
    assert_eq!(office.idp.asked("userinfo").len(), 1);
}

#[tokio::test]
async fn the_longest_way_back_is_found() {
    let office = Office::open().await;
    let back = format!("/signed-out?{}", "%2f".repeat(337));
    assert_eq!(back.len(), 1024 - 1);
    let mut start = url::Url::parse(&office.at("/sign-in/corp")).unwrap();
    start.query_pairs_mut().append_pair("return_to", &back);
    let browser = Browser::new();
    let page = browser.open(&start).await;
    let page = pass(&browser, page, "alice").await;
    assert_eq!(page.url.as_str(), office.at(&back));
}

#[tokio::test]
async fn two_tabs_can_sign_in_at_once() {
    let office = Office::open().await;
    let browser = Browser::new();
    let first = office.at_callback(&browser, "alice").await;
    let second = browser.get(office.sign_in_page()).await;
    let second = browser
        .get(second.location().unwrap())
        .await
        .location()
        .unwrap();
    assert_eq!(browser.open(&first).await.title(), "You are signed in");
    assert_eq!(browser.open(&second).await.title(), "You are signed in");
    assert_eq!(
        office.idp.asked("token").len(),
        1,
        "the second answer is not needed"
    );
}

#[tokio::test]
async fn the_client_shows_who_it_is_as_the_provider_wants_or_the_operator_says() {
    let methods = |office: &Office, methods: &[&str]| {
        let methods = json!(methods);
        office.idp.switch(|idp| {
            drop(
                idp.metadata
                    .insert("token_endpoint_auth_methods_supported".into(), methods),
            )
        });
    };
    for (offered, configured, in_body) in [
        (&["client_secret_post"][..], "", true),
        (&["client_secret_post", "client_secret_basic"], "", false),
        (&["private_key_jwt"], "", false),
        (
            &["client_secret_basic"],
            "client_auth = \"client_secret_post\"",
            true,
        ),
    ] {
        let office = Office::with(configured).await;
        methods(&office, offered);
        office.signed_in("alice").await;
        let exchange = &office.idp.asked("token")[0];
        assert_eq!(
            exchange.contains_key("client_secret"),
            in_body,
            "{offered:?} {configured}"
        );
    }
}

#[tokio::test]
async fn a_rotated_secret_works_at_the_next_sign_in() {
    let mut office = Office::open().await;
    office.signed_in("alice").await;
    office.idp.switch(|idp| idp.secret = "the next one".into());
    let refused = office.sign_in(&Browser::new(), "alice").await;
    assert_eq!(refused.title(), "Acme is not set up right here");
    office
        .world
        .rewrite(crate::support::idp::CLIENT.1, "the next one")
        .await;
    office.signed_in("alice").await;
}

/// Who vouched for them is nobody now.
#[tokio::test]
async fn another_issuer_or_client_ends_the_sessions_of_the_one_before() {
    for (from, to) in [
        ("/realm\"", "/realm/\""),
        (crate::support::idp::CLIENT.0, "another client"),
    ] {
        let mut office = Office::open().await;
        let browser = office.signed_in("alice").await;
        // Changes that mean nothing end nothing.
        office
            .world
            .rewrite("title = \"Acme\"", "title = \"Acme Ltd\"")
            .await;
        assert_eq!(
            browser.open(office.at("/")).await.title(),
            "You are signed in"
        );
        office.world.rewrite(from, to).await;
        assert_eq!(
            browser.open(office.at("/")).await.title(),
            "You are not signed in",
            "{to}"
        );
    }
}

#[tokio::test]
async fn a_sign_in_survives_a_restart_in_the_middle_of_it() {
    let mut office = Office::open().await;
    let browser = Browser::new();
    let back = office.at_callback(&browser, "alice").await;
    office.world.restart().await;
    assert_eq!(browser.open(&back).await.title(), "You are signed in");
}

#[tokio::test]
async fn forty_who_come_at_once_fetch_the_discovery_document_once() {
    let office = Office::open().await;
    let visitors = futures_util::future::join_all((0..40).map(|_| async {
        let browser = Browser::new();
        browser.get(office.sign_in_page()).await.status
    }));
    assert!(
        visitors
            .await
            .iter()
            .all(|status| *status == StatusCode::SEE_OTHER)
    );
    assert_eq!(office.idp.asked("discovery").len(), 1);
    assert_eq!(office.idp.asked("jwks").len(), 0, "nobody needs keys yet");
    // For an hour, and then it is looked at again.
    office.advance(59 * 60);
    office.signed_in("alice").await;
    assert_eq!(office.idp.asked("discovery").len(), 1);
    office.advance(2 * 60);
    office.signed_in("alice").await;
    assert_eq!(office.idp.asked("discovery").len(), 2);
}

/// The link that a call of Alice's ends with.
async fn link(office: &Office) -> String {
    let answer = office.client("alice").call("notes_echo", json!({})).await;
    let link = &answer.result()["structuredContent"]["authorization_url"];
    link.as_str().unwrap().to_owned()
}
