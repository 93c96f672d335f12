//! Attacks on links and pages, each test named after its attack (`mcp-spec.md` §2.4 and §5, checklist 63–72).

use anteroom::connect::Outcome;
use axum::http::StatusCode;

use super::house::{House, alice, bob, sign_in};
use crate::support::{browser::Browser, log::Log};

const USED: &str = "This address works only once";

/// Mallory makes the gateway ask for himself and sends Bob the link, so that Bob's account is connected to Mallory.
#[tokio::test]
async fn elicitation_opened_by_other_user() {
    let house = House::new().await;
    let offer = house.offer().await;
    let before = house.records_but_sessions().await;
    let bobs = house.browser_of(&bob()).await;
    let page = bobs.open(&offer.url).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_eq!(page.title(), "This link is for someone else");
    assert!(!page.words().contains("alice"), "whose it is stays unsaid");
    assert!(!page.has_button("Continue to Acme Notes"));
    assert_eq!(house.records_but_sessions().await, before);

    // Nor with a form that Alice's page would have had.
    let alices = house.browser_of(&alice()).await;
    let form = alices.open(&offer.url).await.form("Continue to Acme Notes");
    let page = bobs.submit(&form).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_eq!(house.records_but_sessions().await, before);
    assert!(house.acme.authorizations().is_empty());

    // Alice is not disturbed.
    let done = alices.submit(&form).await;
    assert_eq!(done.title(), "Connected. You can close this window.");
    house.has_nothing(&bob(), "acme").await;
}

/// Checklist 65: somebody else sits down at the browser while its user is away at the provider.
#[tokio::test]
async fn session_swapped_between_connect_and_callback() {
    let house = House::new().await;
    let offer = house.offer().await;
    let (browser, back) = house.alice_at_callback(&offer).await;
    let home = browser.open(&house.base).await;
    browser.submit(&home.form("Sign out")).await;
    let page = browser.open(house.base.join("sign-in/team").unwrap()).await;
    sign_in(&browser, &page, "bob").await;

    let page = browser.open(&back).await;
    assert_eq!(page.title(), USED);
    assert!(house.acme.asked().is_empty(), "the code is not sent");
    house.has_nothing(&bob(), "acme").await;
    house.has_nothing(&alice(), "acme").await;
    assert_eq!(house.outcome(&offer).await, Outcome::Open);
}

/// The same, the session of another user source keeping the browser's key as it was.
#[tokio::test]
async fn user_signed_out_between_connect_and_callback() {
    let house = House::new().await;
    let offer = house.offer().await;
    let browser = house.browser_of(&alice()).await;
    let page = browser.open(house.base.join("sign-in/club").unwrap()).await;
    sign_in(&browser, &page, "bob").await;
    let page = browser.open(&offer.url).await;
    let away = browser.press(&page.form("Continue to Acme Notes")).await;
    let back = browser
        .get(away.location().unwrap())
        .await
        .location()
        .unwrap();
    let page = browser.open(&offer.url).await;
    browser.press(&page.form("Not you?")).await;

    let page = browser.open(&back).await;
    assert!(page.url.path().starts_with("/sign-in/team"), "{}", page.url);
    assert!(house.acme.asked().is_empty());
    assert_eq!(house.outcome(&offer).await, Outcome::Open);
}

