//! "This client wants to use this gateway for you": the page, and its answer.
//!
//! A browser that is not signed in sees it before anything begins at the user source: else whoever sends people a link could
//! have their company's sign-in, which may ask nothing, answer to a client of the sender's (confused deputy).

use std::net::SocketAddr;

use axum::{
    Form,
    extract::{ConnectInfo, State, rejection::FormRejection},
    http::{HeaderMap, HeaderValue, StatusCode},
    response::Response,
};
use url::{Url, form_urlencoded};

use super::{
    authorize::{AuthorizePages, Stop, Visitor, away, refused, with_cookie},
    client::Origin,
    request::{Prompt, Refusal, Request},
    scope,
};
use crate::{
    base::secret::TokenHash,
    config::{Config, UserSourceKind},
    protocol::oauth::redirect::RedirectUri,
    web::{
        cookie::BrowserKey,
        csrf,
        failure::PageFailure,
        page::respond_leading_to,
        page_authorize::{
            AuthorizeAnswer, AuthorizeForm, AuthorizePage, Destination, NotAllowedPage,
            RequestForm, Vouched,
        },
    },
};

/// A request about to be put to whoever is at the browser.
pub(super) struct Asking<'a> {
    pub config: &'a Config,
    pub request: &'a Request,
    pub query: &'a str,
    pub visitor: Option<&'a Visitor>,
}

impl Asking<'_> {
    /// The page; or the one that says that the gateway does not take this user.
    pub(super) fn page(&self, pages: &AuthorizePages, headers: &HeaderMap) -> Response {
        let (key, fresh) = match BrowserKey::of(headers, &pages.urls) {
            Some(key) => (key, false),
            None => (BrowserKey::fresh(&*pages.entropy), true),
        };
        let digest = TokenHash::of(self.query);
        let form = RequestForm {
            request: self.query,
            csrf: csrf::token(&key, csrf::Form::Authorize(&digest)),
        };
        let response = match self.visitor {
            Some(visitor) if !visitor.allowed => self.not_allowed(visitor, form),
            visitor => self.question(visitor, form),
        };
        with_cookie(fresh.then(|| key.set(&pages.urls)), response)
    }

    fn question(&self, visitor: Option<&Visitor>, form: RequestForm<'_>) -> Response {
        let gateway = self.request.gateway(self.config);
        let client = &self.request.recipient.client;
        let source = &self.config.user_sources[&gateway.user_source];
        let shown = self.request.recipient.redirect.shown();
        let page = AuthorizePage {
            client: &client.name,
            vouched: match &client.origin {
                Origin::Registered => Vouched::Operator,
                Origin::Dynamic => Vouched::Nobody,
                Origin::Document { host } => Vouched::Host(host),
            },
            destination: destination(&self.request.recipient.redirect, &shown),
            local_only: client.is_local_only(),
            gateway: &gateway.title,
            scopes: words(self.request),
            source: &source.title,
            person: visitor.map(|visitor| visitor.person.clone()),
            form,
        };
        self.respond(StatusCode::OK, &page)
    }

    fn not_allowed(&self, visitor: &Visitor, form: RequestForm<'_>) -> Response {
        let client = &self.request.recipient.client;
        tracing::warn!(
            user = ?visitor.user, client = ?client.id, gateway = %self.request.gateway,
            "a user whose claims the gateway does not take asked to use it"
        );
        let page = NotAllowedPage {
            client: &client.name,
            gateway: &self.request.gateway(self.config).title,
            person: visitor.person.clone(),
            form,
        };
        self.respond(StatusCode::FORBIDDEN, &page)
    }

    /// With a policy that lets the form lead where it may lead: to the user source's provider, and to the client.
    fn respond(&self, status: StatusCode, page: &impl askama::Template) -> Response {
        let source = &self.request.gateway(self.config).user_source;
        let provider = match &self.config.user_sources[source].kind {
            UserSourceKind::Oidc(oidc) => Url::parse(&oidc.issuer).ok(),
            UserSourceKind::Accounts(_) | UserSourceKind::App(_) => None,
        };
        let mut places = vec![self.request.recipient.redirect.url()];
        places.extend(&provider);
        respond_leading_to(status, page, &places)
    }
}

