//! Attacks on what the browser brings back from the provider, each test named after its attack (`mcp-spec.md` §5).

use axum::http::StatusCode;
use url::Url;

use super::office::Office;
use crate::support::{browser::Browser, idp::AtAuthorize, log::Log};

const LOST: &str = "This sign-in cannot be finished";

/// That this answer is not taken, and nobody is signed in by it.
async fn refused(office: &Office, browser: &Browser, back: &Url) {
    let before = office.idp.asked("token").len();
    let page = browser.open(back).await;
    assert_eq!(
        (page.status, page.title().as_str()),
        (StatusCode::GONE, LOST),
        "{back}"
    );
    assert_eq!(
        office.idp.asked("token").len(),
        before,
        "the code is not touched"
    );
    let home = browser.open(office.at("/")).await;
    assert_eq!(home.title(), "You are not signed in");
}

/// Login CSRF: Mallory's own answer is opened in Alice's browser, so that Alice works in Mallory's account.
#[tokio::test]
async fn state_from_another_browser() {
    let office = Office::open().await;
    let mallory = Browser::new();
    let back = office.at_callback(&mallory, "bob").await;
    let alice = Browser::new();
    alice.open(office.sign_in_page()).await;
    refused(&office, &alice, &back).await;
    refused(&office, &mallory, &back).await;

    // Whoever is signed in already stays who they are.
    let alice = office.signed_in("alice").await;
    let back = office.at_callback(&Browser::new(), "bob").await;
    let page = alice.open(&back).await;
    assert_eq!(page.title(), "You are signed in");
    assert!(page.words().contains("alice") && !page.words().contains("bob"));
}

#[tokio::test]
async fn state_replayed() {
    let office = Office::open().await;
    let browser = Browser::new();
    let back = office.at_callback(&browser, "alice").await;
    assert_eq!(browser.open(&back).await.title(), "You are signed in");
    // Even by a browser that has the old cookie.
    assert_eq!(browser.open(&back).await.title(), LOST);
    assert_eq!(office.idp.asked("token").len(), 1);
}

/// Of many at the same moment one gets through.
#[tokio::test]
async fn state_replayed_at_the_same_moment() {
    let office = Office::open().await;
    let browser = Browser::new();
    let back = office.at_callback(&browser, "alice").await;
    futures_util::future::join_all((0..16).map(|_| browser.get(&back))).await;
    assert_eq!(office.idp.asked("token").len(), 1);
}

#[tokio::test]
async fn state_expired() {
    let office = Office::open().await;
    let browser = Browser::new();
    let back = office.at_callback(&browser, "alice").await;
    office.advance(10 * 60 + 1);
    refused(&office, &browser, &back).await;
}

#[tokio::test]
async fn state_made_up() {
    let office = Office::open().await;
    let browser = Browser::new();
    let back = office.at_callback(&browser, "alice").await;
    let query = back.query().unwrap();
    for query in [
        "",
        "code=c",
        "code=c&state=",
        "code=c&state=made-up",
        &format!("code=c&state={}", "A".repeat(4000)),
        &format!("{query}&state=again"),
        &format!("{query}&code=again"),
        &format!("{query}&iss=a&iss=b"),
    ] {
        let mut back = back.clone();
        back.set_query(Some(query));
        refused(&office, &browser, &back).await;
    }
    assert_eq!(
        browser.open(&back).await.title(),
        "You are signed in",
        "the true one is not disturbed"
    );
}

