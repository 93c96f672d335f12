//! For the tests of this folder: the routes over a real store, a clock that stands still, and a client that Alice let in.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::connect_info::MockConnectInfo,
    http::{HeaderMap, Request, StatusCode, header},
};
use serde_json::Value;
use tower::ServiceExt;
use url::Url;

use super::{
    Issuer, Parts,
    access_token::{Access, TokenProblem},
    approved::Approved,
    code::Pending,
    grant::GrantId,
    resource, routes,
};
use crate::{
    base::{
        clock::{Clock, ManualClock, Span},
        entropy::{OsEntropy, SeededEntropy},
        id::UserId,
        seal::Sealer,
    },
    config::{self, Config, Surroundings, live::Live},
    protocol::oauth::{pkce::CodeVerifier, scope::ScopeSet},
    store::{Store, signal::Signals, sled::SledStore},
    user_source::{Proof, profile::Profiles, session::BrowserSessions},
    web::{failure::Faults, fetch::Fetcher, urls::Urls},
};

pub const BASE: &str = "https://gw.example.com";
pub const WORK: &str = "https://gw.example.com/mcp/work";
pub const PLAY: &str = "https://gw.example.com/mcp/play";
pub const CALLBACK: &str = "http://127.0.0.1:4711/callback";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const OIDC: (&str, &str, &str) = ("https://idp.example.com", "anteroom", "sub");

/// An authorization server.
pub struct House {
    pub issuer: Issuer,
    pub router: Router,
    pub live: Live,
    pub store: Arc<dyn Store>,
    pub profiles: Profiles,
    pub signals: Signals,
    pub clock: ManualClock,
    urls: Urls,
    _directory: tempfile::TempDir,
}

/// What came back.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

/// A form, parameter by parameter.
pub type Form<'a> = Vec<(&'a str, &'a str)>;

impl House {
    pub fn new() -> Self {
        Self::with(&configuration("", ""))
    }

    pub fn with(toml: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = ManualClock::new("2026-11-06T08:00:00Z".parse().unwrap());
        let store = SledStore::open(directory.path(), Arc::new(clock.clone())).unwrap();
        Self::over(toml, Arc::new(store), clock, directory)
    }

    fn over(
        toml: &str,
        store: Arc<dyn Store>,
        clock: ManualClock,
        directory: tempfile::TempDir,
    ) -> Self {
        let live = Live::new(parse(toml));
        let urls = Urls::new(&Url::parse(BASE).unwrap());
        let (profiles, signals) = (Profiles::new(Arc::clone(&store)), Signals::new());
        let issuer = replica(&store, &live, &clock, &signals);
        let from = SocketAddr::from(([127, 0, 0, 1], 4711));
        Self {
            router: routes(issuer.clone()).layer(MockConnectInfo(from)),
            issuer,
            live,
            store,
            profiles,
            signals,
            clock,
            urls,
            _directory: directory,
        }
    }

    /// Another process over the same store.
    pub fn replica(&self) -> Issuer {
        replica(&self.store, &self.live, &self.clock, &self.signals)
    }

    /// Puts another configuration in force.
    pub fn reconfigure(&self, toml: &str) {
        self.live.replace(parse(toml));
    }

    pub fn advance(&self, seconds: i64) {
        self.clock.advance(Span::from_secs(seconds));
    }

    /// What Alice approved for the client `cli` at `work`.
    pub fn approved(&self) -> Approved {
        let config = self.live.now();
        let resource = resource::find(&config, &self.urls, Some(WORK)).unwrap();
        Approved {
            user: alice(),
            proof: proof(),
            client_id: "cli".into(),
            client_name: "The CLI".into(),
            gateway: resource.gateway,
            resource: resource.uri,
            scopes: ScopeSet::parse("mcp:tools offline_access"),
        }
    }

    pub async fn code_for(&self, approved: Approved) -> String {
        let pending = Pending {
            approved,
            redirect_uri: CALLBACK.into(),
            code_challenge: CodeVerifier::from(VERIFIER).challenge().as_str().into(),
        };
        let code = self.issuer.0.codes.mint(pending).await.unwrap();
        code.expose().to_owned()
    }

    pub async fn code(&self) -> String {
        self.code_for(self.approved()).await
    }

