//! Why nobody was signed in through an OpenID provider, in words for people: those at the browser, and those who run the
//! gateway and are shown the page.

use axum::http::StatusCode;

use super::{page::Tone, wording::Words};

/// Why nobody was signed in. References are those of the log ([`super::failure::Faults::reference`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignInFailure {
    /// Nobody waits for this answer: it is used, late, made up, or another browser's.
    NotExpected,
    /// The person, or a policy, said no there.
    Denied,
    /// Their e-mail address, by which they would be known, is not verified there.
    Unverified,
    /// The provider's answer to the browser was an error or made no sense.
    Answer {
        /// Its error code, if it is a registered one: never free text of theirs.
        code: Option<&'static str>,
        /// Under which it was logged.
        reference: String,
    },
    /// The provider was silent or overloaded.
    Silent {
        /// Under which it was logged.
        reference: String,
    },
    /// What it said of the person does not stand up.
    Untrusted {
        /// Under which it was logged.
        reference: String,
    },
    /// Something that only the operator can put right.
    NotSetUp {
        /// What.
        misfit: Misfit,
        /// Under which it was logged.
        reference: String,
    },
}

/// What the operator has to put right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// There is no discovery document, or none that can be used.
    Discovery,
    /// The provider spells its issuer otherwise.
    Issuer,
    /// `client_id` or `client_secret`.
    Client,
    /// The redirect URI, or the scopes.
    Request,
    /// The clocks.
    Clock,
    /// A claim that is not said.
    NoClaim(String),
    /// A claim that is said, but cannot name a user for this reason.
    BadClaim(String, &'static str),
}

impl SignInFailure {
    /// What an operator searches their log for.
    pub fn reference(&self) -> Option<&str> {
        match self {
            Self::NotExpected | Self::Denied | Self::Unverified => None,
            Self::Answer { reference, .. }
            | Self::Silent { reference }
            | Self::Untrusted { reference }
            | Self::NotSetUp { reference, .. } => Some(reference),
        }
    }

    /// Whether trying again is of no use.
    pub(super) fn is_for_the_operator(&self) -> bool {
        matches!(self, Self::NotSetUp { .. })
    }

    pub(super) fn words(&self, source: &str) -> Words {
        let tell = "If it happens again, give the people who run this gateway the reference below.";
        match self {
            Self::NotExpected => words(
                StatusCode::GONE,
                Tone::Warning,
                "This sign-in cannot be finished",
                [
                    "It was finished before, took too long, or was begun in another browser. Nobody was signed in by it.",
                    "Open the link from your client again. If you did not mean to sign in, just close this page.",
                ],
            ),
            Self::Denied => words(
                StatusCode::FORBIDDEN,
                Tone::Calm,
                "You were not signed in",
                [
                    &format!("The sign-in was declined at {source}."),
                    "Try again if that was not what you wanted. Otherwise you can close this window.",
                ],
            ),
            Self::Unverified => words(
                StatusCode::FORBIDDEN,
                Tone::Warning,
                "Your e-mail address is not verified",
                [
                    &format!(
                        "{source} says that your e-mail address is not verified yet, and here you are known by it."
                    ),
                    &format!("Verify it at {source}, then try again."),
                ],
            ),
            Self::Answer { code, .. } => words(
                StatusCode::BAD_GATEWAY,
                Tone::Trouble,
                &format!("{source} could not sign you in"),
                [
                    &match code {
                        Some(code) => format!("{source} answered with the error “{code}”."),
                        None => format!("{source} sent an answer that makes no sense."),
                    },
                    &format!("Try again. {tell}"),
                ],
            ),
            Self::Silent { .. } => words(
                StatusCode::SERVICE_UNAVAILABLE,
                Tone::Warning,
                &format!("{source} does not answer"),
                [
                    &format!(
                        "{source} knows who you are, and it cannot be reached at the moment. You were not signed in."
                    ),
                    &format!("Wait a little, then try again. {tell}"),
                ],
            ),
            Self::Untrusted { .. } => words(
                StatusCode::BAD_GATEWAY,
                Tone::Trouble,
                "We could not verify who you are",
                [
                    &format!(
                        "What {source} said of you does not stand up to our checks. You were not signed in."
                    ),
                    &format!("Try again. {tell}"),
                ],
            ),
            Self::NotSetUp { misfit, .. } => misfit.words(source),
        }
    }
}

impl Misfit {
    fn words(&self, source: &str) -> Words {
        let what = match self {
            Self::Discovery => format!(
                "what {source} publishes about itself cannot be used. Is “issuer” the address before /.well-known/openid-configuration?"
            ),
            Self::Issuer => format!(
                "{source} calls itself another issuer than this gateway expects. “issuer” has to be spelled exactly as {source} spells it, to the last slash."
            ),
            Self::Client => format!(
                "{source} does not accept this gateway. Are its “client_id” and “client_secret” right, and still good?"
            ),
            Self::Request => format!(
                "{source} does not accept what this gateway asks for. Is its redirect URI registered there, and may it ask for these “scopes”?"
            ),
            Self::Clock => format!(
                "the clocks of {source} and of this gateway differ by more than “leeway” allows."
            ),
            Self::NoClaim(claim) => format!(
                "{source} does not tell this gateway the claim “{claim}”, by which people are known here. Is “subject_claim” right, and do the “scopes” cover it?"
            ),
            Self::BadClaim(claim, why) => format!(
                "people are known here by the claim “{claim}”, and what {source} says there cannot be used: {why}."
            ),
        };
        words(
            StatusCode::BAD_GATEWAY,
            Tone::Trouble,
            &format!("{source} is not set up right here"),
            [
                &format!("You did everything right, but {what}"),
                "Trying again will not help. Show this page to the people who run this gateway; the reference below leads them to the log.",
            ],
        )
    }
}

fn words(status: StatusCode, tone: Tone, title: &str, text: [&str; 2]) -> Words {
    Words::new(status, tone, title, text)
}
