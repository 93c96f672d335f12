//! What there is to say of a connection.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::{base::id::UpstreamName, protocol::oauth::scope::ScopeSet};

/// Texts that came from outside are cut to this many characters.
const LONGEST: usize = 500;

/// What [`Event::kind`] can say.
pub const KINDS: [&str; 13] = [
    "connected",
    "connect_failed",
    "connect_declined",
    "verified",
    "verify_mismatch",
    "refreshed",
    "refresh_failed",
    "used",
    "listed",
    "use_refused",
    "needs_user",
    "disconnected",
    "token_shown",
];

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Credentials came into the vault.
    Connected {
        /// Whether this account was connected before.
        change: Change,
        /// What the provider granted.
        scopes: ScopeSet,
        /// What was asked for and not granted.
        #[serde(skip_serializing_if = "ScopeSet::is_empty")]
        withheld: ScopeSet,
    },
    /// An attempt to connect ended without.
    ConnectFailed {
        /// What was wrong, in one word.
        why: &'static str,
    },
    /// Somebody said no.
    ConnectDeclined {
        /// Where: `page`, or `provider`.
        why: &'static str,
    },
    /// It was made sure that the person at the browser is the user.
    Verified {
        /// By whom.
        verifier: Verifier,
    },
    /// Somebody else was at the browser.
    VerifyMismatch {
        /// Who says so.
        verifier: Verifier,
        /// Who it was, if they are known.
        #[serde(skip_serializing_if = "Option::is_none")]
        came: Option<Arc<str>>,
    },
    /// Fresh tokens came in the old ones' place.
    Refreshed {
        /// On what ground.
        cause: Cause,
    },
    /// They did not. The connection stays.
    RefreshFailed {
        /// `unavailable`, or the provider's word for what the operator has to mend.
        why: &'static str,
    },
    /// A token goes to an upstream, with a call. Written before it goes.
    Used {
        /// Where to.
        upstream: UpstreamName,
        /// The tool, as the upstream calls it.
        #[serde(serialize_with = "cut")]
        tool: Arc<str>,
    },
    /// A token goes to an upstream to ask which tools it has for the user. Written before it goes.
    Listed {
        /// Where to.
        upstream: UpstreamName,
    },
    /// The upstream did not take it.
    UseRefused {
        /// Which.
        upstream: UpstreamName,
        /// The tool, as the upstream calls it.
        #[serde(serialize_with = "cut")]
        tool: Arc<str>,
        /// `unauthorized` or `insufficient_scope`.
        why: &'static str,
    },
    /// The tokens are of no use any more; only the user can give others.
    NeedsUser {
        /// `refresh_refused` by the provider, or `token_refused` by an upstream.
        why: &'static str,
    },
    /// Credentials were taken out of the vault.
    Disconnected {
        /// Who did.
        by: By,
        /// What the provider made of it: `done`, `not_offered`, `already_gone`, `failed`.
        revoked: &'static str,
    },
    /// A program that may see tokens was given one. Written before it is.
    TokenShown,
}

/// What became of the connections there were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// There is one more.
    New,
    /// One of them has other tokens now, of the same account.
    Updated,
    /// One of them has other tokens now; whether of the same account, the provider does not tell.
    Replaced,
}

/// Who vouches that the person at the browser is the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verifier {
    /// They are signed in with us, through the user source.
    SignIn,
    /// The app that the user source stands for (`confirm_user`).
    App,
    /// The program that made the link (`connections/verify`).
    Link,
}

/// On what ground tokens were refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Their time was over, or soon would be.
    Expiry,
    /// An upstream refused them.
    Refused,
    /// An operator said so.
    Operator,
}

/// Who disconnected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The user whose connection it was.
    User,
    /// An operator.
    Operator,
}

/// How it went, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As it was meant to.
    Ok,
    /// Something is wrong.
    Failed,
    /// Somebody said no.
    Refused,
    /// The user has to connect again.
    NeedsUser,
}

impl Event {
    /// The word for it, one of [`KINDS`].
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Connected { .. } => "connected",
            Self::ConnectFailed { .. } => "connect_failed",
            Self::ConnectDeclined { .. } => "connect_declined",
            Self::Verified { .. } => "verified",
            Self::VerifyMismatch { .. } => "verify_mismatch",
            Self::Refreshed { .. } => "refreshed",
            Self::RefreshFailed { .. } => "refresh_failed",
            Self::Used { .. } => "used",
            Self::Listed { .. } => "listed",
            Self::UseRefused { .. } => "use_refused",
            Self::NeedsUser { .. } => "needs_user",
            Self::Disconnected { .. } => "disconnected",
            Self::TokenShown => "token_shown",
        }
    }

    /// How it went.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Connected { .. }
            | Self::Verified { .. }
            | Self::Refreshed { .. }
            | Self::Used { .. }
            | Self::Listed { .. }
            | Self::Disconnected { .. }
            | Self::TokenShown => Outcome::Ok,
            Self::ConnectFailed { .. } | Self::RefreshFailed { .. } => Outcome::Failed,
            Self::ConnectDeclined { .. }
            | Self::VerifyMismatch { .. }
            | Self::UseRefused { .. } => Outcome::Refused,
            Self::NeedsUser { .. } => Outcome::NeedsUser,
        }
    }
}

pub(super) fn shortened(text: &str) -> &str {
    let end = text.char_indices().nth(LONGEST).map(|(at, _)| at);
    &text[..end.unwrap_or(text.len())]
}

pub(super) fn cut<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(shortened(text))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// One of each, in the order of [`KINDS`].
    pub(crate) fn every_event() -> Vec<Event> {
        let (upstream, tool): (UpstreamName, Arc<str>) = ("notes".parse().unwrap(), "add".into());
        let scopes = ScopeSet::parse("read");
        vec![
            Event::Connected {
                change: Change::New,
                scopes: scopes.clone(),
                withheld: scopes,
            },
            Event::ConnectFailed {
                why: "code_refused",
            },
            Event::ConnectDeclined { why: "page" },
            Event::Verified {
                verifier: Verifier::SignIn,
            },
            Event::VerifyMismatch {
                verifier: Verifier::App,
                came: None,
            },
            Event::Refreshed {
                cause: Cause::Expiry,
            },
            Event::RefreshFailed { why: "unavailable" },
            Event::Used {
                upstream: upstream.clone(),
                tool: Arc::clone(&tool),
            },
            Event::Listed {
                upstream: upstream.clone(),
            },
            Event::UseRefused {
                upstream,
                tool,
                why: "unauthorized",
            },
            Event::NeedsUser {
                why: "refresh_refused",
            },
            Event::Disconnected {
                by: By::User,
                revoked: "done",
            },
            Event::TokenShown,
        ]
    }
}
