//! Acme over real HTTP: what it refuses, and with which words of the RFCs.

use serde_json::Value;

use super::tests::{World, http, query};
use crate::{
    base::clock::Span,
    demo::check::browser::{Browser, BrowserError},
};

#[tokio::test]
async fn a_code_is_for_one_client_address_verifier_and_minute() {
    let mut world = World::new().await;
    for change in [
        ("redirect_uri", "http://localhost:1/callback"),
        (
            "code_verifier",
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        ),
    ] {
        let code = world.code().await;
        assert_eq!(
            world.redeem(&code, &[change]).await.1["error"],
            "invalid_grant",
            "{change:?}"
        );
        assert_eq!(
            world.redeem(&code, &[]).await.1["error"],
            "invalid_grant",
            "it is burnt"
        );
    }
    let code = world.code().await;
    world.clock.advance(Span::from_secs(60));
    assert_eq!(world.redeem(&code, &[]).await.1["error"], "invalid_grant");
}

#[tokio::test]
async fn the_token_endpoint_says_what_is_wrong() {
    let world = World::new().await;
    for (change, error) in [
        (("grant_type", "password"), "unsupported_grant_type"),
        (("grant_type", ""), "invalid_request"),
        (("code", ""), "invalid_request"),
        (("code_verifier", ""), "invalid_request"),
        (("code_verifier", "short"), "invalid_request"),
        (("client_secret", "s3:cr t"), "invalid_request"),
        (("client_id", "someone"), "invalid_client"),
        (("code", "unknown"), "invalid_grant"),
    ] {
        let (status, body) = world.redeem("unknown", &[change]).await;
        assert_eq!(body["error"], error, "{change:?}");
        let expected = if error == "invalid_client" { 401 } else { 400 };
        assert_eq!(status, expected, "{change:?}");
    }
    let url = format!("{}/oauth/token", world.acme.issuer());
    let form = [("grant_type", "authorization_code")];
    let response = http().post(&url).form(&form).send().await.unwrap();
    assert_eq!(response.status(), 401);
    assert!(
        response.headers()["www-authenticate"]
            .to_str()
            .unwrap()
            .starts_with("Basic")
    );
    let wrong = http()
        .post(&url)
        .basic_auth("anteroom", Some("no"))
        .form(&form)
        .send()
        .await
        .unwrap();
    assert_eq!(wrong.status(), 401);
    let twice = world
        .post("token")
        .header("content-type", "application/x-www-form-urlencoded");
    let twice = twice
        .body("grant_type=refresh_token&grant_type=refresh_token")
        .send()
        .await
        .unwrap();
    assert_eq!(
        twice.json::<Value>().await.unwrap()["error"],
        "invalid_request"
    );
}

#[tokio::test]
async fn errors_go_back_only_to_a_registered_address() {
    let mut world = World::new().await;
    for change in [
        ("client_id", "someone"),
        ("redirect_uri", "http://evil.example/callback"),
        ("redirect_uri", ""),
    ] {
        let url = world.authorize_url(&[change]);
        let page = world.browser.open(&url).await.unwrap();
        assert_eq!(page.status, 400, "{change:?}");
        assert_eq!(page.url, url, "nobody was redirected");
    }
    for (change, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("response_type", ""), "invalid_request"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("scope", "notes admin"), "invalid_scope"),
    ] {
        let url = world.authorize_url(&[change]);
        let landed = world.browser.open(&url).await.unwrap();
        let answer = query(&landed.url);
        assert_eq!(answer["error"], error, "{change:?}");
        assert_eq!(answer["state"], "st&te");
        assert_eq!(answer["iss"], world.acme.issuer());
        assert!(landed.url.as_str().starts_with(&world.callback));
    }
}

#[tokio::test]
async fn deny_goes_back_and_the_request_is_over() {
    let mut world = World::new().await;
    let page = world.consent_page().await;
    let landed = world.browser.press(&page, "Deny", &[]).await.unwrap();
    assert_eq!(query(&landed.url)["error"], "access_denied");
    let again = world.browser.press(&page, "Allow", &[]).await.unwrap();
    assert_eq!(again.status, 400);
}

#[tokio::test]
async fn wrong_passwords_and_other_peoples_browsers_get_nowhere() {
    let mut world = World::new().await;
    let page = world.browser.open(&world.authorize_url(&[])).await.unwrap();
    let mut stranger = Browser::new();
    for name in ["zelda", "nobody"] {
        let fill = [("name", name), ("password", "wrong")];
        let refused = world.browser.press(&page, "Log in", &fill).await.unwrap();
        assert_eq!(refused.status, 403);
        assert!(refused.has_button("Log in"));
    }
    let fill = [("name", "otto"), ("password", "otto's")];
    assert_eq!(
        stranger.press(&page, "Log in", &fill).await.unwrap().status,
        400
    );

    // The right browser may still change the person.
    let consent = world.consent_page().await;
    let page = world
        .browser
        .press(&consent, "Use another account", &[])
        .await
        .unwrap();
    let consent = world.browser.press(&page, "Log in", &fill).await.unwrap();
    assert!(consent.words.contains("Otto Fern"));
}

#[tokio::test]
async fn the_small_browser_holds_form_action() {
    let mut world = World::new().await;
    let page = world.browser.open(&world.authorize_url(&[])).await.unwrap();
    let mut elsewhere = page.clone();
    elsewhere.forms[0].action = "http://localhost:1/".into();
    let stopped = world.browser.press(&elsewhere, "Log in", &[]).await;
    assert!(
        matches!(stopped, Err(BrowserError::FormAction { .. })),
        "{stopped:?}"
    );
}
