//! Why an OpenID provider's sign-in came to nothing: for the log, for the metrics, and in which words for the page.

use crate::{
    protocol::oauth::{authorization_response::WrongIssuer, error::ErrorCode},
    web::sign_in_failure::{Misfit, SignInFailure},
};

/// Why nobody was signed in. What is said of the provider's answers is cut and quoted; tokens and codes are never in it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OidcError {
    /// It said nothing, or that it cannot answer now.
    #[error("it is not available: {0}")]
    Silent(&'static str),
    /// Its discovery document is none, or none we can use.
    #[error("its discovery document cannot be used: {0}")]
    Discovery(String),
    /// Its discovery document names another issuer (OpenID Connect Discovery §4.3).
    #[error("its discovery document is another issuer's: {0}")]
    Issuer(String),
    /// Its keys cannot be read.
    #[error("its keys cannot be read: {0}")]
    Keys(String),
    /// The browser came back with an error (OpenID Connect Core §3.1.2.6), or with neither code nor error.
    #[error("the browser came back with {}", .0.map_or("nothing", ErrorCode::as_str))]
    Answer(Option<ErrorCode>),
    /// The answer is another issuer's (RFC 9207).
    #[error(transparent)]
    MixUp(#[from] WrongIssuer),
    /// It does not know our client, or our secret.
    #[error("it does not accept our client ({0})")]
    Client(ErrorCode),
    /// It refused the code: late, used, or for another redirect URI.
    #[error("it does not accept its own code ({0})")]
    Code(ErrorCode),
    /// It refused the request as such.
    #[error("it does not accept our token request ({0})")]
    Request(ErrorCode),
    /// The token endpoint's answer is none.
    #[error("its token answer cannot be used: {0}")]
    Tokens(&'static str),
    /// The ID token does not stand up (OpenID Connect Core §3.1.3.7).
    #[error("its ID token was refused: {0}")]
    IdToken(&'static str),
    /// The ID token is of another time than ours.
    #[error("its clock and ours disagree: {0}")]
    Clock(&'static str),
    /// The userinfo endpoint's answer is none, or somebody else's.
    #[error("its userinfo answer cannot be used: {0}")]
    UserInfo(&'static str),
    /// It did not say the claim that names the user.
    #[error("it does not say the claim {0:?}")]
    NoClaim(String),
    /// It said it, but not as anything that can name a user.
    #[error("the claim {claim:?} cannot name a user: {why}")]
    BadClaim {
        /// Which claim.
        claim: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Users are known by an e-mail address that it says is not verified.
    #[error("it says that the e-mail address is not verified")]
    Unverified,
}

impl OidcError {
    /// One word for metrics.
    pub fn why(&self) -> &'static str {
        match self {
            Self::Silent(_) => "silent",
            Self::Discovery(_) => "discovery",
            Self::Issuer(_) => "issuer",
            Self::Keys(_) => "keys",
            Self::Answer(Some(ErrorCode::AccessDenied)) => "denied",
            Self::Answer(_) => "answer",
            Self::MixUp(_) => "mix_up",
            Self::Client(_) => "client",
            Self::Code(_) => "code",
            Self::Request(_) => "request",
            Self::Tokens(_) => "tokens",
            Self::IdToken(_) => "id_token",
            Self::Clock(_) => "clock",
            Self::UserInfo(_) => "userinfo",
            Self::NoClaim(_) | Self::BadClaim { .. } => "claim",
            Self::Unverified => "unverified",
        }
    }

    /// Whether somebody just said no, and nothing is wrong.
    pub(in crate::user_source) fn is_denial(&self) -> bool {
        matches!(self, Self::Answer(Some(ErrorCode::AccessDenied)))
    }

    /// For the page.
    pub(in crate::user_source) fn shown(&self, reference: String) -> SignInFailure {
        let misfit = match self {
            Self::Answer(Some(ErrorCode::AccessDenied)) => return SignInFailure::Denied,
            Self::Unverified => return SignInFailure::Unverified,
            Self::Silent(_) => return SignInFailure::Silent { reference },
            Self::Answer(Some(code)) => match code {
                ErrorCode::InvalidRequest
                | ErrorCode::InvalidScope
                | ErrorCode::UnsupportedResponseType => Misfit::Request,
                ErrorCode::InvalidClient | ErrorCode::UnauthorizedClient => Misfit::Client,
                ErrorCode::ServerError | ErrorCode::TemporarilyUnavailable => {
                    return SignInFailure::Silent { reference };
                }
                _ => {
                    let code = (*code != ErrorCode::Other).then(|| code.as_str());
                    return SignInFailure::Answer { code, reference };
                }
            },
            Self::Answer(None) => {
                let code = None;
                return SignInFailure::Answer { code, reference };
            }
            Self::MixUp(_) | Self::Code(_) | Self::Tokens(_) | Self::IdToken(_) => {
                return SignInFailure::Untrusted { reference };
            }
            Self::UserInfo(_) => return SignInFailure::Untrusted { reference },
            Self::Discovery(_) | Self::Keys(_) => Misfit::Discovery,
            Self::Issuer(_) => Misfit::Issuer,
            Self::Client(_) => Misfit::Client,
            Self::Request(_) => Misfit::Request,
            Self::Clock(_) => Misfit::Clock,
            Self::NoClaim(claim) => Misfit::NoClaim(claim.clone()),
            Self::BadClaim { claim, why } => Misfit::BadClaim(claim.clone(), why),
        };
        SignInFailure::NotSetUp { misfit, reference }
    }
}

/// A text of theirs as it may stand in our log: quoted, and not long.
pub(super) fn quoted(text: &str) -> String {
    let cut: String = text.chars().take(200).collect();
    format!("{cut:?}")
}
