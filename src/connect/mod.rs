//! The way from "this tool needs an account" to a credential in the vault, through the user's browser.
//!
//! [`Connect`] opens flows and says how they stand. The pages are in the files below, one step each; every step ends by
//! redirecting to `/connect/{flow}`, and `dispatch` alone maps the stored stage to what is shown next.
//!
//! | record | key | lives |
//! |---|---|---|
//! | flow | `flows/{flow}` | as long as its link, and a day more, so that the page can say how it ended |
//! | open flow | `open_flows/{user key}/{hash of asker, provider and slot}` → flow | as long as the flow is open |
//! | state | `callbacks/{hash of state}` | minutes, and is taken by the first answer |
//! | ticket | `tickets/{hash of ticket}` → flow or rehearsal | as long as the flow is remembered |
//! | rehearsal | `rehearsals/{flow}` | as long as a link |
//! | awaited flow | `awaiting/{hash of MCP session}/{flow}` | as long as its link |
//! | pace | `flow_pace/{user key}` | until as good as never opened one |
//! | keys tried | `key_tries/{user key}/{provider}` | until as good as never tried one |

mod api_key;
mod callback;
mod confirm;
mod consent;
mod dispatch;
mod done;
pub mod flow;
mod keys;
mod landed;
mod noted;
mod pages;
pub mod rehearsal;
mod settle;
mod step;
mod ticket;
mod verify;
mod why;

#[cfg(test)]
mod tests_flow;

use std::{sync::Arc, time::Duration};

use url::Url;

use crate::{
    audit::Trail,
    base::{
        clock::{Clock, Span, Timestamp},
        entropy::Entropy,
        id::{FlowId, GatewayName, ProviderName, UserId},
    },
    config::{Provider, live::Live},
    protocol::oauth::scope::ScopeSet,
    store::{Store, StoreError, signal::Signals, table::Table},
    user_source::throttle::{Attempt, Rule, Throttle},
    vault::Slot,
    web::urls::Urls,
};
use callback::Callback;
use flow::{Asker, Flow, Stage, Status, Verification};
use keys::{open_key, session_key, titled};
use rehearsal::Rehearsal;
use step::StepError;
use ticket::Ticket;

pub use confirm::{ConfirmError, Confirmed, Vouching};
pub use pages::{ConnectPages, routes};

/// So long after its link expired a flow is still remembered.
const REMEMBERED: Span = Span::from_hours(24);
/// A link that would expire sooner than this is not given out again.
const SHORTEST_USE: Span = Span::from_mins(1);
/// A user with more open flows than this has clients that ask in circles.
const OPEN_AT_ONCE: usize = 50;
/// Forty fresh links at once, then two a minute. The same link again costs nothing.
const PACE: Rule = Rule {
    burst: 40,
    every: Span::from_secs(30),
};

/// Opens flows and says how they stand. Cheap to clone.
#[derive(Clone)]
pub struct Connect {
    flows: Table<Flow>,
    callbacks: Table<Callback>,
    open: Table<FlowId>,
    tickets: Table<Ticket>,
    rehearsals: Table<Rehearsal>,
    awaiting: Table<FlowId>,
    pace: Throttle,
    key_tries: Throttle,
    signals: Signals,
    trail: Trail,
    live: Live,
    urls: Urls,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// What is asked of a user.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Whose credential.
    pub user: &'a UserId,
    /// Who asks.
    pub asker: &'a Asker,
    /// Where; `None` for a program that asks for the connection itself.
    pub gateway: Option<&'a GatewayName>,
    /// At which provider.
    pub provider: &'a ProviderName,
    /// That provider's configuration.
    pub config: &'a Provider,
    /// Which of the user's accounts there.
    pub slot: &'a Slot,
    /// With which scopes: what is required, and what was granted before, which would be lost otherwise.
    pub scopes: &'a ScopeSet,
    /// How the user is verified, and where they go then.
    pub ending: &'a Ending,
    /// The legacy MCP session to tell when it is done ([`Connect::landed`]).
    pub notify: Option<&'a str>,
}

