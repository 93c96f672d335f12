//! A stand-in for a third-party authorization server over real HTTP: strict about everything it must check, and with
//! switches for everything real ones get wrong. Whoever comes to its authorize page agrees at once.

mod about;
mod answers;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::{
    Router,
    routing::{any, get, post},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use sha2::{Digest, Sha256};
use url::Url;

use anteroom::{
    config::{
        ClientAuth, OAuthProvider,
        provider::{Body, ClientParameters, Refresh},
    },
    protocol::oauth::{scope::ScopeSet, token_response::AnswerShape},
};

/// Our client there.
pub const CLIENT: (&str, &str) = ("anteroom:client", "s3cret/with+odd%characters");

/// A key that `/key` accepts; it gives out no others.
pub const KEY: &str = "acme-key-of/alice+at=the-stand-in";

/// The running stand-in. Clones are the same server.
#[derive(Clone)]
pub struct StandIn {
    pub base: Url,
    inner: Arc<Mutex<Inner>>,
}

/// How it behaves. Changed at any moment with [`StandIn::switch`].
#[derive(Clone, Debug)]
pub struct Switches {
    pub authorize: AtAuthorize,
    pub iss: Iss,
    pub token: AtToken,
    /// Scopes to answer with; `None` leaves `scope` out.
    pub granted: Option<String>,
    /// `expires_in`, as JSON.
    pub expires_in: serde_json::Value,
    /// Whether there is a refresh token.
    pub refreshable: bool,
    /// Whether refreshing gives a fresh refresh token, the old one ceasing to work.
    pub rotating: bool,
    /// Whether a refresh token that comes a second time ends the whole grant (RFC 9700 §4.14.2).
    pub reuse_ends_the_grant: bool,
    pub token_type: &'static str,
    /// `expires_at`, as JSON, beside `expires_in`.
    pub expires_at: Option<serde_json::Value>,
    /// How it answers requests about a token.
    pub about: About,
    /// Who is signed in at the browser that comes to its authorize page: a number and a name.
    pub who: (u32, &'static str),
}

/// How the endpoints about a token or key answer: `/me`, `/revoke`, `/introspect` and `/key`.
#[derive(Clone, Debug)]
pub enum About {
    Right,
    /// Right, but not at once.
    Slow,
    /// This status, this body, whatever was asked.
    Say(u16, &'static str),
    /// Takes the request and is silent.
    Hang,
    /// Never stops talking.
    Huge,
}

/// What the browser is sent back with.
#[derive(Clone, Debug)]
pub enum AtAuthorize {
    Agree,
    Error(&'static str),
    Nothing,
}

/// The `iss` of the authorization response (RFC 9207).
#[derive(Clone, Copy, Debug)]
pub enum Iss {
    Right,
    Other,
    Absent,
}

/// How the token endpoint answers.
#[derive(Clone, Debug)]
pub enum AtToken {
    /// As the RFC says.
    Json,
    /// Like GitHub without `Accept`.
    Form,
    /// Like Slack: the tokens one level down, under `authed_user`.
    Nested,
    /// This status, this body, whatever was asked.
    Say(u16, &'static str),
    /// Says that it is busy, for so many seconds.
    Busy(u16, &'static str),
    /// As the RFC says, but only after so long.
    Slow(Duration),
    /// Takes the request and is silent.
    Hang,
    /// Never stops talking.
    Huge,
    /// Sends the request elsewhere (307).
    Redirect,
    /// Closes the connection before the answer is whole.
    CutShort,
    /// A whole answer, but the JSON in it ends in the middle of a token.
    Truncated,
}

/// A request as it came to the token endpoint.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Parameters of the query and of the body, be it a form or an object.
    pub fields: BTreeMap<String, String>,
    pub accept: Option<String>,
    pub content_type: Option<String>,
}

/// A request about a token.
#[derive(Clone, Debug)]
pub struct Told {
    pub path: String,
    pub authorization: Option<String>,
    pub fields: BTreeMap<String, String>,
}

struct Inner {
    switches: Switches,
    authorizations: Vec<BTreeMap<String, String>>,
    asked: Vec<Asked>,
    codes: BTreeMap<String, Code>,
    refresh_tokens: Vec<String>,
    used_refresh_tokens: Vec<String>,
    access_tokens: Vec<String>,
    /// Whose they and the refresh tokens are.
    owners: BTreeMap<String, (u32, &'static str)>,
    /// Of those, the ones that ceased to work.
    dead: Vec<String>,
    told: Vec<Told>,
    secrets: Vec<String>,
    drawn: u32,
}

struct Code {
    redirect_uri: String,
    challenge: Option<String>,
}

impl StandIn {
    /// Starts one that behaves.
    pub async fn start() -> Self {
        let inner = Arc::new(Mutex::new(Inner {
            switches: Switches {
                authorize: AtAuthorize::Agree,
                iss: Iss::Absent,
                token: AtToken::Json,
                granted: None,
                expires_in: json!(3600),
                refreshable: true,
                rotating: true,
                reuse_ends_the_grant: false,
                token_type: "Bearer",
                expires_at: None,
                about: About::Right,
                who: (4711, "Alice\u{202e} Liddell\u{7}"),
            },
            authorizations: Vec::new(),
            asked: Vec::new(),
            codes: BTreeMap::new(),
            refresh_tokens: Vec::new(),
            used_refresh_tokens: Vec::new(),
            access_tokens: Vec::new(),
            owners: BTreeMap::new(),
            dead: Vec::new(),
            told: Vec::new(),
            secrets: Vec::new(),
            drawn: 0,
        }));
        let mut stand_in = None;
        super::serve(|base| {
            let server = Self {
                base: base.clone(),
                inner,
            };
            stand_in = Some(server.clone());
            Router::new()
                .route("/authorize", get(answers::authorize))
                .route("/token", post(answers::token))
                .route("/me", any(about::me))
                .route("/revoke", any(about::revoke))
                .route("/introspect", any(about::introspect))
                .route("/key", any(about::key))
                .with_state(server)
        })
        .await;
        stand_in.unwrap()
    }

