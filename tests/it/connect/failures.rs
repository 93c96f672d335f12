//! The ways it fails: each its own plain page, each the end of the flow at once.

use std::time::Duration;

use anteroom::connect::{ConnectError, Outcome};
use axum::http::StatusCode;

use super::house::{House, alice, failure};
use crate::support::{
    log::Log,
    provider::{AtAuthorize, AtToken, Switches},
};

/// Alice goes to the provider and back; what she is shown then, and how the flow ended.
async fn with(change: impl FnOnce(&mut Switches)) -> (House, &'static str, String, String) {
    let house = House::new().await;
    house.acme.switch(change);
    let offer = house.offer().await;
    let (browser, back) = house.alice_at_callback(&offer).await;
    let page = browser.open(back).await;
    assert_eq!(page.url, offer.url, "every step ends at the flow's page");
    assert!(
        !page.text.contains("pwned"),
        "the provider's text is shown: {}",
        page.text
    );
    assert!(house.table("callbacks").await.is_empty());
    assert!(house.table("open_flows").await.is_empty());
    // Looking again shows the same, and does nothing.
    let (asked, again) = (house.acme.asked().len(), browser.open(&offer.url).await);
    assert_eq!(again.text, page.text);
    assert_eq!(house.acme.asked().len(), asked);
    let outcome = house.outcome(&offer).await;
    (house, failure(&outcome), page.title(), page.words())
}

#[tokio::test]
async fn declined_on_our_page() {
    let house = House::new().await;
    let offer = house.offer().await;
    let browser = house.browser_of(&alice()).await;
    let page = browser.open(&offer.url).await;
    let page = browser.submit(&page.form("Cancel")).await;
    assert_eq!(page.title(), "Acme Notes was not connected");
    assert!(page.words().contains("You cancelled"));
    assert_eq!(failure(&house.outcome(&offer).await), "declined");
    assert!(house.acme.authorizations().is_empty());
}

#[tokio::test]
async fn denied_at_the_provider() {
    let (house, outcome, title, words) =
        with(|acme| acme.authorize = AtAuthorize::Error("access_denied")).await;
    assert_eq!(
        (outcome, title.as_str()),
        ("denied", "Acme Notes was not connected")
    );
    assert!(words.contains("declined at Acme Notes"), "{words}");
    assert!(house.acme.asked().is_empty());
}

#[tokio::test]
async fn an_error_of_the_provider() {
    let (house, outcome, title, words) =
        with(|acme| acme.authorize = AtAuthorize::Error("invalid_scope")).await;
    assert_eq!(
        (outcome, title.as_str()),
        ("provider error", "Acme Notes could not connect you")
    );
    assert!(
        words.contains("invalid_scope") && words.contains("Reference"),
        "{words}"
    );
    assert!(house.acme.asked().is_empty());
}

#[tokio::test]
async fn an_error_nobody_registered_is_not_repeated() {
    let (_, outcome, _, words) =
        with(|acme| acme.authorize = AtAuthorize::Error("call 0800-evil")).await;
    assert_eq!(outcome, "provider error");
    assert!(!words.contains("0800"), "{words}");
}

#[tokio::test]
async fn an_answer_that_says_nothing() {
    let (_, outcome, title, _) = with(|acme| acme.authorize = AtAuthorize::Nothing).await;
    assert_eq!(
        (outcome, title.as_str()),
        ("provider error", "Acme Notes could not connect you")
    );
}

