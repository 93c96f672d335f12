//! What of a call goes into the audit log: each credential it takes along, before it leaves, so that no client can have one
//! used unseen by going away in the middle.

use super::{
    Gateways,
    access::{Principal, Voucher},
    admit::{Held, Permit},
};
use crate::{
    audit::{Entry, Event, NotRecorded, Through},
    base::id::UpstreamName,
    upstream::UpstreamError,
};

impl Principal {
    /// On whose behalf, as the audit log has it.
    pub fn through(&self) -> Through {
        match self.voucher() {
            Voucher::ApiKey(key) => Through::ApiKey {
                api_key: key.clone(),
            },
            Voucher::Client(access) => Through::Client {
                client_id: access.approved.client_id.as_str().into(),
                client: access.approved.client_name.as_str().into(),
                grant: access.grant.as_str().into(),
            },
        }
    }
}

impl Gateways {
    /// Notes that the permit's tokens go to its upstream now.
    pub(super) async fn note_use(
        &self,
        principal: &Principal,
        permit: &Permit,
    ) -> Result<(), NotRecorded> {
        for held in &permit.held {
            let event = Event::Used {
                upstream: permit.tool.upstream.clone(),
                tool: permit.tool.what.native_name().into(),
            };
            self.trail.note(entry(principal, held, event)).await?;
        }
        Ok(())
    }

    /// Notes that the upstream did not take them, if that is what `error` says.
    pub(super) async fn note_refusal(
        &self,
        principal: &Principal,
        permit: &Permit,
        error: &UpstreamError,
    ) {
        let why = match error {
            UpstreamError::Unauthorized { .. } => "unauthorized",
            UpstreamError::InsufficientScope { .. } => "insufficient_scope",
            _ => return,
        };
        self.note_refused(principal, permit, why).await;
    }

    /// Notes that the service behind a worker's tool did not take them.
    pub(super) async fn note_refused_inside(&self, principal: &Principal, permit: &Permit) {
        self.note_refused(principal, permit, "unauthorized").await;
    }

    async fn note_refused(&self, principal: &Principal, permit: &Permit, why: &'static str) {
        for held in &permit.held {
            let event = Event::UseRefused {
                upstream: permit.tool.upstream.clone(),
                tool: permit.tool.what.native_name().into(),
                why,
            };
            self.trail.note_done(entry(principal, held, event)).await;
        }
    }
}

/// What is to be noted before an upstream is asked for its tools with these.
pub(super) fn listing(principal: &Principal, upstream: &UpstreamName, held: &[Held]) -> Vec<Entry> {
    let event = Event::Listed {
        upstream: upstream.clone(),
    };
    held.iter()
        .map(|held| entry(principal, held, event.clone()))
        .collect()
}

fn entry(principal: &Principal, held: &Held, event: Event) -> Entry {
    Entry::new(principal.user(), &held.provider, event)
        .connection(held.token.account.as_str())
        .through(principal.through())
        .gateway(Some(principal.gateway()))
}