    /// Tokens, as the client `cli` gets them.
    pub async fn tokens(&self) -> Value {
        let code = self.code().await;
        let answer = self.post("/oauth2/token", &exchange(&code)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.body
    }

    pub async fn refresh(&self, token: &Value) -> Answer {
        let token = token["refresh_token"].as_str().unwrap();
        self.post("/oauth2/token", &refreshing(token)).await
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.post_with(path, form, &[]).await
    }

    pub async fn post_with(
        &self,
        path: &str,
        form: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request =
            Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        self.send(request.body(body.into()).unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        }
    }

    /// A request to the endpoint `work` with an access token.
    pub async fn enter(&self, tokens: &Value) -> Result<Access, TokenProblem> {
        self.enter_at(WORK, tokens["access_token"].as_str().unwrap())
            .await
    }

    pub async fn enter_at(&self, resource: &str, token: &str) -> Result<Access, TokenProblem> {
        self.issuer.verify(&self.live.now(), token, resource).await
    }

    pub async fn is_let_in(&self, tokens: &Value) -> bool {
        self.enter(tokens).await.is_ok()
    }

    pub async fn grant_of(&self, tokens: &Value) -> GrantId {
        let token = tokens["access_token"].as_str().unwrap();
        self.issuer.grant_of(token).await.unwrap().unwrap()
    }
}

impl Answer {
    /// The error code; the empty text for a success.
    pub fn error(&self) -> &str {
        self.body["error"].as_str().unwrap_or_default()
    }
}

fn replica(store: &Arc<dyn Store>, live: &Live, clock: &ManualClock, signals: &Signals) -> Issuer {
    let config = live.now();
    let urls = Urls::new(&config.server.public_url);
    let ticking: Arc<dyn Clock> = Arc::new(clock.clone());
    let entropy = Arc::new(OsEntropy);
    let ring = config.store.root_keys.ring(&SeededEntropy::new(1)).unwrap();
    Issuer::new(Parts {
        live: live.clone(),
        urls: urls.clone(),
        store: Arc::clone(store),
        sealer: Sealer::new(&ring, entropy.clone()),
        signals: signals.clone(),
        clock: Arc::clone(&ticking),
        entropy: entropy.clone(),
        sessions: BrowserSessions::new(
            Arc::clone(store),
            live.clone(),
            urls,
            ticking,
            entropy.clone(),
        ),
        profiles: Profiles::new(Arc::clone(store)),
        assertions: Arc::new(super::tests_id_jag::Okta),
        faults: Faults::new(entropy),
        fetcher: Fetcher::new(),
    })
}

/// What a sign-in at okta rests on.
pub fn proof() -> Proof {
    let (issuer, client_id, subject_claim) = OIDC;
    Proof::Oidc {
        issuer: issuer.into(),
        client_id: client_id.into(),
        subject_claim: subject_claim.into(),
    }
}

pub fn alice() -> UserId {
    UserId::new("okta".parse().unwrap(), "00u-alice")
}

pub fn exchange(code: &str) -> Form<'_> {
    vec![
        ("grant_type", "authorization_code"),
        ("client_id", "cli"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ]
}

pub fn refreshing(token: &str) -> Form<'_> {
    vec![
        ("grant_type", "refresh_token"),
        ("client_id", "cli"),
        ("refresh_token", token),
    ]
}

/// `form` with another value for a parameter, or with one more.
pub fn but<'a>(mut form: Form<'a>, name: &'a str, value: &'a str) -> Form<'a> {
    form.retain(|(known, _)| *known != name);
    form.push((name, value));
    form
}

/// `work` and `play` for okta's people, `keys` for API keys only; with more keys of `[oauth]`, and of `[gateways.work]`.
pub fn configuration(oauth: &str, work: &str) -> String {
    let (issuer, client_id, _) = OIDC;
    format!(
        r#"
        server.public_url = "{BASE}"
        store.url = "sled:data"
        store.root_keys = [{{ id = "k", key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" }}]

        [oauth]
        {oauth}

        [clients.cli]
        title = "The CLI"
        redirect_uris = ["http://127.0.0.1/callback"]

        [clients.other]
        redirect_uris = ["http://127.0.0.1/callback"]

        [clients.backend]
        redirect_uris = ["https://app.example.com/callback"]
        secret_hash = "sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"

        [user_sources.okta]
        issuer = "{issuer}"
        client_id = "{client_id}"
        id_jag = true

        [upstreams.notes]
        url = "https://notes.example.com/mcp"

        [gateways.work]
        title = "Work"
        user_source = "okta"
        access = ["oauth", "headers"]
        tools = ["*"]
        default = true
        {work}

        [gateways.play]
        user_source = "okta"
        access = ["oauth"]
        tools = ["*"]

        [gateways.keys]
        user_source = "okta"
        access = ["headers"]
        tools = ["*"]
        "#
    )
}

pub fn parse(text: &str) -> Config {
    let surroundings = Surroundings {
        path: "gateway.toml".as_ref(),
        variable: &|_| None,
    };
    config::parse(text, &surroundings).unwrap_or_else(|problems| panic!("{problems}"))
}
