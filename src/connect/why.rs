//! Why a flow ended without a credential.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::protocol::oauth::error::ErrorCode;

/// Why a flow failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Why {
    /// The user said no on our page.
    Declined,
    /// The user, or a policy there, said no at the provider.
    Denied,
    /// The provider sent the browser back with an error, or with nothing.
    ProviderError {
        /// Its word for it.
        code: Option<ErrorCode>,
        /// The log entry.
        reference: String,
    },
    /// The answer did not come from the provider the user was sent to (RFC 9207).
    WrongIssuer {
        /// The log entry.
        reference: String,
    },
    /// The provider would not give tokens for the code: it was late, or used, or not ours.
    CodeRefused {
        /// The log entry.
        reference: String,
    },
    /// The provider does not accept our client or request, or says nothing we understand: the operator has to act.
    Misconfigured {
        /// The log entry.
        reference: String,
    },
    /// The provider did not answer: later it may.
    Unavailable {
        /// The log entry.
        reference: String,
    },
    /// The application says that somebody else came.
    OtherPerson,
    /// The gateway stopped while it used what the user had brought back, which works only once.
    Interrupted,
    /// The user has as many accounts there as there may be.
    TooMany,
    /// Something broke here.
    Fault {
        /// The log entry.
        reference: String,
    },
}

impl Why {
    /// The log entry, where there is one.
    pub fn reference(&self) -> Option<&str> {
        match self {
            Self::Declined
            | Self::Denied
            | Self::OtherPerson
            | Self::Interrupted
            | Self::TooMany => None,
            Self::ProviderError { reference, .. }
            | Self::WrongIssuer { reference }
            | Self::CodeRefused { reference }
            | Self::Misconfigured { reference }
            | Self::Unavailable { reference }
            | Self::Fault { reference } => Some(reference),
        }
    }
}

/// For people, as the end of "The connection was not made: …".
impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Declined => "it was cancelled on the page",
            Self::Denied => "access was not granted at the provider",
            Self::ProviderError { .. } => "the provider answered with an error",
            Self::WrongIssuer { .. } => "the answer did not come from the provider",
            Self::CodeRefused { .. } => "the answer of the provider came too late, or was used already",
            Self::Misconfigured { .. } => {
                "the provider does not accept this gateway as it is configured; its operator has to act"
            }
            Self::Unavailable { .. } => "the provider does not answer at present",
            Self::OtherPerson => "another person came than the one it was begun for",
            Self::Interrupted => "the gateway stopped half-way",
            Self::TooMany => "the user has too many accounts connected there",
            Self::Fault { .. } => "something broke in the gateway",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_survives_its_record() {
        let why = Why::ProviderError {
            code: Some(ErrorCode::InvalidScope),
            reference: "1".into(),
        };
        let text = serde_json::to_string(&why).unwrap();
        assert_eq!(serde_json::from_str::<Why>(&text).unwrap(), why);
    }
}
