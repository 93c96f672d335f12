//! Signing in: the pages at `/` and `/sign-in/{user_source}`.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Form, Router,
    extract::{
        ConnectInfo, DefaultBodyLimit, Path, Query, State,
        rejection::{FormRejection, QueryRejection},
    },
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{AppendHeaders, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use serde::{Deserialize, Deserializer};

use super::{
    accounts::{Accounts, AccountsError, Verdict},
    counts::{self, Outcome},
    oidc::{OidcProviders, begin::Beginning, callback},
    session::{Arrival, Browser, BrowserSessions},
    sign_out,
};
use crate::{
    base::{
        entropy::Entropy,
        id::{UserId, UserSourceName},
        secret::Secret,
    },
    config::{Config, UserSource, UserSourceKind, live::Live},
    store::StoreError,
    web::{
        cookie::BrowserKey,
        csrf,
        failure::{Fault, Faults, PageFailure},
        page::{self, HomePage, OtherSource, SignInNotice, SignInPage, SignedIn},
        peer,
        stop::see_other,
        urls::{LocalPath, Urls},
    },
};

/// Larger forms are no sign-in. Bytes.
const LARGEST_FORM: usize = 16 * 1024;

/// What the handlers need. Cheap to clone.
#[derive(Clone)]
pub struct SignIn {
    /// The configuration in force.
    pub live: Live,
    /// Our addresses.
    pub urls: Urls,
    /// Where a sign-in is remembered.
    pub sessions: BrowserSessions,
    /// Where passwords are checked.
    pub accounts: Accounts,
    /// Where those are asked who know users better.
    pub oidc: OidcProviders,
    /// Where faults go.
    pub faults: Faults,
    /// For browsers that have no key yet.
    pub entropy: Arc<dyn Entropy>,
}

/// The pages of this file. The server must be made with `into_make_service_with_connect_info::<SocketAddr>()`.
pub fn routes(state: SignIn) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/sign-in/{user_source}", get(form).post(submit))
        .route(
            "/oauth2/intermediate_callback",
            // Without this a HEAD would be answered by the GET, and use up the state.
            get(callback::receive).head(|| async { StatusCode::METHOD_NOT_ALLOWED }),
        )
        .route("/sign-out", post(sign_out::leave))
        .route("/signed-out", get(sign_out::left))
        .layer(DefaultBodyLimit::max(LARGEST_FORM))
        .with_state(state)
}

#[derive(Deserialize)]
struct Wish {
    return_to: Option<String>,
    /// `someone-else`: not whom the provider remembers in this browser.
    #[serde(rename = "as")]
    whom: Option<String>,
}

#[derive(Deserialize)]
struct Credentials {
    csrf: String,
    return_to: String,
    username: String,
    #[serde(deserialize_with = "secret")]
    password: Secret,
}

/// `GET /`: who is signed in, and where one can sign in.
async fn home(State(state): State<SignIn>, headers: HeaderMap) -> Result<Response, PageFailure> {
    let browser = state.browser(&headers).await?;
    let config = state.live.now();
    let here = LocalPath::home();
    let others = config
        .user_sources
        .iter()
        .filter(|(name, source)| {
            source.active
                && source.app().is_none()
                && browser.as_ref().is_none_or(|b| b.user(name).is_none())
        })
        .map(|(name, source)| OtherSource {
            title: source.title.clone(),
            description: source.description.clone(),
            address: state.urls.sign_in(name, &here).to_string(),
        })
        .collect();
    let page = HomePage {
        signed_in: browser
            .iter()
            .flat_map(Browser::users)
            .filter_map(|user| line(&config, browser.as_ref()?, user))
            .collect(),
        others,
        csrf: browser.map_or_else(String::new, |b| b.form_token(csrf::Form::SignOut)),
    };
    Ok(page::respond(StatusCode::OK, &page))
}

