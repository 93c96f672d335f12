//! Acme over real HTTP: what it gives and takes back. `refusals` has the rest.

use std::{collections::BTreeMap, sync::Arc};

use reqwest::{StatusCode, redirect};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

use super::*;
use crate::{
    base::{clock::ManualClock, entropy::SeededEntropy},
    demo::check::browser::{Browser, Page},
};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub(super) struct World {
    pub(super) acme: Acme,
    pub(super) clock: ManualClock,
    pub(super) browser: Browser,
    pub(super) callback: String,
}

impl World {
    pub(super) async fn new() -> Self {
        // The client is a page of its own origin that answers anything, as a real one would.
        let client = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let callback = format!(
            "http://localhost:{}/callback",
            client.local_addr().unwrap().port()
        );
        let landing = Router::new().route("/callback", get(|| async { "landed" }));
        tokio::spawn(async { axum::serve(client, landing).await });

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let clock = ManualClock::new(Timestamp::from_second(1_800_000_000).unwrap());
        let settings = Settings {
            issuer: format!("http://{}", listener.local_addr().unwrap()),
            client: Client {
                id: "anteroom".into(),
                secret: TokenHash::of("s3:cr t"),
                title: "Anteroom".into(),
                redirect_uris: vec![callback.clone()],
            },
            accounts: vec![
                account("zelda", "Zelda Quill"),
                account("otto", "Otto Fern"),
            ],
            access_lifetime: Span::from_secs(60),
        };
        let entropy = Arc::new(SeededEntropy::new(7));
        let acme = Acme::new(settings, Arc::new(clock.clone()), entropy);
        let router = acme.router();
        tokio::spawn(async { axum::serve(listener, router).await });
        Self {
            acme,
            clock,
            browser: Browser::new(),
            callback,
        }
    }

    pub(super) fn authorize_url(&self, change: &[(&str, &str)]) -> Url {
        let mut parameters = BTreeMap::from([
            ("response_type", "code"),
            ("client_id", "anteroom"),
            ("redirect_uri", self.callback.as_str()),
            ("scope", "notes profile"),
            ("state", "st&te"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]);
        parameters.extend(change.iter().copied());
        let mut url = Url::parse(&format!("{}/oauth/authorize", self.acme.issuer())).unwrap();
        url.query_pairs_mut()
            .extend_pairs(parameters.iter().filter(|(_, value)| !value.is_empty()));
        url
    }

    pub(super) async fn consent_page(&mut self) -> Page {
        let url = self.authorize_url(&[]);
        let page = self.browser.open(&url).await.unwrap();
        if !page.has_button("Log in") {
            return page;
        }
        let fill = [("name", "zelda"), ("password", "zelda's")];
        self.browser.press(&page, "Log in", &fill).await.unwrap()
    }

    pub(super) async fn code(&mut self) -> String {
        let page = self.consent_page().await;
        let landed = self.browser.press(&page, "Allow", &[]).await.unwrap();
        query(&landed.url)["code"].clone()
    }

    pub(super) async fn redeem(&self, code: &str, change: &[(&str, &str)]) -> (StatusCode, Value) {
        let mut fields = BTreeMap::from([
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.callback.as_str()),
            ("code_verifier", VERIFIER),
        ]);
        fields.extend(change.iter().copied());
        self.token(&fields).await
    }

    pub(super) async fn refresh(&self, tokens: &Value) -> (StatusCode, Value) {
        let token = tokens["refresh_token"].as_str().unwrap();
        let fields = BTreeMap::from([("grant_type", "refresh_token"), ("refresh_token", token)]);
        self.token(&fields).await
    }

    async fn token(&self, fields: &BTreeMap<&str, &str>) -> (StatusCode, Value) {
        let response = self.post("token").form(fields).send().await.unwrap();
        assert_eq!(response.headers()["cache-control"], "no-store");
        (response.status(), response.json().await.unwrap())
    }

    pub(super) fn post(&self, endpoint: &str) -> reqwest::RequestBuilder {
        let url = format!("{}/oauth/{endpoint}", self.acme.issuer());
        // RFC 6749 §2.3.1: both halves form-encoded first.
        http().post(url).basic_auth("anteroom", Some("s3%3Acr+t"))
    }

    pub(super) fn whose(&self, tokens: &Value) -> Option<String> {
        let owner = self.acme.owner(tokens["access_token"].as_str().unwrap());
        owner.map(|owner| owner.display_name)
    }
}

