//! `/oauth/authorize` (RFC 6749 §4.1.1) and the steps of the person at the browser.
//!
//! A request is checked and remembered first; every step after that ends at `/oauth/authorize/{request}`, which looks at who
//! is signed in and shows the next page. The handle in that path is unguessable and belongs to one browser's cookie, so no
//! other site can post to it: it is the CSRF token of these forms.

use axum::{
    Form,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use cookie::Cookie;
use serde::Deserialize;
use url::Url;

use super::{
    Account, Acme, SCOPES,
    ledger::{Mint, Request},
    page,
    parameters::Parameters,
};
use crate::base::secret::TokenHash;

const COOKIE: &str = "acme_browser";
const GONE: &str =
    "This page has expired or belongs to another browser. Begin again where you came from.";

/// The sign-in form.
#[derive(Deserialize)]
pub(super) struct SignIn {
    name: String,
    password: String,
}

/// The consent form.
#[derive(Deserialize)]
pub(super) struct Decision {
    decision: String,
}

/// A request at the browser it belongs to: only [`Acme::here`] makes one.
struct Here {
    path: String,
    handle: TokenHash,
    browser: TokenHash,
    account: Option<String>,
    redirect_uri: String,
    scopes: Vec<String>,
}

/// An error that goes back to the client (RFC 6749 §4.1.2.1).
struct Refused(&'static str, &'static str);

/// Checks an authorization request and remembers it.
pub(super) async fn begin(
    State(acme): State<Acme>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let Ok(parameters) = Parameters::parse(query.unwrap_or_default().as_bytes()) else {
        return page::refusal("The link that brought you here repeats a parameter.");
    };
    let redirect_uri = match target(&acme, &parameters) {
        Ok(redirect_uri) => redirect_uri,
        Err(why) => return page::refusal(why),
    };
    let mint = acme.mint();
    let (browser, cookie) = acme.browser_or_new(&headers, &mint);
    match check(&parameters, redirect_uri.clone(), browser) {
        Ok(request) => {
            let handle = acme.ledger().open_request(request, &mint);
            see_other(&format!("/oauth/authorize/{handle}"), cookie)
        }
        Err(Refused(error, why)) => {
            let fields = [("error", error), ("error_description", why)];
            acme.back(&redirect_uri, parameters.get("state"), &fields)
        }
    }
}

/// Shows the next page: sign in, or allow and deny.
pub(super) async fn step(
    State(acme): State<Acme>,
    headers: HeaderMap,
    Path(handle): Path<String>,
) -> Response {
    let Some(here) = acme.here(&headers, &handle) else {
        return page::refusal(GONE);
    };
    match here.account.as_deref().and_then(|name| acme.account(name)) {
        Some(account) => consent_page(&acme, &here, account),
        None => page::sign_in(StatusCode::OK, &here.path, &acme.client().title, None),
    }
}

/// Signs the person in and carries on.
pub(super) async fn sign_in(
    State(acme): State<Acme>,
    headers: HeaderMap,
    Path(handle): Path<String>,
    Form(form): Form<SignIn>,
) -> Response {
    let Some(here) = acme.here(&headers, &handle) else {
        return page::refusal(GONE);
    };
    let given = TokenHash::of(&form.password);
    match acme.account(form.name.trim()) {
        Some(account) if account.password == given => {
            acme.change_browser(&here, Some(account.name.clone()))
        }
        Some(_) | None => {
            let complaint = Some("That name and password do not fit together.");
            let client = &acme.client().title;
            page::sign_in(StatusCode::FORBIDDEN, &here.path, client, complaint)
        }
    }
}

/// Signs the person out, so that someone else can go on with the same request.
pub(super) async fn sign_out(
    State(acme): State<Acme>,
    headers: HeaderMap,
    Path(handle): Path<String>,
) -> Response {
    match acme.here(&headers, &handle) {
        Some(here) => acme.change_browser(&here, None),
        None => page::refusal(GONE),
    }
}

/// Ends the request as the person decided.
pub(super) async fn decide(
    State(acme): State<Acme>,
    headers: HeaderMap,
    Path(handle): Path<String>,
    Form(form): Form<Decision>,
) -> Response {
    let Some(here) = acme.here(&headers, &handle) else {
        return page::refusal(GONE);
    };
    let Some(account) = &here.account else {
        return see_other(&here.path, None);
    };
    let mint = acme.mint();
    let Some(request) = acme.ledger().take_request(here.handle, mint.now) else {
        return page::refusal(GONE);
    };
    let state = request.state.as_deref();
    if form.decision == "allow" {
        let code = acme.ledger().issue_code(&request, account, &mint);
        acme.back(&request.redirect_uri, state, &[("code", &code)])
    } else {
        let fields = [
            ("error", "access_denied"),
            ("error_description", "The person said no."),
        ];
        acme.back(&request.redirect_uri, state, &fields)
    }
}

/// Where the answer may go. Until this is known, errors are shown here and redirect nobody (RFC 6749 §4.1.2.1).
fn target(acme: &Acme, parameters: &Parameters) -> Result<String, &'static str> {
    if parameters.get("client_id") != Some(&acme.client().id) {
        return Err("The application that sent you here is not registered at Acme.");
    }
    let redirect_uri = parameters.get("redirect_uri").unwrap_or_default();
    let registered = &acme.client().redirect_uris;
    if registered.iter().any(|uri| uri == redirect_uri) {
        Ok(redirect_uri.to_owned())
    } else {
        Err(
            "The application that sent you here wants the answer at an address it has not registered.",
        )
    }
}

