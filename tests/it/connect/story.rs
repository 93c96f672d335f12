//! The way it should go.

use std::time::Duration;

use anteroom::{connect::Outcome, protocol::oauth::scope::ScopeSet};
use axum::http::StatusCode;

use super::house::{House, alice, sign_in};
use crate::support::{browser::Browser, provider::AtToken};

#[tokio::test]
async fn a_user_connects_an_account() {
    let house = House::new().await;
    let offer = house.offer().await;
    assert_eq!(house.outcome(&offer).await, Outcome::Open);
    let mut connected = house
        .signals
        .subscribe(&format!("connected/{}", alice().key()));
    let mut tools = house.signals.subscribe(&format!("tools/{}", alice().key()));

    // Nobody is signed in: first that, and back.
    let browser = Browser::new();
    let page = browser.open(&offer.url).await;
    assert!(page.url.path().starts_with("/sign-in/team"), "{}", page.url);
    let page = sign_in(&browser, &page, "alice").await;

    // The page says who asks for what, where, and for whom.
    assert_eq!(page.url, offer.url);
    assert_eq!(page.title(), "curl wants to use Acme Notes for you");
    let words = page.words();
    for said in [
        "alice of the team",
        "Read and write your notes",
        "through the API key demo",
        "Work tools",
        house.acme.base.authority(),
    ] {
        assert!(words.contains(said), "{said}: {words}");
    }
    assert!(house.table("callbacks").await.is_empty());

    // To the provider, and back.
    let away = browser.press(&page.form("Continue to Acme Notes")).await;
    assert_eq!(away.status, StatusCode::SEE_OTHER);
    let asked = away.location().unwrap();
    assert!(asked.as_str().starts_with(house.acme.base.as_str()));
    let done = browser.follow(away).await;
    assert_eq!(done.url, offer.url);
    assert_eq!(done.status, StatusCode::OK);
    assert_eq!(done.title(), "Connected. You can close this window.");

    // Everything is as it should be, on both sides.
    assert_eq!(house.outcome(&offer).await, Outcome::Completed);
    let authorization = &house.acme.authorizations()[0];
    assert_eq!(
        authorization["tenant"], "7",
        "the endpoint's own query is kept"
    );
    assert_eq!(authorization["response_type"], "code");
    assert_eq!(authorization["scope"], "notes");
    assert_eq!(authorization["code_challenge_method"], "S256");
    assert_eq!(
        authorization["redirect_uri"],
        house
            .base
            .join("oauth2/intermediate_callback/acme")
            .unwrap()
            .as_str()
    );
    let exchange = &house.acme.asked()[0];
    assert_eq!(exchange.accept.as_deref(), Some("application/json"));
    assert!(exchange.fields.contains_key("code_verifier"));
    assert!(
        !exchange.fields.contains_key("client_secret"),
        "it goes in the header"
    );
    house
        .has(&alice(), "acme", &house.acme.access_tokens()[0])
        .await;
    for waiter in [&mut connected, &mut tools] {
        tokio::time::timeout(Duration::from_secs(1), waiter.wait())
            .await
            .unwrap();
    }

    // Afterwards the page can be looked at again, and nothing can be done again.
    assert!(house.table("callbacks").await.is_empty());
    assert!(house.table("open_flows").await.is_empty());
    let again = browser.open(&offer.url).await;
    assert_eq!(again.title(), "Connected. You can close this window.");
    assert!(!again.has_button("Continue to Acme Notes"));
}

#[tokio::test]
async fn answers_in_other_shapes_are_understood() {
    for (shape, pointer) in [(AtToken::Form, ""), (AtToken::Nested, "/authed_user")] {
        let house = House::with(|acme| acme.answer.pointer = pointer.into()).await;
        house.acme.switch(|acme| {
            acme.token = shape.clone();
            acme.expires_in = "3600".into();
        });
        let offer = house.offer().await;
        let (browser, back) = house.alice_at_callback(&offer).await;
        let done = browser.open(back).await;
        assert_eq!(
            done.title(),
            "Connected. You can close this window.",
            "{shape:?}"
        );
        house
            .has(&alice(), "acme", &house.acme.access_tokens()[0])
            .await;
    }
}

