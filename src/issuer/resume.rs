//! An authorization that waits while its user signs in: kept only after they agreed, and finished only in their browser.
//!
//! | record | key | lives |
//! |---|---|---|
//! | authorization | `authorizations/{hash of handle}` | 10 minutes, and is taken by the one answer |
//!
//! | cookie | holds | lives |
//! |---|---|---|
//! | `authorization-{…}` | 256 random bits; the record has their hash | as long as the record |

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    extract::{ConnectInfo, Path, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    authorize::{AuthorizePages, Stop, away, with_cookie},
    consent::Asking,
    request::{Prompt, Request},
};
use crate::{
    base::{
        clock::{Clock, Span, Timestamp},
        entropy::Entropy,
        secret::TokenHash,
    },
    config::Config,
    store::{
        Store, StoreError,
        table::{Change, Table},
    },
    user_source::session::Browser,
    web::{
        authorize_failure::AuthorizeFailure,
        cookie, page,
        page_authorize::GoPage,
        urls::{LocalPath, Urls},
    },
};

/// How long signing in may take.
const LIFETIME: Duration = Duration::from_secs(10 * 60);
/// Whoever comes back so often without being signed in will not be at the next time either.
const MOST_RETURNS: u8 = 5;

#[derive(Clone)]
pub(super) struct Authorizations {
    table: Table<Authorization>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Authorization {
    /// The request, as it came.
    query: String,
    /// Of the cookie.
    browser: TokenHash,
    /// Whether the user was asked and agreed; else the operator did it for them.
    agreed: bool,
    /// How often they came back without being signed in.
    returns: u8,
}

/// What the URL has of an authorization. Good for nothing without the cookie.
struct Handle(String);

impl Handle {
    fn read(path: Result<Path<String>, PathRejection>) -> Result<Self, Stop> {
        let legal = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
        path.ok()
            .map(|Path(handle)| handle)
            .filter(|handle| handle.len() <= 64 && handle.bytes().all(legal))
            .map(Self)
            .ok_or_else(|| AuthorizeFailure::Expired.into())
    }

    fn record(&self) -> String {
        TokenHash::of(&self.0).to_hex()
    }

    /// One per authorization, so that two tabs do not get in each other's way.
    fn cookie(&self) -> String {
        format!("authorization-{}", &self.record()[..12])
    }

    fn page(&self) -> LocalPath {
        let path = format!("/oauth2/authorize/{}", self.0);
        LocalPath::parse(&path).expect("a handle is what paths are made of")
    }
}

impl Authorizations {
    pub(super) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            table: Table::new(store, "authorizations"),
            clock,
            entropy,
        }
    }

    async fn open(
        &self,
        urls: &Urls,
        query: &str,
        agreed: bool,
    ) -> Result<(Handle, HeaderValue), StoreError> {
        let handle = Handle(self.entropy.handle());
        let key = self.entropy.token();
        let authorization = Authorization {
            query: query.to_owned(),
            browser: TokenHash::of(&key),
            agreed,
            returns: 0,
        };
        let lifetime = Span::try_from(LIFETIME).unwrap_or(Span::MAX);
        let expires = self.clock.now().saturating_add(lifetime);
        let expires = expires.unwrap_or(Timestamp::MAX);
        self.table
            .create(&handle.record(), &authorization, Some(expires))
            .await?;
        let cookie = cookie::set(urls, &handle.cookie(), &key, Some(LIFETIME));
        Ok((handle, cookie))
    }

    async fn note_return(&self, handle: &Handle) -> Result<u8, StoreError> {
        let key = handle.record();
        let noted = self.table.update(&key, |mut authorization| {
            authorization.returns = authorization.returns.saturating_add(1);
            Ok::<_, StoreError>(Change::Keep(authorization))
        });
        Ok(noted
            .await?
            .map_or(u8::MAX, |authorization| authorization.returns))
    }
}

impl AuthorizePages {
    /// Sends a browser to sign in. Record and cookie come to be now and not before.
    pub(super) async fn begin(
        &self,
        config: &Config,
        request: &Request,
        query: &str,
        agreed: bool,
    ) -> Result<Response, Stop> {
        let opened = self.authorizations.open(&self.urls, query, agreed).await;
        let (handle, cookie) = opened.map_err(|error| self.fault("keeping a request", &error))?;
        let sign_in = self.sign_in(config, request, &handle);
        Ok(with_cookie(Some(cookie), away(&sign_in)))
    }