/// Programs that look at links ahead of people do not use them up.
#[tokio::test]
async fn looking_ahead_does_not_use_the_state_up() {
    let office = Office::open().await;
    let browser = Browser::new();
    let back = office.at_callback(&browser, "alice").await;
    assert_eq!(
        browser.head(&back).await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
    assert_eq!(browser.open(&back).await.title(), "You are signed in");
}

/// Mallory's code is put into Alice's answer: PKCE ties a code to the browser that asked for it.
#[tokio::test]
async fn code_swapped() {
    let office = Office::open().await;
    let (alice, mallory) = (Browser::new(), Browser::new());
    let mut hers = office.at_callback(&alice, "alice").await;
    let his = office.at_callback(&mallory, "bob").await;
    let field = |url: &Url, name: &str| {
        let mut pairs = url.query_pairs();
        pairs.find(|(key, _)| key == name).unwrap().1.into_owned()
    };
    let state = field(&hers, "state");
    hers.query_pairs_mut()
        .clear()
        .append_pair("state", &state)
        .append_pair("code", &field(&his, "code"));
    let page = alice.open(&hers).await;
    assert_eq!(page.title(), "We could not verify who you are");
    assert_eq!(
        alice.open(office.at("/")).await.title(),
        "You are not signed in"
    );
}

/// Mix-up (RFC 9207): the answer is another provider's.
#[tokio::test]
async fn the_answer_of_another_provider() {
    for (iss, advertised) in [
        (Some("https://honest.example"), true),
        (Some("https://honest.example"), false),
        (Some("with a slash/"), true),
        (None, true),
    ] {
        let office = Office::open().await;
        let issuer = office.idp.issuer();
        office.idp.switch(|idp| {
            idp.iss = iss.map(|iss| iss.replace("with a slash", &issuer));
            let name = "authorization_response_iss_parameter_supported";
            idp.metadata.insert(name.into(), advertised.into());
        });
        let page = office.sign_in(&Browser::new(), "alice").await;
        assert_eq!(
            page.title(),
            "We could not verify who you are",
            "{iss:?} {advertised}"
        );
        assert!(
            office.idp.asked("token").is_empty(),
            "the code is given to nobody"
        );
    }
    for (right, advertised) in [(true, true), (true, false), (false, false)] {
        let office = Office::open().await;
        let issuer = office.idp.issuer();
        office.idp.switch(|idp| {
            idp.iss = right.then_some(issuer);
            let name = "authorization_response_iss_parameter_supported";
            idp.metadata.insert(name.into(), advertised.into());
        });
        office.signed_in("alice").await;
    }
}

/// An error of another provider is not shown either: it may be Mallory's text.
#[tokio::test]
async fn the_error_of_another_provider_is_not_taken_for_ours() {
    let office = Office::open().await;
    office.idp.switch(|idp| {
        idp.iss = Some("https://honest.example".into());
        idp.authorize = AtAuthorize::Error("access_denied");
    });
    let page = office.sign_in(&Browser::new(), "alice").await;
    assert_eq!(page.title(), "We could not verify who you are");
}

/// Whoever is asked now is not the one whom the browser was sent to.
#[tokio::test]
async fn the_configuration_changed_in_the_middle() {
    for (from, to) in [
        ("/realm\"", "/elsewhere\""),
        (crate::support::idp::CLIENT.0, "another client"),
        (
            "[user_sources.corp]",
            "[user_sources.corp]\nstatus = \"inactive\"",
        ),
    ] {
        let mut office = Office::open().await;
        let browser = Browser::new();
        let back = office.at_callback(&browser, "alice").await;
        let change = |toml: String| {
            let toml = toml.replace(from, to);
            // What is inactive must not be in use.
            let gateway = "[gateways.corp]";
            let closed = format!("{gateway}\nstatus = \"inactive\"");
            let toml = toml.replace(gateway, &closed);
            toml.replace("[api_keys.corp]", "[api_keys.corp]\nstatus = \"inactive\"")
        };
        office.world.change(change).await;
        let page = browser.open(&back).await;
        let expected = if to.contains("inactive") {
            "Sign-in is closed"
        } else {
            LOST
        };
        assert_eq!(page.title(), expected, "{to}");
        assert!(office.idp.asked("token").is_empty());
    }
}

/// Where one goes on is never elsewhere.
#[tokio::test]
async fn open_redirect() {
    let office = Office::open().await;
    let browser = office.signed_in("alice").await;
    for elsewhere in ["//evil.example", "https://evil.example", "/\\evil.example"] {
        for browser in [&browser, &Browser::new()] {
            let mut start = Url::parse(&office.at("/sign-in/corp")).unwrap();
            start.query_pairs_mut().append_pair("return_to", elsewhere);
            let page = browser.open(&start).await;
            let page = super::office::pass(browser, page, "alice").await;
            assert_eq!(page.url.as_str(), office.at("/"), "{elsewhere}");
        }
    }
}

/// A key that somebody planted in the browser beforehand is worth nothing after the sign-in.
#[tokio::test]
async fn session_fixation() {
    let office = Office::open().await;
    let browser = Browser::new();
    browser.get(office.sign_in_page()).await;
    let planted: Vec<_> = browser.cookies();
    let back = office.at_callback(&browser, "alice").await;
    assert_eq!(
        browser.cookies()[0],
        planted[0],
        "one key for all sign-ins of a browser"
    );
    browser.open(&back).await;
    assert!(!browser.cookies().contains(&planted[0]));
}

/// Each sign-in that is begun leaves a record; nobody begins them without end.
#[tokio::test]
async fn sign_ins_begun_without_end() {
    let office = Office::open().await;
    let begin = || async { Browser::new().get(office.sign_in_page()).await };
    for _ in 0..60 {
        assert_eq!(begin().await.status, StatusCode::SEE_OTHER);
    }
    let page = begin().await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(page.headers.contains_key("retry-after"));
    office.advance(1);
    assert_eq!(begin().await.status, StatusCode::SEE_OTHER);
}

/// Codes, verifiers, nonces, states, tokens and the secret: not in the log, not on a page, not bare in the store.
#[tokio::test]
async fn nothing_secret_leaks() {
    let log = Log::listen();
    let office = Office::with("scopes = [\"profile\"]").await;
    office
        .idp
        .switch(|idp| idp.userinfo = Some(serde_json::Map::new()));
    let browser = Browser::new();
    let page = office.sign_in(&browser, "alice").await;
    assert_eq!(page.title(), "You are signed in");
    office.idp.claim("nonce", "wrong");
    let page2 = office.sign_in(&Browser::new(), "alice").await;
    assert_eq!(page2.title(), "We could not verify who you are");
    let mut store = Vec::new();
    for entry in std::fs::read_dir(office.world.directory.path().join("store")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            store.extend(std::fs::read(path).unwrap());
        }
    }
    let secrets = office.idp.secrets();
    assert!(secrets.len() > 10);
    let secrets = secrets.iter().map(String::as_str);
    for secret in secrets.chain([crate::support::idp::CLIENT.1]) {
        let spoken = log.lines(secret);
        // The stand-ins run in this process too, and their HTTP library says where it went; only our own word counts.
        let ours: Vec<_> = spoken
            .iter()
            .filter(|line| line.contains(" anteroom::"))
            .collect();
        assert!(ours.is_empty(), "{ours:?}");
        assert!(!page.text.contains(secret) && !page2.text.contains(secret));
        let mut windows = store.windows(secret.len());
        assert!(
            !windows.any(|window| window == secret.as_bytes()),
            "{secret} stands in the store"
        );
    }
}
