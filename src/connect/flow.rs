//! A flow: one attempt to obtain a credential, as a value. Stages are an enum with their data, transitions consume the flow
//! and are told the time; nothing here does anything.
//!
//! ```text
//! Offered ──leave──► AtProvider ──complete──► Completed
//!    │                │  ▲ leave (again: a fresh state)
//!    └──decline───────┴──┴─fail──► Failed(why)
//! ```
//! That the right person is at the browser is no stage: it is asked anew at each step (`verify`), so that looking at a link
//! changes nothing. That its time is over is no stage either, but a comparison.

use serde::{Deserialize, Serialize};

use crate::{
    base::{
        clock::Timestamp,
        id::{FlowId, GatewayName, ProviderName, UserId},
        secret::TokenHash,
    },
    protocol::oauth::scope::ScopeSet,
};

pub use super::why::Why;

/// One attempt to obtain a credential.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Flow {
    /// Stands in its link.
    pub id: FlowId,
    /// Whose credential it is to be. Nobody else can take a step.
    pub user: UserId,
    /// Who asked.
    pub asker: Asker,
    /// Where they asked.
    pub gateway: GatewayName,
    /// Whose tokens.
    pub provider: ProviderName,
    /// With which scopes, beside those the provider is always asked for.
    pub scopes: ScopeSet,
    /// When it was offered.
    pub created: Timestamp,
    /// From then on no step can be taken.
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
    /// The credential is in the vault.
    Completed {
        /// Since when.
        at: Timestamp,
        /// What was asked for and not granted.
        missing: ScopeSet,
    },
    /// There will be no credential from this flow.
    Failed {
        /// Since when.
        at: Timestamp,
        /// The reason.
        why: Why,
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
    /// Nobody is away at the provider for it, or with another state.
    #[error("the flow does not wait for this answer")]
    NotAwaited,
}

impl Flow {
    /// Where the flow stands.
    pub fn status(&self, now: Timestamp) -> Status {
        match &self.stage {
            Stage::Offered | Stage::AtProvider { .. } if now >= self.expires => Status::Expired,
            Stage::Offered | Stage::AtProvider { .. } => Status::Open,
            Stage::Completed { .. } => Status::Completed,
            Stage::Failed { why, .. } => Status::Failed(why.clone()),
        }
    }

