//! The application says who came: the only way on for what was held at the callback.
//!
//! The ticket is spent by compare-and-swap before the code is used, so of many who confirm at once one uses it, and the others
//! hear how it went. Should we stop in between, the flow has failed, and the code is used by nobody.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use url::Url;

use super::{
    StepError,
    flow::{Flow, Held, Stage, Status, Verification, Why},
    pages::{ConnectPages, Stop},
    rehearsal::Heard,
    settle::Settling,
    ticket::{self, Opened, Ticket},
};
use crate::{
    base::{
        id::{FlowId, UserId},
        secret::TokenHash,
    },
    protocol::oauth::scope::ScopeSet,
    store::StoreError,
};

/// So long one who confirms what another confirms at the same moment waits for the outcome.
const PATIENCE: Duration = Duration::from_secs(30);

/// Somebody who may speak for the users of a source says that one of them came, with this ticket.
#[derive(Clone, Copy)]
pub struct Vouching<'a> {
    /// Who, as the application says.
    pub user: &'a UserId,
    /// `flow_id`, or `auth_request_id`. A secret until it is spent.
    pub ticket: &'a str,
    /// Whether the ticket went to an address of its own ([`Verification::ByLink`]).
    pub by_link: bool,
}

/// The account is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// The flow, as it was called when it was offered.
    pub id: FlowId,
    /// Where the browser should go now; `None` after a rehearsal.
    pub next: Option<Url>,
    /// Whether it was confirmed before.
    pub again: bool,
}

/// Why nothing was connected by this word.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmError {
    /// No such ticket, or not one of this user source.
    #[error("nobody waits to be verified with this id")]
    Unknown,
    /// Another user came than the one the flow was begun for. It has failed.
    #[error("this is not the user whom the connection was begun for")]
    OtherPerson,
    /// Too late, or the user has set out anew since.
    #[error("the connection does not wait to be verified any more")]
    NotAwaited,
    /// It failed before.
    #[error("the connection was not made: {0}")]
    Ended(Why),
    /// It failed just now.
    #[error("the connection was not made: {0}")]
    Failed(Why),
    /// Another word is being acted upon, and takes its time.
    #[error("the connection is being made at this moment")]
    Busy,
    /// The store failed.
    #[error("the connection cannot be looked up right now")]
    Store(#[from] StoreError),
}

impl ConnectPages {
    /// Acts on the word of an application. A repetition of what was confirmed before gets the same answer.
    ///
    /// # Errors
    /// [`ConfirmError`]. What ended the flow is logged already, the rest is not.
    pub async fn confirm(&self, word: Vouching<'_>) -> Result<Confirmed, ConfirmError> {
        let ticket = TokenHash::of(word.ticket);
        let found = self.connect.tickets.get(&ticket.to_hex()).await?;
        let id = match found.map(|entry| entry.value) {
            None => return Err(ConfirmError::Unknown),
            Some(Ticket::Rehearsal(id)) => return self.rehearsed(&id, word.user).await,
            Some(Ticket::Flow(id)) => id,
        };
        let flow = self.connect.load(&id).await?;
        let flow = flow.filter(|flow| {
            let by_link = matches!(flow.verification, Verification::ByLink { .. });
            flow.user.source() == word.user.source() && by_link == word.by_link
        });
        let flow = flow.ok_or(ConfirmError::Unknown)?;
        match flow.held(ticket, self.connect.clock.now()) {
            Ok(_) if flow.user != *word.user => self.other_person(flow, ticket).await,
            Ok(held) => {
                let held = held.clone();
                self.spend(flow, ticket, held).await
            }
            Err(_) => self.already(flow, ticket, word.user).await,
        }
    }

    /// The flow's user came.
    async fn spend(
        &self,
        flow: Flow,
        ticket: TokenHash,
        held: Held,
    ) -> Result<Confirmed, ConfirmError> {
        let now = self.connect.clock.now();
        let spent = self
            .connect
            .step(&flow.id, |flow| flow.spend(ticket, now))
            .await;
        let flow = match spent {
            Ok(flow) => flow,
            Err(StepError::Store(error)) => return Err(error.into()),
            Err(StepError::NotNow(_)) => {
                let user = flow.user.clone();
                let flow = self.reload(&flow.id).await?;
                return self.already(flow, ticket, &user).await;
            }
        };
        let (id, user) = (flow.id.clone(), flow.user.clone());
        let pages = self.clone();
        // What went wrong on the way stands in the log, and in the flow where it could be written.
        let _ = self
            .see_through(async move { pages.settle(flow, ticket, &held).await })
            .await;
        let flow = self.reload(&id).await?;
        self.ended(&flow, &user).unwrap_or(Err(ConfirmError::Busy))
    }

