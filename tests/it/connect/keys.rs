//! A service that gives its users keys: Alice types hers on our page, and nowhere else.

use anteroom::{
    audit::Through,
    base::{clock::Span, id::UserId},
    config::{ApiKeyProvider, App, Provider, UserSource, UserSourceKind},
    connect::{
        Ask, Ending, Offer, Outcome,
        flow::{Asker, Verification},
    },
    protocol::oauth::scope::ScopeSet,
    vault::{Lack, Slot, TokenLookup, Wish},
};
use axum::http::StatusCode;

use super::{
    furnishing::configuration,
    house::{House, alice, failure, name, sign_in},
};
use crate::support::{
    browser::{Browser, Page},
    log::Log,
    provider::{About, KEY},
};

pub const CONNECT: &str = "Connect Acme Weather";
pub const DONE: &str = "Connected. You can close this window.";

impl House {
    /// One in which keys of the weather service are needed.
    pub async fn of_keys(change: impl FnOnce(&mut ApiKeyProvider)) -> Self {
        let house = Self::new().await;
        let mut weather = house.acme.gives_keys();
        change(&mut weather);
        let acme = [(name("acme"), house.acme.config())].into();
        let mut config = configuration(&house.base, acme);
        let weather = Provider::ApiKey(Box::new(weather));
        config.providers.insert(name("weather"), weather);
        let app = UserSource {
            title: "The App".into(),
            description: None,
            active: true,
            allowed_origins: Vec::new(),
            kind: UserSourceKind::App(Box::new(App {
                verifier_url: "https://app.example/verify?x=1".parse().unwrap(),
                any_case: false,
            })),
        };
        config.user_sources.insert(name("app"), app);
        house.live.replace(config);
        house
    }

    /// What Alice is asked for: her key, by curl.
    pub async fn asks_for_a_key(&self) -> Offer {
        self.ask(&alice(), "curl", "weather", "").await.unwrap()
    }

    /// A user whom an application vouches for.
    pub fn of_app(&self, who: &str) -> UserId {
        UserId::new(name("app"), who)
    }

    /// What such a user is asked for.
    pub async fn asks_through_an_app(&self, user: &UserId) -> Offer {
        let (provider, config) = (name("weather"), self.live.now());
        let ask = Ask {
            user,
            asker: &Asker {
                key: "key/app".into(),
                label: "The App".into(),
                note: None,
                through: Through::ApiKey {
                    api_key: name("app"),
                },
            },
            gateway: None,
            provider: &provider,
            config: &config.providers[&provider],
            slot: &Slot::Default,
            scopes: &ScopeSet::default(),
            ending: &Ending {
                verification: Verification::ByApp,
                next_uri: None,
            },
            notify: None,
        };
        self.connect.offer(ask).await.unwrap()
    }

    /// Alice at the page that asks for it.
    pub async fn alice_at_key_page(&self, offer: &Offer) -> (Browser, Page) {
        let browser = self.browser_of(&alice()).await;
        let page = browser.open(&offer.url).await;
        (browser, page)
    }

    /// The key that calls of this user carry.
    pub async fn key_of(&self, user: &UserId) -> Option<String> {
        let (provider, config) = (name("weather"), self.live.now());
        let nothing = ScopeSet::default();
        let wish = Wish {
            user,
            name: &provider,
            provider: &config.providers[&provider],
            slot: &Slot::Default,
            required: &nothing,
        };
        match self.vault.find(wish).await.unwrap() {
            TokenLookup::Ready(held) => Some(held.token.expose().to_owned()),
            TokenLookup::Missing(Lack::NotConnected) => None,
            TokenLookup::Missing(lack) => panic!("{lack:?}"),
        }
    }

    /// That nothing came of it, and the link is as good as before.
    pub async fn is_as_before(&self, offer: &Offer) {
        assert_eq!(self.outcome(offer).await, Outcome::Open);
        assert_eq!(self.key_of(&alice()).await, None);
        assert!(self.table("credentials").await.is_empty());
    }
}

/// What a page says above its field.
pub fn notice(page: &Page) -> String {
    let words = page.words();
    let after = words.split_once("Not you? ").unwrap().1;
    after
        .split_once("Your Acme Weather API token")
        .unwrap()
        .0
        .to_owned()
}

