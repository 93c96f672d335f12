//! The records of runs, and the order in which they are written, so that a crash between any two of them loses nothing.
//!
//! | table | key | |
//! |---|---|---|
//! | `scheduled_run` | `{api key}/{id}` | how a run stands: the truth |
//! | `scheduled_due` | `{milliseconds}/{api key}/{id}` | somebody has to look at it then: a hint |
//! | `scheduled_input` | `{api key}/{id}/{n}` | what the tool is given, sealed |
//! | `scheduled_outcome` | `{api key}/{id}/{attempt}/{n}` | what came of an attempt, sealed |
//!
//! A hint is written before what it is about, and taken away after. So there is one for every run at any time, and those that are
//! about nothing any more are noticed when their time comes. Ids begin with the time, the latest first.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::run::{Outcome, Run, later, whole};
use crate::{
    base::{
        clock::{Clock, Span, Timestamp},
        seal::{Purpose, Sealer},
    },
    execution::Inputs,
    store::{
        Store, StoreError,
        pieces::{Pieces, PiecesError},
        table::Table,
    },
};

/// So long an order may take from its hint to its run. A hint without a run that is older is about nothing.
const ORDERING: Span = Span::from_secs(60);
/// As often as others may come first.
const COLLISIONS: u32 = 100;
/// Records that are read at a time.
const PAGE: usize = 200;

/// Where runs are kept.
#[derive(Clone)]
pub(super) struct Agenda {
    runs: Table<Run>,
    due: Table<Due>,
    inputs: Pieces,
    outcomes: Pieces,
    clock: Arc<dyn Clock>,
}

/// What a hint says beside its key.
#[derive(Clone, Serialize, Deserialize)]
struct Due {
    noted: Timestamp,
}

/// A hint as it was read.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// When somebody has to look.
    pub when: Timestamp,
    /// The API key's name.
    pub key: String,
    /// The run's id.
    pub id: String,
    /// The key of this record.
    pub place: String,
    noted: Timestamp,
}

impl Agenda {
    pub fn new(store: &Arc<dyn Store>, sealer: &Sealer, clock: Arc<dyn Clock>) -> Self {
        let pieces = |name| {
            let (store, sealer) = (Arc::clone(store), sealer.clone());
            Pieces::new(store, name, sealer, Purpose::ScheduledRun)
        };
        Self {
            runs: Table::new(Arc::clone(store), "scheduled_run"),
            due: Table::new(Arc::clone(store), "scheduled_due"),
            inputs: pieces("scheduled_input"),
            outcomes: pieces("scheduled_outcome"),
            clock,
        }
    }

    /// The time, as it stands in records.
    pub fn now(&self) -> Timestamp {
        whole(self.clock.now())
    }

    /// A new run. What this acknowledged will be looked at.
    pub async fn add(&self, run: &Run, input: &Inputs) -> Result<(), StoreError> {
        let begun = self.now();
        let input = serde_json::to_vec(input).expect("JSON serialises");
        self.hint(run, run.next_look()).await?;
        self.inputs.put(&place(run), &input, None).await?;
        self.runs.create(&place(run), run, None).await?;
        if self.now() < later(begun, ORDERING / 2) {
            return Ok(());
        }
        // So slow that the hint may be taken for one about nothing.
        self.forget(run).await?;
        let slow = "it took too long to keep a run";
        Err(StoreError::Unavailable(slow.into()))
    }

    /// The run of that id.
    pub async fn get(&self, key: &str, id: &str) -> Result<Option<Run>, StoreError> {
        let entry = self.runs.get(&format!("{key}/{id}")).await?;
        Ok(entry.map(|entry| entry.value))
    }

    /// All runs of a key, the latest first.
    pub async fn of_key(&self, key: &str) -> Result<Vec<Run>, StoreError> {
        let (mut runs, mut after) = (Vec::new(), None::<String>);
        let prefix = format!("{key}/");
        loop {
            let page = self.runs.list(&prefix, after.as_deref(), PAGE).await?;
            let Some((last, _)) = page.last() else {
                return Ok(runs);
            };
            after = Some(last.clone());
            runs.extend(page.into_iter().map(|(_, run)| run));
        }
    }

    /// Hints in the order of their times, after one that was seen before.
    pub async fn entries(&self, after: Option<&str>) -> Result<Vec<Entry>, StoreError> {
        let page = self.due.list("", after, PAGE).await?;
        let read = page.into_iter().filter_map(|(place, due)| {
            let mut parts = place.splitn(3, '/');
            let when = parts.next()?.parse().ok()?;
            let (key, id) = (parts.next()?.to_owned(), parts.next()?.to_owned());
            Some(Entry {
                when: Timestamp::from_millisecond(when).ok()?,
                key,
                id,
                noted: due.noted,
                place,
            })
        });
        Ok(read.collect())
    }

