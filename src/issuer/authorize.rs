//! `GET /oauth2/authorize`: a client's user comes with the client's request.
//!
//! ```text
//! GET  /oauth2/authorize?…            changes nothing          signed in and agreed before → code; else the page
//! POST /oauth2/authorize              the page's answer        agreed and signed in → code; agreed → sign in first
//! GET  /sign-in/{user source}         (user_source)            with a record and a cookie that did not exist before
//! GET  /oauth2/authorize/{handle}     back, signed in          "you are on your way back"
//! GET  /oauth2/authorize/{handle}/go                           → code
//! ```
//!
//! The one thing that begins to sign somebody in without asking is a client that the operator named in `skip_consent`.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, DefaultBodyLimit, RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{AppendHeaders, IntoResponse, Response},
    routing::get,
};
use url::Url;

use super::{
    Issuer,
    approved::Approved,
    client::Clients,
    code::{Codes, Pending},
    consent,
    consents::Consents,
    request::{LONGEST, Prompt, Refusal, Request, Unreadable},
    resume::{self, Authorizations},
};
use crate::{
    base::{entropy::Entropy, id::UserId},
    config::{Config, live::Live},
    store::StoreError,
    user_source::{
        profile::Profiles,
        session::{Browser, BrowserSessions},
    },
    web::{
        authorize_failure::AuthorizeFailure,
        failure::{Faults, PageFailure},
        pace::{self, Pace},
        page::Person,
        peer,
        urls::Urls,
    },
};

/// A form holds a whole request, percent-encoded once more. Bytes.
const LARGEST_FORM: usize = 64 * 1024;
/// So many requests at once of one address, and one more each second: hosts may have many people behind one address.
const BURST: u32 = 120;

/// What the pages need. Cheap to clone.
#[derive(Clone)]
pub(super) struct AuthorizePages {
    pub live: Live,
    pub urls: Urls,
    pub sessions: BrowserSessions,
    pub profiles: Profiles,
    pub clients: Clients,
    pub codes: Codes,
    pub consents: Consents,
    pub authorizations: Authorizations,
    pub pace: Pace<std::net::IpAddr>,
    pub faults: Faults,
    pub entropy: Arc<dyn Entropy>,
}

/// Why a step goes no further.
pub(super) enum Stop {
    /// The client is told.
    Answer(Url),
    /// Somewhere else first.
    SeeOther(Url),
    /// The person is told.
    Page(Box<PageFailure>),
}

/// What to do with a request that may be put to a user.
enum Next {
    Ask,
    Answer,
    SignIn,
    Refuse(Refusal),
}

/// Who is at the browser, as far as the request's gateway is concerned.
pub(super) struct Visitor {
    pub user: UserId,
    /// As pages show them.
    pub person: Person,
    /// Whether the gateway takes them.
    pub allowed: bool,
}

/// `/oauth2/authorize`, and the path it had in 2025-03-26.
pub(super) fn routes(pages: AuthorizePages) -> Router {
    let resume = get(resume::show).head(|| async { StatusCode::METHOD_NOT_ALLOWED });
    let go = get(resume::go).head(|| async { StatusCode::METHOD_NOT_ALLOWED });
    Router::new()
        .route("/oauth2/authorize", get(ask).post(consent::answer))
        .route("/authorize", get(ask).post(consent::answer))
        .route("/oauth2/authorize/{handle}", resume)
        .route("/oauth2/authorize/{handle}/go", go)
        .layer(DefaultBodyLimit::max(LARGEST_FORM))
        .with_state(pages)
}

