//! Acme's pages: another company with another look.

use askama::Template;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};

const CSS: &str = include_str!("../pages/acme.css");

#[derive(Template)]
#[template(path = "acme_front.html", whitespace = "preserve")]
struct Front;

#[derive(Template)]
#[template(path = "acme_sign_in.html", whitespace = "preserve")]
struct SignIn<'a> {
    path: &'a str,
    client: &'a str,
    complaint: Option<&'a str>,
}

/// What the consent page says.
#[derive(Template)]
#[template(path = "acme_consent.html", whitespace = "preserve")]
pub(super) struct Consent<'a> {
    /// Where its forms go.
    pub(super) path: &'a str,
    /// Who asks.
    pub(super) client: &'a str,
    /// Who is asked.
    pub(super) person: &'a str,
    /// What for, in words.
    pub(super) words: Vec<&'static str>,
    /// The origin the browser goes to afterwards.
    pub(super) target: &'a str,
}

#[derive(Template)]
#[template(path = "acme_refusal.html", whitespace = "preserve")]
struct Refusal<'a> {
    why: &'a str,
}

/// `GET /`
pub(super) async fn front() -> Response {
    respond(StatusCode::OK, &Front, "")
}

/// `GET /style.css`
pub(super) async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], CSS).into_response()
}

/// Name and password, please.
pub(super) fn sign_in(
    status: StatusCode,
    path: &str,
    client: &str,
    complaint: Option<&str>,
) -> Response {
    let page = SignIn {
        path,
        client,
        complaint,
    };
    respond(status, &page, "")
}

/// Allow or deny. The answer leaves for the client, so browsers must let this form lead there.
pub(super) fn consent(page: &Consent<'_>) -> Response {
    respond(StatusCode::OK, page, page.target)
}

/// Something is wrong and nobody is redirected.
pub(super) fn refusal(why: &str) -> Response {
    respond(StatusCode::BAD_REQUEST, &Refusal { why }, "")
}

fn respond(status: StatusCode, page: &impl Template, form_target: &str) -> Response {
    let Ok(html) = page.render() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let policy = format!(
        "default-src 'none'; style-src 'self'; form-action 'self' {form_target}; frame-ancestors 'none'; base-uri 'none'"
    );
    let mut response = (status, Html(html)).into_response();
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
