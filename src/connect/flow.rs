//! A flow: one attempt to obtain a credential, as a value. Stages are an enum with their data, transitions consume the flow
//! and are told the time; nothing here does anything.
//!
//! ```text
//! Offered ──leave──► AtProvider ──complete──────────────────────────────► Completed        (verified at the browser)
//!    │                │  ▲    └──hold──► AwaitingVerification              ▲
//!    │                │  └──leave (again: a fresh state)──┤  └──spend──► Settling           (verified by the app)
//!    └──decline───────┴──┴─fail──────────────────────────┴──────────────┴──► Failed(why)
//! ```
//! Where users sign in with us, that the right person is at the browser is no stage: it is asked anew at each step (`verify`),
//! so that looking at a link changes nothing. Where an application vouches for its users, the provider's answer is held until it
//! did, and then used once. That a time is over is no stage either, but a comparison.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    audit::Through,
    base::{
        clock::{Span, Timestamp},
        id::{FlowId, GatewayName, ProviderName, UserId},
        seal::Sealed,
        secret::TokenHash,
    },
    protocol::oauth::scope::ScopeSet,
    provider::Account,
    vault::Slot,
};

pub use super::{landed::Landed, why::Why};

/// What a client calls itself is cut to this many characters.
const LONGEST_LABEL: usize = 200;
/// Who has not heard the end of a settling flow by then never will: the process that worked on it is gone. Exchange and
/// user info take a fraction of this at most.
const SETTLING: Span = Span::from_mins(2);

/// One attempt to obtain a credential.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Flow {
    /// Stands in its link.
    pub id: FlowId,
    /// Whose credential it is to be. Nobody else can take a step.
    pub user: UserId,
    /// Who asked.
    pub asker: Asker,
    /// Where they asked; `None` for a program that asked for the connection itself, and for no tool call.
    pub gateway: Option<GatewayName>,
    /// Whose tokens.
    pub provider: ProviderName,
    /// Which of the user's accounts there, and where a new one goes.
    #[serde(default)]
    pub slot: Slot,
    /// With which scopes, beside those the provider is always asked for.
    pub scopes: ScopeSet,
    /// How it is proved that the person at the browser is `user`.
    #[serde(default)]
    pub verification: Verification,
    /// Where the browser goes on to once it is done, in place of our page. Of an origin that the user source allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_uri: Option<Url>,
    /// When it was offered.
    pub created: Timestamp,
    /// From then on nobody can set out. Who is waiting to be verified by then has [`Stage::AwaitingVerification::until`].
    pub expires: Timestamp,
    /// How far it is.
    pub stage: Stage,
}

/// The client that asks for access, as the person is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asker {
    /// Tells askers apart; the same one gets the same link again. Never shown.
    pub key: String,
    /// What it calls itself. From outside: shown as text, on the page only.
    pub label: String,
    /// How we know it, such as `through the API key demo`.
    pub note: Option<String>,
    /// The same for the audit log.
    #[serde(default)]
    pub through: Through,
}

/// How it is proved that the person at the browser is the flow's user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Verification {
    /// They are signed in with us, before they leave and when they come back.
    #[default]
    AtBrowser,
    /// The user source's application says who came to its verifier URL.
    ByApp,
    /// The same, at an address that was given for this flow alone.
    ByLink {
        /// Of an origin that the user source allows.
        user_verify_url: Url,
        /// Given back to it as it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<String>,
    },
}

/// The key of [`Asker::own_page`]. No client's begins with a `/`.
const OWN_PAGE: &str = "/connections";

impl Asker {
    /// The user, on their own page.
    pub fn own_page() -> Self {
        Self {
            key: OWN_PAGE.to_owned(),
            label: "Your connections page".to_owned(),
            note: Some("You pressed the button there yourself".to_owned()),
            through: Through::Page,
        }
    }

    /// Whether it is the user on their own page, and no client.
    pub fn is_own_page(&self) -> bool {
        self.key == OWN_PAGE
    }
}

