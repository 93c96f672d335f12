//! The way as it should go.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Town, parameter};
use crate::support::{
    app::{APP_KEY, post, said},
    client::Client,
    log::Log,
    world::KEY,
};

#[tokio::test]
async fn an_application_vouches_for_its_user() {
    let town = Town::new().await;
    let (link, id) = town.link("alice").await;
    assert_eq!(
        town.link("alice").await,
        (link.clone(), id.clone()),
        "one link while it is open"
    );
    let browser = town.app.browser_of("alice");
    let page = browser.open(&link).await;
    for words in [
        "Acme App wants to use Acme Notes for you",
        "You come back to Acme App",
    ] {
        assert!(page.words().contains(words), "{}", page.words());
    }
    assert!(!page.words().contains("Signed in as"), "{}", page.words());
    assert!(!page.words().contains("alice"), "whose it is stays unsaid");

    let verifier = town.back_from_the_provider(&browser, &link).await;
    assert_eq!(town.exchanges(), 0, "the code waits");
    assert_eq!(town.status(&id).await, "pending");
    let ticket = parameter(&verifier, "flow_id");
    let mut expected = town.app.base.join("verify?tenant=a%2Fb").unwrap();
    expected.query_pairs_mut().append_pair("flow_id", &ticket);
    assert_eq!(verifier, expected, "what it had it keeps");

    let done = browser.open(&verifier).await;
    assert_eq!(done.title(), "Connected. You can close this window.");
    assert_eq!(done.url.as_str(), link);
    assert_eq!(town.exchanges(), 1);
    assert_eq!(town.status(&id).await, "completed");
    assert!(town.is_connected("alice").await);
    assert!(!town.is_connected("bob").await);
}

/// From a tool call to its result: the link leads to the same pages, and the connection serves the call.
#[tokio::test]
async fn a_tool_call_of_the_applications_user_ends_in_a_connection() {
    let town = Town::new().await;
    let endpoint = format!("{}/mcp/app", town.world.base);
    let client = Client::new(&endpoint, APP_KEY, "alice");
    let asked = client.call("notes_echo", json!({ "text": "hello" })).await;
    let link = asked.json()["result"]["structuredContent"]["authorization_url"]
        .as_str()
        .unwrap_or_else(|| panic!("{}", asked.text))
        .to_owned();
    let browser = town.app.browser_of("alice");
    let page = browser.open(&link).await;
    let done = browser.submit(&page.form("Continue to Acme Notes")).await;
    assert_eq!(done.title(), "Connected. You can close this window.");
    let answer = client.call("notes_echo", json!({ "text": "hello" })).await;
    assert!(answer.text.contains("hello"), "{}", answer.text);
}

/// Scalekit's shape: an address for each connection, and a state that comes back to it.
#[tokio::test]
async fn a_link_with_an_address_and_a_state_of_its_own() {
    let town = Town::new().await;
    let url = town.app.base.join("link-verify?theirs=1").unwrap();
    let wish = json!({
        "provider": "acme", "user_id": "alice", "user_verify_url": url, "state": "a b&c=d",
        "scopes": ["notes"], "next_uri": town.app.base.join("welcome").unwrap(),
    });
    let linked = town.app.post("/v1/connections/link", &wish).await;
    assert_eq!(linked.status, 200, "{linked:?}");
    let id = linked.json["auth_id"].as_str().unwrap();
    let browser = town.app.browser_of("alice");
    let link = linked.json["link"].as_str().unwrap();
    let verifier = town.back_from_the_provider(&browser, link).await;
    assert_eq!(parameter(&verifier, "state"), "a b&c=d");
    assert_eq!(parameter(&verifier, "theirs"), "1");
    assert_eq!(town.exchanges(), 0);
    let done = browser.open(&verifier).await;
    assert_eq!(done.text, "welcome back");
    assert_eq!(town.status(id).await, "completed");

    let ticket = parameter(&verifier, "auth_request_id");
    let body = json!({ "auth_request_id": ticket, "user_id": "alice" });
    let again = town.app.post("/v1/connections/verify", &body).await;
    assert_eq!((again.status, town.exchanges()), (404, 1), "consumed");
}