    /// Changes a run; `None` if `change` has nothing to change any more. A run is never without a hint.
    pub async fn step(
        &self,
        run: &Run,
        change: impl Fn(Run) -> Option<Run> + Send + Sync,
    ) -> Result<Option<Run>, StoreError> {
        let key = place(run);
        for _ in 0..COLLISIONS {
            let Some(seen) = self.runs.get(&key).await? else {
                return Ok(None);
            };
            let old = seen.value.next_look();
            let Some(changed) = change(seen.value) else {
                return Ok(None);
            };
            let new = changed.next_look();
            if new != old {
                self.hint(&changed, new).await?;
            }
            let written = self.runs.replace(&key, seen.version, &changed, None);
            if written.await?.is_some() {
                if new != old {
                    self.tidied(&changed, old, new).await;
                }
                return Ok(Some(changed));
            }
        }
        Err(StoreError::Contended(key))
    }

    /// The change is made; what does not succeed here is noticed later.
    async fn tidied(&self, run: &Run, old: Timestamp, new: Timestamp) {
        // Somebody may have taken the hint away who came before the change.
        let tidied = async {
            self.hint(run, new).await?;
            self.due.take(&hint(old, run)).await
        };
        if let Err(error) = tidied.await {
            tracing::debug!(run = run.id, %error, "a hint of a run was not moved");
        }
    }

    async fn hint(&self, run: &Run, when: Timestamp) -> Result<(), StoreError> {
        let due = Due { noted: self.now() };
        self.due.create(&hint(when, run), &due, None).await?;
        Ok(())
    }

    /// Takes a hint away that is about nothing.
    pub async fn drop_entry(&self, entry: &Entry) -> Result<(), StoreError> {
        self.due.take(&entry.place).await.map(drop)
    }

    /// A hint without a run: its order is under way, or came to nothing. Whether it is gone.
    pub async fn drop_orphan(&self, entry: &Entry) -> Result<bool, StoreError> {
        if self.now() < later(entry.noted, ORDERING) {
            return Ok(false);
        }
        let place = format!("{}/{}", entry.key, entry.id);
        self.inputs.remove(&place).await?;
        self.drop_entry(entry).await?;
        Ok(true)
    }

    /// Gives every run a hint that has none, whatever happened.
    pub async fn mend(&self) -> Result<(), StoreError> {
        let mut after = None::<String>;
        loop {
            let page = self.runs.list("", after.as_deref(), PAGE).await?;
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            after = Some(last.clone());
            for (_, run) in page {
                self.hint(&run, run.next_look()).await?;
            }
        }
    }

    /// What the tool is given; `None` if that is lost.
    pub async fn input(&self, run: &Run) -> Result<Option<Inputs>, PiecesError> {
        let kept = self.inputs.get(&place(run)).await?;
        Ok(kept.and_then(|kept| serde_json::from_slice(&kept).ok()))
    }

    /// Keeps what came of the attempt of that number.
    pub async fn keep(
        &self,
        run: &Run,
        attempt: usize,
        outcome: &Outcome,
    ) -> Result<(), StoreError> {
        let outcome = serde_json::to_vec(outcome).expect("JSON serialises");
        let place = format!("{}/{attempt}", place(run));
        self.outcomes.put(&place, &outcome, None).await
    }

    /// What came of it, if that was kept.
    pub async fn outcome(&self, run: &Run, attempt: usize) -> Result<Option<Outcome>, PiecesError> {
        let place = format!("{}/{attempt}", place(run));
        let kept = self.outcomes.get(&place).await?;
        Ok(kept.and_then(|kept| serde_json::from_slice(&kept).ok()))
    }

    /// Removes everything about a run. The run goes last but for its hint, so that what is interrupted is done again.
    pub async fn forget(&self, run: &Run) -> Result<(), StoreError> {
        let place = place(run);
        self.inputs.remove(&place).await?;
        self.outcomes.remove(&place).await?;
        self.runs.take(&place).await?;
        self.due.take(&hint(run.next_look(), run)).await.map(drop)
    }
}

fn place(run: &Run) -> String {
    format!("{}/{}", run.key, run.id)
}

fn hint(when: Timestamp, run: &Run) -> String {
    let when = when.as_millisecond().max(0);
    format!("{when:015}/{}", place(run))
}
