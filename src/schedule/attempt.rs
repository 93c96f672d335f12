//! One look at a run whose time has come: an attempt from beginning to end, or what is to be done about one that was cut off.

use std::{convert::Infallible, sync::Arc, time::Duration};

use super::{
    agenda::{Agenda, Entry},
    hand::{Hand, Refused},
    run::{Next, Outcome, Run, Sent, Stage},
};
use crate::{
    base::clock::Timestamp,
    execution::{Inputs, Order},
    store::{StoreError, pieces::PiecesError},
};

/// How often a run under way says that it is. Well below [`super::run::LEASE`].
const BEAT: Duration = Duration::from_secs(20);
/// How often an outcome is offered to a store that fails: the tool may have run, and will not run again for it.
const OFFERS: u64 = 5;

/// One process's part in looking after runs. Cheap to clone.
#[derive(Clone)]
pub(super) struct Attendant {
    pub agenda: Agenda,
    pub hand: Arc<dyn Hand>,
    /// This process's word for itself; another at each start.
    pub by: Arc<str>,
}

/// A run that is ours for now.
struct Ours<'a> {
    run: &'a Run,
    /// As it was when it became ours.
    stage: &'a Stage,
}

impl Attendant {
    /// Does what is to be done about a run. Whether that was anything.
    pub async fn attend(&self, entry: &Entry) -> Result<bool, StoreError> {
        let Some(run) = self.agenda.get(&entry.key, &entry.id).await? else {
            return self.agenda.drop_orphan(entry).await;
        };
        if run.next_look() > entry.when {
            self.agenda.drop_entry(entry).await?;
            return Ok(true);
        }
        match run.stage {
            Stage::Waiting { .. } => self.attempt(&run).await,
            Stage::UnderWay { .. } => self.cut_off(&run).await,
            Stage::Ended { .. } => {
                self.agenda.forget(&run).await?;
                Ok(true)
            }
        }
    }

    /// Takes the run first; of many who would, one does.
    async fn attempt(&self, run: &Run) -> Result<bool, StoreError> {
        let now = self.agenda.now();
        let taken = self.agenda.step(run, |run| run.taken(&self.by, now));
        let Some(run) = taken.await? else {
            return Ok(false);
        };
        let (run, stage) = (&run, &run.stage);
        let ours = Ours { run, stage };
        let outcome = tokio::select! {
            outcome = self.work(&ours) => outcome?,
            lost = self.keep_alive(&ours) => match lost? {},
        };
        let Some(outcome) = outcome else {
            tracing::warn!(run = run.id, "a scheduled run is somebody else's by now");
            return Ok(true);
        };
        self.end(&ours, &outcome).await.map(|()| true)
    }

    /// `None` if it is not ours any more.
    async fn work(&self, ours: &Ours<'_>) -> Result<Option<Outcome>, StoreError> {
        let run = ours.run;
        let input = match self.agenda.input(run).await {
            Ok(Some(input)) => input,
            Ok(None) => return Ok(Some(self.refuse(run, "What this run was given is lost."))),
            Err(PiecesError::Store(error)) => return Err(error),
            Err(error @ PiecesError::Sealed { .. }) => {
                tracing::error!(run = run.id, %error, "a scheduled run cannot be made");
                let why = "What this run was given cannot be read; ask the gateway's operator.";
                return Ok(Some(self.refuse(run, why)));
            }
        };
        let ready = match self.hand.prepare(run, order(run, input)).await {
            Ok(ready) => ready,
            Err(outcome) => return Ok(Some(outcome)),
        };
        let sent = match ready.may_run_twice() {
            true => Sent::Repeatable,
            false => Sent::Once,
        };
        if self.say(ours, Some(sent)).await?.is_none() {
            return Ok(None);
        }
        Ok(Some(ready.execute().await))
    }

    /// Says now and then that the run is under way. Returns when it is somebody else's; the call in hand is then given up.
    async fn keep_alive(&self, ours: &Ours<'_>) -> Result<Infallible, StoreError> {
        loop {
            tokio::time::sleep(BEAT).await;
            match self.say(ours, None).await {
                Ok(Some(_)) => {}
                Ok(None) => return Err(StoreError::Contended(ours.run.id.clone())),
                Err(error) => {
                    tracing::warn!(run = ours.run.id, %error, "a scheduled run could not say that it is under way");
                }
            }
        }
    }

