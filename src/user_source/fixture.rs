//! For the tests of this folder: the routes over a real store, a clock that stands still, and people with browsers.

use std::{net::SocketAddr, sync::Arc};

use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher, Version};
use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{HeaderMap, Request, StatusCode, header},
};
use tower::ServiceExt;
use url::Url;

use super::{
    accounts::Accounts,
    oidc::OidcProviders,
    profile::Profiles,
    session::BrowserSessions,
    sign_in::{SignIn, routes},
};
use crate::{
    base::{
        clock::{Clock, ManualClock},
        entropy::{Entropy, SeededEntropy},
        seal::Sealer,
    },
    config::{self, Config, Surroundings, live::Live},
    store::{Store, sled::SledStore},
    web::{failure::Faults, urls::Urls},
};

pub const PASSWORD: &str = "correct horse";

/// The front door.
pub struct Door {
    pub router: Router,
    pub sessions: BrowserSessions,
    pub store: Arc<dyn Store>,
    pub live: Live,
    pub urls: Urls,
    pub clock: ManualClock,
    _directory: tempfile::TempDir,
}

/// A person's browser at the door.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// As they go into a `Cookie` header.
    pub cookies: Vec<String>,
    pub address: SocketAddr,
}

/// What came back.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Door {
    pub fn new() -> Self {
        Self::at("http://localhost:8080")
    }

    /// Reached as `base`.
    pub fn at(base: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = ManualClock::new("2026-11-06T08:00:00Z".parse().unwrap());
        let store = SledStore::open(directory.path(), Arc::new(clock.clone())).unwrap();
        Self::over(base, Arc::new(store), clock, directory)
    }

    /// With another store.
    pub fn over(
        base: &str,
        store: Arc<dyn Store>,
        clock: ManualClock,
        directory: tempfile::TempDir,
    ) -> Self {
        let live = Live::new(configuration(base, &hash(PASSWORD)));
        let urls = Urls::new(&Url::parse(base).unwrap());
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(1));
        let ring = live.now().store.root_keys.ring(&*entropy).unwrap();
        let ticking: Arc<dyn Clock> = Arc::new(clock.clone());
        let sessions = BrowserSessions::new(
            store.clone(),
            live.clone(),
            urls.clone(),
            ticking.clone(),
            entropy.clone(),
        );
        let router = routes(SignIn {
            live: live.clone(),
            urls: urls.clone(),
            sessions: sessions.clone(),
            accounts: Accounts::new(store.clone(), ticking.clone()),
            oidc: OidcProviders::new(
                &store,
                Profiles::new(store.clone()),
                Sealer::new(&ring, entropy.clone()),
                urls.clone(),
                ticking,
                entropy.clone(),
            ),
            faults: Faults::new(entropy.clone()),
            entropy,
        });
        Self {
            router,
            sessions,
            store,
            live,
            urls,
            clock,
            _directory: directory,
        }
    }

    pub async fn send(&self, visitor: &mut Visitor, request: Request<Body>) -> Answer {
        let (mut parts, body) = request.into_parts();
        parts.extensions.insert(ConnectInfo(visitor.address));
        if !visitor.cookies.is_empty() {
            let cookies = visitor.cookies.join("; ");
            parts
                .headers
                .insert(header::COOKIE, cookies.parse().unwrap());
        }
        let request = Request::from_parts(parts, body);
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        for cookie in parts.headers.get_all(header::SET_COOKIE) {
            visitor.keep(cookie.to_str().unwrap());
        }
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    pub async fn get(&self, visitor: &mut Visitor, path: &str) -> Answer {
        let request = Request::get(path).body(Body::empty()).unwrap();
        self.send(visitor, request).await
    }

    pub async fn post(&self, visitor: &mut Visitor, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_with(visitor, path, fields, &[]).await
    }

    pub async fn post_with(
        &self,
        visitor: &mut Visitor,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request =
            Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.send(visitor, request.body(body.into()).unwrap()).await
    }

    /// Opens the sign-in page of `team` and sends its form.
    pub async fn try_as(&self, visitor: &mut Visitor, name: &str, password: &str) -> Answer {
        self.try_at(visitor, "/sign-in/team", name, password).await
    }

    pub async fn try_at(
        &self,
        visitor: &mut Visitor,
        path: &str,
        name: &str,
        password: &str,
    ) -> Answer {
        let page = self.get(visitor, path).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        let (csrf, back) = (page.field("csrf"), page.field("return_to"));
        let fields = [
            ("csrf", csrf.as_str()),
            ("return_to", &back),
            ("username", name),
            ("password", password),
        ];
        let action = path.split('?').next().unwrap();
        self.post(visitor, action, &fields).await
    }

    /// A browser at which `name` is signed in.
    pub async fn signed_in(&self, name: &str) -> Visitor {
        let mut visitor = Visitor::new();
        let answer = self.try_as(&mut visitor, name, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        visitor
    }

    /// Who is signed in through `team` at this browser.
    pub async fn who(&self, visitor: &Visitor) -> Option<String> {
        let mut headers = HeaderMap::new();
        let cookies = visitor.cookies.join("; ");
        headers.insert(header::COOKIE, cookies.parse().unwrap());
        let browser = self.sessions.from_headers(&headers).await.unwrap()?;
        let user = browser.user(&"team".parse().unwrap())?;
        Some(user.subject().to_owned())
    }
}

impl Visitor {
    /// A browser that has never been here.
    pub fn new() -> Self {
        Self::from("192.0.2.7:4711")
    }

    pub fn from(address: &str) -> Self {
        Self {
            cookies: Vec::new(),
            address: address.parse().unwrap(),
        }
    }

    fn keep(&mut self, set_cookie: &str) {
        let cookie = cookie::Cookie::parse(set_cookie.to_owned()).unwrap();
        let name = format!("{}=", cookie.name());
        self.cookies.retain(|kept| !kept.starts_with(&name));
        if cookie.max_age() != Some(cookie::time::Duration::ZERO) {
            self.cookies.push(format!("{name}{}", cookie.value()));
        }
    }
}

impl Answer {
    /// The value of a hidden field.
    pub fn field(&self, name: &str) -> String {
        let start = format!("name=\"{name}\" value=\"");
        let (_, rest) = self.text.split_once(&start).expect("the field is there");
        rest.split_once('"').unwrap().0.replace("&#38;", "&")
    }

    pub fn location(&self) -> &str {
        self.headers[header::LOCATION].to_str().unwrap()
    }
}

/// A hash that costs next to nothing.
pub fn hash(password: &str) -> String {
    hash_at(password, Params::new(8, 1, 1, None).unwrap())
}

pub fn hash_at(password: &str, cost: Params) -> String {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, cost);
    let hash: PasswordHash = argon2
        .hash_password_with_salt(password.as_bytes(), b"salt of the tests")
        .unwrap();
    hash.to_string()
}

/// `team` with Alice and Bob, `partners` with another Alice, `old` that is closed.
pub fn configuration(base: &str, hash: &str) -> Config {
    parse(&format!(
        r#"
        server.public_url = "{base}"
        store.url = "sled:data"
        store.root_keys = [{{ id = "k", key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" }}]

        [user_sources.team]
        type = "accounts"
        title = "Acme team"
        accounts.alice = {{ password_hash = "{hash}", display_name = "Alice Example", email = "alice@example.com" }}
        accounts.bob = {{ password_hash = "{hash}" }}

        [user_sources.partners]
        type = "accounts"
        description = "For those we work with."
        accounts.alice = {{ password_hash = "{hash}" }}

        [user_sources.old]
        type = "accounts"
        status = "inactive"
        accounts.alice = {{ password_hash = "{hash}" }}
        "#
    ))
}

pub fn parse(text: &str) -> Config {
    let surroundings = Surroundings {
        path: "gateway.toml".as_ref(),
        variable: &|_| None,
    };
    config::parse(text, &surroundings).unwrap_or_else(|problems| panic!("{problems}"))
}
