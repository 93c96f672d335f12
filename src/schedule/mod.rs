//! Runs that are ordered for later: they outlive the process, and run once.
//!
//! ```text
//! Schedule   takes orders, and tells how they stand        agenda   the records, in an order that no crash can hurt
//! Runner     begins what is due                            run      how a run stands, and what may be next
//!  └ attempt   take → prepare → say that it goes out → execute → keep the outcome → end
//!     └ hand     as the program that ordered it, by the configuration of then
//! ```
//!
//! A run is taken before anything is done for it, so that of several replicas one does. Where the process was cut off, the next one
//! begins again only if certainly nothing was executed, or if twice is as good as once; else the run has failed, and says so.

mod agenda;
mod attempt;
mod hand;
mod run;
mod runner;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::civil::DateTime;

use self::{
    agenda::Agenda,
    attempt::Attendant,
    hand::{ByExecutor, Hand},
    run::{later, whole},
};
pub use self::{
    run::{Attempt, KEPT, Named, Next, Outcome, Run, Sent, Stage},
    runner::Runner,
};
use crate::{
    base::{
        clock::{Clock, Span, Timestamp},
        entropy::Entropy,
        id::{ApiKeyName, UserId, UserSourceName},
        seal::Sealer,
    },
    config::{Config, live::Live},
    execution::{Execution, Executor, Inputs, Order},
    gateway::{access::AccessControl, view::Tool},
    store::{Store, StoreError, pieces::PiecesError, signal::Signals},
};

/// The topic that tells of new orders.
const NEWS: &str = "schedule/ordered";
/// So many runs of one key may wait.
pub const MOST_PENDING: usize = 1000;
/// So many runs of one key can be looked up; those that ended first are forgotten first.
const MOST_KEPT: usize = 5000;
/// The furthest time.
pub const FURTHEST: Span = Span::from_hours(366 * 24);

/// Takes orders for later. Cheap to clone.
#[derive(Clone)]
pub struct Schedule {
    agenda: Agenda,
    signals: Signals,
    entropy: Arc<dyn Entropy>,
}

/// What a schedule is made of.
pub struct Parts {
    /// Where runs are kept.
    pub store: Arc<dyn Store>,
    /// Seals what they are given and what they give.
    pub sealer: Sealer,
    /// Tells the runner of orders.
    pub signals: Signals,
    /// Says when they are due.
    pub clock: Arc<dyn Clock>,
    /// Makes their ids.
    pub entropy: Arc<dyn Entropy>,
}

/// Something to be run later.
pub struct Wanted<'a> {
    /// The key of the program that orders.
    pub key: &'a ApiKeyName,
    /// For whom; `None` for the program itself.
    pub user: Option<UserId>,
    /// What `order` means by its name now.
    pub tool: &'a Tool,
    /// What is to be run.
    pub order: Order,
    /// For when; in the past, at once.
    pub run_at: Timestamp,
}

/// Why nothing was ordered.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// The key has as many as it may have.
    #[error(
        "rate_limit: {MOST_PENDING} runs of this API key are waiting already, and more are not kept"
    )]
    TooMany,
    /// Nobody knows what will be then.
    #[error("`run_at` is more than a year away")]
    TooFar,
    /// Whoever ordered is not known any more.
    #[error("there is no such API key any more")]
    NoKey,
    /// The run was not kept.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A run with all that was kept of it.
#[derive(Debug)]
pub struct Detail {
    /// How it stands.
    pub run: Run,
    /// What the tool is given; empty if that does not open any more.
    pub input: Inputs,
    /// What came of each attempt, in their order; `None` where nothing was kept.
    pub outcomes: Vec<Option<Outcome>>,
}

/// A time as programs write it: RFC 3339, or without a zone, which is then UTC. A zone's name alone is not understood.
pub fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let zoned = text.parse::<Timestamp>().ok();
    zoned.or_else(|| {
        let utc = jiff::tz::TimeZone::UTC;
        let says_nothing = !text.contains('[');
        let civil: DateTime = text.parse().ok().filter(|_| says_nothing)?;
        civil.to_zoned(utc).ok().map(|zoned| zoned.timestamp())
    })
}

impl Schedule {
    /// Nothing runs until somebody runs [`Self::runner`].
    pub fn new(parts: Parts) -> Self {
        Self {
            agenda: Agenda::new(&parts.store, &parts.sealer, parts.clock),
            signals: parts.signals,
            entropy: parts.entropy,
        }
    }

    /// What looks after runs as `executor` runs tools, for those whom `access` lets in.
    pub fn runner(
        &self,
        live: Live,
        access: AccessControl,
        executor: Executor,
        clock: Arc<dyn Clock>,
    ) -> Runner {
        let hand = ByExecutor {
            live,
            access,
            executor,
            clock: Arc::clone(&clock),
        };
        self.runner_with(Arc::new(hand), clock)
    }