#[tokio::test]
async fn a_user_gives_a_key() {
    let house = House::of_keys(|_| {}).await;
    let offer = house.asks_for_a_key().await;
    let browser = Browser::new();
    let page = browser.open(&offer.url).await;
    assert!(page.url.path().starts_with("/sign-in/team"), "{}", page.url);
    let page = sign_in(&browser, &page, "alice").await;

    // The page says who asks, whom for, what for, where the key is to be found and what happens to it.
    assert_eq!(page.url, offer.url);
    assert_eq!(page.title(), "curl wants to use Acme Weather for you");
    for said in [
        "alice of the team",
        "through the API key demo",
        "Work tools",
        "Your Acme Weather API token",
        "Profile > API tokens",
        "keeps it encrypted in its vault",
        "Neither curl nor its model ever sees it",
    ] {
        assert!(page.words().contains(said), "{said}: {}", page.words());
    }
    assert!(page.text.contains(
        r#"href="https://weather.example/tokens" target="_blank" rel="noopener noreferrer""#
    ));
    assert!(page.text.contains(r#"type="password" autocomplete="off""#));
    assert_eq!(notice(&page), "");

    let form = page.form(CONNECT).with("key", &format!(" {KEY}\r\n"));
    let done = browser.submit(&form).await;
    assert_eq!(
        (done.url.clone(), done.title().as_str()),
        (offer.url.clone(), DONE)
    );
    assert_eq!(house.outcome(&offer).await, Outcome::Completed);
    assert_eq!(house.key_of(&alice()).await.as_deref(), Some(KEY));
    assert_eq!(house.acme.told().len(), 1, "tried once");
    assert!(house.table("open_flows").await.is_empty());
    assert!(
        house.table("key_tries").await.is_empty(),
        "a good one does not count"
    );
    assert_eq!(browser.open(&offer.url).await.title(), DONE);
}

#[tokio::test]
async fn another_key_of_the_same_account_takes_the_place_of_the_first() {
    let house = House::of_keys(|_| {}).await;
    for _ in 0..2 {
        let offer = house.asks_for_a_key().await;
        let (browser, page) = house.alice_at_key_page(&offer).await;
        let done = browser.submit(&page.form(CONNECT).with("key", KEY)).await;
        assert_eq!(done.title(), DONE);
    }
    let connections = house.vault.of_user(&alice()).await.unwrap();
    assert_eq!(connections.len(), 1);
    let account = connections[0].account.as_ref().unwrap();
    assert_eq!(account.name.as_deref(), Some("Alice Liddell"));
}

#[tokio::test]
async fn without_a_way_to_try_it_a_key_is_kept_as_it_is() {
    let house = House::of_keys(|weather| weather.probe = None).await;
    let offer = house.asks_for_a_key().await;
    let (browser, page) = house.alice_at_key_page(&offer).await;
    assert!(!page.words().contains("tries it"));
    let done = browser.submit(&page.form(CONNECT).with("key", "any")).await;
    assert_eq!(done.title(), DONE);
    assert_eq!(house.key_of(&alice()).await.as_deref(), Some("any"));
    assert!(house.acme.told().is_empty());
}

#[tokio::test]
async fn a_key_that_is_no_good_is_asked_for_again() {
    let log = Log::listen();
    let house = House::of_keys(|_| {}).await;
    let offer = house.asks_for_a_key().await;
    let (browser, page) = house.alice_at_key_page(&offer).await;
    let page = browser
        .submit(&page.form(CONNECT).with("key", "of-yesterday"))
        .await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    let said = notice(&page);
    assert!(
        said.contains("does not accept") && said.contains("Nothing was kept"),
        "{said}"
    );
    assert!(!page.text.contains("of-yesterday") && !page.text.contains("pwned"));
    house.is_as_before(&offer).await;
    let lines = log.lines("a key was not kept");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains(&format!("{:?}", alice())) && lines[0].contains("provider=weather"));
    let done = browser.submit(&page.form(CONNECT).with("key", KEY)).await;
    assert_eq!(done.title(), DONE);
    assert_eq!(house.key_of(&alice()).await.as_deref(), Some(KEY));
}

#[tokio::test]
async fn what_cannot_be_a_key_is_not_tried() {
    let house = House::of_keys(|_| {}).await;
    let offer = house.asks_for_a_key().await;
    let (browser, page) = house.alice_at_key_page(&offer).await;
    let before = house.records_but_sessions().await;
    for (typed, said) in [
        ("", "The field was empty"),
        (" \t ", "The field was empty"),
        ("Bearer sk-secret-1", "a blank or a new line"),
        ("sk-secret-1\nsk-secret-2", "a blank or a new line"),
        (
            "sk-secret-1\u{7}",
            "a character in it that cannot be part of it",
        ),
        (
            "sk-secret-1\u{200b}",
            "a character in it that cannot be part of it",
        ),
        (&"sk-secret-1".repeat(400), "far too long"),
    ] {
        let page = browser.submit(&page.form(CONNECT).with("key", typed)).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{typed:?}");
        assert!(notice(&page).contains(said), "{typed:?}: {}", notice(&page));
        assert!(!page.text.contains("sk-secret"), "{typed:?}");
    }
    assert_eq!(house.records_but_sessions().await, before);
    assert!(house.acme.told().is_empty());
}

#[tokio::test]
async fn a_service_that_says_neither_yes_nor_no() {
    let say = About::Say;
    for (about, why) in [
        (About::Hang, "it did not answer in time"),
        (About::Huge, "too large"),
        (say(302, ""), "it redirects"),
        (say(404, "pwned"), "status=404"),
        (say(429, "pwned"), "status=429"),
        (say(500, "<html>pwned</html>"), "status=500"),
    ] {
        let log = Log::listen();
        let house = House::of_keys(|_| {}).await;
        house.acme.switch(|acme| acme.about = about.clone());
        let offer = house.asks_for_a_key().await;
        let (browser, page) = house.alice_at_key_page(&offer).await;
        let page = browser.submit(&page.form(CONNECT).with("key", KEY)).await;
        assert_eq!(page.status, StatusCode::BAD_GATEWAY, "{about:?}");
        let said = notice(&page);
        assert!(
            said.contains("does not answer") && said.contains("Nothing was kept"),
            "{said}"
        );
        assert!(!page.text.contains("pwned") && !page.text.contains(KEY));
        house.is_as_before(&offer).await;
        let lines = log.lines("a key was not kept");
        assert_eq!(lines.len(), 1, "{about:?}: {lines:?}");
        assert!(lines[0].contains(why), "{why}: {lines:?}");
        let reference = lines[0].split("reference=\"").nth(1).unwrap();
        let reference = reference.split('"').next().unwrap();
        assert!(said.contains(reference), "{reference}: {said}");
        // Later it answers, and the link is good still.
        house.acme.switch(|acme| acme.about = About::Right);
        let done = browser.submit(&page.form(CONNECT).with("key", KEY)).await;
        assert_eq!(done.title(), DONE, "{about:?}");
    }
}

#[tokio::test]
async fn cancelled_though_a_key_was_typed() {
    let house = House::of_keys(|_| {}).await;
    let offer = house.asks_for_a_key().await;
    let (browser, page) = house.alice_at_key_page(&offer).await;
    let page = browser.submit(&page.form("Cancel").with("key", KEY)).await;
    assert_eq!(page.title(), "Acme Weather was not connected");
    assert_eq!(failure(&house.outcome(&offer).await), "declined");
    assert!(house.acme.told().is_empty());
    assert_eq!(house.key_of(&alice()).await, None);
}

#[tokio::test]
async fn a_link_that_expired_while_its_page_was_open() {
    let house = House::of_keys(|_| {}).await;
    let offer = house.asks_for_a_key().await;
    let (browser, page) = house.alice_at_key_page(&offer).await;
    house.advance(21);
    let page = browser.submit(&page.form(CONNECT).with("key", KEY)).await;
    assert_eq!(page.title(), "This link has expired");
    assert!(house.acme.told().is_empty());
    assert_eq!(house.key_of(&alice()).await, None);
}

#[tokio::test]
async fn a_key_that_cannot_be_kept_is_no_lie() {
    let log = Log::listen();
    let house = House::of_keys(|_| {}).await;
    let offer = house.asks_for_a_key().await;
    let (browser, page) = house.alice_at_key_page(&offer).await;
    house.store.fail_for("credentials/");
    let page = browser.submit(&page.form(CONNECT).with("key", KEY)).await;
    assert_eq!(page.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(failure(&house.outcome(&offer).await), "fault");
    assert_eq!(log.lines("failed while keeping tokens").len(), 1);
}

/// A bucket of ten; then the person waits, and the service is left alone.
#[tokio::test]
async fn keys_tried_one_after_the_other() {
    let house = House::of_keys(|_| {}).await;
    let offer = house.asks_for_a_key().await;
    let (browser, page) = house.alice_at_key_page(&offer).await;
    let form = |key: &str| page.form(CONNECT).with("key", key);
    for guess in 0..10 {
        let page = browser.submit(&form(&format!("guess-{guess}"))).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{guess}");
    }
    // Another link does not help.
    let another = house.ask(&alice(), "other", "weather", "").await.unwrap();
    let page = browser.open(&another.url).await;
    let page = browser.submit(&page.form(CONNECT).with("key", KEY)).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(page.headers.contains_key("retry-after"));
    assert!(
        notice(&page).contains("Too many attempts"),
        "{}",
        notice(&page)
    );
    assert_eq!(house.acme.told().len(), 10);
    house.is_as_before(&offer).await;
    house.clock.advance(Span::from_secs(30));
    let done = browser.submit(&page.form(CONNECT).with("key", KEY)).await;
    assert_eq!(done.title(), DONE);
}
