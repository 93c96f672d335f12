//! Attacks on what a provider's redirect brings back, each test named after its attack (`mcp-spec.md` §5, checklist 65–69).

use anteroom::connect::Outcome;
use axum::http::StatusCode;
use url::Url;

use super::house::{House, alice, bob, failure};
use crate::support::{browser::Browser, provider::Iss};

const USED: &str = "This address works only once";

/// Login CSRF: Mallory's own answer is opened in Alice's browser, so that Mallory's account is connected to Alice.
#[tokio::test]
async fn state_from_other_browser() {
    let house = House::new().await;
    let offer = house.offer().await;
    let (browser, back) = house.alice_at_callback(&offer).await;
    for (whose, other) in [
        ("nobody's", Browser::new()),
        ("Bob's", house.browser_of(&bob()).await),
        ("Alice's other", house.browser_of(&alice()).await),
    ] {
        let offer = house.ask(&alice(), whose, "acme", "notes").await.unwrap();
        let page = browser.open(&offer.url).await;
        let away = browser.press(&page.form("Continue to Acme Notes")).await;
        let back = browser
            .get(away.location().unwrap())
            .await
            .location()
            .unwrap();
        let page = other.open(&back).await;
        assert_eq!(
            (page.status, page.title().as_str()),
            (StatusCode::GONE, USED),
            "{whose}"
        );
        let page = browser.open(&back).await;
        assert_eq!(
            page.title(),
            USED,
            "{whose}: the state is spent all the same"
        );
    }
    assert!(house.acme.asked().is_empty());
    let done = browser.open(&back).await;
    assert_eq!(
        done.title(),
        "Connected. You can close this window.",
        "other flows are not disturbed"
    );
}

/// Checklist 68.
#[tokio::test]
async fn state_replayed() {
    let house = House::new().await;
    let offer = house.offer().await;
    let (browser, back) = house.alice_at_callback(&offer).await;
    browser.open(&back).await;
    let page = browser.open(&back).await;
    assert_eq!(
        (page.status, page.title().as_str()),
        (StatusCode::GONE, USED)
    );
    assert_eq!(house.acme.asked().len(), 1);
    assert_eq!(
        house.outcome(&offer).await,
        Outcome::Completed,
        "what was connected stays"
    );
}

/// Of many at the same moment one gets through.
#[tokio::test]
async fn state_replayed_at_the_same_moment() {
    let house = House::new().await;
    let offer = house.offer().await;
    let (browser, back) = house.alice_at_callback(&offer).await;
    let pages = futures_util::future::join_all((0..16).map(|_| browser.get(&back))).await;
    let through = pages
        .iter()
        .filter(|page| page.status == StatusCode::SEE_OTHER);
    assert_eq!(through.count(), 1);
    assert_eq!(house.acme.asked().len(), 1);
}

#[tokio::test]
async fn state_expired() {
    let house = House::new().await;
    let offer = house.offer().await;
    let (browser, back) = house.alice_at_callback(&offer).await;
    house.advance(11);
    let page = browser.open(&back).await;
    assert_eq!(page.title(), USED);
    assert!(house.acme.asked().is_empty());
    // The link is still good.
    let page = browser.open(&offer.url).await;
    let done = browser.submit(&page.form("Continue to Acme Notes")).await;
    assert_eq!(done.title(), "Connected. You can close this window.");
}

/// Checklist 68: missing, unknown, twice, empty.
#[tokio::test]
async fn state_made_up() {
    let house = House::new().await;
    let offer = house.offer().await;
    let (browser, back) = house.alice_at_callback(&offer).await;
    let before = house.records_but_sessions().await;
    let query = back.query().unwrap();
    for query in [
        "",
        "code=c",
        "code=c&state=",
        "code=c&state=made-up",
        &format!("code=c&state={}", "A".repeat(43)),
        &format!("code=c&state={}", "A".repeat(4000)),
        &format!("{query}&state=again"),
        &format!("{query}&code=again"),
    ] {
        let mut url = back.clone();
        url.set_query(Some(query));
        let page = browser.open(&url).await;
        assert_eq!(
            (page.status, page.title().as_str()),
            (StatusCode::GONE, USED),
            "{query}"
        );
    }
    assert_eq!(house.records_but_sessions().await, before);
    assert!(house.acme.asked().is_empty());
}

