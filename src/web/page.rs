//! Pages: one struct per page, and the one place that sends them with their security headers.
//!
//! No page has a script. The stylesheet stands in the page and its hash in the policy, so a page needs no second request
//! and nothing else can style it.

use std::sync::LazyLock;

use askama::Template;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};
use url::Url;

use crate::base::{secret::Secret, text::is_invisible};

/// The stylesheet of every page; `layout.html` puts it between `<style>` and `</style>` as it is.
pub(crate) const STYLE: &str = include_str!("pages/style.css");

static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
    )
});

/// A person as pages show them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// What to call them: the display name, else their name at the user source.
    pub name: String,
    /// What tells them from others of that name: an e-mail address, or their name at the user source.
    pub detail: Option<String>,
}

/// The hidden fields of "sign in as someone else": a form that posts to `/sign-out`.
#[derive(Clone, Debug)]
pub struct SwitchForm {
    /// [`super::csrf::Form::SignOut`].
    pub csrf: String,
    /// The user source to sign out of.
    pub source: String,
    /// Where to go on afterwards.
    pub return_to: String,
}

/// The sign-in page of an `accounts` user source.
#[derive(Debug, Template)]
#[template(path = "sign_in.html")]
pub struct SignInPage<'a> {
    /// What the user source is called.
    pub source: &'a str,
    /// What the operator says of it.
    pub description: Option<&'a str>,
    /// Where the form posts to.
    pub action: &'a str,
    /// [`super::csrf::Form::SignIn`].
    pub csrf: String,
    /// Where to go on afterwards.
    pub return_to: &'a str,
    /// What was typed as user name before.
    pub username: &'a str,
    /// What to say above the form.
    pub notice: SignInNotice,
}

/// What the sign-in page says of the attempt before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInNotice {
    /// There was none.
    Nothing,
    /// Name or password were wrong; which of them stays unsaid.
    Wrong,
    /// Too many attempts; good to try again in so many seconds.
    Wait(u64),
}

/// Asks a signed-in user whether a client may have access at a provider.
#[derive(Debug, Template)]
#[template(path = "consent.html")]
pub struct ConsentPage<'a> {
    /// Whether no client asks, but the user on their own page.
    pub own_page: bool,
    /// The client's label.
    pub client: &'a str,
    /// How we know that label, such as "through the API key demo": clients may call themselves anything.
    pub client_note: Option<&'a str>,
    /// What the gateway is called; `None` when a program asks by itself.
    pub gateway: Option<&'a str>,
    /// What the provider is called.
    pub provider: &'a str,
    /// The host the browser goes to next, with its port if it is unusual.
    pub destination: &'a str,
    /// Who is signed in, and "Not you?"; `None` where an application vouches for its users.
    pub signed_in: Option<(&'a Person, SwitchForm)>,
    /// What that application is called.
    pub vouched_by: Option<&'a str>,
    /// What is asked for.
    pub scopes: Vec<ScopeLine<'a>>,
    /// Where the form posts to; the fields are those of [`ConsentForm`].
    pub action: &'a str,
    /// [`super::csrf::Form::Connect`].
    pub csrf: String,
}

/// One scope on the consent page.
#[derive(Clone, Copy, Debug)]
pub struct ScopeLine<'a> {
    /// The scope as the provider writes it.
    pub scope: &'a str,
    /// What it lets us do, if anyone said.
    pub words: Option<&'a str>,
}

/// What the consent page posts.
#[derive(Debug, Deserialize)]
pub struct ConsentForm {
    /// To be checked before anything else.
    pub csrf: String,
    /// Which button.
    pub answer: ConsentAnswer,
    /// What was typed, if the page asked for a key.
    #[serde(default, deserialize_with = "typed")]
    pub key: Option<Secret>,
}

fn typed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    let typed = Option::<String>::deserialize(deserializer)?;
    Ok(typed.map(Secret::from))
}

/// The two buttons of the consent page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsentAnswer {
    /// "Continue to {provider}".
    Continue,
    /// "Cancel".
    Decline,
}

/// The connection is made.
#[derive(Debug, Template)]
#[template(path = "done.html")]
pub struct DonePage<'a> {
    /// Whether no client asked, but the user on their own page.
    pub own_page: bool,
    /// The client that asked.
    pub client: &'a str,
    /// What the provider is called.
    pub provider: &'a str,
    /// Whose connection it is, if they are signed in with us.
    pub person: Option<&'a Person>,
    /// What the account is called at the provider, if that is known.
    pub account: Option<&'a str>,
    /// What else the person should know: whole sentences.
    pub notes: Vec<String>,
    /// What was asked for and not given.
    pub missing: Vec<ScopeLine<'a>>,
}

/// Who is signed in, and where one can sign in.
#[derive(Debug, Template)]
#[template(path = "home.html")]
pub struct HomePage {
    /// One for each user source this browser is signed in at.
    pub signed_in: Vec<SignedIn>,
    /// The other user sources.
    pub others: Vec<OtherSource>,
    /// [`super::csrf::Form::SignOut`]; empty when nobody is signed in.
    pub csrf: String,
}

/// A user source that this browser is not signed in at.
#[derive(Debug)]
pub struct OtherSource {
    /// What it is called.
    pub title: String,
    /// What the operator says of it.
    pub description: Option<String>,
    /// Its sign-in page.
    pub address: String,
}