/// `GET /sign-in/{user_source}?return_to=…`
async fn form(
    State(state): State<SignIn>,
    Path(source): Path<String>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    wish: Result<Query<Wish>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, PageFailure> {
    let Query(wish) = wish.map_err(|_| PageFailure::Unreadable)?;
    let config = state.live.now();
    let (name, source) = open_source(&config, &source)?;
    let return_to = local(wish.return_to.as_deref());
    let browser = state.browser(&headers).await?;
    if browser.is_some_and(|browser| browser.user(name).is_some()) {
        return Ok(state.go(&return_to));
    }
    let (key, fresh) = match BrowserKey::of(&headers, &state.urls) {
        Some(key) => (key, false),
        None => (BrowserKey::fresh(&*state.entropy), true),
    };
    let page = match &source.kind {
        UserSourceKind::Accounts(_) => {
            let ask = Ask {
                name,
                source,
                return_to: &return_to,
                username: "",
            };
            ask.page(StatusCode::OK, &key, SignInNotice::Nothing)
        }
        UserSourceKind::App(_) => return Err(PageFailure::NotFound),
        UserSourceKind::Oidc(oidc) => {
            let beginning = Beginning {
                source: name,
                oidc,
                browser: &key,
                from: peer::address(&headers, &state.urls, from.ip()),
                return_to: &return_to,
                someone_else: wish.whom.as_deref() == Some("someone-else"),
            };
            let begun = state.oidc.begin(beginning).await;
            see_other(&begun.map_err(|why| state.not_begun(name, source, why, &return_to))?)
        }
    };
    let cookie = fresh.then(|| (header::SET_COOKIE, key.set(&state.urls)));
    Ok((AppendHeaders(cookie), page).into_response())
}

/// `POST /sign-in/{user_source}`
async fn submit(
    State(state): State<SignIn>,
    Path(source): Path<String>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    credentials: Result<Form<Credentials>, FormRejection>,
) -> Result<Response, PageFailure> {
    let Form(credentials) = credentials.map_err(|refused| unread(&refused))?;
    let from = peer::address(&headers, &state.urls, from.ip());
    let config = state.live.now();
    let (name, source) = open_source(&config, &source)?;
    let key = csrf::check(
        &headers,
        &state.urls,
        csrf::Form::SignIn(name),
        &credentials.csrf,
    )?;
    let return_to = local(Some(&credentials.return_to));
    let username = credentials.username.trim();
    let ask = Ask {
        name,
        source,
        return_to: &return_to,
        username,
    };
    let verdict = match &source.kind {
        UserSourceKind::Oidc(_) | UserSourceKind::App(_) => return Err(PageFailure::NotFound),
        UserSourceKind::Accounts(accounts) => {
            let password = credentials.password;
            state
                .accounts
                .verify(name, accounts, username, password, from)
                .await
        }
    };
    match verdict.map_err(|error| state.no_verdict(&error))? {
        Verdict::Known(user, proof) => {
            let arrival = Arrival {
                user,
                proof,
                person: None,
                id_token: None,
            };
            let cookie = state.remember(&headers, arrival).await?;
            let cookie = AppendHeaders([(header::SET_COOKIE, cookie)]);
            Ok((cookie, state.go(&return_to)).into_response())
        }
        Verdict::Wrong => {
            counts::sign_in(name, Outcome::Refused);
            tracing::info!(source = %name, address = %from, "sign-in refused: wrong name or password");
            Ok(ask.page(StatusCode::FORBIDDEN, &key, SignInNotice::Wrong))
        }
        Verdict::Wait(wait) => {
            counts::sign_in(name, Outcome::TooMany);
            tracing::warn!(source = %name, address = %from, "sign-in refused: too many attempts");
            Ok(ask.wait(&key, wait))
        }
    }
}

/// A sign-in page about to be shown.
struct Ask<'a> {
    name: &'a UserSourceName,
    source: &'a UserSource,
    return_to: &'a LocalPath,
    username: &'a str,
}

impl SignIn {
    pub(super) async fn browser(&self, headers: &HeaderMap) -> Result<Option<Browser>, Fault> {
        let found = self.sessions.from_headers(headers).await;
        found.map_err(|error| self.fault("looking up a browser session", &error))
    }

    pub(super) async fn remember(
        &self,
        headers: &HeaderMap,
        arrival: Arrival,
    ) -> Result<HeaderValue, Fault> {
        let old = self.browser(headers).await?;
        let user = arrival.user.clone();
        let remembered = self.sessions.sign_in(old.as_ref(), arrival).await;
        let (_, cookie) =
            remembered.map_err(|error| self.fault("remembering a sign-in", &error))?;
        counts::sign_in(user.source(), Outcome::SignedIn);
        tracing::info!(?user, "signed in");
        Ok(cookie)
    }

    pub(super) fn go(&self, to: &LocalPath) -> Response {
        Redirect::to(self.urls.local(to).as_str()).into_response()
    }

    pub(super) fn fault(&self, doing: &str, error: &StoreError) -> Fault {
        self.faults.note(doing, error)
    }

    fn no_verdict(&self, error: &AccountsError) -> PageFailure {
        match error {
            AccountsError::Busy => PageFailure::Busy,
            AccountsError::Store(_) | AccountsError::Hash(_) => {
                self.faults.note("checking a password", error).into()
            }
        }
    }
}

impl Ask<'_> {
    fn page(&self, status: StatusCode, key: &BrowserKey, notice: SignInNotice) -> Response {
        let page = SignInPage {
            source: &self.source.title,
            description: self.source.description.as_deref(),
            action: &format!("/sign-in/{}", self.name),
            csrf: csrf::token(key, csrf::Form::SignIn(self.name)),
            return_to: self.return_to.as_str(),
            username: self.username,
            notice,
        };
        page::respond(status, &page)
    }

    fn wait(&self, key: &BrowserKey, wait: Duration) -> Response {
        let seconds = wait.as_secs().max(1);
        let page = self.page(
            StatusCode::TOO_MANY_REQUESTS,
            key,
            SignInNotice::Wait(seconds),
        );
        (
            [(header::RETRY_AFTER, seconds)].map(|(n, s)| (n, s.to_string())),
            page,
        )
            .into_response()
    }
}

/// The user source of that name, if it signs people in.
pub(super) fn open_source<'a>(
    config: &'a Config,
    name: &str,
) -> Result<(&'a UserSourceName, &'a UserSource), PageFailure> {
    let found = config.user_sources.get_key_value(name);
    let signing_in = found.filter(|(_, source)| source.app().is_none());
    let (name, source) = signing_in.ok_or(PageFailure::NotFound)?;
    if source.active {
        Ok((name, source))
    } else {
        Err(PageFailure::SignInClosed {
            source: source.title.clone(),
        })
    }
}

/// Where to go on: only ever a page of ours.
fn local(wish: Option<&str>) -> LocalPath {
    wish.and_then(LocalPath::parse)
        .unwrap_or_else(LocalPath::home)
}

pub(super) fn unread(refused: &FormRejection) -> PageFailure {
    if refused.status() == StatusCode::PAYLOAD_TOO_LARGE {
        PageFailure::TooLarge
    } else {
        PageFailure::Unreadable
    }
}

fn line(config: &Config, browser: &Browser, user: &UserId) -> Option<SignedIn> {
    let source = user.source();
    Some(SignedIn {
        source: source.to_string(),
        source_title: config.user_sources.get(source)?.title.clone(),
        person: browser.person(config, user),
    })
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::from)
}