#[tokio::test]
async fn token_endpoint_failures_end_the_flow() {
    let silent = ("unavailable", "Acme Notes does not answer");
    let operator = ("misconfigured", "Acme Notes is not set up right here");
    let refused = ("code refused", "Acme Notes could not connect you");
    for (answer, expected) in [
        (AtToken::Hang, silent),
        (AtToken::CutShort, silent),
        (AtToken::Busy(503, "3"), silent),
        (AtToken::Busy(429, "soon"), silent),
        (AtToken::Say(500, "<html>pwned</html>"), silent),
        (AtToken::Huge, operator),
        (AtToken::Truncated, operator),
        (
            AtToken::Say(200, r#"{"access_token":"a","token_type":"DPoP"}"#),
            operator,
        ),
        (AtToken::Redirect, operator),
        (AtToken::Say(200, "<html>pwned</html>"), operator),
        (AtToken::Say(200, r#"{"token_type":"pwned"}"#), operator),
        (AtToken::Say(401, ""), operator),
        (AtToken::Say(404, "pwned"), operator),
        (
            AtToken::Say(
                200,
                r#"{"error":"incorrect_client_credentials","error_description":"pwned"}"#,
            ),
            operator,
        ),
        (
            AtToken::Say(
                200,
                r#"{"error":"bad_verification_code","error_description":"pwned"}"#,
            ),
            refused,
        ),
        (
            AtToken::Say(
                400,
                r#"{"error":"invalid_grant","error_description":"pwned"}"#,
            ),
            refused,
        ),
        (AtToken::Say(400, r#"{"error":"pwned"}"#), refused),
    ] {
        let (house, outcome, title, words) = with(|acme| acme.token = answer.clone()).await;
        assert_eq!((outcome, title.as_str()), expected, "{answer:?}");
        assert!(words.contains("Reference"), "{answer:?}: {words}");
        assert_eq!(
            house.acme.asked().len(),
            1,
            "{answer:?}: a code is sent once"
        );
        house.has_nothing(&alice(), "acme").await;
    }
}

#[tokio::test]
async fn a_provider_that_is_down() {
    let house =
        House::with(|acme| acme.token_url = "http://127.0.0.1:9/token".parse().unwrap()).await;
    let offer = house.offer().await;
    let (browser, back) = house.alice_at_callback(&offer).await;
    let page = browser.open(back).await;
    assert_eq!(page.title(), "Acme Notes does not answer");
    assert_eq!(failure(&house.outcome(&offer).await), "unavailable");
}

#[tokio::test]
async fn expired() {
    let house = House::new().await;
    let offer = house.offer().await;
    let browser = house.browser_of(&alice()).await;
    let form = browser
        .open(&offer.url)
        .await
        .form("Continue to Acme Notes");
    house.advance(21);
    let page = browser.open(&offer.url).await;
    assert_eq!(
        (page.status, page.title().as_str()),
        (StatusCode::GONE, "This link has expired")
    );
    // The page was open since before.
    let page = browser.submit(&form).await;
    assert_eq!(page.title(), "This link has expired");
    assert_eq!(house.outcome(&offer).await, Outcome::Expired);
    assert!(house.acme.authorizations().is_empty() && house.table("callbacks").await.is_empty());
}

#[tokio::test]
async fn an_ended_flow_takes_no_more_answers() {
    let house = House::new().await;
    let offer = house.offer().await;
    let browser = house.browser_of(&alice()).await;
    let page = browser.open(&offer.url).await;
    let (go, cancel) = (page.form("Continue to Acme Notes"), page.form("Cancel"));
    browser.submit(&cancel).await;
    let page = browser.submit(&go).await;
    assert_eq!(page.title(), "Acme Notes was not connected");
    assert!(house.acme.authorizations().is_empty());
}

#[tokio::test]
async fn declined_in_another_tab_while_at_the_provider() {
    let house = House::new().await;
    let offer = house.offer().await;
    let (browser, back) = house.alice_at_callback(&offer).await;
    let page = browser.open(&offer.url).await;
    browser.submit(&page.form("Cancel")).await;
    let page = browser.open(&back).await;
    assert_eq!(page.title(), "Acme Notes was not connected");
    assert!(house.acme.asked().is_empty(), "the code is not sent");
}

#[tokio::test]
async fn declined_in_another_tab_while_the_code_is_exchanged() {
    let house = House::new().await;
    let offer = house.offer().await;
    let (browser, back) = house.alice_at_callback(&offer).await;
    let cancel = browser.open(&offer.url).await.form("Cancel");
    house
        .acme
        .switch(|acme| acme.token = AtToken::Slow(Duration::from_millis(200)));
    let (page, ()) = tokio::join!(browser.open(&back), async {
        tokio::time::sleep(Duration::from_millis(80)).await;
        browser.submit(&cancel).await;
    });
    assert_eq!(page.title(), "Acme Notes was not connected");
    assert_eq!(house.acme.access_tokens().len(), 1);
    assert_eq!(failure(&house.outcome(&offer).await), "declined");
    house.has_nothing(&alice(), "acme").await;
}

#[tokio::test]
async fn a_provider_no_longer_configured() {
    let house = House::new().await;
    let offer = house.offer().await;
    let (browser, back) = house.alice_at_callback(&offer).await;
    house.forget_provider("acme");
    let page = browser.open(&back).await;
    assert_eq!(page.title(), "acme is not set up right here");
    assert_eq!(failure(&house.outcome(&offer).await), "misconfigured");
}

#[tokio::test]
async fn tokens_that_cannot_be_kept() {
    let log = Log::listen();
    let house = House::new().await;
    let offer = house.offer().await;
    let (browser, back) = house.alice_at_callback(&offer).await;
    house.store.fail_for("credentials/");
    let page = browser.open(&back).await;
    assert_eq!(page.url, offer.url);
    assert_eq!(page.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!page.text.contains("disk"), "our inside: {}", page.text);
    let outcome = house.outcome(&offer).await;
    assert_eq!(failure(&outcome), "fault");
    let Outcome::Failed(why) = outcome else {
        unreachable!()
    };
    let reference = why.reference().unwrap();
    assert!(page.words().contains(reference));
    let lines = log.lines(reference);
    assert_eq!(lines.len(), 1, "said once: {lines:?}");
    assert!(lines[0].contains("the disk is full"), "{lines:?}");
}

#[tokio::test]
async fn a_flow_that_cannot_be_ended_does_not_pretend() {
    let house = House::new().await;
    let offer = house.offer().await;
    let (browser, back) = house.alice_at_callback(&offer).await;
    house.store.fail_for("flows/");
    let page = browser.open(&back).await;
    assert_eq!(page.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(house.outcome(&offer).await, Outcome::Open);
    house
        .has(&alice(), "acme", &house.acme.access_tokens()[0])
        .await;
}

#[tokio::test]
async fn no_link_without_a_store() {
    let house = House::new().await;
    house.store.fail_for("open_flows/");
    let refusal = house.ask(&alice(), "curl", "acme", "notes").await;
    assert!(matches!(refusal, Err(ConnectError::Store(_))));
}

/// Each failure is one line that names the flow, the user as a hash, and nothing secret.
#[tokio::test]
async fn failures_are_logged_once() {
    let log = Log::listen();
    let house = House::new().await;
    house.acme.switch(|acme| acme.token = AtToken::Say(401, ""));
    let offer = house.offer().await;
    let (browser, back) = house.alice_at_callback(&offer).await;
    let page = browser.open(back).await;
    browser.open(&offer.url).await;
    let lines = log.lines("WARN anteroom");
    assert_eq!(lines.len(), 1, "{lines:?}");
    let user = format!("{:?}", alice());
    for said in [
        &user,
        "provider=acme",
        "invalid_client",
        "operator has to act",
    ] {
        assert!(lines[0].contains(said), "{said}: {}", lines[0]);
    }
    let Outcome::Failed(why) = house.outcome(&offer).await else {
        unreachable!()
    };
    assert!(lines[0].contains(why.reference().unwrap()));
    assert!(page.words().contains(why.reference().unwrap()));
}
