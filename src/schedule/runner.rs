//! Looks after runs when their time comes, some at a time, until the process is told to stop.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use tokio::{
    task::{Id, JoinError, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    NEWS,
    agenda::Entry,
    attempt::Attendant,
    run::{later, whole},
};
use crate::{
    base::clock::{Clock, Span, Timestamp},
    store::{StoreError, signal::Signals},
};

/// So many runs are attended to at a time, and so many of one key: what one program ordered does not keep out the others'.
const AT_ONCE: usize = 32;
const OF_ONE_KEY: usize = 8;
/// How often orders are looked for that another replica took; ours are heard of.
const POLL: Duration = Duration::from_secs(10);
/// What could not be done is left alone for so long: because somebody else does it, or an order is not whole yet; or it failed.
const REST: Duration = Duration::from_millis(250);
const LONG_REST: Duration = Duration::from_secs(60);

/// What looks after runs. All of them are given up when it is dropped.
pub struct Runner {
    attendant: Attendant,
    signals: Signals,
    clock: std::sync::Arc<dyn Clock>,
    tasks: JoinSet<(String, Rest)>,
    /// Those who are attended to, by task.
    busy: HashMap<Id, (String, String)>,
    /// Hints that are left alone until then.
    resting: HashMap<String, Instant>,
}

/// How long a hint is left alone after it was looked at.
type Rest = Option<Duration>;

impl Runner {
    pub(super) fn new(
        attendant: Attendant,
        signals: Signals,
        clock: std::sync::Arc<dyn Clock>,
    ) -> Self {
        Self {
            attendant,
            signals,
            clock,
            tasks: JoinSet::new(),
            busy: HashMap::new(),
            resting: HashMap::new(),
        }
    }

    /// Looks after runs until `stopping`; returns when those that are under way then have ended.
    pub async fn run(mut self, stopping: CancellationToken) {
        if let Err(error) = self.attendant.agenda.mend().await {
            tracing::warn!(%error, "scheduled runs could not be looked through");
        }
        loop {
            let mut news = self.signals.subscribe(NEWS);
            let next = self.round().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "scheduled runs could not be looked up");
                Timestamp::MAX
            });
            tokio::select! {
                () = stopping.cancelled() => break,
                () = news.wait() => {}
                () = self.clock.reached(next) => {}
                () = tokio::time::sleep_until(self.next_poll()) => {}
                Some(done) = self.tasks.join_next_with_id() => self.note(done),
            }
        }
        while self.tasks.join_next().await.is_some() {}
    }

    /// Begins what can be begun; when the next is due.
    async fn round(&mut self) -> Result<Timestamp, StoreError> {
        let now = whole(self.clock.now());
        self.resting.retain(|_, until| *until > Instant::now());
        let ids: HashSet<_> = self.busy.values().map(|(_, id)| id.clone()).collect();
        let mut after = None::<String>;
        loop {
            let page = self.attendant.agenda.entries(after.as_deref()).await?;
            let Some(last) = page.last() else {
                return Ok(Timestamp::MAX);
            };
            after = Some(last.place.clone());
            for entry in page {
                if entry.when > now {
                    return Ok(entry.when);
                }
                if self.busy.len() >= AT_ONCE {
                    // Whoever ends wakes us.
                    return Ok(later(now, Span::from_hours(1)));
                }
                let has_room = self.of_key(&entry.key) < OF_ONE_KEY;
                if has_room && !ids.contains(&entry.id) && !self.resting.contains_key(&entry.place)
                {
                    self.begin(entry);
                }
            }
        }
    }

    fn next_poll(&self) -> Instant {
        let poll = Instant::now() + POLL;
        self.resting
            .values()
            .copied()
            .min()
            .unwrap_or(poll)
            .min(poll)
    }

    fn of_key(&self, key: &str) -> usize {
        self.busy.values().filter(|(of, _)| of == key).count()
    }

    fn begin(&mut self, entry: Entry) {
        let attendant = self.attendant.clone();
        let (key, id) = (entry.key.clone(), entry.id.clone());
        let task = self.tasks.spawn(async move {
            let rest = match attendant.attend(&entry).await {
                Ok(true) => None,
                Ok(false) => Some(REST),
                Err(error) => {
                    tracing::warn!(run = entry.id, %error, "a scheduled run could not be attended to");
                    Some(LONG_REST)
                }
            };
            (entry.place, rest)
        });
        self.busy.insert(task.id(), (key, id));
    }

    fn note(&mut self, done: Result<(Id, (String, Rest)), JoinError>) {
        match done {
            Ok((task, (place, rest))) => {
                self.busy.remove(&task);
                if let Some(rest) = rest {
                    self.resting.insert(place, Instant::now() + rest);
                }
            }
            Err(broken) => {
                let run = self.busy.remove(&broken.id()).map(|(_, id)| id);
                tracing::error!(run, error = %broken, "a scheduled run broke off");
            }
        }
    }
}
