//! Attacks on the way through an application, each test named after its attack (`mcp-spec.md` §5, and the drafts on cross-user
//! session fixation and COAT).

use serde_json::json;

use super::{RIVAL_KEY, Town, parameter};
use crate::support::{
    app::{APP_KEY, post, said},
    browser::Browser,
    log::Log,
    world::KEY,
};

const USED: &str = "This address works only once";

/// Mallory begins a connection of his own and has Bob finish it, so that Bob's account is connected to Mallory. It is found out
/// before the code is used.
#[tokio::test]
async fn cross_user_session_fixation() {
    let log = Log::listen();
    let town = Town::new().await;
    let (link, id) = town.link("mallory").await;
    let bobs = town.app.browser_of("bob");
    let page = bobs.open(&link).await;
    let page = bobs.submit(&page.form("Continue to Acme Notes")).await;
    assert_eq!(page.status, 400, "{}", page.text);
    assert!(page.text.contains("user_mismatch"), "{}", page.text);
    assert_eq!(town.exchanges(), 0, "the code was not used");
    assert_eq!(town.status(&id).await, "failed");
    assert!(!town.is_connected("mallory").await && !town.is_connected("bob").await);
    let seen = bobs.open(&link).await;
    assert_eq!(seen.title(), "This link is for someone else");
    let lines = log.lines("another person came");
    assert_eq!(lines.len(), 1, "{lines:?}");
}

/// The same with the provider's address instead of ours: Mallory pressed the button, Bob consents.
#[tokio::test]
async fn forwarded_provider_url() {
    let town = Town::new().await;
    let (link, id) = town.link("mallory").await;
    let mallorys = town.app.browser_of("mallory");
    let page = mallorys.open(&link).await;
    let away = mallorys.press(&page.form("Continue to Acme Notes")).await;
    let bobs = town.app.browser_of("bob");
    let page = bobs.open(away.location().unwrap()).await;
    assert_eq!(page.title(), USED);
    assert!(
        town.app.visits().is_empty(),
        "Bob is not even sent to the application"
    );
    assert_eq!(
        (town.exchanges(), town.status(&id).await.as_str()),
        (0, "pending")
    );

    // Nor if Bob has been here before and has a key of his own.
    let (other, _) = town.link("bob").await;
    bobs.open(&other).await;
    let page = mallorys.open(&link).await;
    let away = mallorys.press(&page.form("Continue to Acme Notes")).await;
    assert_eq!(bobs.open(away.location().unwrap()).await.title(), USED);
    assert_eq!(town.exchanges(), 0);
}

/// Somebody else signs in to the application while its user is away at the provider.
#[tokio::test]
async fn swapped_session_between_steps() {
    let town = Town::new().await;
    let (link, id) = town.link("alice").await;
    let browser = town.app.browser_of("alice");
    let verifier = town.back_from_the_provider(&browser, &link).await;
    browser.set_cookie(&town.app.base, "session", "bob");
    let page = browser.open(&verifier).await;
    assert_eq!(page.status, 400, "{}", page.text);
    assert_eq!(
        (town.exchanges(), town.status(&id).await.as_str()),
        (0, "failed")
    );
    browser.set_cookie(&town.app.base, "session", "alice");
    let page = browser.open(&verifier).await;
    assert_eq!(page.status, 400, "it has ended: {}", page.text);
    assert!(!town.is_connected("alice").await && !town.is_connected("bob").await);
}

/// The browser's key is another one at the end of the way: whoever came back is not who set out.
#[tokio::test]
async fn swapped_browser_between_steps() {
    let town = Town::new().await;
    let (link, id) = town.link("alice").await;
    let browser = town.app.browser_of("alice");
    let page = browser.open(&link).await;
    let away = browser.press(&page.form("Continue to Acme Notes")).await;
    let key = browser
        .cookies()
        .into_iter()
        .find(|it| it.contains("browser="))
        .unwrap();
    let (name, _) = key.split_once('=').unwrap();
    browser.set_cookie(&town.app.base, name, &"A".repeat(43));
    assert_eq!(browser.open(away.location().unwrap()).await.title(), USED);
    assert_eq!(
        (town.exchanges(), town.status(&id).await.as_str()),
        (0, "pending")
    );
}

/// Mix-up and COAT: the answer of one provider at the address of another.
#[tokio::test]
async fn coat_answer_at_another_providers_address() {
    let town = Town::new().await;
    let (link, id) = town.link("alice").await;
    let browser = town.app.browser_of("alice");
    let page = browser.open(&link).await;
    let away = browser.press(&page.form("Continue to Acme Notes")).await;
    let mut back = browser
        .get(away.location().unwrap())
        .await
        .location()
        .unwrap();
    back.set_path("/oauth2/intermediate_callback/other");
    assert_eq!(browser.open(&back).await.title(), USED);
    back.set_path("/oauth2/intermediate_callback/acme");
    assert_eq!(
        browser.open(&back).await.title(),
        USED,
        "the state is spent"
    );
    assert!(town.app.visits().is_empty());
    assert_eq!(
        (town.exchanges(), town.status(&id).await.as_str()),
        (0, "pending")
    );
}