/// `POST /oauth2/authorize`
pub(super) async fn answer(
    State(pages): State<AuthorizePages>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    form: Result<Form<AuthorizeForm>, FormRejection>,
) -> Result<Response, Stop> {
    let Form(form) = form.map_err(|_| PageFailure::Unreadable)?;
    let digest = TokenHash::of(&form.request);
    let meant = csrf::Form::Authorize(&digest);
    csrf::check(&headers, &pages.urls, meant, &form.csrf).inspect_err(|forged| {
        tracing::warn!(address = %from.ip(), "an answer to a client's request was refused: {forged}");
    })?;
    let config = pages.live.now();
    let request = pages.read(&config, &form.request, &headers, from).await?;
    match form.answer {
        AuthorizeAnswer::Allow => {}
        AuthorizeAnswer::Deny => return Err(refused(&request, Refusal::AccessDenied)),
        AuthorizeAnswer::Switch => {
            let cookie = pages.sign_out(&config, &request, &headers).await?;
            let again = pages.asking_who(&form.request);
            return Ok(with_cookie(cookie, away(&again)));
        }
    }
    let browser = pages.browser(&headers).await?;
    let visitor = pages.visitor(&config, &request, browser.as_ref()).await?;
    match (browser, visitor) {
        (Some(browser), Some(visitor)) if request.prompt != Prompt::Login => {
            if !visitor.allowed {
                let asking = Asking {
                    config: &config,
                    request: &request,
                    query: &form.request,
                    visitor: Some(&visitor),
                };
                return Ok(asking.page(&pages, &headers));
            }
            let remembered = pages.consents.remember(&visitor.user, &request).await;
            remembered.map_err(|error| pages.fault("remembering a consent", &error))?;
            pages.code(&request, &browser, &visitor.user).await
        }
        _ => {
            let left = pages.sign_out(&config, &request, &headers).await?;
            let begun = pages.begin(&config, &request, &form.request, true).await?;
            Ok(with_cookie(left, begun))
        }
    }
}

impl AuthorizePages {
    /// Signs the gateway's user out; gives the cookie to be set, if any.
    async fn sign_out(
        &self,
        config: &Config,
        request: &Request,
        headers: &HeaderMap,
    ) -> Result<Option<HeaderValue>, Stop> {
        let source = &request.gateway(config).user_source;
        match self.browser(headers).await? {
            Some(browser) if browser.user(source).is_some() => {
                let left = self.sessions.sign_out(&browser, Some(source)).await;
                let left = left.map_err(|error| self.fault("signing out", &error))?;
                Ok(left.cookie)
            }
            _ => Ok(None),
        }
    }

    /// The same request, to be put to whoever is to sign in next.
    fn asking_who(&self, query: &str) -> Url {
        let mut url = self.urls.oauth("authorize");
        let parameters = form_urlencoded::parse(query.as_bytes());
        url.query_pairs_mut()
            .extend_pairs(parameters.filter(|(name, _)| name != "prompt"))
            .append_pair("prompt", "login");
        url
    }
}

fn destination<'a>(redirect: &RedirectUri, shown: &'a str) -> Destination<'a> {
    match redirect.url().scheme() {
        "https" => Destination::Site(shown),
        "http" => Destination::ThisMachine(shown),
        _ => Destination::Program(shown),
    }
}

fn words(request: &Request) -> Vec<&'static str> {
    let words = |scope| match scope {
        scope::TOOLS => Some("See and use the tools of this gateway in your name"),
        scope::ALL => Some("Use everything this gateway offers in your name"),
        scope::OFFLINE => Some("Go on while you are away, until you take it back"),
        _ => None,
    };
    request.scopes.iter().filter_map(words).collect()
}