/// Checklist 63 and 67: link scanners, chat previews and impatient clients.
#[tokio::test]
async fn prefetch_changes_nothing() {
    let house = House::new().await;
    let offer = house.offer().await;
    let before = house.records_but_sessions().await;
    let stranger = Browser::new();
    let alices = house.browser_of(&alice()).await;
    for browser in [&stranger, &alices] {
        for _ in 0..3 {
            browser.get(&offer.url).await;
            browser.head(&offer.url).await;
        }
    }
    assert!(stranger.cookies().is_empty(), "not even a cookie");
    assert_eq!(house.records_but_sessions().await, before);
    assert!(house.acme.authorizations().is_empty());

    // Nor does a HEAD of the provider's answer use it up.
    let (browser, back) = house.alice_at_callback(&offer).await;
    let before = house.records_but_sessions().await;
    assert_eq!(
        browser.head(&back).await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
    assert_eq!(house.records_but_sessions().await, before);
    assert_eq!(
        browser.open(&back).await.title(),
        "Connected. You can close this window."
    );
}

/// Another site posts the consent form in Alice's browser.
#[tokio::test]
async fn consent_csrf() {
    let house = House::new().await;
    let offer = house.offer().await;
    let other = house.ask(&alice(), "curl", "other", "notes").await.unwrap();
    let alices = house.browser_of(&alice()).await;
    let form = alices.open(&offer.url).await.form("Continue to Acme Notes");
    let of_other = alices.open(&other.url).await.form("Continue to Acme Notes");
    let bobs = house.browser_of(&bob()).await;
    let bobs_offer = house.ask(&bob(), "curl", "acme", "notes").await.unwrap();
    let of_bob = bobs
        .open(&bobs_offer.url)
        .await
        .form("Continue to Acme Notes");
    let before = house.records_but_sessions().await;
    let origin = house.base.origin().ascii_serialization();
    let ours: &[(&str, &str)] = &[("origin", &origin), ("sec-fetch-site", "same-origin")];
    for (form, headers, why) in [
        (
            form.clone(),
            &[("sec-fetch-site", "cross-site")][..],
            "another site",
        ),
        (
            form.clone(),
            &[("sec-fetch-site", "same-site")],
            "a neighbour",
        ),
        (
            form.clone(),
            &[("origin", "https://evil.example")],
            "another origin",
        ),
        (form.clone(), &[("origin", "null")], "no origin"),
        (form.clone().with("csrf", ""), ours, "no token"),
        (
            form.clone().with("csrf", "made-up"),
            ours,
            "a made-up token",
        ),
        (
            form.clone().with("csrf", of_other.field("csrf").unwrap()),
            ours,
            "another flow's token",
        ),
        (
            form.clone().with("csrf", of_bob.field("csrf").unwrap()),
            ours,
            "another browser's token",
        ),
    ] {
        let page = alices.post(&form, headers).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{why}");
        assert!(page.location().is_none(), "{why}");
    }
    for broken in [
        form.clone().with("answer", "perhaps"),
        form.clone().with("answer", ""),
    ] {
        assert_eq!(
            alices.post(&broken, ours).await.status,
            StatusCode::BAD_REQUEST
        );
    }
    assert_eq!(house.records_but_sessions().await, before);
    assert!(house.acme.authorizations().is_empty());
    // Without the cookie it is nobody's.
    let page = Browser::new().post(&form, ours).await;
    assert!(page.location().unwrap().path().starts_with("/sign-in/team"));
    assert_eq!(house.records_but_sessions().await, before);
}

/// Clickjacking: the consent page under a transparent one.
#[tokio::test]
async fn consent_framed() {
    let house = House::new().await;
    let offer = house.offer().await;
    let browser = house.browser_of(&alice()).await;
    let page = browser.open(&offer.url).await;
    let header = |name: &str| page.headers[name].to_str().unwrap();
    assert!(header("content-security-policy").contains("frame-ancestors 'none'"));
    assert!(header("content-security-policy").contains("default-src 'none'"));
    assert_eq!(header("x-frame-options"), "DENY");
    assert_eq!(header("cache-control"), "no-store");
    let form_action = header("content-security-policy")
        .split("form-action")
        .nth(1)
        .unwrap();
    assert!(
        form_action.contains(&house.acme.base.origin().ascii_serialization()),
        "{form_action}"
    );
}

/// Checklist 66.
#[tokio::test]
async fn connect_url_tampered() {
    let house = House::new().await;
    let offer = house.offer().await;
    let before = house.records_but_sessions().await;
    let browser = house.browser_of(&alice()).await;
    let id = offer.flow.as_str();
    let other = if id.ends_with('A') { "B" } else { "A" };
    for id in [
        &format!("{}{other}", &id[..26]),
        &id[..26],
        &format!("{id}A"),
        &id.to_uppercase(),
        "%FF",
        "..%2Fsign-in%2Fteam",
        "a",
    ] {
        let page = browser
            .open(house.base.join(&format!("connect/{id}")).unwrap())
            .await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{id}");
        assert_eq!(page.title(), "We do not know this link", "{id}");
    }
    // There is nothing beside the id that could be changed.
    let mut url = offer.url.clone();
    url.set_query(Some(
        "user=bob&provider=other&scope=everything&return_to=https://evil.example",
    ));
    let page = browser.open(&url).await;
    assert!(!page.text.contains("evil.example") && !page.text.contains("everything"));
    browser.submit(&page.form("Continue to Acme Notes")).await;
    assert_eq!(house.acme.authorizations()[0]["scope"], "notes");
    assert_ne!(house.records_but_sessions().await, before);
    assert_eq!(house.outcome(&offer).await, Outcome::Completed);
}

/// Checklist 70: nothing secret in pages, the address bar, records, or the log at its most talkative.
#[tokio::test]
async fn secrets_at_rest_and_on_pages() {
    let log = Log::listen();
    let house = House::new().await;
    let offer = house.offer().await;
    let (browser, back) = house.alice_at_callback(&offer).await;
    let waiting = house.records().await;
    let done = browser.open(&back).await;
    let records = house.records().await;
    let secrets = house.acme.secrets();
    assert!(secrets.len() >= 5, "state, code, verifier, two tokens");
    for secret in &secrets {
        for (key, value) in waiting.iter().chain(&records) {
            assert!(
                !key.contains(secret) && !value.contains(secret),
                "{secret} in {key}"
            );
        }
        assert!(!done.text.contains(secret), "{secret} on the page");
        let lines = log.lines(secret);
        assert!(lines.is_empty(), "{secret} in the log: {lines:?}");
    }
    assert!(log.lines("alice").is_empty(), "{:?}", log.lines("alice"));
    let cookie = browser.cookies()[0].split_once('=').unwrap().1.to_owned();
    assert!(log.lines(&cookie).is_empty());
    assert!(log.text().contains("an account was connected"));
    assert_eq!(done.url, offer.url, "and not in the address bar");
}

/// A client calls itself something that reads like a part of our page.
#[tokio::test]
async fn client_with_a_hostile_name() {
    let house = House::new().await;
    let name = "<script>alert(1)</script>\u{202e}\u{0}".to_owned() + &"x".repeat(5000);
    let offer = house.ask(&alice(), &name, "acme", "notes").await.unwrap();
    let browser = house.browser_of(&alice()).await;
    let page = browser.open(&offer.url).await;
    assert!(!page.text.contains("<script") && !page.text.contains('\u{202e}'));
    assert!(page.text.len() < 50_000);
}