/// An access token of `account` without the browser, for tests of what stands behind Acme.
pub(crate) fn access_token(acme: &Acme, account: &str, scopes: &[&str]) -> String {
    let request = ledger::Request {
        browser: TokenHash::of(""),
        redirect_uri: "http://localhost/".into(),
        state: None,
        challenge: CHALLENGE.into(),
        scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
    };
    let mint = acme.mint();
    let mut ledger = acme.ledger();
    let code = TokenHash::of(&ledger.issue_code(&request, account, &mint));
    let issued = ledger.redeem_code(code, "http://localhost/", CHALLENGE, &mint);
    issued.unwrap().access_token
}

fn account(name: &str, display_name: &str) -> Account {
    Account {
        name: name.into(),
        password: TokenHash::of(&format!("{name}'s")),
        display_name: display_name.into(),
    }
}

pub(super) fn http() -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap()
}

pub(super) fn query(url: &Url) -> BTreeMap<String, String> {
    url.query_pairs().into_owned().collect()
}

#[tokio::test]
async fn a_person_allows_and_the_client_gets_tokens() {
    let mut world = World::new().await;
    let page = world.consent_page().await;
    assert!(
        page.words.contains("Zelda Quill") && page.words.contains("Read your notes"),
        "{}",
        page.words
    );
    let landed = world.browser.press(&page, "Allow", &[]).await.unwrap();
    let answer = query(&landed.url);
    assert_eq!(answer["state"], "st&te");
    assert_eq!(answer["iss"], world.acme.issuer());

    let (status, tokens) = world.redeem(&answer["code"], &[]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], 60);
    assert_eq!(tokens["scope"], "notes profile");
    assert_eq!(world.whose(&tokens).as_deref(), Some("Zelda Quill"));

    let userinfo = |token: String| {
        let url = format!("{}/oauth/userinfo", world.acme.issuer());
        async move { http().get(url).bearer_auth(token).send().await.unwrap() }
    };
    let token = tokens["access_token"].as_str().unwrap().to_owned();
    let person: Value = userinfo(token.clone()).await.json().await.unwrap();
    assert_eq!(person, json!({"sub": "zelda", "name": "Zelda Quill"}));
    world.clock.advance(Span::from_secs(60));
    assert_eq!(world.whose(&tokens), None);
    let refused = userinfo(token).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert!(
        refused.headers()["www-authenticate"]
            .to_str()
            .unwrap()
            .contains("invalid_token")
    );
}

#[tokio::test]
pub(super) async fn refresh_tokens_rotate_and_a_spent_one_ends_the_grant() {
    let mut world = World::new().await;
    let code = world.code().await;
    let (_, first) = world.redeem(&code, &[]).await;
    world.clock.advance(Span::from_secs(61));
    let (status, second) = world.refresh(&first).await;
    assert_eq!(status, StatusCode::OK);
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert!(world.whose(&second).is_some());
    assert_eq!(world.acme.refreshes(), 1);

    let (status, refused) = world.refresh(&first).await;
    assert_eq!(
        (status, &refused["error"]),
        (StatusCode::BAD_REQUEST, &json!("invalid_grant"))
    );
    assert_eq!(world.whose(&second), None, "the grant ended");
    assert_eq!(world.refresh(&second).await.1["error"], "invalid_grant");
}

#[tokio::test]
async fn a_replayed_code_takes_back_what_it_gave() {
    let mut world = World::new().await;
    let code = world.code().await;
    let (_, tokens) = world.redeem(&code, &[]).await;
    assert!(world.whose(&tokens).is_some());
    assert_eq!(world.redeem(&code, &[]).await.1["error"], "invalid_grant");
    assert_eq!(world.whose(&tokens), None);
}

#[tokio::test]
async fn revoking_takes_effect_at_once() {
    let mut world = World::new().await;
    for kind in ["access_token", "refresh_token"] {
        let code = world.code().await;
        let (_, tokens) = world.redeem(&code, &[]).await;
        let form = [
            ("token", tokens[kind].as_str().unwrap()),
            ("token_type_hint", kind),
        ];
        assert_eq!(
            world
                .post("revoke")
                .form(&form)
                .send()
                .await
                .unwrap()
                .status(),
            200
        );
        assert_eq!(world.whose(&tokens), None, "{kind}");
        let renewed = world.refresh(&tokens).await.0 == StatusCode::OK;
        assert_eq!(renewed, kind == "access_token");
    }
    let unknown = world
        .post("revoke")
        .form(&[("token", "unknown")])
        .send()
        .await
        .unwrap();
    assert_eq!(unknown.status(), 200);
}