/// The second half of a flow: who says that the right person came, and where that person goes in the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// How it is proved who is at the browser. [`Verification::AtBrowser`] stands for the way of the user source, whichever that is.
    pub verification: Verification,
    /// Where the browser goes then, instead of a page of ours. To be checked against what the user source allows.
    pub next_uri: Option<Url>,
}

/// A link to give to the user's client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Which flow.
    pub flow: FlowId,
    /// Its page: needs a sign-in, so it is worth nothing to anybody else.
    pub url: Url,
    /// At which provider.
    pub provider: ProviderName,
    /// What to call the account: what pages call the provider, and the label if one was asked for.
    pub title: String,
    /// What it will ask for.
    pub scopes: ScopeSet,
    /// When the link goes stale.
    pub expires: Timestamp,
}

/// How a flow stands, for those who wait for it.
pub type Outcome = Status;

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The store failed.
    #[error("flows are not available: {0}")]
    Store(#[from] StoreError),
    /// This user was asked too often; asking again is good after so long.
    #[error("too many connections are being asked for; try again in {} seconds", .0.as_secs())]
    TooMany(Duration),
}

impl Connect {
    /// Flows in `store`.
    pub fn new(
        store: &Arc<dyn Store>,
        live: Live,
        urls: Urls,
        signals: Signals,
        trail: Trail,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            flows: Table::new(Arc::clone(store), "flows"),
            callbacks: Table::new(Arc::clone(store), "callbacks"),
            open: Table::new(Arc::clone(store), "open_flows"),
            tickets: Table::new(Arc::clone(store), "tickets"),
            rehearsals: Table::new(Arc::clone(store), "rehearsals"),
            awaiting: Table::new(Arc::clone(store), "awaiting"),
            pace: Throttle::new(Arc::clone(store), "flow_pace", Arc::clone(&clock)),
            key_tries: Throttle::new(Arc::clone(store), "key_tries", Arc::clone(&clock)),
            signals,
            trail,
            live,
            urls,
            clock,
            entropy,
        }
    }

    /// A link for what is asked: that of the flow that is open for it already, else of a new one. If a flow is open for less,
    /// the new one asks for what that one did, too.
    ///
    /// # Errors
    /// When this user was asked too often, or the store fails.
    pub async fn offer(&self, ask: Ask<'_>) -> Result<Offer, ConnectError> {
        let ending = self.ending(&ask);
        let ask = Ask {
            ending: &ending,
            ..ask
        };
        let flow = self.find_or_open(ask).await?;
        if let Some(session) = ask.notify {
            let key = format!("{}/{}", session_key(session), flow.id);
            self.awaiting
                .create(&key, &flow.id, Some(flow.expires))
                .await?;
        }
        Ok(Offer {
            url: self.urls.connect(&flow.id),
            flow: flow.id,
            provider: flow.provider,
            title: titled(ask.config, ask.slot),
            scopes: flow.scopes,
            expires: flow.expires,
        })
    }

    /// How a flow stands; `None` if there never was one, or it is forgotten. Topic to wait on: `connected/{user key}`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn outcome(&self, flow: &FlowId) -> Result<Option<Outcome>, StoreError> {
        let entry = self.flows.get(flow.as_str()).await?;
        Ok(entry.map(|entry| entry.value.status(self.clock.now())))
    }

    /// Completed flows that `session` asked to be told of, each once. Those that ended otherwise are forgotten.
    ///
    /// # Errors
    /// When the store fails; what was not returned is returned next time.
    pub async fn landed(&self, session: &str) -> Result<Vec<FlowId>, StoreError> {
        let prefix = format!("{}/", session_key(session));
        let mut landed = Vec::new();
        for (key, flow) in self.awaiting.list(&prefix, None, OPEN_AT_ONCE).await? {
            match self.outcome(&flow).await? {
                Some(Outcome::Open) => {}
                Some(Outcome::Completed) => landed.extend(self.awaiting.take(&key).await?),
                Some(Outcome::Failed(_) | Outcome::Expired) | None => {
                    self.awaiting.take(&key).await?;
                }
            }
        }
        Ok(landed)
    }

    /// As it was asked for; where an application vouches for its users, they cannot be verified at the browser.
    fn ending(&self, ask: &Ask<'_>) -> Ending {
        let mut ending = ask.ending.clone();
        let config = self.live.now();
        let source = config.user_sources.get(ask.user.source());
        let is_app = source.is_some_and(|source| source.app().is_some());
        if is_app && ending.verification == Verification::AtBrowser {
            ending.verification = Verification::ByApp;
        }
        ending
    }

    /// The page of a flow.
    pub fn url(&self, flow: &Flow) -> Url {
        self.urls.connect(&flow.id)
    }

    /// The time by which flows are judged.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn find_or_open(&self, ask: Ask<'_>) -> Result<Flow, ConnectError> {
        let key = open_key(ask.user, ask.asker, ask.provider, ask.slot, ask.ending);
        let now = self.clock.now();
        loop {
            let pointer = self.open.get(&key).await?;
            let found = match &pointer {
                Some(pointer) => self.flows.get(pointer.value.as_str()).await?,
                None => None,
            };
            let open = found
                .map(|entry| entry.value)
                .filter(|flow| flow.status(later(now, SHORTEST_USE)) == Status::Open);
            if let Some(flow) = &open
                && ask.scopes.missing_from(&flow.scopes).is_empty()
            {
                return Ok(flow.clone());
            }
            let flow = self.open_new(ask, open.as_ref(), now).await?;
            let pointed = match pointer {
                Some(seen) => self
                    .open
                    .replace(&key, seen.version, &flow.id, Some(flow.expires))
                    .await?
                    .is_some(),
                None => self.open.create(&key, &flow.id, Some(flow.expires)).await?,
            };
            if pointed {
                return Ok(flow);
            }
            // Somebody asked for the same at the same moment: there is one link for both, and it is theirs.
            self.flows.take(flow.id.as_str()).await?;
        }
    }

    async fn open_new(
        &self,
        ask: Ask<'_>,
        before: Option<&Flow>,
        now: Timestamp,
    ) -> Result<Flow, ConnectError> {
        let user = ask.user.key();
        let prefix = format!("{user}/");
        if self.open.list(&prefix, None, OPEN_AT_ONCE).await?.len() >= OPEN_AT_ONCE {
            return Err(ConnectError::TooMany(PACE.every.unsigned_abs()));
        }
        if let Attempt::Wait(wait) = self.pace.spend(&user, PACE).await? {
            return Err(ConnectError::TooMany(wait));
        }
        let lifetime = self.live.now().elicitation.flow_lifetime;
        let expires = later(now, Span::try_from(lifetime).unwrap_or(Span::MAX));
        let flow = Flow {
            id: FlowId::parse(&self.entropy.handle()).expect("a handle is what ids are made of"),
            user: ask.user.clone(),
            asker: ask.asker.clone().cut(),
            gateway: ask.gateway.cloned(),
            provider: ask.provider.clone(),
            slot: ask.slot.clone(),
            scopes: before.map_or_else(|| ask.scopes.clone(), |flow| flow.scopes.union(ask.scopes)),
            verification: ask.ending.verification.clone(),
            next_uri: ask.ending.next_uri.clone(),
            created: now,
            expires,
            stage: Stage::Offered,
        };
        let forgotten = later(expires, REMEMBERED);
        self.flows
            .create(flow.id.as_str(), &flow, Some(forgotten))
            .await?;
        Ok(flow)
    }

    /// The flow as it stands in the store; `None` if there never was one, or it is forgotten.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn load(&self, flow: &FlowId) -> Result<Option<Flow>, StoreError> {
        Ok(self
            .flows
            .get(flow.as_str())
            .await?
            .map(|entry| entry.value))
    }
}

fn later(time: Timestamp, by: Span) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}