#[tokio::test]
async fn the_person_lands_where_the_application_wants_them() {
    let town = Town::new().await;
    let next = town.app.base.join("welcome").unwrap();
    let begun = town.authorize("alice", &json!({ "next_uri": next })).await;
    let link = begun.json["url"].as_str().unwrap();
    let browser = town.app.browser_of("alice");
    let verifier = town.back_from_the_provider(&browser, link).await;
    let ticket = parameter(&verifier, "flow_id");
    let confirmed = town.app.confirm(&ticket, "alice").await;
    assert_eq!(
        (confirmed.status, confirmed.json),
        (
            200,
            json!({ "auth_id": begun.json["id"], "next_uri": next })
        )
    );
    assert_eq!(browser.open(link).await.text, "welcome back");
}

/// Users who sign in with us are verified by us, also when a program asks; it says where they go then.
#[tokio::test]
async fn a_program_asks_for_a_user_who_signs_in_with_us() {
    let mut town = Town::new().await;
    let origin = town.app.base.origin().ascii_serialization();
    town.world
        .rewrite(
            "[user_sources.team]\n",
            &format!("[user_sources.team]\nallowed_origins = [\"{origin}\"]\n"),
        )
        .await;
    let body = json!({
        "user_id": "alice", "next_uri": town.app.base.join("welcome").unwrap(),
        "auth_requirement": { "provider_id": "acme", "oauth2": { "scopes": ["notes"] } },
    });
    let url = format!("{}/v1/auth/authorize", town.world.base);
    let begun = post(&url, KEY, &body).await;
    let link = begun.json["url"].as_str().unwrap();
    let browser = town.world.signed_in("alice").await;
    let page = browser.open(link).await;
    assert!(page.words().contains("Signed in as"), "{}", page.words());
    let done = browser.submit(&page.form("Continue to Acme Notes")).await;
    assert_eq!(done.text, "welcome back");
    assert!(town.app.visits().is_empty(), "no application was asked");
    assert_eq!(post(&url, KEY, &body).await.json["status"], "completed");
}

#[tokio::test]
async fn an_application_may_be_careless_about_capitals() {
    let town = Town::with("user_ids = \"any_case\"").await;
    let (link, id) = town.link("Alice@Example.com").await;
    let browser = town.app.browser_of("alice@EXAMPLE.com");
    let page = browser.open(&link).await;
    browser.submit(&page.form("Continue to Acme Notes")).await;
    assert_eq!(town.status(&id).await, "completed");
    assert!(town.is_connected("ALICE@example.com").await);
}

/// The sign of the unit kelvin becomes a `k` in small letters, and no `K` becomes one of it: another id, which somebody else may
/// have taken at the application.
#[tokio::test]
async fn another_user_by_a_letter_that_only_looks_alike() {
    let town = Town::with("user_ids = \"any_case\"").await;
    let (link, id) = town.link("KATE@example.com").await;
    let browser = town.app.browser_of("kate@example.com");
    let verifier = town.back_from_the_provider(&browser, &link).await;
    let ticket = parameter(&verifier, "flow_id");
    let said = town.app.confirm(&ticket, "\u{212a}ate@example.com").await;
    assert_eq!((said.status, town.exchanges()), (400, 0), "{said:?}");
    assert_eq!(town.status(&id).await, "failed");
}

/// Unless it says otherwise, it is not.
#[tokio::test]
async fn ids_are_compared_exactly() {
    let town = Town::new().await;
    let (link, id) = town.link("alice").await;
    let browser = town.app.browser_of("Alice");
    let page = browser.open(&link).await;
    browser.submit(&page.form("Continue to Acme Notes")).await;
    assert_eq!(town.status(&id).await, "failed");
}

/// A browser that is sent to the verifier and finds the application down begins anew with the same link.
#[tokio::test]
async fn whoever_was_never_verified_may_set_out_again() {
    let town = Town::new().await;
    let (link, id) = town.link("alice").await;
    let browser = town.app.browser_of("alice");
    let first = town.back_from_the_provider(&browser, &link).await;
    let second = town.back_from_the_provider(&browser, &link).await;
    let stale = town
        .app
        .confirm(&parameter(&first, "flow_id"), "alice")
        .await;
    assert_eq!(stale.status, 400, "{stale:?}");
    assert_eq!(stale.json["error"], "not_awaiting_verification");
    assert_eq!(
        (town.exchanges(), town.status(&id).await.as_str()),
        (0, "pending")
    );
    browser.open(&second).await;
    assert_eq!(
        (town.exchanges(), town.status(&id).await.as_str()),
        (1, "completed")
    );
}