/// The issuer lies: nothing is held, the application is not asked.
#[tokio::test]
async fn mix_up_issuer() {
    use crate::support::provider::Iss;
    let mut town = Town::new().await;
    let issuer = town.world.provider.issuer();
    let line = format!("[providers.acme]\nissuer = \"{issuer}\"\n");
    town.world.rewrite("[providers.acme]\n", &line).await;
    town.world.provider.switch(|acme| acme.iss = Iss::Other);
    let (link, id) = town.link("alice").await;
    let browser = town.app.browser_of("alice");
    let page = browser.open(&link).await;
    let page = browser.submit(&page.form("Continue to Acme Notes")).await;
    assert_eq!(page.title(), "Acme Notes could not connect you");
    assert!(town.app.visits().is_empty());
    assert_eq!(
        (town.exchanges(), town.status(&id).await.as_str()),
        (0, "failed")
    );
}

#[tokio::test]
async fn replayed_flow_id() {
    let town = Town::new().await;
    let (id, ticket) = town.ticket("alice").await;
    let first = town.app.confirm(&ticket, "alice").await;
    assert_eq!(first.status, 200);
    for _ in 0..3 {
        assert_eq!(town.app.confirm(&ticket, "alice").await, first);
        let stolen = town.app.confirm(&ticket, "mallory").await;
        assert_eq!(
            (stolen.status, &stolen.json["error"]),
            (400, &json!("user_mismatch"))
        );
    }
    assert_eq!(
        (town.exchanges(), town.status(&id).await.as_str()),
        (1, "completed")
    );
    assert!(town.is_connected("alice").await && !town.is_connected("mallory").await);
}

/// Another program's key, also one of the same gateway, knows nothing of this flow, and does it no harm.
#[tokio::test]
async fn confirmed_with_another_sources_key() {
    let town = Town::new().await;
    let (link, id) = town.link("alice").await;
    let verifier = town
        .back_from_the_provider(&town.app.browser_of("alice"), &link)
        .await;
    let body = json!({ "flow_id": parameter(&verifier, "flow_id"), "user_id": "alice" });
    let url = format!("{}/v1/auth/confirm_user", town.world.base);
    let made_up = json!({ "flow_id": "A".repeat(43), "user_id": "alice" });
    let unknown = post(&url, APP_KEY, &made_up).await;
    assert_eq!(unknown.status, 404);
    for key in [RIVAL_KEY, KEY] {
        assert_eq!(
            post(&url, key, &body).await,
            unknown,
            "as if it were unknown"
        );
        let status = format!("{}/v1/auth/status?id={id}", town.world.base);
        let looked = said(
            reqwest::Client::new()
                .get(status)
                .header("authorization", key),
        )
        .await;
        assert_eq!(looked.status, 404);
    }
    assert_eq!(
        (town.exchanges(), town.status(&id).await.as_str()),
        (0, "pending")
    );
    assert_eq!(post(&url, APP_KEY, &body).await.status, 200);
}

/// What is in the link is no ticket, and what is a ticket for one way is none for the other.
#[tokio::test]
async fn one_id_for_another() {
    let town = Town::new().await;
    let (link, id) = town.link("alice").await;
    let verifier = town
        .back_from_the_provider(&town.app.browser_of("alice"), &link)
        .await;
    let ticket = parameter(&verifier, "flow_id");
    assert_eq!(town.app.confirm(&id, "alice").await.status, 404);
    let body = json!({ "auth_request_id": ticket, "user_id": "alice" });
    let crossed = town.app.post("/v1/connections/verify", &body).await;
    assert_eq!((crossed.status, town.exchanges()), (404, 0));
    assert_eq!(town.app.confirm(&ticket, "alice").await.status, 200);

    let url = town.app.base.join("link-verify").unwrap();
    let wish = json!({ "provider": "acme", "user_id": "bob", "user_verify_url": url });
    let linked = town.app.post("/v1/connections/link", &wish).await;
    let link = linked.json["link"].as_str().unwrap();
    let verifier = town
        .back_from_the_provider(&town.app.browser_of("bob"), link)
        .await;
    let ticket = parameter(&verifier, "auth_request_id");
    assert_eq!(town.app.confirm(&ticket, "bob").await.status, 404);
    let body = json!({ "auth_request_id": ticket, "user_id": "mallory" });
    let other = town.app.post("/v1/connections/verify", &body).await;
    assert_eq!(
        (other.status, &other.json["error"]),
        (403, &json!("user_mismatch"))
    );
    let body = json!({ "auth_request_id": ticket, "user_id": "bob" });
    let late = town.app.post("/v1/connections/verify", &body).await;
    assert_eq!((late.status, town.exchanges()), (404, 1), "it has failed");
}

