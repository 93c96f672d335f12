//! A stand-in for a company's OpenID provider over real HTTP: strict about everything it must check, and with switches for
//! everything real ones get wrong and liars do. Alice and Bob have accounts there, without passwords.

mod answers;
mod keys;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Router,
    routing::{get, post},
};
use serde_json::{Map, Value, json};
use url::Url;

pub use keys::{Key, base64, by_hand, hs256};

/// Our client there.
pub const CLIENT: (&str, &str) = ("anteroom at work", "s3cret/of+the%company");

/// The running stand-in. Clones are the same server.
#[derive(Clone)]
pub struct Idp {
    pub base: Url,
    inner: Arc<Mutex<Inner>>,
}

/// How it behaves. Changed at any moment with [`Idp::switch`].
#[derive(Clone)]
pub struct Switches {
    pub discovery: Document,
    pub jwks: Document,
    /// The issuer of its discovery document and tokens, if not its own address.
    pub issuer: Option<String>,
    /// More of the discovery document; `null` takes away.
    pub metadata: Map<String, Value>,
    pub authorize: AtAuthorize,
    /// The `iss` of the authorization response (RFC 9207).
    pub iss: Option<String>,
    pub token: AtToken,
    pub sign: Sign,
    /// More claims of ID tokens; `null` takes away.
    pub claims: Map<String, Value>,
    /// What userinfo says beside `sub`; `None`: there is no such endpoint.
    pub userinfo: Option<Map<String, Value>>,
    /// The secret it knows us by.
    pub secret: String,
    /// What time it is there, in seconds.
    pub now: i64,
}

/// What stands at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document {
    Right,
    Hang,
    Huge,
    Html,
    Redirect,
    Status(u16),
}

/// What the browser is sent back with.
#[derive(Clone, Copy, Debug)]
pub enum AtAuthorize {
    /// A code, once somebody has signed in.
    Code,
    Error(&'static str),
    Nothing,
}

/// How the token endpoint answers.
#[derive(Clone, Copy, Debug)]
pub enum AtToken {
    Right,
    Say(u16, &'static str),
    Hang,
    NoIdToken,
}

/// How ID tokens are signed.
#[derive(Clone)]
pub enum Sign {
    /// With the newest key.
    Right,
    /// `alg: none`.
    Not,
    /// HS256 with our client secret.
    WithOurSecret,
    /// HS256 with the text of the public key.
    WithThePublicKey,
    /// With a key that nobody publishes.
    WithAnUnknownKey,
    /// With this key.
    With(Arc<Key>),
    /// With a key that nobody publishes, under the name of one that is.
    UnderAFalseName,
}

struct Inner {
    switches: Switches,
    keys: Vec<Arc<Key>>,
    requests: BTreeMap<String, BTreeMap<String, String>>,
    codes: BTreeMap<String, Code>,
    access_tokens: BTreeMap<String, String>,
    asked: Vec<(String, BTreeMap<String, String>)>,
    secrets: Vec<String>,
    drawn: u32,
}

#[derive(Clone)]
struct Code {
    user: String,
    request: BTreeMap<String, String>,
}

impl Idp {
    /// Starts one that behaves.
    pub async fn start() -> Self {
        let inner = Arc::new(Mutex::new(Inner {
            switches: Switches {
                discovery: Document::Right,
                jwks: Document::Right,
                issuer: None,
                metadata: Map::new(),
                authorize: AtAuthorize::Code,
                iss: None,
                token: AtToken::Right,
                sign: Sign::Right,
                claims: Map::new(),
                userinfo: None,
                secret: CLIENT.1.to_owned(),
                now: 1_800_000_000,
            },
            keys: vec![Arc::new(Key::es256("first"))],
            requests: BTreeMap::new(),
            codes: BTreeMap::new(),
            access_tokens: BTreeMap::new(),
            asked: Vec::new(),
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
                .route(
                    "/realm/.well-known/openid-configuration",
                    get(answers::discovery),
                )
                .route("/realm/authorize", get(answers::authorize))
                .route("/realm/login", post(answers::login))
                .route("/realm/token", post(answers::token))
                .route("/realm/jwks", get(answers::jwks))
                .route("/realm/userinfo", get(answers::userinfo))
                .route("/realm/end_session", get(answers::end_session))
                .with_state(server)
        })
        .await;
        stand_in.unwrap()
    }

    /// Its issuer, as it should be.
    pub fn issuer(&self) -> String {
        format!("{}realm", self.base)
    }

    /// A user source of that name in `gateway.toml`.
    pub fn source(&self, name: &str) -> String {
        let (id, secret) = CLIENT;
        let issuer = self.issuer();
        format!(
            "\n[user_sources.{name}]\ntitle = \"Acme\"\nissuer = \"{issuer}\"\nclient_id = \"{id}\"\nclient_secret = \"{secret}\"\n"
        )
    }

    /// Changes how it behaves.
    pub fn switch(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut self.inner().switches);
    }

