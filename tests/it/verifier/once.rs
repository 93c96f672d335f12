//! A ticket is spent before the code is used, and the code is used once.

use std::time::Duration;

use futures_util::future::join_all;

use super::{Town, parameter};
use crate::support::provider::AtToken;

#[tokio::test]
async fn ten_confirm_at_once_and_the_code_is_exchanged_once() {
    let town = Town::new().await;
    let (link, _) = town.link("alice").await;
    let browser = town.app.browser_of("alice");
    let verifier = town.back_from_the_provider(&browser, &link).await;
    let ticket = parameter(&verifier, "flow_id");
    town.world
        .provider
        .switch(|acme| acme.token = AtToken::Slow(Duration::from_millis(300)));
    let all = join_all((0..10).map(|_| town.app.confirm(&ticket, "alice"))).await;
    for said in &all {
        assert_eq!((said.status, said), (200, &all[0]));
    }
    assert_eq!(town.exchanges(), 1);
    assert_eq!(
        town.app.confirm(&ticket, "alice").await,
        all[0],
        "and ever after"
    );
    assert_eq!(town.exchanges(), 1);
    assert!(town.is_connected("alice").await);
}

/// The exchange is under way when the gateway stops: the code is not used a second time, and the flow has failed.
#[tokio::test]
async fn stopped_between_ticket_and_tokens() {
    let mut town = Town::new().await;
    let (link, id) = town.link("alice").await;
    let browser = town.app.browser_of("alice");
    let verifier = town.back_from_the_provider(&browser, &link).await;
    let ticket = parameter(&verifier, "flow_id");
    town.world
        .provider
        .switch(|acme| acme.token = AtToken::Hang);
    let app = town.app.clone();
    let shown = ticket.clone();
    let confirming = tokio::spawn(async move { app.confirm(&shown, "alice").await });
    while town.exchanges() == 0 {
        tokio::task::yield_now().await;
    }
    town.world.crash().await;
    confirming.abort();
    town.world
        .provider
        .switch(|acme| acme.token = AtToken::Json);
    assert_eq!(town.status(&id).await, "pending", "nobody knows that yet");
    town.world.advance(121);
    assert_eq!(town.status(&id).await, "failed");
    let again = town.app.confirm(&ticket, "alice").await;
    assert_eq!(again.status, 400, "{again:?}");
    assert_eq!(again.json["error"], "connection_failed");
    assert_eq!(town.exchanges(), 1);
    let page = browser.open(&link).await;
    assert_eq!(page.title(), "Acme Notes was not connected");
    // A fresh link works.
    let (link, _) = town.link("alice").await;
    let page = browser.open(&link).await;
    let done = browser.submit(&page.form("Continue to Acme Notes")).await;
    assert_eq!(done.title(), "Connected. You can close this window.");
}

/// The application hangs up: what cannot be done twice is done all the same.
#[tokio::test]
async fn an_application_that_hangs_up_loses_nothing() {
    let town = Town::new().await;
    let (id, ticket) = town.ticket("alice").await;
    town.world
        .provider
        .switch(|acme| acme.token = AtToken::Slow(Duration::from_millis(200)));
    let (app, shown) = (town.app.clone(), ticket.clone());
    let confirming = tokio::spawn(async move { app.confirm(&shown, "alice").await });
    while town.exchanges() == 0 {
        tokio::task::yield_now().await;
    }
    confirming.abort();
    let waited = town
        .app
        .get(&format!("/v1/auth/status?id={id}&wait=30"))
        .await;
    assert_eq!(waited.json["status"], "completed");
    assert_eq!(town.app.confirm(&ticket, "alice").await.status, 200);
    assert_eq!(town.exchanges(), 1);
}

#[tokio::test]
async fn verified_too_late() {
    let town = Town::new().await;
    let (id, ticket) = town.ticket("alice").await;
    town.world.advance(600);
    let late = town.app.confirm(&ticket, "alice").await;
    assert_eq!((late.status, town.exchanges()), (400, 0), "{late:?}");
    assert_eq!(late.json["error"], "not_awaiting_verification");
    assert_eq!(town.status(&id).await, "failed");
}

/// The provider will not have the code: the application hears that, the person sees it, and nothing is tried again.
#[tokio::test]
async fn a_code_that_the_provider_refuses() {
    let town = Town::new().await;
    let (link, id) = town.link("alice").await;
    let browser = town.app.browser_of("alice");
    let verifier = town.back_from_the_provider(&browser, &link).await;
    let ticket = parameter(&verifier, "flow_id");
    let refusal = AtToken::Say(400, r#"{"error":"invalid_grant"}"#);
    town.world.provider.switch(|acme| acme.token = refusal);
    let refused = town.app.confirm(&ticket, "alice").await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert_eq!(refused.json["name"], "connection_failed");
    assert!(
        refused.json["msg"].as_str().unwrap().contains("reference "),
        "{refused:?}"
    );
    town.world
        .provider
        .switch(|acme| acme.token = AtToken::Json);
    assert_eq!(town.app.confirm(&ticket, "alice").await.status, 400);
    assert_eq!(
        (town.exchanges(), town.status(&id).await.as_str()),
        (1, "failed")
    );
    assert_eq!(
        browser.open(&link).await.title(),
        "Acme Notes could not connect you"
    );
}