    /// The user agreed and goes to the provider, with a fresh state. May be done again, which voids the state before.
    ///
    /// # Errors
    /// When the flow has ended or expired.
    pub fn leave(self, state: TokenHash, now: Timestamp) -> Result<Self, NotNow> {
        self.open(now)?;
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

    /// The credential is in the vault. The clock does not matter any more: it was right when the answer came.
    ///
    /// # Errors
    /// When the flow has ended, or nobody was at the provider.
    pub fn complete(self, missing: ScopeSet, now: Timestamp) -> Result<Self, NotNow> {
        match self.stage {
            Stage::AtProvider { .. } => Ok(self.at(Stage::Completed { at: now, missing })),
            Stage::Offered => Err(NotNow::NotAwaited),
            Stage::Completed { .. } | Stage::Failed { .. } => Err(NotNow::Ended),
        }
    }

    /// The answer with this state was no, or came to nothing.
    ///
    /// # Errors
    /// When the flow has ended, or waits for another state.
    pub fn fail(self, state: TokenHash, why: Why, now: Timestamp) -> Result<Self, NotNow> {
        match self.stage {
            Stage::AtProvider { state: awaited, .. } if awaited == state => {
                Ok(self.at(Stage::Failed { at: now, why }))
            }
            Stage::Offered | Stage::AtProvider { .. } => Err(NotNow::NotAwaited),
            Stage::Completed { .. } | Stage::Failed { .. } => Err(NotNow::Ended),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn state(name: &str) -> TokenHash {
        TokenHash::of(name)
    }

    fn flow(stage: Stage) -> Flow {
        Flow {
            id: FlowId::parse(&"f".repeat(27)).unwrap(),
            user: UserId::new("team".parse().unwrap(), "alice"),
            asker: Asker {
                key: "key/demo".into(),
                label: "curl".into(),
                note: None,
            },
            gateway: "work".parse().unwrap(),
            provider: "acme".parse().unwrap(),
            scopes: ScopeSet::parse("notes"),
            created: at(0),
            expires: at(100),
            stage,
        }
    }

    fn stages() -> [Stage; 4] {
        [
            Stage::Offered,
            Stage::AtProvider {
                state: state("s"),
                since: at(10),
            },
            Stage::Completed {
                at: at(20),
                missing: ScopeSet::default(),
            },
            Stage::Failed {
                at: at(20),
                why: Why::Denied,
            },
        ]
    }

    /// What each transition says at each stage, in the order of [`stages`]: the name of the next stage, or the refusal.
    fn verdicts(
        transition: impl Fn(Flow) -> Result<Flow, NotNow>,
    ) -> [Result<&'static str, NotNow>; 4] {
        stages().map(|stage| {
            transition(flow(stage)).map(|flow| match flow.stage {
                Stage::Offered => "offered",
                Stage::AtProvider { .. } => "at provider",
                Stage::Completed { .. } => "completed",
                Stage::Failed { .. } => "failed",
            })
        })
    }

    #[test]
    fn every_stage_and_every_transition() {
        use NotNow::{Ended, Expired, NotAwaited};
        let (leaves, fails) = (Ok("at provider"), Ok("failed"));
        let over = [Err(Expired), Err(Expired), Err(Ended), Err(Ended)];

        let leave = |now| move |flow: Flow| flow.leave(state("fresh"), at(now));
        assert_eq!(
            verdicts(leave(99)),
            [leaves, leaves, Err(Ended), Err(Ended)]
        );
        assert_eq!(verdicts(leave(100)), over);

        let decline = |now| move |flow: Flow| flow.decline(at(now));
        assert_eq!(
            verdicts(decline(99)),
            [fails, fails, Err(Ended), Err(Ended)]
        );
        assert_eq!(verdicts(decline(100)), over);

        let awaits = |name, now| move |flow: Flow| flow.awaits(state(name), at(now)).map(|()| flow);
        let awaited = [Err(NotAwaited), Ok("at provider"), Err(Ended), Err(Ended)];
        let unawaited = [Err(NotAwaited), Err(NotAwaited), Err(Ended), Err(Ended)];
        assert_eq!(verdicts(awaits("s", 99)), awaited);
        assert_eq!(verdicts(awaits("other", 99)), unawaited);
        assert_eq!(verdicts(awaits("s", 100)), over);

        let complete = |now| move |flow: Flow| flow.complete(ScopeSet::default(), at(now));
        let completed = [Err(NotAwaited), Ok("completed"), Err(Ended), Err(Ended)];
        assert_eq!(verdicts(complete(99)), completed);
        assert_eq!(verdicts(complete(100)), completed);

        let fail = |name, now| move |flow: Flow| flow.fail(state(name), Why::Denied, at(now));
        let failed = [Err(NotAwaited), fails, Err(Ended), Err(Ended)];
        assert_eq!(verdicts(fail("s", 99)), failed);
        assert_eq!(verdicts(fail("s", 100)), failed);
        assert_eq!(verdicts(fail("other", 99)), unawaited);
    }

    #[test]
    fn every_stage_and_its_status() {
        let status = |now| stages().map(|stage| flow(stage).status(at(now)));
        let failed = Status::Failed(Why::Denied);
        assert_eq!(
            status(99),
            [
                Status::Open,
                Status::Open,
                Status::Completed,
                failed.clone()
            ]
        );
        assert_eq!(
            status(100),
            [Status::Expired, Status::Expired, Status::Completed, failed]
        );
    }

    #[test]
    fn leaving_again_voids_the_state_before() {
        let flow = flow(Stage::Offered).leave(state("first"), at(1)).unwrap();
        let flow = flow.leave(state("second"), at(2)).unwrap();
        assert_eq!(flow.awaits(state("first"), at(3)), Err(NotNow::NotAwaited));
        assert_eq!(flow.awaits(state("second"), at(3)), Ok(()));
    }

    #[test]
    fn a_flow_survives_its_record() {
        for stage in stages() {
            let text = serde_json::to_string(&flow(stage.clone())).unwrap();
            let read: Flow = serde_json::from_str(&text).unwrap();
            assert_eq!(read.stage, stage);
        }
    }
}
