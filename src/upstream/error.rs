//! What can go wrong on the way to an upstream and back.

use std::time::Duration;

use crate::protocol::oauth::scope::ScopeSet;

/// Why there is no answer of an upstream's.
///
/// `Display` is for our logs: no credentials, but words of the peer's and of the operating system's. [`Self::public`] is for
/// everybody else.
#[derive(Clone, Debug, thiserror::Error)]
pub enum UpstreamError {
    /// 401: the credential is missing, expired or revoked. Nothing was executed.
    #[error("the upstream answered 401 (error: {error:?})")]
    Unauthorized {
        /// The `error` of its challenge (RFC 6750 §3.1), such as `invalid_token`.
        error: Option<String>,
        /// The scopes it says a token needs.
        scope: Option<ScopeSet>,
    },
    /// 403 with `insufficient_scope` (RFC 6750 §3.1). Nothing was executed.
    #[error("the upstream wants more scopes: {scope:?}")]
    InsufficientScope {
        /// The scopes it says a token needs; not always all of them.
        scope: Option<ScopeSet>,
    },
    /// Another status that says no, without saying why in JSON-RPC.
    #[error("the upstream answered {status}")]
    Refused {
        /// The HTTP status, 4xx.
        status: u16,
    },
    /// It cannot be reached, broke off, or says that it is broken or busy (429, 5xx).
    #[error("the upstream is not available: {why}")]
    Unavailable {
        /// For logs.
        why: String,
        /// Whether a request may have reached it. If not, the call can be repeated whatever the tool does.
        sent: bool,
        /// When it asks to be left alone until then (`Retry-After`).
        retry_after: Option<Duration>,
    },
    /// The answer, or one event of it, is larger than `max_response_bytes`; or a list is longer than anyone needs.
    #[error("the upstream's answer is too large (more than {limit})")]
    TooLarge {
        /// Bytes, or tools.
        limit: usize,
    },
    /// It accepted the request and then took too long. The tool may have run.
    #[error("the upstream did not answer in time")]
    TimedOut,
    /// A worker does not accept what we sign: only the operator can help. Nothing was executed.
    #[error(
        "the tool server does not accept our signature: `{setting}` is not its secret, or one of the clocks is wrong"
    )]
    NotTrusted {
        /// Where the secret stands in the file.
        setting: String,
    },
    /// A worker has the tool, or the version of it that the caller went by, no longer. Nothing was executed.
    #[error("the tool server has no `{tool}` any more")]
    Gone {
        /// `Kit.Tool@version`
        tool: String,
    },
    /// What it answers is not in its protocol.
    #[error("the upstream's answer cannot be understood: {why}")]
    Protocol {
        /// For logs.
        why: String,
    },
}

impl UpstreamError {
    /// One sentence without internals, for clients and people.
    pub fn public(&self) -> &'static str {
        match self {
            Self::Unauthorized { .. } => "The tool's server did not accept the credential.",
            Self::InsufficientScope { .. } => {
                "The tool's server wants more access than was granted."
            }
            Self::Refused { .. } => "The tool's server refused the request.",
            Self::Unavailable { .. } => "The tool's server is not available right now.",
            Self::TooLarge { .. } => "The tool's server sent a larger answer than is allowed here.",
            Self::TimedOut => "The tool's server did not answer in time.",
            Self::NotTrusted { .. } => {
                "The tool's server does not accept this gateway; its operator has to look at the secret they share."
            }
            Self::Gone { .. } => {
                "The tool's server does not have this tool any more, or not in this version; list the tools again."
            }
            Self::Protocol { .. } => "The tool's server sent an answer that cannot be understood.",
        }
    }

    /// Whether it is certain that nothing was executed, so that repeating is safe whatever the tool does.
    pub fn nothing_was_executed(&self) -> bool {
        match self {
            Self::Unauthorized { .. }
            | Self::InsufficientScope { .. }
            | Self::NotTrusted { .. }
            | Self::Gone { .. } => true,
            Self::Unavailable { sent, .. } => !sent,
            Self::Refused { .. }
            | Self::TooLarge { .. }
            | Self::TimedOut
            | Self::Protocol { .. } => false,
        }
    }

    pub(super) fn unreachable(why: impl Into<String>) -> Self {
        Self::Unavailable {
            why: why.into(),
            sent: false,
            retry_after: None,
        }
    }

    pub(super) fn broken(why: impl Into<String>) -> Self {
        Self::Unavailable {
            why: why.into(),
            sent: true,
            retry_after: None,
        }
    }

    pub(super) fn protocol(why: impl Into<String>) -> Self {
        Self::Protocol { why: why.into() }
    }
}