    /// How a gateway is configured for it.
    pub fn config(&self) -> OAuthProvider {
        OAuthProvider {
            preset: None,
            title: "Acme Notes".into(),
            authorize_url: self.base.join("authorize?tenant=7").unwrap(),
            token_url: self.base.join("token").unwrap(),
            issuer: None,
            iss_required: false,
            client_id: CLIENT.0.into(),
            client_secret: Some(CLIENT.1.into()),
            client_auth: ClientAuth::Basic,
            pkce: true,
            scopes: ScopeSet::default(),
            scope_parameter: "scope".into(),
            scope_delimiter: " ".into(),
            authorize_parameters: BTreeMap::new(),
            token_parameters: BTreeMap::new(),
            client_parameters: ClientParameters::default(),
            scope_includes: BTreeMap::new(),
            scopes_unlisted: ScopeSet::default(),
            scope_prefix: None,
            token_headers: Vec::new(),
            token_body: Body::Form,
            refresh: Some(Refresh::default()),
            answer: AnswerShape::default(),
            account: None,
            revocation: None,
            introspection: None,
            scope_words: [("notes".into(), "Read and write your notes".into())].into(),
        }
    }

    /// Its issuer, where it says one.
    pub fn issuer(&self) -> String {
        self.base.as_str().trim_end_matches('/').to_owned()
    }

    /// Changes how it behaves.
    pub fn switch(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut self.inner().switches);
    }

    /// What browsers came with, in order.
    pub fn authorizations(&self) -> Vec<BTreeMap<String, String>> {
        self.inner().authorizations.clone()
    }

    /// What the token endpoint was asked, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.inner().asked.clone()
    }