/// How far a flow is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Stage {
    /// The link was given out. Nothing exists for the provider yet.
    Offered,
    /// The user went on to the provider, to come back with this state.
    AtProvider {
        /// The hash of the one `state` that counts: one given out earlier is void.
        state: TokenHash,
        /// When they left.
        since: Timestamp,
    },
    /// Somebody came back with the provider's answer, and the application is to say who. Until then the answer is not used.
    AwaitingVerification {
        /// The hash of the ticket that the application is to show: it went through the browser to the verifier URL.
        ticket: TokenHash,
        /// What came back.
        held: Held,
        /// When they came back.
        since: Timestamp,
        /// From then on it is too late.
        until: Timestamp,
    },
    /// The application vouched for the user. The ticket is spent, and what was held is being used, by one task and once: should
    /// that stop half-way, nobody does it again.
    Settling {
        /// The hash of the ticket that was spent.
        ticket: TokenHash,
        /// When.
        since: Timestamp,
    },
    /// The credential is in the vault.
    Completed {
        /// Since when.
        at: Timestamp,
        /// What was asked for and not granted.
        missing: ScopeSet,
        /// Which account it was, for the page that says so.
        #[serde(default)]
        landed: Landed,
    },
    /// There will be no credential from this flow.
    Failed {
        /// Since when.
        at: Timestamp,
        /// The reason.
        why: Why,
    },
}

/// What becomes a credential once the user is verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "held", rename_all = "snake_case")]
pub enum Held {
    /// An authorization code, with its PKCE verifier.
    Code {
        /// Both. Bound to the flow and the ticket.
        sealed: Sealed,
        /// What the provider was asked for.
        asked: ScopeSet,
    },
    /// A key that was typed, and is good.
    Key {
        /// Bound to the flow and the ticket.
        sealed: Sealed,
        /// Whose account it is, if its issuer told.
        account: Option<Account>,
    },
}

/// Where a flow stands at some moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Steps can be taken.
    Open,
    /// The credential landed.
    Completed,
    /// It ended without one.
    Failed(Why),
    /// Its time was over before it ended.
    Expired,
}

/// Why a transition is not possible. The flow stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotNow {
    /// It ended already.
    #[error("the flow has ended")]
    Ended,
    /// Its time is over.
    #[error("the flow has expired")]
    Expired,
    /// Nobody is away at the provider for it, or with another state; or another ticket was given out since.
    #[error("the flow does not wait for this answer")]
    NotAwaited,
}

impl Asker {
    /// With a label not longer than a record should hold. What of it is fit to be shown is the page's affair.
    pub(super) fn cut(self) -> Self {
        let label: String = self.label.trim().chars().take(LONGEST_LABEL).collect();
        let label = if label.is_empty() {
            "A client".to_owned()
        } else {
            label
        };
        Self { label, ..self }
    }
}

impl Flow {
    /// Where the flow stands.
    pub fn status(&self, now: Timestamp) -> Status {
        let before = |end: Timestamp| {
            if now < end {
                Status::Open
            } else {
                Status::Expired
            }
        };
        match &self.stage {
            Stage::Offered | Stage::AtProvider { .. } => before(self.expires),
            Stage::AwaitingVerification { until, .. } => before(*until),
            Stage::Settling { since, .. } if now.duration_since(*since) < SETTLING => Status::Open,
            Stage::Settling { .. } => Status::Failed(Why::Interrupted),
            Stage::Completed { .. } => Status::Completed,
            Stage::Failed { why, .. } => Status::Failed(why.clone()),
        }
    }

    /// Whether it came to an end that stands in its record.
    pub fn has_ended(&self) -> bool {
        matches!(self.stage, Stage::Completed { .. } | Stage::Failed { .. })
    }

    /// The user agreed and goes to the provider, with a fresh state. May be done again, which voids the state before, and
    /// what was held.
    ///
    /// # Errors
    /// When the flow has ended or expired, or what was held is being used.
    pub fn leave(self, state: TokenHash, now: Timestamp) -> Result<Self, NotNow> {
        self.open(now)?;
        if now >= self.expires {
            return Err(NotNow::Expired);
        }
        if let Stage::Settling { .. } = self.stage {
            return Err(NotNow::NotAwaited);
        }
        Ok(self.at(Stage::AtProvider { state, since: now }))
    }