    fn runner_with(&self, hand: Arc<dyn Hand>, clock: Arc<dyn Clock>) -> Runner {
        let attendant = Attendant {
            agenda: self.agenda.clone(),
            hand,
            by: self.entropy.handle().into(),
        };
        Runner::new(attendant, self.signals.clone(), clock)
    }

    /// Keeps an order. What this gives is kept, and will be run.
    ///
    /// # Errors
    /// See [`ScheduleError`]; nothing is ordered.
    pub async fn order(
        &self,
        config: &Config,
        wanted: Wanted<'_>,
    ) -> Result<Execution, ScheduleError> {
        let now = self.agenda.now();
        let run_at = whole(wanted.run_at);
        if run_at > later(now, FURTHEST) {
            return Err(ScheduleError::TooFar);
        }
        let key = config.api_keys.get(wanted.key);
        let key = key.ok_or(ScheduleError::NoKey)?;
        self.make_room(wanted.key).await?;
        let (order, qualified) = (wanted.order, &wanted.tool.qualified);
        let run = Run {
            id: self.id(now),
            key: wanted.key.clone(),
            key_hash: key.hash,
            source: key.user_source.clone(),
            user: wanted.user,
            tool_name: order.tool_name,
            tool_version: order.tool_version,
            tool: Named {
                toolkit: qualified.toolkit.clone(),
                name: qualified.name.clone(),
                version: wanted.tool.version().map(str::to_owned),
                upstream: wanted.tool.upstream.clone(),
            },
            stacktrace: order.stacktrace,
            ordered: now,
            run_at,
            changed: now,
            stage: Stage::Waiting {
                due: run_at.max(now),
            },
            attempts: Vec::new(),
        };
        self.agenda.add(&run, &order.input).await?;
        self.signals.raise(NEWS);
        let (user, tool) = (&run.user, wanted.tool.qualified.dotted());
        tracing::info!(run = run.id, ?user, key = %run.key, tool, %run_at, "a run was ordered for later");
        Ok(hand::pending(&run))
    }

    /// Refuses one too many, and forgets what ended long ago.
    async fn make_room(&self, key: &ApiKeyName) -> Result<(), ScheduleError> {
        let runs = self.agenda.of_key(key.as_str()).await?;
        let pending = runs.iter().filter(|run| !run.has_ended()).count();
        if pending >= MOST_PENDING {
            return Err(ScheduleError::TooMany);
        }
        let ended = runs.iter().rev().filter(|run| run.has_ended());
        for run in ended.take((runs.len() + 1).saturating_sub(MOST_KEPT)) {
            self.agenda.forget(run).await?;
        }
        Ok(())
    }

    /// Begins with the time, the latest first in the order of texts.
    fn id(&self, now: Timestamp) -> String {
        let left = (1_u64 << 48).saturating_sub(now.as_millisecond().max(0).unsigned_abs());
        format!("te_{left:012x}{}", self.entropy.handle())
    }

    /// The runs that were ordered with a key, for users of `source` or for the program, the latest first.
    ///
    /// # Errors
    /// What the store says.
    pub async fn runs(
        &self,
        key: &ApiKeyName,
        source: &UserSourceName,
    ) -> Result<Vec<Run>, StoreError> {
        let mut runs = self.agenda.of_key(key.as_str()).await?;
        runs.retain(|run| run.source == *source);
        Ok(runs)
    }

    /// One of them; `None` if there is no such run.
    ///
    /// # Errors
    /// What the store says. What does not open is as if it were not there, and logged.
    pub async fn detail(
        &self,
        key: &ApiKeyName,
        source: &UserSourceName,
        id: &str,
    ) -> Result<Option<Detail>, StoreError> {
        if !could_be_id(id) {
            return Ok(None);
        }
        let run = self.agenda.get(key.as_str(), id).await?;
        let Some(run) = run.filter(|run| run.source == *source) else {
            return Ok(None);
        };
        let input = readable(&run, self.agenda.input(&run).await)?;
        let mut outcomes = Vec::with_capacity(run.attempts.len());
        for (number, attempt) in run.attempts.iter().enumerate() {
            outcomes.push(match attempt.cut_off {
                None => readable(&run, self.agenda.outcome(&run, number).await)?,
                Some(_) => None,
            });
        }
        Ok(Some(Detail {
            input: input.unwrap_or_default(),
            run,
            outcomes,
        }))
    }
}

fn could_be_id(text: &str) -> bool {
    let legal = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
    (1..=64).contains(&text.len()) && text.bytes().all(legal)
}

fn readable<T>(run: &Run, read: Result<Option<T>, PiecesError>) -> Result<Option<T>, StoreError> {
    match read {
        Ok(read) => Ok(read),
        Err(PiecesError::Store(error)) => Err(error),
        Err(error @ PiecesError::Sealed { .. }) => {
            tracing::error!(run = run.id, %error, "something kept of a scheduled run is lost");
            Ok(None)
        }
    }
}
