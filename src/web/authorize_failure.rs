//! Requests of clients to be let in that cannot be answered at the client, for who would get the answer is just what is in doubt
//! (OAuth 2.1 §4.1.2.1): what happened, and what to do next.

use axum::http::StatusCode;

use super::{page::Tone, wording::Words};

/// What is the matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthorizeFailure {
    /// Nobody has this `client_id`.
    UnknownClient,
    /// The document that is to say who the client is cannot be had or says nothing good.
    Document {
        /// In one clause, for the client's developer.
        why: String,
        /// Whether it may be better in a minute.
        later: bool,
    },
    /// The answer is to go to an address that the client has not registered.
    Redirect,
    /// It does not say, or says twice, who the client is or where the answer goes.
    Unclear,
    /// The user came back from signing in too late, or a second time.
    Expired,
    /// The user began in another browser.
    OtherBrowser,
    /// The user came back from signing in several times, and was not signed in.
    NotSignedIn,
}

const AGAIN: &str = "Go back to your client and connect it again.";

impl AuthorizeFailure {
    pub(super) fn words(&self) -> Words {
        let (status, title, what, next) = match self {
            Self::UnknownClient => (
                StatusCode::BAD_REQUEST,
                "We do not know this client",
                "It is not registered here, or its registration was not used for so long that it has expired.".to_owned(),
                "Remove this server from your client and add it again; then it registers anew. If it has a client ID that somebody gave you, check that it is right.",
            ),
            Self::Document { why, later } => (
                if *later {
                    StatusCode::SERVICE_UNAVAILABLE
                } else {
                    StatusCode::BAD_REQUEST
                },
                "We could not check this client",
                format!("It is known by a document on the web, and with that something is the matter: {why}."),
                if *later {
                    "Wait a minute, then connect your client again."
                } else {
                    "You can do nothing about it. Tell the people who make the client, or those who run this gateway."
                },
            ),
            Self::Redirect => (
                StatusCode::BAD_REQUEST,
                "This request does not come from where it says",
                "The answer would go to an address that the client has not registered. Somebody else may be behind it, so nothing was sent there.".to_owned(),
                "If you did not just start connecting a client, close this page. Otherwise remove this server from your client and add it again.",
            ),
            Self::Unclear => (
                StatusCode::BAD_REQUEST,
                "We could not read this request",
                "It does not say clearly which client sent it, or where the answer goes.".to_owned(),
                "Check that the address is whole. Otherwise go back to your client and connect it again.",
            ),
            Self::Expired => (
                StatusCode::GONE,
                "This took too long, or is done already",
                "A client waits ten minutes for you to sign in, and is answered once. Nothing was done just now.".to_owned(),
                AGAIN,
            ),
            Self::OtherBrowser => (
                StatusCode::FORBIDDEN,
                "This was begun in another browser",
                "Only the browser in which you allowed the client can finish it. Nothing was done.".to_owned(),
                "Go on in that browser. If it is this one, allow cookies for this site; then go back to your client and connect it again.",
            ),
            Self::NotSignedIn => (
                StatusCode::FORBIDDEN,
                "You are not signed in",
                "You came back from signing in several times, but this browser keeps no sign-in.".to_owned(),
                "Allow cookies for this site; then go back to your client and connect it again.",
            ),
        };
        Words::new(status, Tone::Warning, title, [&what, next])
    }
}