fn check(
    parameters: &Parameters,
    redirect_uri: String,
    browser: TokenHash,
) -> Result<Request, Refused> {
    match parameters.get("response_type") {
        Some("code") => {}
        Some(_) => return Err(Refused("unsupported_response_type", "use code")),
        None => return Err(Refused("invalid_request", "response_type is missing")),
    }
    let challenge = match (
        parameters.get("code_challenge"),
        parameters.get("code_challenge_method"),
    ) {
        (Some(challenge), Some("S256")) if challenge.len() == 43 => challenge.to_owned(),
        _ => return Err(Refused("invalid_request", "PKCE with S256 is required")),
    };
    let scopes = parameters.get("scope").unwrap_or("notes");
    let scopes: Vec<_> = scopes.split(' ').map(str::to_owned).collect();
    let known = |scope: &String| SCOPES.iter().any(|(known, _)| known == scope);
    if !scopes.iter().all(known) {
        return Err(Refused(
            "invalid_scope",
            "Acme has the scopes notes and profile",
        ));
    }
    Ok(Request {
        browser,
        redirect_uri,
        state: parameters.get("state").map(str::to_owned),
        challenge,
        scopes,
    })
}

fn consent_page(acme: &Acme, here: &Here, account: &Account) -> Response {
    let words = SCOPES
        .iter()
        .filter(|(scope, _)| here.scopes.iter().any(|asked| asked == scope))
        .map(|(_, words)| *words)
        .collect();
    let target = Url::parse(&here.redirect_uri).map(|uri| uri.origin().ascii_serialization());
    page::consent(&page::Consent {
        path: &here.path,
        client: &acme.client().title,
        person: &account.display_name,
        words,
        target: &target.unwrap_or_default(),
    })
}

impl Acme {
    /// Chance and time, for making tokens.
    pub(super) fn mint(&self) -> Mint<'_> {
        Mint {
            entropy: self.0.entropy.as_ref(),
            now: self.now(),
            access_lifetime: self.0.settings.access_lifetime,
        }
    }

    /// The request of this handle, if this is the browser it began in.
    fn here(&self, headers: &HeaderMap, handle: &str) -> Option<Here> {
        let (now, ledger) = (self.now(), self.ledger());
        let browser = cookie_of(headers)?;
        let account = ledger.browser(browser, now)?;
        let hash = TokenHash::of(handle);
        let request = ledger.request(hash, now)?;
        (request.browser == browser).then(|| Here {
            path: format!("/oauth/authorize/{handle}"),
            handle: hash,
            browser,
            account,
            redirect_uri: request.redirect_uri.clone(),
            scopes: request.scopes.clone(),
        })
    }

    /// The browser this came from, and the cookie to set if it was not known.
    fn browser_or_new(&self, headers: &HeaderMap, mint: &Mint<'_>) -> (TokenHash, Option<String>) {
        let mut ledger = self.ledger();
        match cookie_of(headers).filter(|browser| ledger.browser(*browser, mint.now).is_some()) {
            Some(browser) => (browser, None),
            None => {
                let cookie = ledger.open_browser(None, mint);
                (TokenHash::of(&cookie), Some(cookie))
            }
        }
    }

    /// A new cookie whenever who is signed in changes, so that an old one (planted, perhaps) is worth nothing.
    fn change_browser(&self, here: &Here, account: Option<String>) -> Response {
        let mint = self.mint();
        let cookie = self
            .ledger()
            .change_browser(here.browser, account, here.handle, &mint);
        see_other(&here.path, Some(cookie))
    }

    /// Sends the browser back to the client, with `state` as it came and `iss` (RFC 9207).
    fn back(&self, redirect_uri: &str, state: Option<&str>, fields: &[(&str, &str)]) -> Response {
        let Ok(mut uri) = Url::parse(redirect_uri) else {
            return page::refusal("The application's address cannot be read.");
        };
        uri.query_pairs_mut()
            .extend_pairs(fields)
            .extend_pairs(state.map(|state| ("state", state)))
            .append_pair("iss", self.issuer());
        see_other(uri.as_str(), None)
    }
}

fn cookie_of(headers: &HeaderMap) -> Option<TokenHash> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(Cookie::split_parse)
        .filter_map(Result::ok)
        .find(|cookie| cookie.name() == COOKIE)
        .map(|cookie| TokenHash::of(cookie.value()))
}

fn see_other(location: &str, cookie: Option<String>) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    let mut set = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(header::LOCATION, location);
    set(header::CACHE_CONTROL, "no-store");
    set(header::REFERRER_POLICY, "no-referrer");
    if let Some(cookie) = cookie {
        let cookie = Cookie::build((COOKIE, cookie))
            .path("/")
            .http_only(true)
            .same_site(cookie::SameSite::Lax);
        set(header::SET_COOKIE, &cookie.to_string());
    }
    response
}
