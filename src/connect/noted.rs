//! What of flows goes into the audit log: who was verified, what was connected, and what came to nothing.

use super::{
    Connect,
    flow::{Flow, Stage, Verification, Why},
};
use crate::{
    audit::{
        Entry, Event,
        event::{Change, Verifier},
    },
    base::id::UserId,
    provider::Account,
    vault::{Kept, KeptAs},
};

impl Connect {
    /// Tells the log what happened in a flow. Durable when this returns.
    pub(super) async fn tell(&self, flow: &Flow, event: Event) {
        self.trail.record_done(entry(flow, event)).await;
    }

    /// Tells the log what a step means that was just taken. What was connected is told where it was kept.
    pub(super) async fn tell_step(&self, flow: &Flow) {
        match &flow.stage {
            Stage::Settling { .. } => {
                let verifier = flow.verification.verifier();
                self.tell(flow, Event::Verified { verifier }).await;
            }
            Stage::Failed { why, .. } => {
                let event = why.event(&flow.verification);
                let entry = entry(flow, event).reference(why.reference());
                self.trail.record_done(entry).await;
            }
            Stage::Offered
            | Stage::AtProvider { .. }
            | Stage::AwaitingVerification { .. }
            | Stage::Completed { .. } => {}
        }
    }

    /// Tells the log what was kept.
    pub(super) async fn tell_kept(&self, flow: &Flow, kept: &Kept) {
        let connection = &kept.connection;
        let event = Event::Connected {
            change: match kept.change {
                KeptAs::New => Change::New,
                KeptAs::Updated => Change::Updated,
                KeptAs::Replaced => Change::Replaced,
            },
            scopes: connection.scopes.clone(),
            withheld: connection.withheld.clone(),
        };
        let account = connection.account.as_ref().map(Account::shown);
        let entry = entry(flow, event)
            .connection(connection.id.as_str())
            .account(account.map(str::to_owned));
        self.trail.record_done(entry).await;
    }

    /// Tells the log that the flow's user came back, signed in.
    pub(super) async fn tell_signed_in(&self, flow: &Flow) {
        let verifier = Verifier::SignIn;
        self.tell(flow, Event::Verified { verifier }).await;
    }

    /// Tells the log that somebody else is at the browser.
    pub(super) async fn tell_mismatch(&self, flow: &Flow, came: &UserId) {
        let event = Event::VerifyMismatch {
            verifier: Verifier::SignIn,
            came: Some(came.subject().into()),
        };
        self.trail.note_done(entry(flow, event)).await;
    }
}

fn entry(flow: &Flow, event: Event) -> Entry {
    Entry::new(&flow.user, &flow.provider, event)
        .through(flow.asker.through.clone())
        .gateway(flow.gateway.as_ref())
        .flow(&flow.id)
}

impl Verification {
    pub(super) fn verifier(&self) -> Verifier {
        match self {
            Self::AtBrowser => Verifier::SignIn,
            Self::ByApp => Verifier::App,
            Self::ByLink { .. } => Verifier::Link,
        }
    }
}

impl Why {
    fn event(&self, verification: &Verification) -> Event {
        let why = match self {
            Self::Declined => return Event::ConnectDeclined { why: "page" },
            Self::Denied => return Event::ConnectDeclined { why: "provider" },
            Self::OtherPerson => {
                return Event::VerifyMismatch {
                    verifier: verification.verifier(),
                    came: None,
                };
            }
            Self::ProviderError { .. } => "provider_error",
            Self::WrongIssuer { .. } => "wrong_issuer",
            Self::CodeRefused { .. } => "code_refused",
            Self::Misconfigured { .. } => "misconfigured",
            Self::Unavailable { .. } => "unavailable",
            Self::Interrupted => "interrupted",
            Self::TooMany => "too_many",
            Self::Fault { .. } => "fault",
        };
        Event::ConnectFailed { why }
    }
}
