//! Attacks on the page that asks for a key, each test named after its attack.

use anteroom::connect::{ConfirmError, Outcome, Vouching};
use axum::http::StatusCode;

use super::{
    furnishing::configuration,
    house::{House, alice, bob, failure, name},
    keys::{CONNECT, DONE},
};
use crate::support::{
    browser::Browser,
    log::Log,
    provider::{About, KEY},
};

/// Mallory sends Bob his own link, so that Bob's key serves Mallory's calls; and the other way round.
#[tokio::test]
async fn key_typed_by_another_user() {
    let house = House::of_keys(|_| {}).await;
    let offer = house.asks_for_a_key().await;
    let before = house.records_but_sessions().await;
    let bobs = house.browser_of(&bob()).await;
    let page = bobs.open(&offer.url).await;
    assert_eq!(page.title(), "This link is for someone else");
    assert!(!page.text.contains("type=\"password\""));
    let (alices, page) = house.alice_at_key_page(&offer).await;
    let form = page.form(CONNECT).with("key", KEY);
    let page = bobs.submit(&form).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(!page.text.contains(KEY));
    assert_eq!(house.records_but_sessions().await, before);
    assert!(house.acme.told().is_empty(), "not even tried");
    assert_eq!(alices.submit(&form).await.title(), DONE);
    assert_eq!(house.key_of(&bob()).await, None);
}

/// Another site posts a key of its own in Alice's browser, so that what she then writes goes to its account.
#[tokio::test]
async fn key_planted_by_csrf() {
    let house = House::of_keys(|_| {}).await;
    let offer = house.asks_for_a_key().await;
    let (browser, page) = house.alice_at_key_page(&offer).await;
    let form = page.form(CONNECT).with("key", KEY);
    let before = house.records_but_sessions().await;
    let origin = house.base.origin().ascii_serialization();
    let ours: &[(&str, &str)] = &[("origin", &origin), ("sec-fetch-site", "same-origin")];
    for (form, headers) in [
        (form.clone(), &[("sec-fetch-site", "cross-site")][..]),
        (form.clone(), &[("origin", "https://evil.example")]),
        (form.clone(), &[("origin", "null")]),
        (form.clone().with("csrf", ""), ours),
        (form.clone().with("csrf", "made-up"), ours),
    ] {
        let page = browser.post(&form, headers).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{headers:?}");
        assert!(!page.text.contains(KEY));
    }
    let nobodys = Browser::new().post(&form, ours).await;
    assert!(
        nobodys
            .location()
            .unwrap()
            .path()
            .starts_with("/sign-in/team")
    );
    assert!(house.acme.told().is_empty());
    assert_eq!(house.records_but_sessions().await, before);
}

/// Whoever presses Back, or sends a recorded request again.
#[tokio::test]
async fn key_replayed() {
    let house = House::of_keys(|_| {}).await;
    let offer = house.asks_for_a_key().await;
    let (browser, page) = house.alice_at_key_page(&offer).await;
    let form = page.form(CONNECT).with("key", KEY);
    assert_eq!(browser.submit(&form).await.title(), DONE);
    let before = house.records_but_sessions().await;
    assert_eq!(browser.submit(&form).await.title(), DONE);
    let other = form.clone().with("key", "sk-of-mallory");
    assert_eq!(browser.submit(&other).await.title(), DONE);
    assert_eq!(house.records_but_sessions().await, before);
    assert_eq!(house.acme.told().len(), 1);
    assert_eq!(house.key_of(&alice()).await.as_deref(), Some(KEY));
}

#[tokio::test]
async fn key_in_a_get() {
    let log = Log::listen();
    let house = House::of_keys(|_| {}).await;
    let offer = house.asks_for_a_key().await;
    let (browser, page) = house.alice_at_key_page(&offer).await;
    let before = house.records_but_sessions().await;
    let mut url = offer.url.clone();
    let csrf = page.form(CONNECT);
    url.query_pairs_mut()
        .append_pair("csrf", csrf.field("csrf").unwrap())
        .append_pair("answer", "continue")
        .append_pair("key", "sk-in-an-address");
    let page = browser.open(&url).await;
    assert!(!page.text.contains("sk-in-an-address"));
    assert!(page.has_button(CONNECT));
    assert_eq!(house.records_but_sessions().await, before);
    assert!(house.acme.told().is_empty());
    let own = log.lines("sk-in-an-address");
    let own: Vec<_> = own
        .iter()
        .filter(|line| line.contains("anteroom"))
        .collect();
    assert!(own.is_empty(), "{own:?}");
}