async fn ask(
    State(pages): State<AuthorizePages>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Stop> {
    let query = query.unwrap_or_default();
    let config = pages.live.now();
    let request = pages.read(&config, &query, &headers, from).await?;
    let browser = pages.browser(&headers).await?;
    let visitor = pages.visitor(&config, &request, browser.as_ref()).await?;
    match pages.next(&config, &request, visitor.as_ref()).await? {
        Next::Answer => match (browser, visitor) {
            (Some(browser), Some(visitor)) => pages.code(&request, &browser, &visitor.user).await,
            _ => Err(AuthorizeFailure::NotSignedIn.into()),
        },
        Next::Refuse(refusal) => Err(refused(&request, refusal)),
        Next::SignIn => pages.begin(&config, &request, &query, false).await,
        Next::Ask => {
            let asking = consent::Asking {
                config: &config,
                request: &request,
                query: &query,
                visitor: visitor.as_ref(),
            };
            Ok(asking.page(&pages, &headers))
        }
    }
}

impl AuthorizePages {
    /// The pages of `issuer`.
    pub(super) fn new(issuer: &Issuer) -> Self {
        let parts = &issuer.0.parts;
        let (store, clock, entropy) = (&parts.store, &parts.clock, &parts.entropy);
        Self {
            live: parts.live.clone(),
            urls: parts.urls.clone(),
            sessions: parts.sessions.clone(),
            profiles: parts.profiles.clone(),
            clients: issuer.0.clients.clone(),
            codes: issuer.0.codes.clone(),
            consents: Consents::new(Arc::clone(store), Arc::clone(clock)),
            authorizations: Authorizations::new(
                Arc::clone(store),
                Arc::clone(clock),
                Arc::clone(entropy),
            ),
            pace: Pace::new(BURST, Duration::from_secs(1), Arc::clone(clock)),
            faults: parts.faults.clone(),
            entropy: Arc::clone(entropy),
        }
    }

    /// Everything of a request that can be said without knowing who is there.
    pub(super) async fn read(
        &self,
        config: &Config,
        query: &str,
        headers: &HeaderMap,
        from: SocketAddr,
    ) -> Result<Request, Stop> {
        let from = peer::address(headers, &self.urls, from.ip());
        if let Err(wait) = self.pace.spend(&pace::network(from)) {
            tracing::warn!(address = %from, "too many authorization requests");
            let retry_after = wait.as_secs() + 1;
            return Err(PageFailure::TooMany { retry_after }.into());
        }
        if query.len() > LONGEST {
            return Err(PageFailure::TooLarge.into());
        }
        let request = Request::read(&self.clients, config, &self.urls, query, from).await;
        let request = request.map_err(|why| match why {
            Unreadable::Page(failure) => {
                tracing::info!(address = %from, ?failure, "an authorization request was not answered");
                failure.into()
            }
            Unreadable::Refused(recipient, refusal) => {
                tracing::info!(
                    client = ?recipient.client.id, error = refusal.code(),
                    "an authorization request was refused: {}", refusal.description()
                );
                Stop::Answer(recipient.refuse(refusal))
            }
            Unreadable::Store(error) => self.fault("finding a client", &error),
        })?;
        let source = &config.user_sources[&request.gateway(config).user_source];
        if !source.active {
            let source = source.title.clone();
            return Err(PageFailure::SignInClosed { source }.into());
        }
        Ok(request)
    }

    pub(super) async fn browser(&self, headers: &HeaderMap) -> Result<Option<Browser>, Stop> {
        let found = self.sessions.from_headers(headers).await;
        found.map_err(|error| self.fault("looking up a browser session", &error))
    }

    /// Who is signed in where the gateway's users are, and whether it takes them.
    pub(super) async fn visitor(
        &self,
        config: &Config,
        request: &Request,
        browser: Option<&Browser>,
    ) -> Result<Option<Visitor>, Stop> {
        let gateway = request.gateway(config);
        let source = &gateway.user_source;
        let known = browser.and_then(|browser| Some((browser, browser.user(source)?)));
        let Some((browser, user)) = known else {
            return Ok(None);
        };
        let claims = self.profiles.of(config, user).await;
        let claims = claims.map_err(|error| self.fault("reading a user's claims", &error))?;
        Ok(Some(Visitor {
            user: user.clone(),
            person: browser.person(config, user),
            allowed: gateway.require.is_met_by(&claims),
        }))
    }

    async fn next(
        &self,
        config: &Config,
        request: &Request,
        visitor: Option<&Visitor>,
    ) -> Result<Next, Stop> {
        let Some(visitor) = visitor else {
            return Ok(match request.prompt {
                Prompt::None => Next::Refuse(Refusal::LoginRequired),
                Prompt::Unsaid if is_trusted(config, request) => Next::SignIn,
                Prompt::Unsaid | Prompt::Consent | Prompt::Login => Next::Ask,
            });
        };
        if !visitor.allowed {
            return Ok(match request.prompt {
                Prompt::None => Next::Refuse(Refusal::AccessDenied),
                Prompt::Unsaid | Prompt::Consent | Prompt::Login => Next::Ask,
            });
        }
        let agreed = match request.prompt {
            Prompt::Consent | Prompt::Login => false,
            Prompt::None | Prompt::Unsaid => self.agreed(config, request, visitor).await?,
        };
        Ok(match request.prompt {
            _ if agreed => Next::Answer,
            Prompt::None => Next::Refuse(Refusal::ConsentRequired),
            Prompt::Unsaid | Prompt::Consent | Prompt::Login => Next::Ask,
        })
    }

    /// Whether nobody has to be asked: the operator trusts the client, or the visitor agreed before.
    pub(super) async fn agreed(
        &self,
        config: &Config,
        request: &Request,
        visitor: &Visitor,
    ) -> Result<bool, Stop> {
        let agreed = self.consents.has(&visitor.user, request).await;
        let agreed = agreed.map_err(|error| self.fault("reading a consent", &error))?;
        Ok(agreed || is_trusted(config, request))
    }

    /// The end: what was agreed to, as a code, to the client.
    pub(super) async fn code(
        &self,
        request: &Request,
        browser: &Browser,
        user: &UserId,
    ) -> Result<Response, Stop> {
        let proof = self.sessions.proof(browser, user.source()).await;
        let proof = proof.map_err(|error| self.fault("reading a sign-in", &error))?;
        let recipient = &request.recipient;
        let approved = Approved {
            user: user.clone(),
            proof: proof.ok_or(AuthorizeFailure::NotSignedIn)?,
            client_id: recipient.client.id.clone(),
            client_name: recipient.client.name.clone(),
            gateway: request.gateway.clone(),
            resource: request.resource.clone(),
            scopes: request.scopes.clone(),
        };
        let pending = Pending {
            approved,
            redirect_uri: recipient.redirect.as_str().to_owned(),
            code_challenge: request.challenge.clone(),
        };
        let code = self.codes.mint(pending).await;
        let code = code.map_err(|error| self.fault("minting a code", &error))?;
        tracing::info!(?user, client = ?recipient.client.id, gateway = %request.gateway, "a client was let in");
        Ok(away(&recipient.answer(&[("code", code.expose())])))
    }

    pub(super) fn fault(&self, doing: &str, error: &StoreError) -> Stop {
        PageFailure::from(self.faults.note(doing, error)).into()
    }
}

fn is_trusted(config: &Config, request: &Request) -> bool {
    let trusted = &request.gateway(config).skip_consent;
    trusted.contains(&request.recipient.client.id)
}

/// Tells the client no.
pub(super) fn refused(request: &Request, refusal: Refusal) -> Stop {
    let client = &request.recipient.client.id;
    tracing::info!(?client, error = refusal.code(), "a client was not let in");
    Stop::Answer(request.recipient.refuse(refusal))
}

/// 303, for a 307 would send the form on (RFC 9700 §4.12); and nothing of where it comes from.
pub(super) fn away(url: &Url) -> Response {
    let mut location = HeaderValue::try_from(url.as_str()).expect("a URL is visible ASCII");
    location.set_sensitive(true);
    let headers = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// With a cookie, if there is one to be set.
pub(super) fn with_cookie(cookie: Option<HeaderValue>, response: Response) -> Response {
    let cookie = cookie.map(|cookie| (header::SET_COOKIE, cookie));
    (AppendHeaders(cookie), response).into_response()
}

impl IntoResponse for Stop {
    fn into_response(self) -> Response {
        match self {
            Self::Answer(url) | Self::SeeOther(url) => away(&url),
            Self::Page(failure) => failure.into_response(),
        }
    }
}

impl<T: Into<PageFailure>> From<T> for Stop {
    fn from(failure: T) -> Self {
        Self::Page(Box::new(failure.into()))
    }
}