/// One line of the home page.
#[derive(Debug)]
pub struct SignedIn {
    /// The user source's name.
    pub source: String,
    /// What the user source is called.
    pub source_title: String,
    /// Who.
    pub person: Person,
}

/// After signing out.
#[derive(Debug, Template)]
#[template(path = "signed_out.html")]
pub struct SignedOutPage;

/// On the way to another site, after a form of ours. Sent by [`leave`].
#[derive(Debug, Template)]
#[template(path = "leaving.html")]
struct LeavingPage<'a> {
    to: &'a str,
    host: &'a str,
    /// What has been done here already.
    done: &'a str,
}

/// Anything that went otherwise, in plain words. Made by [`super::failure::PageFailure`].
#[derive(Debug, Template)]
#[template(path = "failed.html")]
pub(crate) struct FailedPage<'a> {
    pub tone: Tone,
    pub title: &'a str,
    /// What happened.
    pub what: &'a str,
    /// What to do now.
    pub next: &'a str,
    /// What an operator searches their log for.
    pub reference: Option<&'a str>,
    /// Who is signed in, where that is the matter.
    pub person: Option<&'a Person>,
    pub switch: Option<&'a SwitchForm>,
    /// Where to try again.
    pub again: Option<&'a str>,
    /// Whether the way goes back to the user's connections.
    pub connections: bool,
}

/// How a page feels: which sign it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing is wrong: someone said no.
    Calm,
    /// The person can do something.
    Warning,
    /// The operator must do something.
    Trouble,
}

/// Sends a page.
pub fn respond(status: StatusCode, page: &impl Template) -> Response {
    send(status, page, &POLICY)
}

/// Sends a page whose form is answered with a redirect to `provider`.
///
/// Chromium holds `form-action` against every redirect that follows a form, including those between the provider's own hosts
/// (Slack moves on to the workspace's host), which we cannot know. So any https host is allowed on such a page, and a provider on
/// plain http, which only development has, by its origin.
pub fn respond_leaving(status: StatusCode, page: &impl Template, provider: &Url) -> Response {
    respond_leading_to(status, page, &[provider])
}

/// As [`respond_leaving`], with several places on the way: also a program on the person's machine, or a scheme of its own.
pub fn respond_leading_to(status: StatusCode, page: &impl Template, places: &[&Url]) -> Response {
    let mut policy = format!("{} https:", *POLICY);
    for place in places {
        match (place.scheme(), place.host()) {
            ("https", _) => {}
            // No source of a policy can be an IPv6 address (CSP §2.3.1).
            ("http", Some(url::Host::Ipv6(_))) => policy.push_str(" http:"),
            ("http", _) => {
                policy.push(' ');
                policy.push_str(&place.origin().ascii_serialization());
            }
            (scheme, _) => {
                policy.push(' ');
                policy.push_str(scheme);
                policy.push(':');
            }
        }
    }
    send(status, page, &policy)
}

/// Sends the browser on to `to` after a form was posted, whose page could not know where that leads; `done` says what is done
/// already. Not a redirect: Chromium would hold the form's page to it (`form-action`).
pub fn leave(to: &Url, done: &str) -> Response {
    let page = LeavingPage {
        to: to.as_str(),
        host: to.host_str().unwrap_or_default(),
        done,
    };
    let mut response = respond(StatusCode::OK, &page);
    let refresh = HeaderValue::try_from(format!("0; url={to}"));
    let mut refresh = refresh.expect("an address is visible ASCII");
    refresh.set_sensitive(true);
    response.headers_mut().insert(header::REFRESH, refresh);
    response
}

fn send(status: StatusCode, page: &impl Template, policy: &str) -> Response {
    let html = page
        .render()
        .expect("a page is written to memory, by templates that cannot fail");
    let policy = HeaderValue::try_from(policy).expect("a policy is made of visible ASCII");
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        // Not `no-referrer`: with it browsers send `Origin: null` even to ourselves (Fetch §3.2), which says nothing.
        // Other sites learn nothing either way.
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("same-origin"),
        ),
        (
            header::HeaderName::from_static("cross-origin-opener-policy"),
            HeaderValue::from_static("same-origin"),
        ),
        (
            header::HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("same-origin"),
        ),
        (
            header::HeaderName::from_static("x-robots-tag"),
            HeaderValue::from_static("noindex"),
        ),
    ];
    (status, headers, html).into_response()
}

/// The longest label of a client that is shown whole. Characters.
const LONGEST_LABEL: usize = 60;

/// What someone else calls themselves, fit to stand in a sentence of ours: nothing invisible, nothing that turns the
/// direction of writing (UAX #9), and not longer than a name is.
pub(crate) fn label(text: &str) -> String {
    let mut characters = text.chars().filter(|c| !is_invisible(*c));
    let mut label: String = characters.by_ref().take(LONGEST_LABEL).collect();
    if characters.next().is_some() {
        label.push('…');
    }
    label.trim().to_owned()
}

/// The letter that stands for a name.
pub(super) fn initial(name: &str) -> String {
    let letter = name.chars().find(|c| c.is_alphanumeric());
    letter.map_or_else(|| "·".to_owned(), |letter| letter.to_uppercase().collect())
}

/// So many seconds as people say it.
pub(crate) fn waiting(seconds: &u64) -> String {
    match seconds {
        0..=1 => "a second".to_owned(),
        2..=59 => format!("{seconds} seconds"),
        60..=90 => "a minute".to_owned(),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    }
}