/// Addresses that a browser would be sent to, on other sites and in other guises.
fn elsewhere(app: &url::Url) -> Vec<String> {
    let authority = app.authority();
    let mut urls: Vec<String> = [
        "https://evil.example/",
        "http://evil.example/",
        "//evil.example/",
        "/verify",
        "javascript:alert(1)",
        "data:text/html,x",
        "",
        "https://",
        "http://127.0.0.1:1/",
    ]
    .map(str::to_owned)
    .into();
    urls.extend([
        format!("http://{authority}@evil.example/"),
        format!("http://{authority}.evil.example/"),
        format!("http://user:password@{authority}/"),
        format!("http://evil.example\\@{authority}/"),
        format!("http://evil.example#@{authority}/"),
        format!("https://{authority}/"),
        format!("ftp://{authority}/"),
    ]);
    urls
}

#[tokio::test]
async fn open_redirect_by_next_uri() {
    let town = Town::new().await;
    for next in elsewhere(&town.app.base) {
        let refused = town.authorize("alice", &json!({ "next_uri": next })).await;
        assert_eq!(refused.status, 400, "{next}: {refused:?}");
        assert!(!refused.json.to_string().contains("evil"), "{refused:?}");
    }
    let fine = town
        .authorize("alice", &json!({ "next_uri": town.app.base }))
        .await;
    assert_eq!(fine.status, 200, "the verifier's own origin is");
}

/// The operator took an origin away while a flow was under way to it.
#[tokio::test]
async fn open_redirect_by_an_origin_that_is_no_longer_allowed() {
    let mut town = Town::with("allowed_origins = [\"https://console.example.com\"]").await;
    let next = json!({ "next_uri": "https://console.example.com/done" });
    let begun = town.authorize("alice", &next).await;
    let link = begun.json["url"].as_str().unwrap().to_owned();
    let browser = town.app.browser_of("alice");
    let verifier = town.back_from_the_provider(&browser, &link).await;
    town.world
        .rewrite("allowed_origins = [\"https://console.example.com\"]", "")
        .await;
    let confirmed = town
        .app
        .confirm(&parameter(&verifier, "flow_id"), "alice")
        .await;
    assert_eq!(confirmed.json["next_uri"], link.as_str());
    assert_eq!(
        browser.open(&link).await.title(),
        "Connected. You can close this window."
    );
}

#[tokio::test]
async fn open_redirect_by_user_verify_url() {
    let town = Town::new().await;
    let mut urls = elsewhere(&town.app.base);
    urls.push(town.app.base.join("?state=theirs").unwrap().to_string());
    urls.push(
        town.app
            .base
            .join("?auth_request_id=theirs")
            .unwrap()
            .to_string(),
    );
    for url in urls {
        let wish = json!({ "provider": "acme", "user_id": "alice", "user_verify_url": url });
        let refused = town.app.post("/v1/connections/link", &wish).await;
        assert_eq!(refused.status, 400, "{url}: {refused:?}");
    }
}

/// A browser with every session it can have is nobody to the API, and no page of another origin may read it.
#[tokio::test]
async fn api_by_browser_session() {
    let town = Town::new().await;
    let browser = town.world.signed_in("alice").await;
    let (link, _) = town.link("alice").await;
    let verifier = town
        .back_from_the_provider(&town.app.browser_of("alice"), &link)
        .await;
    let body = json!({ "flow_id": parameter(&verifier, "flow_id"), "user_id": "alice" });
    let url = format!("{}/v1/auth/confirm_user", town.world.base);
    let request = reqwest::Client::new()
        .post(&url)
        .header("cookie", browser.cookies().join("; "))
        .header("origin", &town.world.base)
        .json(&body);
    assert_eq!(said(request).await.status, 401);
    let preflight = reqwest::Client::new()
        .request(reqwest::Method::OPTIONS, &url)
        .header("origin", "https://evil.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization");
    let answer = preflight.send().await.unwrap();
    assert_eq!(answer.status(), 405);
    assert!(
        !answer
            .headers()
            .keys()
            .any(|name| name.as_str().starts_with("access-control"))
    );
    assert_eq!(town.exchanges(), 0);
}

/// The button is pressed by another site in the person's browser.
#[tokio::test]
async fn consent_csrf_without_a_session() {
    let town = Town::new().await;
    let (link, _) = town.link("alice").await;
    let browser = town.app.browser_of("alice");
    let form = browser.open(&link).await.form("Continue to Acme Notes");
    for headers in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("origin", "https://evil.example")],
    ] {
        assert_eq!(browser.post(&form, headers).await.status, 403);
    }
    let other = Browser::new();
    assert_eq!(
        other.press(&form).await.status,
        403,
        "a browser without a key"
    );
    other.open(&link).await;
    assert_eq!(
        other.press(&form).await.status,
        403,
        "another browser's token"
    );
    assert!(town.world.provider.authorizations().is_empty());
}
