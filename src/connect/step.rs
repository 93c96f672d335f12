//! How a flow's stage changes in the store, and who hears of it: the audit log of each step, those who wait of the last.

use super::{
    Connect, Ending,
    flow::{Flow, NotNow, Stage},
    keys::open_key,
};
use crate::{
    base::id::FlowId,
    store::{StoreError, table::Change},
};

/// Why a flow's stage did not change.
#[derive(Debug, thiserror::Error)]
pub(super) enum StepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    NotNow(#[from] NotNow),
}

impl Connect {
    /// Takes a step by compare-and-swap; if it ended the flow, those who wait hear of it.
    pub(super) async fn step(
        &self,
        flow: &FlowId,
        transition: impl Fn(Flow) -> Result<Flow, NotNow> + Send + Sync,
    ) -> Result<Flow, StepError> {
        let stepped = self
            .flows
            .update(flow.as_str(), |flow| {
                Ok::<_, StepError>(Change::Keep(transition(flow)?))
            })
            .await?
            .ok_or(NotNow::Expired)?;
        self.tell_step(&stepped).await;
        match stepped.stage {
            Stage::Offered
            | Stage::AtProvider { .. }
            | Stage::AwaitingVerification { .. }
            | Stage::Settling { .. } => {}
            Stage::Completed { .. } | Stage::Failed { .. } => self.ended(&stepped).await,
        }
        Ok(stepped)
    }

    async fn ended(&self, flow: &Flow) {
        let user = flow.user.key();
        self.signals.raise(&format!("connected/{user}"));
        self.signals.raise(&format!("tools/{user}"));
        let now = self.clock.now();
        let ending = Ending {
            verification: flow.verification.clone(),
            next_uri: flow.next_uri.clone(),
        };
        let key = open_key(&flow.user, &flow.asker, &flow.provider, &flow.slot, &ending);
        let forgotten = self
            .open
            .update(&key, |id| {
                Ok::<_, StoreError>(if id == flow.id {
                    Change::Expire(id, Some(now))
                } else {
                    Change::Leave(id)
                })
            })
            .await;
        // The flow has ended all the same; a pointer left behind is looked through, and counts as open until it expires.
        if let Err(error) = forgotten {
            tracing::warn!(flow = ?flow.id, %error, "an ended flow still counts as open");
        }
    }
}
