//! The pages on which a client asks to be let in.

use askama::Template;
use serde::Deserialize;

use super::page::{Person, initial, label};

/// What every form of these pages carries: the request itself, for nothing is kept of it before somebody agrees.
#[derive(Clone, Debug)]
pub struct RequestForm<'a> {
    /// The query of the request, as it came.
    pub request: &'a str,
    /// [`super::csrf::Form::Authorize`].
    pub csrf: String,
}

/// Asks whether a client may use a gateway for a user.
#[derive(Debug, Template)]
#[template(path = "authorize.html")]
pub struct AuthorizePage<'a> {
    /// What the client calls itself.
    pub client: &'a str,
    /// Who vouches for that name.
    pub vouched: Vouched<'a>,
    /// Where the answer goes.
    pub destination: Destination<'a>,
    /// Whether it can only be a program on the person's machine, so that any other one could pretend to be it.
    pub local_only: bool,
    /// What the gateway is called.
    pub gateway: &'a str,
    /// What the client will be able to do, each the end of "It will be able to …".
    pub scopes: Vec<&'a str>,
    /// What the user source is called.
    pub source: &'a str,
    /// Who is signed in there.
    pub person: Option<Person>,
    /// To post to `/oauth2/authorize`; the answer is [`AuthorizeAnswer`].
    pub form: RequestForm<'a>,
}

/// Who says that a client is called what it is called.
#[derive(Clone, Copy, Debug)]
pub enum Vouched<'a> {
    /// The operator.
    Operator,
    /// This host, by a document.
    Host(&'a str),
    /// Nobody: it registered itself.
    Nobody,
}

/// Where the answer goes.
#[derive(Clone, Copy, Debug)]
pub enum Destination<'a> {
    /// To a web site.
    Site(&'a str),
    /// To a program that listens on the person's machine, at this host.
    ThisMachine(&'a str),
    /// To the program that has this scheme, on the person's machine.
    Program(&'a str),
}

/// The person who is signed in may not use the gateway.
#[derive(Debug, Template)]
#[template(path = "authorize_not_allowed.html")]
pub struct NotAllowedPage<'a> {
    /// What the client calls itself.
    pub client: &'a str,
    /// What the gateway is called.
    pub gateway: &'a str,
    /// Who is signed in.
    pub person: Person,
    /// To post to `/oauth2/authorize`.
    pub form: RequestForm<'a>,
}

/// Signed in, and on the way back to the client. The browser goes on by itself.
#[derive(Debug, Template)]
#[template(path = "authorize_go.html")]
pub struct GoPage<'a> {
    /// Where it goes: a path of ours.
    pub to: &'a str,
}

/// What those pages post.
#[derive(Debug, Deserialize)]
pub struct AuthorizeForm {
    /// To be checked before anything else.
    pub csrf: String,
    /// The query of the request.
    pub request: String,
    /// Which button.
    pub answer: AuthorizeAnswer,
}

/// The buttons of these pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthorizeAnswer {
    /// "Allow".
    Allow,
    /// "Cancel".
    Deny,
    /// "Not you?"
    Switch,
}