/// Those who wait hear at once that it is done; what has failed is held, or they would ask again without pause.
#[tokio::test]
async fn waiting_for_a_connection() {
    let town = Town::new().await;
    let (link, id) = town.link("alice").await;
    let path = format!("/v1/auth/status?id={id}&wait=45");
    let waiting = town.app.get(&path);
    let connecting = async {
        let browser = town.app.browser_of("alice");
        let page = browser.open(&link).await;
        browser.submit(&page.form("Continue to Acme Notes")).await;
    };
    let begun = Instant::now();
    let (heard, ()) = tokio::join!(waiting, connecting);
    assert_eq!(heard.json["status"], "completed");
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(heard.json["context"], json!({}));

    let (link, id) = town.link("bob").await;
    let browser = town.app.browser_of("bob");
    let page = browser.open(&link).await;
    browser.submit(&page.form("Cancel")).await;
    assert_eq!(town.status(&id).await, "failed");
    let begun = Instant::now();
    let held = town
        .app
        .get(&format!("/v1/auth/status?id={id}&wait=1"))
        .await;
    assert_eq!(held.json["status"], "failed");
    assert!(
        begun.elapsed() >= Duration::from_millis(950),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn who_cancels_or_is_denied_sees_why() {
    use crate::support::provider::AtAuthorize;
    let town = Town::new().await;
    let (link, id) = town.link("alice").await;
    town.world
        .provider
        .switch(|acme| acme.authorize = AtAuthorize::Error("access_denied"));
    let browser = town.app.browser_of("alice");
    let page = browser.open(&link).await;
    let page = browser.submit(&page.form("Continue to Acme Notes")).await;
    assert_eq!(page.title(), "Acme Notes was not connected");
    assert!(town.app.visits().is_empty(), "there is nothing to verify");
    assert_eq!(town.status(&id).await, "failed");
}

/// Nothing secret is in a record, a page, an answer or the log: nor is a ticket, while it is good.
#[tokio::test]
async fn nothing_secret_leaks() {
    let log = Log::listen();
    let mut town = Town::new().await;
    let (link, id) = town.link("alice@example.com").await;
    let browser = town.app.browser_of("alice@example.com");
    let verifier = town.back_from_the_provider(&browser, &link).await;
    let ticket = parameter(&verifier, "flow_id");
    let confirmed = town.app.confirm(&ticket, "alice@example.com").await;
    let status = town.app.get(&format!("/v1/auth/status?id={id}")).await;
    let page = browser.open(&link).await;
    let (link, _) = town.link("bob@example.com").await;
    let waiting = town
        .back_from_the_provider(&town.app.browser_of("bob@example.com"), &link)
        .await;
    let mut secrets = town.world.provider.secrets();
    assert!(secrets.len() >= 7, "{secrets:?}");
    secrets.extend([ticket, parameter(&waiting, "flow_id"), APP_KEY.to_owned()]);
    let said = format!("{} {} {}", confirmed.json, status.json, page.text);
    let records = town.world.all_records().await;
    for secret in &secrets {
        assert!(!said.contains(secret), "{secret} in an answer");
        assert!(!records.contains(secret.as_str()), "{secret} in a record");
        let lines: Vec<_> = log
            .lines(secret)
            .into_iter()
            .filter(|line| line.contains("anteroom"))
            .collect();
        assert!(lines.is_empty(), "{secret} in the log: {lines:?}");
    }
    let named: Vec<_> = log
        .lines("alice@example.com")
        .into_iter()
        .filter(|line| line.contains("anteroom"))
        .collect();
    assert!(named.is_empty(), "{named:?}");
}

/// Both forms of the header, and all three paths.
#[tokio::test]
async fn every_way_to_confirm_is_the_same() {
    let town = Town::new().await;
    for (path, form) in [
        ("/v1/auth/confirm_user", "Bearer "),
        ("/v1/oauth/confirm_user", ""),
        ("/api/v1/oauth/confirm_user", "bearer "),
    ] {
        let user = format!("alice{}", path.len());
        let (link, id) = town.link(&user).await;
        let verifier = town
            .back_from_the_provider(&town.app.browser_of(&user), &link)
            .await;
        let body = json!({ "flow_id": parameter(&verifier, "flow_id"), "user_id": user });
        let request = reqwest::Client::new()
            .post(format!("{}{path}", town.world.base))
            .header("authorization", format!("{form}{APP_KEY}"))
            .json(&body);
        let confirmed = said(request).await;
        assert_eq!(confirmed.status, 200, "{path} {confirmed:?}");
        assert_eq!(confirmed.json["auth_id"], id.as_str());
        assert_eq!(confirmed.json["next_uri"], link.as_str());
    }
}
