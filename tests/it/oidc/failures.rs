//! The provider fails, or is not set up right: a page that says what to do, one line in the log, and nothing of theirs shown.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use serde_json::json;

use super::office::Office;
use crate::support::{
    browser::{Browser, Page},
    idp::{AtAuthorize, AtToken, Document},
    log::Log,
};

/// Opens the sign-in page, goes through with it if it can be, and gives the page of the failure and its line in the log.
async fn failure(office: &Office) -> (Page, String) {
    let log = Log::listen();
    let browser = Browser::new();
    let page = office.sign_in(&browser, "alice").await;
    let mut lines = log.lines("nobody was signed in");
    assert_eq!(lines.len(), 1, "{lines:?}");
    for theirs in ["pwned", "<h1>Welcome", "the portal"] {
        assert!(
            !page.text.contains(theirs) && !lines[0].contains(theirs),
            "{theirs}: {}",
            page.text
        );
    }
    assert_eq!(
        browser.open(office.at("/")).await.title(),
        "You are not signed in"
    );
    (page, lines.remove(0))
}

const NOT_SET_UP: &str = "Acme is not set up right here";
const SILENT: &str = "Acme does not answer";

#[tokio::test]
async fn answers_of_the_provider_to_the_browser() {
    for (authorize, status, title, words) in [
        (
            AtAuthorize::Error("access_denied"),
            403,
            "You were not signed in",
            "declined at Acme",
        ),
        (
            AtAuthorize::Error("login_required"),
            502,
            "Acme could not sign you in",
            "interaction_required",
        ),
        (
            AtAuthorize::Error("temporarily_unavailable"),
            503,
            SILENT,
            "try again",
        ),
        (AtAuthorize::Error("server_error"), 503, SILENT, "try again"),
        (
            AtAuthorize::Error("invalid_scope"),
            502,
            NOT_SET_UP,
            "“scopes”",
        ),
        (
            AtAuthorize::Error("invalid_request"),
            502,
            NOT_SET_UP,
            "redirect URI",
        ),
        (
            AtAuthorize::Error("unauthorized_client"),
            502,
            NOT_SET_UP,
            "“client_id”",
        ),
        (
            AtAuthorize::Error("<script>pwned</script>"),
            502,
            "Acme could not sign you in",
            "makes no sense",
        ),
        (
            AtAuthorize::Nothing,
            502,
            "Acme could not sign you in",
            "makes no sense",
        ),
    ] {
        let office = Office::open().await;
        office.idp.switch(|idp| idp.authorize = authorize);
        let (page, line) = failure(&office).await;
        assert_eq!(
            (page.status.as_u16(), page.title().as_str()),
            (status, title),
            "{authorize:?}"
        );
        assert!(
            page.words().contains(words),
            "{authorize:?}: {}",
            page.words()
        );
        let again = page.text.contains(r#"<a class="button" href=""#);
        assert_eq!(again, title != NOT_SET_UP, "{}", page.text);
        let denied = status == 403;
        assert_eq!(line.contains("INFO"), denied, "{line}");
        assert!(office.idp.asked("token").is_empty());
    }
}

/// "Try again" begins anew and remembers where to go on.
#[tokio::test]
async fn trying_again_after_a_no() {
    let office = Office::open().await;
    office
        .idp
        .switch(|idp| idp.authorize = AtAuthorize::Error("access_denied"));
    let browser = Browser::new();
    let page = browser
        .open(office.at("/sign-in/corp?return_to=%2Fsigned-out"))
        .await;
    let page = super::office::pass(&browser, page, "alice").await;
    let again = page
        .text
        .split(r#"<a class="button" href=""#)
        .nth(1)
        .unwrap();
    let again = again
        .split('"')
        .next()
        .unwrap()
        .replace("&#38;", "&")
        .replace("&amp;", "&");
    office.idp.switch(|idp| idp.authorize = AtAuthorize::Code);
    let page = browser.open(&again).await;
    let page = super::office::pass(&browser, page, "alice").await;
    assert_eq!(page.url.as_str(), office.at("/signed-out"));
}

#[tokio::test]
async fn answers_of_the_token_endpoint() {
    let error = |status, body| AtToken::Say(status, body);
    for (token, status, title, why) in [
        (error(401, ""), 502, NOT_SET_UP, "client"),
        (error(401, "pwned"), 502, NOT_SET_UP, "client"),
        (
            error(400, r#"{"error":"invalid_client"}"#),
            502,
            NOT_SET_UP,
            "client",
        ),
        (
            error(400, r#"{"error":"unauthorized_client"}"#),
            502,
            NOT_SET_UP,
            "client",
        ),
        (
            error(
                400,
                r#"{"error":"invalid_request","error_description":"pwned"}"#,
            ),
            502,
            NOT_SET_UP,
            "request",
        ),
        (
            error(400, r#"{"error":"pwned"}"#),
            502,
            NOT_SET_UP,
            "request",
        ),
        (
            error(400, r#"{"error":"invalid_grant"}"#),
            502,
            "We could not verify who you are",
            "code",
        ),
        (error(500, r#"{"error":"pwned"}"#), 503, SILENT, "silent"),
        (error(429, ""), 503, SILENT, "silent"),
        (
            error(400, r#"{"error":"temporarily_unavailable"}"#),
            503,
            SILENT,
            "silent",
        ),
        (
            error(200, "<h1>Welcome to the portal</h1>"),
            502,
            "We could not verify who you are",
            "tokens",
        ),
        (
            error(200, ""),
            502,
            "We could not verify who you are",
            "tokens",
        ),
        (
            error(302, ""),
            502,
            "We could not verify who you are",
            "tokens",
        ),
        (
            AtToken::NoIdToken,
            502,
            "We could not verify who you are",
            "tokens",
        ),
    ] {
        let office = Office::open().await;
        office.idp.switch(|idp| idp.token = token);
        let (page, line) = failure(&office).await;
        assert_eq!(
            (page.status.as_u16(), page.title().as_str()),
            (status, title),
            "{token:?}"
        );
        assert!(
            line.contains(&format!("why=\"{why}\"")),
            "{token:?}: {line}"
        );
        assert_eq!(page.headers.contains_key("retry-after"), status == 503);
    }
}

#[tokio::test]
async fn a_wrong_secret_is_for_the_operator() {
    let office = Office::open().await;
    office.idp.switch(|idp| idp.secret = "another".into());
    let (page, line) = failure(&office).await;
    assert_eq!(page.title(), NOT_SET_UP);
    assert!(page.words().contains("“client_secret”"), "{}", page.words());
    assert!(line.contains("invalid_client"), "{line}");
}

#[tokio::test]
async fn discovery_documents_that_cannot_be_used() {
    let missing = |name: &str| json!({ name: null });
    for (document, metadata, title, why) in [
        (Document::Html, json!({}), NOT_SET_UP, "discovery"),
        (Document::Redirect, json!({}), NOT_SET_UP, "discovery"),
        (Document::Status(404), json!({}), NOT_SET_UP, "discovery"),
        (Document::Huge, json!({}), NOT_SET_UP, "discovery"),
        (Document::Status(503), json!({}), SILENT, "silent"),
        (
            Document::Right,
            missing("jwks_uri"),
            NOT_SET_UP,
            "discovery",
        ),
        (
            Document::Right,
            missing("token_endpoint"),
            NOT_SET_UP,
            "discovery",
        ),
        (
            Document::Right,
            json!({ "authorization_endpoint": "javascript:alert(1)" }),
            NOT_SET_UP,
            "discovery",
        ),
        (
            Document::Right,
            json!({ "issuer": "https://honest.example" }),
            NOT_SET_UP,
            "issuer",
        ),
    ] {
        let office = Office::open().await;
        office.idp.switch(|idp| {
            idp.discovery = document;
            idp.metadata = metadata.as_object().cloned().unwrap();
        });
        let (page, line) = failure(&office).await;
        assert_eq!(page.title(), title, "{document:?} {metadata}");
        assert!(
            line.contains(&format!("why=\"{why}\"")),
            "{document:?} {metadata}: {line}"
        );
    }
}

/// The commonest of all: a slash more or less.
#[tokio::test]
async fn an_issuer_spelled_otherwise_is_for_the_operator() {
    let office = Office::open().await;
    let with_slash = format!("{}/", office.idp.issuer());
    office
        .idp
        .switch(|idp| idp.issuer = Some(with_slash.clone()));
    let (page, line) = failure(&office).await;
    assert!(
        page.words().contains("“issuer” has to be spelled exactly"),
        "{}",
        page.words()
    );
    assert!(line.contains(&with_slash), "the operator sees how: {line}");

    let mut office = office;
    let issuer = format!("{}\"", office.idp.issuer());
    office
        .world
        .change(|toml| toml.replace(&issuer, &format!("{with_slash}\"")))
        .await;
    office.signed_in("alice").await;
}

#[tokio::test]
async fn keys_that_cannot_be_read() {
    for (document, title) in [
        (Document::Html, NOT_SET_UP),
        (Document::Huge, NOT_SET_UP),
        (Document::Redirect, NOT_SET_UP),
        (Document::Status(500), SILENT),
    ] {
        let office = Office::open().await;
        office.idp.switch(|idp| idp.jwks = document);
        let (page, _) = failure(&office).await;
        assert_eq!(page.title(), title, "{document:?}");
    }
}

/// Somebody is waiting at a browser.
#[tokio::test]
async fn a_provider_that_hangs_is_given_up_within_seconds() {
    let (at_discovery, at_token) = (Office::open().await, Office::open().await);
    at_discovery
        .idp
        .switch(|idp| idp.discovery = Document::Hang);
    at_token.idp.switch(|idp| idp.token = AtToken::Hang);
    let begun = Instant::now();
    let crowd = futures_util::future::join_all(
        (0..8).map(|_| async { Browser::new().get(at_discovery.sign_in_page()).await }),
    );
    let one = Browser::new();
    let (crowd, one) = tokio::join!(crowd, at_token.sign_in(&one, "alice"));
    let took = begun.elapsed();
    assert!(
        took > Duration::from_secs(4) && took < Duration::from_secs(9),
        "{took:?}"
    );
    for page in crowd.iter().chain([&one]) {
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(page.title(), SILENT);
    }
    assert_eq!(
        at_discovery.idp.asked("discovery").len(),
        1,
        "the others do not wait one after another"
    );
}

#[tokio::test]
async fn a_failure_is_forgotten_within_seconds() {
    let office = Office::open().await;
    office
        .idp
        .switch(|idp| idp.discovery = Document::Status(503));
    failure(&office).await;
    office.idp.switch(|idp| idp.discovery = Document::Right);
    failure(&office).await;
    assert_eq!(office.idp.asked("discovery").len(), 1);
    office.advance(4);
    office.signed_in("alice").await;
}

#[tokio::test]
async fn a_provider_that_is_down_is_said_so() {
    let mut office = Office::open().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}/realm", free.local_addr().unwrap());
    drop(free);
    let issuer = office.idp.issuer();
    office
        .world
        .change(|toml| toml.replace(&issuer, &nobody))
        .await;
    let (page, line) = failure(&office).await;
    assert_eq!(page.title(), SILENT);
    assert!(line.contains("it cannot be reached"), "{line}");
}