    /// Makes it say this in ID tokens.
    pub fn claim(&self, name: &str, value: impl Into<Value>) {
        self.switch(|idp| drop(idp.claims.insert(name.into(), value.into())));
    }

    /// Signs with this key from now on, and publishes no other.
    pub fn rotate(&self, key: Key) {
        self.inner().keys = vec![Arc::new(key)];
    }

    /// The key it signs with.
    pub fn key(&self) -> Arc<Key> {
        Arc::clone(self.inner().keys.last().unwrap())
    }

    /// What this endpoint was asked, in order.
    pub fn asked(&self, endpoint: &str) -> Vec<BTreeMap<String, String>> {
        let inner = self.inner();
        let asked = inner.asked.iter().filter(|(at, _)| at == endpoint);
        asked.map(|(_, fields)| fields.clone()).collect()
    }

    /// Everything secret that it gave out or was given: codes, verifiers, states, nonces, tokens.
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
        let drawn = format!("idp-{kind}-{:04}-of-the-stand-in", self.drawn);
        self.secrets.push(drawn.clone());
        drawn
    }

    fn issuer(&self, idp: &Idp) -> String {
        let issuer = self.switches.issuer.clone();
        issuer.unwrap_or_else(|| idp.issuer())
    }

    fn id_token(&mut self, idp: &Idp, code: &Code) -> String {
        let mut claims = json!({
            "iss": self.issuer(idp),
            "sub": code.user,
            "aud": CLIENT.0,
            "exp": self.switches.now + 300,
            "iat": self.switches.now,
        });
        if let Some(nonce) = code.request.get("nonce") {
            claims["nonce"] = nonce.clone().into();
        }
        let mut claims = claims.as_object().unwrap().clone();
        amend(&mut claims, &self.switches.claims);
        let key = Arc::clone(self.keys.last().unwrap());
        let token = match &self.switches.sign {
            Sign::Right => key.sign(&claims, "JWT"),
            Sign::Not => by_hand(&json!({ "alg": "none", "typ": "JWT" }), &claims, b""),
            Sign::WithOurSecret => hs256(CLIENT.1.as_bytes(), &key.id, &claims),
            Sign::WithThePublicKey => {
                let public = serde_json::to_string(&key.public()).unwrap();
                hs256(public.as_bytes(), &key.id, &claims)
            }
            Sign::With(key) => key.sign(&claims, "JWT"),
            Sign::WithAnUnknownKey => Key::es256("nobody knows").sign(&claims, "JWT"),
            Sign::UnderAFalseName => Key::es256(&key.id).sign(&claims, "JWT"),
        };
        self.secrets.push(token.clone());
        token
    }
}

/// Adds what is said, takes away what is `null`.
fn amend(claims: &mut Map<String, Value>, by: &Map<String, Value>) {
    claims.extend(by.clone());
    claims.retain(|_, value| !value.is_null());
}