/// Cross-app mix-up: an answer is brought to another provider's address, so that its code goes to that provider.
#[tokio::test]
async fn callback_for_other_provider() {
    let house = House::new().await;
    let offer = house.offer().await;
    for path in ["other", "nobody", "ACME", "acme%2F"] {
        let (browser, back) = house.alice_at_callback(&offer).await;
        let mut url = house
            .base
            .join(&format!("oauth2/intermediate_callback/{path}"))
            .unwrap();
        url.set_query(back.query());
        let page = browser.open(&url).await;
        assert_eq!(page.title(), USED, "{path}");
        assert_eq!(
            browser.open(&back).await.title(),
            USED,
            "{path}: the state is spent"
        );
    }
    assert!(house.acme.asked().is_empty() && house.other.asked().is_empty());
    assert_eq!(house.outcome(&offer).await, Outcome::Open);
}

/// RFC 9207, checklist 69. Nor is anything shown of what the wrong issuer says.
#[tokio::test]
async fn issuer_mixed_up() {
    for required in [true, false] {
        let house = House::with(|acme| {
            acme.issuer = Some("https://acme.example".into());
            acme.iss_required = required;
        })
        .await;
        house.acme.switch(|acme| acme.iss = Iss::Other);
        for error in ["", "&error=access_denied&error_description=pwned"] {
            let offer = house.offer().await;
            let (browser, mut back) = house.alice_at_callback(&offer).await;
            back.set_query(Some(&format!("{}{error}", back.query().unwrap())));
            let page = browser.open(&back).await;
            assert_eq!(page.title(), "Acme Notes could not connect you");
            assert!(!page.text.contains("pwned") && !page.text.contains("access_denied"));
            assert_eq!(failure(&house.outcome(&offer).await), "wrong issuer");
        }
        assert!(house.acme.asked().is_empty());
    }
}

/// Checklist 69: the provider says that it always sends `iss`.
#[tokio::test]
async fn issuer_missing_though_advertised() {
    let house = House::with(|acme| {
        acme.issuer = Some("https://acme.example".into());
        acme.iss_required = true;
    })
    .await;
    let offer = house.offer().await;
    let (browser, back) = house.alice_at_callback(&offer).await;
    browser.open(&back).await;
    assert_eq!(failure(&house.outcome(&offer).await), "wrong issuer");
    assert!(house.acme.asked().is_empty());
}

#[tokio::test]
async fn issuer_right() {
    let house = House::new().await;
    let issuer = house.acme.issuer();
    house.reconfigure("acme", |acme| {
        acme.issuer = Some(issuer);
        acme.iss_required = true;
    });
    house.acme.switch(|acme| acme.iss = Iss::Right);
    let offer = house.offer().await;
    let (browser, back) = house.alice_at_callback(&offer).await;
    browser.open(&back).await;
    assert_eq!(house.outcome(&offer).await, Outcome::Completed);
}

/// Mallory has Alice's browser finish with a code of Mallory's own.
#[tokio::test]
async fn code_injected() {
    let house = House::new().await;
    // A code of Mallory's, from his own way through the same client at the same provider.
    let his = house.ask(&bob(), "curl", "acme", "notes").await.unwrap();
    let mallory = house.browser_of(&bob()).await;
    let page = mallory.open(&his.url).await;
    let away = mallory.press(&page.form("Continue to Acme Notes")).await;
    let back = mallory
        .get(away.location().unwrap())
        .await
        .location()
        .unwrap();
    let code = parameter(&back, "code");

    let offer = house.offer().await;
    let (browser, back) = house.alice_at_callback(&offer).await;
    let mut url = back.clone();
    url.query_pairs_mut()
        .clear()
        .append_pair("state", &parameter(&back, "state"))
        .append_pair("code", &code);
    let page = browser.open(&url).await;
    assert_eq!(
        page.title(),
        "Acme Notes could not connect you",
        "PKCE binds a code to its browser's verifier"
    );
    assert_eq!(failure(&house.outcome(&offer).await), "code refused");
    house.has_nothing(&alice(), "acme").await;
}

fn parameter(url: &Url, name: &str) -> String {
    let found = url.query_pairs().find(|(key, _)| key == name);
    found.unwrap().1.into_owned()
}