    /// The user said no on our page.
    ///
    /// # Errors
    /// When the flow has ended or expired.
    pub fn decline(self, now: Timestamp) -> Result<Self, NotNow> {
        self.open(now)?;
        let why = Why::Declined;
        Ok(self.at(Stage::Failed { at: now, why }))
    }

    /// Whether an answer with this state may be acted upon.
    ///
    /// # Errors
    /// When the flow has ended or expired, or waits for another state.
    pub fn awaits(&self, state: TokenHash, now: Timestamp) -> Result<(), NotNow> {
        self.open(now)?;
        match self.stage {
            Stage::AtProvider { state: awaited, .. } if awaited == state => Ok(()),
            _ => Err(NotNow::NotAwaited),
        }
    }

    /// The answer with this state came, and is held for whoever shows `ticket` before `until`.
    ///
    /// # Errors
    /// As [`Self::awaits`]; and when users are verified at the browser, where nothing is to be held.
    pub fn hold(
        self,
        state: TokenHash,
        (ticket, held): (TokenHash, Held),
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Self, NotNow> {
        self.awaits(state, now)?;
        if self.verification == Verification::AtBrowser {
            return Err(NotNow::NotAwaited);
        }
        Ok(self.at(Stage::AwaitingVerification {
            ticket,
            held,
            since: now,
            until,
        }))
    }

    /// What is held for whoever shows `ticket`, if it is not too late.
    ///
    /// # Errors
    /// When the flow has ended or expired, or there is another ticket.
    pub fn held(&self, ticket: TokenHash, now: Timestamp) -> Result<&Held, NotNow> {
        self.open(now)?;
        match &self.stage {
            Stage::AwaitingVerification {
                ticket: awaited,
                held,
                ..
            } if *awaited == ticket => Ok(held),
            _ => Err(NotNow::NotAwaited),
        }
    }

    /// The user was vouched for with `ticket`, which is good no more. Who takes this step uses what was held.
    ///
    /// # Errors
    /// As [`Self::held`].
    pub fn spend(self, ticket: TokenHash, now: Timestamp) -> Result<Self, NotNow> {
        self.held(ticket, now)?;
        Ok(self.at(Stage::Settling { ticket, since: now }))
    }

    /// The credential is in the vault. The clock does not matter any more: it was right when the answer came.
    ///
    /// # Errors
    /// When the flow has ended, nobody was at the provider, or nobody has said yet who came back.
    pub fn complete(
        self,
        missing: ScopeSet,
        landed: Landed,
        now: Timestamp,
    ) -> Result<Self, NotNow> {
        match (&self.stage, &self.verification) {
            (Stage::AtProvider { .. }, Verification::AtBrowser) | (Stage::Settling { .. }, _) => {
                Ok(self.at(Stage::Completed {
                    at: now,
                    missing,
                    landed,
                }))
            }
            (Stage::Completed { .. } | Stage::Failed { .. }, _) => Err(NotNow::Ended),
            (Stage::Offered | Stage::AtProvider { .. } | Stage::AwaitingVerification { .. }, _) => {
                Err(NotNow::NotAwaited)
            }
        }
    }

    /// What came with this state, or with this ticket, was no, or came to nothing.
    ///
    /// # Errors
    /// When the flow has ended, or waits for another.
    pub fn fail(self, awaited: TokenHash, why: Why, now: Timestamp) -> Result<Self, NotNow> {
        match self.stage {
            Stage::AtProvider { state: what, .. }
            | Stage::AwaitingVerification { ticket: what, .. }
            | Stage::Settling { ticket: what, .. }
                if what == awaited =>
            {
                Ok(self.at(Stage::Failed { at: now, why }))
            }
            Stage::Completed { .. } | Stage::Failed { .. } => Err(NotNow::Ended),
            _ => Err(NotNow::NotAwaited),
        }
    }

    fn open(&self, now: Timestamp) -> Result<(), NotNow> {
        match self.status(now) {
            Status::Open => Ok(()),
            Status::Expired => Err(NotNow::Expired),
            Status::Completed | Status::Failed(_) => Err(NotNow::Ended),
        }
    }

    fn at(self, stage: Stage) -> Self {
        Self { stage, ..self }
    }
}
