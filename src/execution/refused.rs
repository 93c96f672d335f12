//! Why a tool did not run.

use std::time::Duration;

use crate::{
    audit::NotRecorded,
    gateway::admit::{AdmitError, Need},
    protocol::arcade::invoke::kind,
    vault::VaultError,
};

/// What kept a tool from running, or, where its service refused the user's account, from doing what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum NotExecuted {
    /// There is no tool of that name for this principal.
    #[error("there is no such tool")]
    UnknownTool,
    /// Nobody knows: a server of this gateway could not be asked for its tools, ever.
    #[error("there is no such tool, as far as the servers that answer know")]
    Unlisted,
    /// There is, but not of the version that was asked for.
    #[error("the tool is there in the version {there:?} only")]
    WrongVersion {
        /// The version there is.
        there: String,
    },
    /// Accounts of the user's are missing, or of no use any more.
    #[error("accounts of the user's are missing")]
    NeedsUser(Vec<Need>),
    /// Something else that the tool needs is missing, or cannot be looked at.
    #[error(transparent)]
    Admit(#[from] AdmitError),
    /// Nobody would learn that a credential was used, so it was not.
    #[error(transparent)]
    Unrecorded(#[from] NotRecorded),
}

/// Whether the same may go well later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Nothing was executed, and what stood in the way may go away by itself.
    Later {
        /// Not before that.
        after: Option<Duration>,
    },
    /// Somebody has to do something first.
    Final,
}

impl NotExecuted {
    /// The kind of error, for programs: one of [`kind`].
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NeedsUser(_) | Self::Admit(_) => kind::REQUIREMENTS_NOT_MET,
            Self::Unlisted => kind::UNREACHABLE,
            Self::UnknownTool | Self::WrongVersion { .. } | Self::Unrecorded(_) => kind::UNKNOWN,
        }
    }

    /// One sentence without internals, for clients and people. Programs look for “authorization required” and “expired” in it.
    pub fn public(&self) -> String {
        match self {
            Self::UnknownTool => {
                "there is no such tool here; list the tools to see what they are called".to_owned()
            }
            Self::Unlisted => {
                "there is no such tool here at the moment: the tools of some server could not be listed; try again soon".to_owned()
            }
            Self::WrongVersion { there } => {
                format!("there is no such version of this tool; the version here is {there:.100}")
            }
            Self::NeedsUser(needs) => asked(needs),
            Self::Admit(error) => error.public(),
            Self::Unrecorded(_) => {
                "The call was not made, because it cannot be recorded right now; try again later."
                    .to_owned()
            }
        }
    }

    /// Whether the same may go well later, by itself.
    pub fn judgement(&self) -> Judgement {
        match self {
            // The tools of an upstream that does not answer are not there either.
            Self::UnknownTool
            | Self::Unlisted
            | Self::Unrecorded(_)
            | Self::Admit(AdmitError::Secret(_) | AdmitError::Vault(VaultError::Store(_))) => {
                Judgement::Later { after: None }
            }
            Self::Admit(AdmitError::Vault(VaultError::Unavailable { retry_after, .. })) => {
                Judgement::Later {
                    after: Some(*retry_after),
                }
            }
            Self::WrongVersion { .. } | Self::NeedsUser(_) | Self::Admit(_) => Judgement::Final,
        }
    }
}

fn asked(needs: &[Need]) -> String {
    let titles = |expired: bool| {
        let meant = needs.iter().filter(|need| need.expired == expired);
        let titles: Vec<_> = meant.map(|need| need.title.as_str()).collect();
        titles.join(", ")
    };
    let (new, expired) = (titles(false), titles(true));
    let mut words = "authorization required:".to_owned();
    if !new.is_empty() {
        words = format!("{words} the user has to connect {new}");
    }
    if !new.is_empty() && !expired.is_empty() {
        words.push(';');
    }
    if !expired.is_empty() {
        words = format!(
            "{words} the user's connection to {expired} has expired or was revoked, and has to be made again"
        );
    }
    words
}