    fn sign_in(&self, config: &Config, request: &Request, handle: &Handle) -> Url {
        let source = &request.gateway(config).user_source;
        match request.prompt {
            Prompt::Login => self.urls.sign_in_as_someone_else(source, &handle.page()),
            Prompt::Unsaid | Prompt::None | Prompt::Consent => {
                self.urls.sign_in(source, &handle.page())
            }
        }
    }

    /// The authorization that a handle belongs to, if this browser has its cookie.
    async fn authorization(
        &self,
        handle: &Handle,
        headers: &HeaderMap,
    ) -> Result<Authorization, Stop> {
        let found = self.authorizations.table.get(&handle.record()).await;
        let found = found.map_err(|error| self.fault("reading a request", &error))?;
        let authorization = found.ok_or(AuthorizeFailure::Expired)?.value;
        let key = cookie::read(headers, &self.urls, &handle.cookie());
        if key.is_some_and(|key| TokenHash::of(&key) == authorization.browser) {
            return Ok(authorization);
        }
        tracing::warn!("an authorization was resumed from another browser and refused");
        Err(AuthorizeFailure::OtherBrowser.into())
    }

    /// Whoever is signed in, or back to where they can do it; though not for ever.
    async fn signed_in(
        &self,
        config: &Config,
        request: &Request,
        handle: &Handle,
        headers: &HeaderMap,
    ) -> Result<Browser, Stop> {
        let browser = self.browser(headers).await?;
        let source = &request.gateway(config).user_source;
        if let Some(browser) = browser.filter(|browser| browser.user(source).is_some()) {
            return Ok(browser);
        }
        let returns = self.authorizations.note_return(handle).await;
        let returns = returns.map_err(|error| self.fault("noting a return", &error))?;
        if returns > MOST_RETURNS {
            tracing::warn!(client = ?request.recipient.client.id, "a browser came back from signing in several times, signed out");
            return Err(AuthorizeFailure::NotSignedIn.into());
        }
        Err(Stop::SeeOther(self.sign_in(config, request, handle)))
    }
}

/// `GET /oauth2/authorize/{handle}`: back from signing in.
///
/// The way here may have been a chain of redirects that began with a form of somebody else's page, and Chromium holds such a
/// chain to that page's policy to its end. So it ends here, and the page goes on by itself.
pub(super) async fn show(
    State(pages): State<AuthorizePages>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    handle: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Stop> {
    let handle = Handle::read(handle)?;
    let authorization = pages.authorization(&handle, &headers).await?;
    let config = pages.live.now();
    let query = &authorization.query;
    let request = pages.read(&config, query, &headers, from).await?;
    pages
        .signed_in(&config, &request, &handle, &headers)
        .await?;
    let to = format!("{}/go", handle.page());
    let mut response = page::respond(StatusCode::OK, &GoPage { to: &to });
    let refresh = HeaderValue::try_from(format!("0; url={to}"));
    let refresh = refresh.expect("a path of ours is visible ASCII");
    response.headers_mut().insert(header::REFRESH, refresh);
    Ok(response)
}

/// `GET /oauth2/authorize/{handle}/go`: the end of it.
pub(super) async fn go(
    State(pages): State<AuthorizePages>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    handle: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Stop> {
    let handle = Handle::read(handle)?;
    let waiting = pages.authorization(&handle, &headers).await?;
    let config = pages.live.now();
    let request = pages.read(&config, &waiting.query, &headers, from).await?;
    let browser = pages
        .signed_in(&config, &request, &handle, &headers)
        .await?;
    let taken = pages.authorizations.table.take(&handle.record()).await;
    let taken = taken.map_err(|error| pages.fault("taking a request", &error))?;
    let authorization = taken.ok_or(AuthorizeFailure::Expired)?;
    let done = cookie::clear(&pages.urls, &handle.cookie());
    let visitor = pages.visitor(&config, &request, Some(&browser)).await?;
    let visitor = visitor.ok_or(AuthorizeFailure::NotSignedIn)?;
    let standing = authorization.agreed || pages.agreed(&config, &request, &visitor).await?;
    if !visitor.allowed || !standing {
        let asking = Asking {
            config: &config,
            request: &request,
            query: &authorization.query,
            visitor: Some(&visitor),
        };
        return Ok(with_cookie(Some(done), asking.page(&pages, &headers)));
    }
    if authorization.agreed {
        let remembered = pages.consents.remember(&visitor.user, &request).await;
        remembered.map_err(|error| pages.fault("remembering a consent", &error))?;
    }
    let code = pages.code(&request, &browser, &visitor.user).await?;
    Ok(with_cookie(Some(done), code))
}
