//! For the tests of this folder that have people and browsers in them: the front door with the issuer behind it.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use serde_json::Value;
use url::{Url, form_urlencoded};

use super::{Issuer, Parts, fixture::parse, routes};
use crate::{
    base::{
        clock::{Clock, Span},
        entropy::OsEntropy,
        seal::Sealer,
    },
    store::signal::Signals,
    user_source::{
        fixture::{Answer, Door, PASSWORD, Visitor, hash},
        profile::Profiles,
    },
    web::{failure::Faults, fetch::Fetcher},
};

pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub const CALLBACK: &str = "http://127.0.0.1:4711/callback";

/// A gateway at which people sign in.
pub struct House {
    pub door: Door,
    base: String,
}

impl House {
    pub fn new() -> Self {
        Self::with("http://localhost:8080", "", Fetcher::new())
    }

    /// With more keys of `[oauth]`, and what clients publish fetched so.
    pub fn with(base: &str, oauth: &str, fetcher: Fetcher) -> Self {
        let mut door = Door::at(base);
        door.live.replace(parse(&configuration(base, oauth)));
        let clock: Arc<dyn Clock> = Arc::new(door.clock.clone());
        let entropy = Arc::new(OsEntropy);
        let ring = door.live.now().store.root_keys.ring(&OsEntropy).unwrap();
        let issuer = Issuer::new(Parts {
            live: door.live.clone(),
            urls: door.urls.clone(),
            store: door.store.clone(),
            sealer: Sealer::new(&ring, entropy.clone()),
            signals: Signals::new(),
            clock,
            entropy: entropy.clone(),
            sessions: door.sessions.clone(),
            profiles: Profiles::new(door.store.clone()),
            assertions: Arc::new(super::tests_id_jag::Okta),
            faults: Faults::new(entropy),
            fetcher,
        });
        door.router = door.router.merge(routes(issuer));
        Self {
            door,
            base: base.to_owned(),
        }
    }

    /// From now on with these keys of `[oauth]`.
    pub fn reconfigure(&self, oauth: &str) {
        self.door
            .live
            .replace(parse(&configuration(&self.base, oauth)));
    }

    /// Another configuration from now on.
    pub fn change(&self, old: &str, new: &str) {
        let text = configuration(&self.base, "");
        assert!(text.contains(old), "{old}");
        self.door.live.replace(parse(&text.replace(old, new)));
    }

    /// The request of the client `cli`, with other values for some parameters; those without one are left out.
    pub fn request(&self, other: &[(&str, &str)]) -> String {
        let resource = format!("{}/mcp/work", self.base);
        let usual = [
            ("response_type", "code"),
            ("client_id", "cli"),
            ("redirect_uri", CALLBACK),
            ("state", "s t/a%te"),
            ("scope", "mcp:tools"),
            ("resource", &resource),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let kept = usual
            .into_iter()
            .filter(|(name, _)| other.iter().all(|(otherwise, _)| otherwise != name));
        let other = other.iter().copied().filter(|(_, value)| !value.is_empty());
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(kept.chain(other))
            .finish()
    }

    /// Opens a client's request in a browser.
    pub async fn open(&self, visitor: &mut Visitor, other: &[(&str, &str)]) -> Answer {
        let path = format!("/oauth2/authorize?{}", self.request(other));
        self.door.get(visitor, &path).await
    }

    /// Presses a button of a page of ours.
    pub async fn press(&self, visitor: &mut Visitor, page: &Answer, answer: &str) -> Answer {
        let (csrf, request) = (page.field("csrf"), page.field("request"));
        let fields = [("csrf", &*csrf), ("request", &request), ("answer", answer)];
        self.door.post(visitor, "/oauth2/authorize", &fields).await
    }

    /// Signs in where a redirect led, and follows to the page that is shown then.
    pub async fn sign_in(&self, visitor: &mut Visitor, begun: &Answer, name: &str) -> Answer {
        let sign_in = self.local(begun);
        let signed_in = self.door.try_at(visitor, &sign_in, name, PASSWORD).await;
        let back = self.local(&signed_in);
        self.door.get(visitor, &back).await
    }

    /// Goes on from "you are on your way back".
    pub async fn go_on(&self, visitor: &mut Visitor, page: &Answer) -> Answer {
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        let refresh = page.headers[header::REFRESH].to_str().unwrap();
        let to = refresh.strip_prefix("0; url=").unwrap();
        self.door.get(visitor, to).await
    }

    /// The path of ours that an answer leads to.
    pub fn local(&self, answer: &Answer) -> String {
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        let path = answer.location().strip_prefix(&self.base);
        path.expect("it leads to a page of ours").to_owned()
    }

    /// A browser at which `name` is signed in and let the client `cli` in.
    pub async fn agreed(&self, name: &str) -> Visitor {
        let mut visitor = self.door.signed_in(name).await;
        let page = self.open(&mut visitor, &[]).await;
        let answer = self.press(&mut visitor, &page, "allow").await;
        assert!(code(&answer).is_some());
        visitor
    }

    /// Registers a client.
    pub async fn register(&self, metadata: &Value) -> (StatusCode, Value) {
        let request = Request::post("/oauth2/register")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(metadata.to_string()))
            .unwrap();
        let answer = self.door.send(&mut Visitor::new(), request).await;
        (answer.status, answer.json())
    }

