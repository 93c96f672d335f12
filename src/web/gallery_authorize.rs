//! A sample of each page on which a client asks to be let in.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use url::Url;

use super::{
    authorize_failure::AuthorizeFailure,
    failure::PageFailure,
    page::{Person, respond, respond_leading_to},
    page_authorize::{AuthorizePage, Destination, GoPage, NotAllowedPage, RequestForm, Vouched},
};

fn form() -> RequestForm<'static> {
    RequestForm {
        request: "response_type=code&client_id=x&state=\"<b>",
        csrf: "token".into(),
    }
}

fn ask(
    client: &str,
    vouched: Vouched<'_>,
    destination: Destination<'_>,
    local_only: bool,
    person: Option<Person>,
) -> Response {
    let page = AuthorizePage {
        client,
        vouched,
        destination,
        local_only,
        gateway: "Work tools",
        scopes: vec![
            "See and use the tools of this gateway in your name",
            "Go on while you are away, until you take it back",
        ],
        source: "Acme",
        person,
        form: form(),
    };
    let place = Url::parse("http://127.0.0.1:4711/callback").unwrap();
    respond_leading_to(StatusCode::OK, &page, &[&place])
}

pub(super) fn samples(alice: &Person) -> Vec<(&'static str, Response)> {
    let failures = [
        ("authorize-unknown", AuthorizeFailure::UnknownClient),
        (
            "authorize-document",
            AuthorizeFailure::Document {
                why: "its client_id is not its own address".into(),
                later: false,
            },
        ),
        ("authorize-redirect", AuthorizeFailure::Redirect),
        ("authorize-unclear", AuthorizeFailure::Unclear),
        ("authorize-expired", AuthorizeFailure::Expired),
        ("authorize-other-browser", AuthorizeFailure::OtherBrowser),
        ("authorize-not-signed-in", AuthorizeFailure::NotSignedIn),
    ];
    let not_allowed = NotAllowedPage {
        client: "Claude Code",
        gateway: "Work tools",
        person: alice.clone(),
        form: form(),
    };
    let go = GoPage {
        to: "/oauth2/authorize/abc/go",
    };
    let long = "An agent with quite a long name that somebody made up to fill the page and then some more of it";
    let mut all = vec![
        (
            "authorize",
            ask(
                "Claude",
                Vouched::Host("claude.ai"),
                Destination::Site("claude.ai"),
                false,
                Some(alice.clone()),
            ),
        ),
        (
            "authorize-local",
            ask(
                "Claude Code",
                Vouched::Nobody,
                Destination::ThisMachine("127.0.0.1"),
                true,
                None,
            ),
        ),
        (
            "authorize-program",
            ask(
                "Cursor",
                Vouched::Operator,
                Destination::Program("cursor:"),
                false,
                Some(alice.clone()),
            ),
        ),
        (
            "authorize-hostile",
            ask(
                &format!("<b>\u{202e}liamG</b>\"' {long}"),
                Vouched::Host("clients.very-long-subdomain.zusammenarbeitsplattform.example"),
                Destination::Site("clients.very-long-subdomain.zusammenarbeitsplattform.example"),
                false,
                None,
            ),
        ),
        (
            "authorize-not-allowed",
            respond(StatusCode::FORBIDDEN, &not_allowed),
        ),
        ("authorize-go", respond(StatusCode::OK, &go)),
    ];
    all.extend(failures.map(|(name, failure)| (name, PageFailure::from(failure).into_response())));
    all
}