#[tokio::test]
async fn key_that_is_a_flood() {
    let house = House::of_keys(|_| {}).await;
    let offer = house.asks_for_a_key().await;
    let (browser, page) = house.alice_at_key_page(&offer).await;
    let before = house.records_but_sessions().await;
    let flood = page.form(CONNECT).with("key", &"k".repeat(40_000));
    let page = browser.submit(&flood).await;
    assert_eq!(page.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(page.title(), "That was too much");
    assert_eq!(house.records_but_sessions().await, before);
    // Two of a field are no form of ours.
    let mut twice = browser
        .open(&offer.url)
        .await
        .form(CONNECT)
        .with("key", KEY);
    twice.fields.push(("key".into(), "sk-other".into()));
    let page = browser.submit(&twice).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(house.acme.told().is_empty());
}

/// Two windows, one right key and one wrong one, while the service takes its time.
#[tokio::test]
async fn keys_at_the_same_moment() {
    let house = House::of_keys(|_| {}).await;
    let offer = house.asks_for_a_key().await;
    let (browser, page) = house.alice_at_key_page(&offer).await;
    let form = page.form(CONNECT).with("key", KEY);
    let posts = (0..8).map(|_| browser.submit(&form));
    for page in futures_util::future::join_all(posts).await {
        assert!(
            [DONE, "curl wants to use Acme Weather for you"].contains(&page.title().as_str()),
            "{}",
            page.text
        );
    }
    // One of them may have taken the place of all others at the wrong moment; then the page asks again.
    if house.outcome(&offer).await == Outcome::Open {
        assert_eq!(browser.submit(&form).await.title(), DONE);
    }
    assert_eq!(house.key_of(&alice()).await.as_deref(), Some(KEY));
}

/// Said no in another window while the key was on its way.
#[tokio::test]
async fn key_of_a_flow_that_was_cancelled_meanwhile() {
    let house = House::of_keys(|_| {}).await;
    house.acme.switch(|acme| acme.about = About::Slow);
    let offer = house.asks_for_a_key().await;
    let (browser, page) = house.alice_at_key_page(&offer).await;
    let (give, cancel) = (page.form(CONNECT).with("key", KEY), page.form("Cancel"));
    let (page, _) = tokio::join!(browser.submit(&give), async {
        house.acme.is_told().await;
        browser.submit(&cancel).await
    });
    assert_eq!(page.title(), "Acme Weather was not connected");
    assert_eq!(failure(&house.outcome(&offer).await), "declined");
    assert_eq!(house.key_of(&alice()).await, None);
}

/// Nothing of a key in pages, addresses, records, or the log at its most talkative.
#[tokio::test]
async fn key_at_rest_on_pages_and_in_the_log() {
    let log = Log::listen();
    let house = House::of_keys(|_| {}).await;
    let offer = house.asks_for_a_key().await;
    let (browser, page) = house.alice_at_key_page(&offer).await;
    let mut pages = vec![];
    for key in ["sk-wrong-guess", "sk-half a-guess", KEY] {
        let form = page.form(CONNECT).with("key", key);
        pages.push(browser.submit(&form).await);
    }
    assert_eq!(pages[2].title(), DONE);
    assert_eq!(pages[0].headers["referrer-policy"], "same-origin");
    for secret in [KEY, "sk-wrong-guess", "sk-half"] {
        for (key, value) in house.records().await {
            assert!(!key.contains(secret) && !value.contains(secret), "{key}");
        }
        for page in &pages {
            assert!(!page.text.contains(secret));
            assert!(page.trail.iter().all(|url| !url.as_str().contains(secret)));
        }
        let lines = log.lines(secret);
        assert!(lines.is_empty(), "{secret} in the log: {lines:?}");
    }
    assert!(log.text().contains("an account was connected"));
}

/// Where an application vouches for its users: a key serves nobody before it did, and nobody else ever.
#[tokio::test]
async fn key_planted_through_a_forwarded_link() {
    let house = House::of_keys(|_| {}).await;
    let (carol, mallory) = (house.of_app("carol"), house.of_app("mallory"));
    for (who, right) in [(&mallory, false), (&carol, true)] {
        let asked = house.acme.told().len();
        let offer = house.asks_through_an_app(&carol).await;
        let browser = Browser::new();
        let page = browser.open(&offer.url).await;
        assert!(
            page.words()
                .contains("It is used only once The App has said")
        );
        let away = browser.press(&page.form(CONNECT).with("key", KEY)).await;
        let to = away.location().unwrap();
        assert!(
            to.as_str()
                .starts_with("https://app.example/verify?x=1&flow_id="),
            "{to}"
        );
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("form-action 'self' https:"), "{policy}");
        assert_eq!(house.key_of(&carol).await, None);
        for (key, value) in house.records().await {
            assert!(!value.contains(KEY), "{key}");
        }
        let ticket = to.query_pairs().last().unwrap().1.into_owned();
        let word = |user| Vouching {
            user,
            ticket: &ticket,
            by_link: false,
        };
        let confirmed = house.pages.confirm(word(who)).await;
        if right {
            assert_eq!(house.key_of(&carol).await.as_deref(), Some(KEY));
            let again = house.pages.confirm(word(who)).await;
            let (again, first) = (again.unwrap(), confirmed.unwrap());
            assert_eq!(again.next, first.next, "a repetition is harmless");
            assert_eq!(house.outcome(&offer).await, Outcome::Completed);
        } else {
            assert!(matches!(confirmed, Err(ConfirmError::OtherPerson)));
            let late = house.pages.confirm(word(&carol)).await;
            assert!(late.is_err(), "what was held is used by nobody");
            assert_eq!(house.key_of(&carol).await, None);
        }
        assert_eq!(house.key_of(&mallory).await, None);
        assert_eq!(
            house.acme.told().len(),
            asked + 1,
            "tried once, on our page"
        );
    }
}

/// A key was held for the application when the operator made the service one that gives tokens: what the user agreed to is no
/// more.
#[tokio::test]
async fn key_held_for_a_service_of_another_kind() {
    let house = House::of_keys(|_| {}).await;
    let carol = house.of_app("carol");
    let offer = house.asks_through_an_app(&carol).await;
    let browser = Browser::new();
    let page = browser.open(&offer.url).await;
    let away = browser.press(&page.form(CONNECT).with("key", KEY)).await;
    let to = away.location().unwrap();
    let ticket = to.query_pairs().last().unwrap().1.into_owned();

    let providers = [(name("weather"), house.other.config())].into();
    house.live.replace(configuration(&house.base, providers));
    let word = Vouching {
        user: &carol,
        ticket: &ticket,
        by_link: false,
    };
    assert!(house.pages.confirm(word).await.is_err());
    assert_eq!(failure(&house.outcome(&offer).await), "misconfigured");
    assert!(house.table("credentials").await.is_empty());
}