    /// Uses what was held.
    async fn settle(self, flow: Flow, ticket: TokenHash, held: &Held) -> Result<(), Stop> {
        let opened = ticket::open(&self.sealer, &flow, ticket, held);
        let (asked, account) = match held {
            Held::Code { asked, .. } => (asked.clone(), None),
            Held::Key { account, .. } => (ScopeSet::default(), account.clone()),
        };
        let settling = Settling {
            pages: self,
            flow,
            awaited: ticket,
            asked,
        };
        let (code, verifier) = match opened {
            Ok(Opened::Code(code, verifier)) => (code, verifier),
            Ok(Opened::Key(key)) => return settling.take(key, account).await,
            Err(error) => return settling.broken("opening what was held", &error).await,
        };
        let config = settling.connect().live.now();
        match settling.provider(&config).await? {
            Some(provider) => settling.redeem(provider, &code, verifier.as_ref()).await,
            None => Ok(()),
        }
    }

    /// Somebody else came: the flow ends, and what was held is used by nobody.
    async fn other_person(&self, flow: Flow, ticket: TokenHash) -> Result<Confirmed, ConfirmError> {
        let now = self.connect.clock.now();
        let failed = self
            .connect
            .step(&flow.id, |flow| flow.fail(ticket, Why::OtherPerson, now))
            .await;
        match failed {
            Ok(_) => {
                let why = Why::OtherPerson;
                tracing::warn!(user = ?flow.user, flow = ?flow.id, provider = %flow.provider, "the connection was not made: {why}");
            }
            Err(StepError::NotNow(_)) => {}
            Err(StepError::Store(error)) => return Err(error.into()),
        }
        Err(ConfirmError::OtherPerson)
    }

    /// Nothing is held for this ticket any more: how it went, or is going.
    async fn already(
        &self,
        flow: Flow,
        ticket: TokenHash,
        user: &UserId,
    ) -> Result<Confirmed, ConfirmError> {
        let settling =
            matches!(flow.stage, Stage::Settling { ticket: spent, .. } if spent == ticket);
        if settling && flow.user == *user {
            return self.await_end(&flow).await;
        }
        match self.ended(&flow, user) {
            None => Err(ConfirmError::NotAwaited),
            Some(Err(ConfirmError::Failed(why))) => Err(ConfirmError::Ended(why)),
            Some(confirmed) => confirmed.map(|confirmed| Confirmed {
                again: true,
                ..confirmed
            }),
        }
    }

    async fn await_end(&self, flow: &Flow) -> Result<Confirmed, ConfirmError> {
        let deadline = Instant::now() + PATIENCE;
        let topic = format!("connected/{}", flow.user.key());
        let mut signal = self.connect.signals.subscribe(&topic);
        loop {
            let flow = self.reload(&flow.id).await?;
            if let Some(ended) = self.ended(&flow, &flow.user) {
                return ended;
            }
            if timeout_at(deadline, signal.wait()).await.is_err() {
                return Err(ConfirmError::Busy);
            }
        }
    }

    /// What whoever says that `user` came hears of a flow that has ended; `None` if it has not.
    fn ended(&self, flow: &Flow, user: &UserId) -> Option<Result<Confirmed, ConfirmError>> {
        match flow.status(self.connect.clock.now()) {
            Status::Open => (flow.user != *user).then_some(Err(ConfirmError::OtherPerson)),
            Status::Expired => Some(Err(ConfirmError::NotAwaited)),
            Status::Completed if flow.user != *user => Some(Err(ConfirmError::OtherPerson)),
            Status::Completed => Some(Ok(Confirmed {
                id: flow.id.clone(),
                next: Some(self.onward(flow).unwrap_or_else(|| self.next(flow))),
                again: false,
            })),
            Status::Failed(why) => Some(Err(ConfirmError::Failed(why))),
        }
    }

    async fn reload(&self, id: &FlowId) -> Result<Flow, ConfirmError> {
        let flow = self.connect.load(id).await?;
        flow.ok_or(ConfirmError::Unknown)
    }

    async fn rehearsed(&self, id: &FlowId, user: &UserId) -> Result<Confirmed, ConfirmError> {
        let rehearsal = self.connect.rehearsal(id).await?;
        let same = |user: &UserId| rehearsal.is_some_and(|it| it.user.source() == user.source());
        if !same(user) {
            return Err(ConfirmError::Unknown);
        }
        match self.connect.heard(id, user).await? {
            Some(Heard::Them) => Ok(Confirmed {
                id: id.clone(),
                next: None,
                again: false,
            }),
            Some(Heard::AnotherPerson) => Err(ConfirmError::OtherPerson),
            None => Err(ConfirmError::NotAwaited),
        }
    }
}
