//! Failures as people at a browser see them: plain words, what to do next, and nothing of our inside.
//!
//! A fault (something we cannot act on) is logged once, here, under a reference; the page shows the reference and no more.

use std::{error::Error, fmt::Write, sync::Arc};

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};

use super::{
    authorize_failure::AuthorizeFailure,
    connection_failure::ConnectionFailure,
    csrf::Forged,
    page::{self, FailedPage, Person, SwitchForm},
    sign_in_failure::SignInFailure,
    wording::Words,
};
use crate::base::entropy::Entropy;

/// How long a browser that met [`PageFailure::Busy`], or a provider that does not answer, is asked to wait. Seconds.
const BUSY_RETRY: u64 = 5;

/// Notes faults. Cheap to clone; every handlers' state holds one.
#[derive(Clone)]
pub struct Faults {
    entropy: Arc<dyn Entropy>,
}

/// Something broke that the person asking can do nothing about. It stands in the log already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    reference: String,
}

/// Why a page could not be what was asked for.
#[derive(Clone, Debug)]
pub enum PageFailure {
    /// No such page.
    NotFound,
    /// The request makes no sense: a missing or repeated field, say.
    Unreadable,
    /// More was sent than any form of ours holds.
    TooLarge,
    /// Something is the matter with the link itself.
    Link(LinkFailure),
    /// Someone else is signed in than the one who was asked.
    OtherPerson {
        /// Who is signed in.
        person: Person,
        /// "Sign in as someone else".
        switch: SwitchForm,
    },
    /// A form from elsewhere, or from a page that is out of date.
    Forged(Forged),
    /// Nothing was connected, for a reason that lies at the provider or with the person.
    Provider {
        /// What the provider is called.
        provider: String,
        /// Why.
        failure: ProviderFailure,
    },
    /// A client's request to be let in, which cannot be answered at the client.
    Authorize(AuthorizeFailure),
    /// Something that a user wanted of their own connections.
    Connection(ConnectionFailure),
    /// Nobody was signed in through an OpenID provider.
    SignIn {
        /// What the user source is called.
        source: String,
        /// Why.
        failure: SignInFailure,
        /// Where to try again, where one can; shown if it makes sense.
        again: Option<String>,
    },
    /// The user source signs nobody in at present.
    SignInClosed {
        /// What the user source is called.
        source: String,
    },
    /// Too many attempts.
    TooMany {
        /// Good to try again in so many seconds.
        retry_after: u64,
    },
    /// Too much to do at the moment; nothing is broken.
    Busy,
    /// Something broke.
    Fault(Fault),
}

/// What may be the matter with a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkFailure {
    /// No flow has it.
    Unknown,
    /// The flow's time is over.
    Expired,
    /// A provider's answer that was taken already, or was not meant for this browser.
    Used,
    /// What the person brought back is being used at this moment.
    Settling,
}

/// Why a provider was not connected. References are those of the log ([`Faults::reference`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderFailure {
    /// The person pressed Cancel on our page.
    Cancelled,
    /// The person, or a policy, said no at the provider.
    Denied,
    /// The application says that somebody else came than the one who was asked.
    OtherPerson,
    /// We stopped half-way.
    Interrupted,
    /// The user has as many accounts there as there may be.
    TooMany,
    /// The provider's answer to the browser was an error or made no sense.
    Error {
        /// Its error code, if it is a registered one (RFC 6749 §4.1.2.1): never free text of theirs.
        code: Option<String>,
        /// Under which it was logged.
        reference: String,
    },
    /// The token endpoint was silent or overloaded.
    Silent {
        /// Under which it was logged.
        reference: String,
    },
    /// The token endpoint refused us, or answered nonsense: the operator must act.
    TokenRefused {
        /// Under which it was logged.
        reference: String,
    },
}

impl Faults {
    /// Notes faults under references drawn from `entropy`.
    pub fn new(entropy: Arc<dyn Entropy>) -> Self {
        Self { entropy }
    }

    /// Logs `error`, once, with all its sources. `doing` completes the sentence "failed while …".
    pub fn note(&self, doing: &str, error: &dyn Error) -> Fault {
        let fault = Fault {
            reference: self.reference(),
        };
        tracing::error!(reference = %fault.reference, error = %chain(error), "failed while {doing}");
        fault
    }

    /// A fresh reference, for a failure that is logged elsewhere: eight hexadecimal digits in two groups.
    pub fn reference(&self) -> String {
        let mut bytes = [0; 4];
        self.entropy.fill(&mut bytes);
        let [a, b, c, d] = bytes;
        format!("{a:02x}{b:02x}-{c:02x}{d:02x}")
    }
}

impl Fault {
    /// One that was logged under `reference` earlier.
    pub fn noted(reference: String) -> Self {
        Self { reference }
    }

    /// What the log and the page have in common.
    pub fn reference(&self) -> &str {
        &self.reference
    }
}

impl From<Fault> for PageFailure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Forged> for PageFailure {
    fn from(forged: Forged) -> Self {
        Self::Forged(forged)
    }
}

impl From<LinkFailure> for PageFailure {
    fn from(failure: LinkFailure) -> Self {
        Self::Link(failure)
    }
}

impl From<AuthorizeFailure> for PageFailure {
    fn from(failure: AuthorizeFailure) -> Self {
        Self::Authorize(failure)
    }
}

impl From<ConnectionFailure> for PageFailure {
    fn from(failure: ConnectionFailure) -> Self {
        Self::Connection(failure)
    }
}

impl IntoResponse for PageFailure {
    fn into_response(self) -> Response {
        let words = Words::of(&self);
        let (person, switch) = match &self {
            Self::OtherPerson { person, switch } => (Some(person), Some(switch)),
            _ => (None, None),
        };
        let page = FailedPage {
            tone: words.tone,
            title: &words.title,
            what: &words.what,
            next: &words.next,
            reference: self.reference(),
            person,
            switch,
            connections: matches!(self, Self::Connection(_)),
            again: match &self {
                Self::SignIn { failure, again, .. } if !failure.is_for_the_operator() => {
                    again.as_deref()
                }
                _ => None,
            },
        };
        let mut response = page::respond(words.status, &page);
        if let Some(seconds) = self.retry_after() {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl PageFailure {
    fn reference(&self) -> Option<&str> {
        match self {
            Self::Provider { failure, .. } => match failure {
                ProviderFailure::Cancelled
                | ProviderFailure::Denied
                | ProviderFailure::OtherPerson
                | ProviderFailure::Interrupted
                | ProviderFailure::TooMany => None,
                ProviderFailure::Error { reference, .. }
                | ProviderFailure::Silent { reference }
                | ProviderFailure::TokenRefused { reference } => Some(reference),
            },
            Self::SignIn { failure, .. } => failure.reference(),
            Self::Fault(fault) => Some(fault.reference()),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooMany { retry_after } => Some(*retry_after),
            Self::Busy
            | Self::SignIn {
                failure: SignInFailure::Silent { .. },
                ..
            } => Some(BUSY_RETRY),
            _ => None,
        }
    }
}

/// An error and its sources, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}