    /// The access tokens it gave out, in order.
    pub fn access_tokens(&self) -> Vec<String> {
        self.inner().access_tokens.clone()
    }

    /// What it was asked about tokens, in order.
    pub fn told(&self) -> Vec<Told> {
        self.inner().told.clone()
    }

    /// Returns when it was asked about a token or key.
    pub async fn is_told(&self) {
        while self.inner().told.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Whether one of its access tokens still works.
    pub fn works(&self, access_token: &str) -> bool {
        self.inner().works(access_token)
    }

    /// Everything secret that it gave out or was given: codes, verifiers, states, tokens.
    pub fn secrets(&self) -> Vec<String> {
        self.inner().secrets.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }
}

impl Inner {
    fn draw(&mut self, kind: &str) -> String {
        self.drawn += 1;
        let drawn = format!("acme-{kind}-{:04}-of-the-stand-in", self.drawn);
        self.secrets.push(drawn.clone());
        drawn
    }

    fn grant(&mut self, who: (u32, &'static str), with_refresh_token: bool) -> serde_json::Value {
        let mut answer = json!({
            "access_token": self.draw("access"),
            "token_type": self.switches.token_type,
            "expires_in": self.switches.expires_in,
        });
        if let Some(expires_at) = &self.switches.expires_at {
            answer["expires_at"] = expires_at.clone();
        }
        let access_token = answer["access_token"].as_str().unwrap().to_owned();
        self.owners.insert(access_token.clone(), who);
        self.access_tokens.push(access_token);
        if let Some(granted) = &self.switches.granted {
            answer["scope"] = granted.clone().into();
        }
        if with_refresh_token && self.switches.refreshable {
            let refresh_token = self.draw("refresh");
            answer["refresh_token"] = refresh_token.clone().into();
            self.owners.insert(refresh_token.clone(), who);
            self.refresh_tokens.push(refresh_token);
        }
        answer
    }

    fn works(&self, access_token: &str) -> bool {
        let is = |known: &String| known == access_token;
        self.access_tokens.iter().any(is) && !self.dead.iter().any(is)
    }

    /// Ends the grant that a token belongs to.
    fn end(&mut self, token: &str) {
        let whose = self.owners[token];
        let owners = &self.owners;
        self.refresh_tokens.retain(|token| owners[token] != whose);
        let access_tokens = self.access_tokens.iter();
        let dead = access_tokens.filter(|token| owners[*token] == whose);
        self.dead.extend(dead.cloned());
    }

    fn redeem(
        &mut self,
        fields: &BTreeMap<String, String>,
    ) -> Result<serde_json::Value, &'static str> {
        let field = |name: &str| fields.get(name).map(String::as_str);
        match field("grant_type") {
            Some("authorization_code") => {
                let code = self
                    .codes
                    .remove(field("code").unwrap_or_default())
                    .ok_or("invalid_grant")?;
                let challenge = field("code_verifier")
                    .map(|verifier| URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)));
                if field("redirect_uri") != Some(&code.redirect_uri) || challenge != code.challenge
                {
                    return Err("invalid_grant");
                }
                Ok(self.grant(self.switches.who, true))
            }
            Some("refresh_token") => {
                let token = field("refresh_token").unwrap_or_default();
                if self.used_refresh_tokens.iter().any(|used| used == token) {
                    if self.switches.reuse_ends_the_grant {
                        self.end(token);
                    }
                    return Err("invalid_grant");
                }
                let known = self.refresh_tokens.iter().position(|known| known == token);
                let known = known.ok_or("invalid_grant")?;
                let rotating = self.switches.rotating;
                if rotating {
                    let used = self.refresh_tokens.remove(known);
                    self.used_refresh_tokens.push(used);
                }
                Ok(self.grant(self.owners[token], rotating))
            }
            _ => Err("unsupported_grant_type"),
        }
    }
}