#[tokio::test]
async fn clients_can_show_who_they_are_in_the_body() {
    let house = House::with(|acme| acme.client_auth = anteroom::config::ClientAuth::Post).await;
    let offer = house.offer().await;
    let (browser, back) = house.alice_at_callback(&offer).await;
    browser.open(back).await;
    assert_eq!(house.outcome(&offer).await, Outcome::Completed);
    assert!(house.acme.asked()[0].fields.contains_key("client_secret"));
}

#[tokio::test]
async fn less_than_asked_for_is_said_and_kept() {
    let house = House::new().await;
    house
        .acme
        .switch(|acme| acme.granted = Some("notes".into()));
    let offer = house
        .ask(&alice(), "curl", "acme", "notes files")
        .await
        .unwrap();
    let (browser, back) = house.alice_at_callback(&offer).await;
    let done = browser.open(back).await;
    assert!(
        done.words().contains("gave less than was asked for"),
        "{}",
        done.words()
    );
    assert!(done.words().contains("files"));
    assert_eq!(house.outcome(&offer).await, Outcome::Completed);
}

#[tokio::test]
async fn going_back_from_the_provider_and_on_again_works() {
    let house = House::new().await;
    let offer = house.offer().await;
    let (browser, first) = house.alice_at_callback(&offer).await;
    // Back in the browser's history, and "continue" once more.
    let page = browser.open(&offer.url).await;
    let away = browser.press(&page.form("Continue to Acme Notes")).await;
    let second = browser
        .get(away.location().unwrap())
        .await
        .location()
        .unwrap();
    assert_eq!(
        house.table("callbacks").await.len(),
        1,
        "the older state is void"
    );

    let old = browser.open(&first).await;
    assert_eq!(old.title(), "This address works only once");
    assert_eq!(house.outcome(&offer).await, Outcome::Open);
    assert!(house.acme.asked().is_empty());

    let done = browser.open(&second).await;
    assert_eq!(done.title(), "Connected. You can close this window.");
}

#[tokio::test]
async fn a_browser_that_hangs_up_at_the_callback_does_not_lose_the_tokens() {
    let house = House::new().await;
    let offer = house.offer().await;
    let (browser, back) = house.alice_at_callback(&offer).await;
    let mut connected = house
        .signals
        .subscribe(&format!("connected/{}", alice().key()));
    // The provider is slow, and the browser goes away in the middle.
    house
        .acme
        .switch(|acme| acme.token = AtToken::Slow(Duration::from_millis(200)));
    let gone = tokio::time::timeout(Duration::from_millis(100), browser.get(&back)).await;
    assert!(
        gone.is_err(),
        "the provider was not slow enough for this test"
    );
    tokio::time::timeout(Duration::from_secs(5), connected.wait())
        .await
        .unwrap();
    assert_eq!(house.outcome(&offer).await, Outcome::Completed);
    house
        .has(&alice(), "acme", &house.acme.access_tokens()[0])
        .await;
}

#[tokio::test]
async fn providers_without_pkce_are_served_too() {
    let house = House::with(|acme| acme.pkce = false).await;
    let offer = house.offer().await;
    let (browser, back) = house.alice_at_callback(&offer).await;
    browser.open(back).await;
    assert_eq!(house.outcome(&offer).await, Outcome::Completed);
    assert!(!house.acme.asked()[0].fields.contains_key("code_verifier"));
}

#[tokio::test]
async fn scopes_the_provider_is_always_asked_for_are_shown_and_asked() {
    let house = House::with(|acme| acme.scopes = ScopeSet::parse("offline_access")).await;
    let offer = house.offer().await;
    let browser = house.browser_of(&alice()).await;
    let page = browser.open(&offer.url).await;
    assert!(page.words().contains("offline_access"));
    browser.submit(&page.form("Continue to Acme Notes")).await;
    assert_eq!(
        house.acme.authorizations()[0]["scope"],
        "notes offline_access"
    );
}