    async fn say(&self, ours: &Ours<'_>, sent: Option<Sent>) -> Result<Option<Run>, StoreError> {
        let now = self.agenda.now();
        let said = |run: Run| run.goes_on(ours.stage, now, sent);
        self.agenda.step(ours.run, said).await
    }

    fn refuse(&self, run: &Run, why: &str) -> Outcome {
        Refused::for_good(why).outcome(run, self.agenda.now())
    }

    /// The outcome first, and that there is one after: what was executed is never without its outcome for want of a record.
    async fn end(&self, ours: &Ours<'_>, outcome: &Outcome) -> Result<(), StoreError> {
        let mut offers = 1;
        loop {
            match self.ended(ours, outcome).await {
                Err(error) if offers == OFFERS => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(100 * offers)).await,
                Ok(()) => return Ok(()),
            }
            offers += 1;
        }
    }

    async fn ended(&self, ours: &Ours<'_>, outcome: &Outcome) -> Result<(), StoreError> {
        let run = ours.run;
        self.agenda.keep(run, run.attempt(), outcome).await?;
        let (now, success) = (self.agenda.now(), outcome.execution.success);
        let after = self.agenda.step(run, |run| {
            run.after(ours.stage, now, success.or(Some(false)), outcome.next)
        });
        match after.await? {
            Some(run) => told(&run, outcome),
            None => tracing::warn!(run = run.id, "a scheduled run ended after it was given up"),
        }
        Ok(())
    }

    /// Whoever was at it is gone. What came of it counts, if it was kept; else what may have happened decides.
    async fn cut_off(&self, run: &Run) -> Result<bool, StoreError> {
        let Stage::UnderWay { until, sent, .. } = run.stage else {
            return Ok(false);
        };
        let (now, theirs) = (self.agenda.now(), &run.stage);
        if until > now {
            return Ok(false);
        }
        let outcome = match self.agenda.outcome(run, run.attempt()).await {
            Ok(outcome) => outcome,
            Err(PiecesError::Store(error)) => return Err(error),
            Err(error @ PiecesError::Sealed { .. }) => {
                tracing::error!(run = run.id, %error, "what came of a scheduled run is lost");
                None
            }
        };
        let (success, next) = match (&outcome, sent) {
            (Some(outcome), _) => (outcome.execution.success.or(Some(false)), outcome.next),
            (None, Sent::Once) => (None, Next::Over),
            (None, Sent::Nothing | Sent::Repeatable) => (None, Next::Again { not_before: None }),
        };
        let after = |run: Run| match run.next_look() <= now {
            true => run.after(theirs, now, success, next),
            // It was slow, not gone.
            false => None,
        };
        let Some(after) = self.agenda.step(run, after).await? else {
            return Ok(false);
        };
        tracing::warn!(run = run.id, user = ?run.user, ?sent, again = !after.has_ended(), "a scheduled run was cut off");
        Ok(true)
    }
}

fn order(run: &Run, input: Inputs) -> Order {
    Order {
        tool_name: run.tool_name.clone(),
        tool_version: run.tool_version.clone(),
        input,
        stacktrace: run.stacktrace,
        patience: None,
    }
}

fn told(run: &Run, outcome: &Outcome) {
    let Run { id, user, key, .. } = run;
    let tool = &outcome.execution.tool_name;
    let attempts = run.attempts.len();
    let due: Option<Timestamp> = match run.stage {
        Stage::Waiting { due } => Some(due),
        _ => None,
    };
    let output = outcome.execution.output.as_ref();
    let error = output.and_then(|output| output.error.as_ref());
    let kind = error.map(|error| error.kind.as_str());
    match (due, outcome.execution.success) {
        (Some(due), _) => {
            tracing::info!(run = id, ?user, %key, tool, attempts, kind, %due, "a scheduled run did not begin, and is tried again")
        }
        (None, Some(true)) => {
            tracing::info!(run = id, ?user, %key, tool, attempts, "a scheduled run was made")
        }
        (None, _) => {
            tracing::warn!(run = id, ?user, %key, tool, attempts, kind, "a scheduled run failed")
        }
    }
}
