//! Why something that a user wanted of their own connections was not done. Nothing was changed.

use axum::http::StatusCode;

use super::{page::Tone, wording::Words};

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionFailure {
    /// There is no such connection of theirs; whether of anybody else's is not said.
    Gone,
    /// There is no such application (any more).
    NotLetIn,
    /// None of their tools uses this provider, or the configuration has it no more.
    NotOffered,
    /// What was typed cannot be a name.
    BadName,
    /// The connection is being renewed, or ended, at this moment.
    Busy,
}

impl ConnectionFailure {
    pub(super) fn words(&self) -> Words {
        let words = |status, title, text| Words::new(status, Tone::Warning, title, text);
        match self {
            Self::Gone => words(
                StatusCode::NOT_FOUND,
                "This connection is not there",
                [
                    "You have no such connection. If you have just disconnected it, here or in another tab, it is done. Nothing else was changed.",
                    "Look at the connections that you have.",
                ],
            ),
            Self::NotLetIn => words(
                StatusCode::NOT_FOUND,
                "This application has no access",
                [
                    "It is not among the applications that you let in. If you have just removed it, here or in another tab, it is done. Nothing else was changed.",
                    "Look at the applications that have access.",
                ],
            ),
            Self::NotOffered => words(
                StatusCode::NOT_FOUND,
                "This cannot be connected any more",
                [
                    "None of your tools uses it: the people who run this gateway changed something since you opened the page. Nothing was done.",
                    "Look at what can be connected now, or ask them.",
                ],
            ),
            Self::BadName => words(
                StatusCode::BAD_REQUEST,
                "That cannot be a name",
                [
                    "The name of an account has at most 40 characters that can be seen. Nothing was changed.",
                    "Go back and choose another name.",
                ],
            ),
            Self::Busy => words(
                StatusCode::SERVICE_UNAVAILABLE,
                "Just a moment",
                [
                    "This connection is being renewed right now. Nothing was changed.",
                    "Wait a few seconds, then try again.",
                ],
            ),
        }
    }
}