    pub async fn token(
        &self,
        form: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> (StatusCode, Value) {
        let visitor = &mut Visitor::new();
        let answer = self
            .door
            .post_with(visitor, "/oauth2/token", form, headers)
            .await;
        (answer.status, answer.json())
    }

    pub fn advance(&self, seconds: i64) {
        self.door.clock.advance(Span::from_secs(seconds));
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// What a redirect to the client tells it.
    pub fn told(&self) -> Vec<(String, String)> {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.text);
        let url = Url::parse(self.location()).unwrap();
        url.query_pairs().into_owned().collect()
    }

    /// Whether it is a page that goes nowhere.
    pub fn stays(&self) -> bool {
        !self.headers.contains_key(header::LOCATION) && !self.headers.contains_key(header::REFRESH)
    }
}

/// The one value of a parameter.
pub fn one(told: &[(String, String)], name: &str) -> Option<String> {
    let mut values = told.iter().filter(|(found, _)| found == name);
    let first = values.next().map(|(_, value)| value.clone());
    assert!(values.next().is_none(), "{name} comes twice");
    first
}

/// The code that an answer brings to the client, if it leads there.
pub fn code(answer: &Answer) -> Option<String> {
    if answer.status != StatusCode::SEE_OTHER || !answer.location().starts_with(CALLBACK) {
        return None;
    }
    one(&answer.told(), "code")
}

/// `work` for the people of `team`, `lab` for the engineers among them: alice; `corp` for the people of an OpenID provider.
fn configuration(base: &str, oauth: &str) -> String {
    let hash = hash(PASSWORD);
    format!(
        r#"
        server.public_url = "{base}"
        store.url = "sled:data"
        store.root_keys = [{{ id = "k", key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" }}]

        [oauth]
        {oauth}

        [clients.cli]
        title = "The CLI"
        redirect_uris = ["http://127.0.0.1/callback", "https://cli.example.com/callback"]

        [clients.trusted]
        redirect_uris = ["http://127.0.0.1/callback"]

        [clients.other]
        redirect_uris = ["http://127.0.0.1/callback", "cursor://anysphere/cb", "http://[::1]/cb"]

        [user_sources.team]
        type = "accounts"
        title = "Acme team"
        accounts.alice = {{ password_hash = "{hash}", display_name = "Alice Example", claims = {{ groups = ["eng"] }} }}
        accounts.bob = {{ password_hash = "{hash}" }}

        [user_sources.okta]
        title = "Okta"
        issuer = "http://127.0.0.1:9753"
        client_id = "anteroom"
        client_secret = "secret"

        [upstreams.notes]
        url = "https://notes.example.com/mcp"

        [gateways.work]
        title = "Work tools"
        user_source = "team"
        access = ["oauth"]
        skip_consent = ["trusted"]
        tools = ["*"]

        [gateways.lab]
        title = "The lab"
        user_source = "team"
        access = ["oauth"]
        tools = ["*"]
        require = {{ groups = ["eng"] }}

        [gateways.corp]
        user_source = "okta"
        access = ["oauth"]
        tools = ["*"]
        "#
    )
}
