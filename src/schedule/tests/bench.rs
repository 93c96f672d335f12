//! What the tests of runs stand on: processes that end at any step, and a hand that does what the test says.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use zeroize::Zeroizing;

use super::super::{
    hand::{Ready, Refused, pending},
    *,
};
use crate::{
    base::{clock::ManualClock, entropy::SeededEntropy, seal::RootKey},
    execution::{ExecutionStatus, Judgement},
    protocol::arcade::invoke::{ToolOutput, kind},
    store::{Record, Version, sled::SledStore},
};

/// What outlives a process: the store, the time, and the world in which tools do something.
pub(super) struct Bench {
    pub(super) _directory: TempDir,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: ManualClock,
    pub(super) world: Arc<World>,
    pub(super) processes: u64,
}

/// What tools have done, and how they are.
#[derive(Default)]
pub(super) struct World {
    /// By run.
    pub(super) done: Mutex<HashMap<String, usize>>,
    pub(super) repeatable: bool,
    /// So many attempts are refused before one goes well.
    pub(super) refusals: AtomicUsize,
    /// Runs are held once they have done what they do.
    pub(super) hold: Mutex<bool>,
    pub(super) go_on: Notify,
    pub(super) begun: AtomicUsize,
}

/// One process with a runner; gone when dropped.
pub(super) struct Process {
    pub(super) schedule: Schedule,
    pub(super) stopping: CancellationToken,
    pub(super) runner: AbortOnDropHandle<()>,
}

/// A store in a process that ends before, or after, a certain write.
pub(super) struct Mortal {
    pub(super) store: Arc<dyn Store>,
    pub(super) left: AtomicUsize,
    /// Whether the last write is still written, without anybody learning of it.
    pub(super) written: bool,
    pub(super) died: Arc<Notify>,
}

pub(super) struct FakeHand(pub(super) Arc<World>, pub(super) ManualClock);

pub(super) struct FakeReady {
    pub(super) world: Arc<World>,
    pub(super) run: Run,
    pub(super) now: Timestamp,
}

#[async_trait]
impl Hand for FakeHand {
    async fn prepare(&self, run: &Run, _order: Order) -> Result<Box<dyn Ready>, Outcome> {
        let now = self.1.now();
        let refused = self
            .0
            .refusals
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        if refused.is_ok() {
            let refused = Refused {
                kind: kind::UNREACHABLE,
                message: "not now".into(),
                judgement: Judgement::Later { after: None },
            };
            return Err(refused.outcome(run, now));
        }
        Ok(Box::new(FakeReady {
            world: Arc::clone(&self.0),
            run: run.clone(),
            now,
        }))
    }
}

#[async_trait]
impl Ready for FakeReady {
    fn may_run_twice(&self) -> bool {
        self.world.repeatable
    }

    async fn execute(self: Box<Self>) -> Outcome {
        let world = &self.world;
        *world
            .done
            .lock()
            .unwrap()
            .entry(self.run.id.clone())
            .or_default() += 1;
        world.begun.fetch_add(1, Ordering::SeqCst);
        let hold = *world.hold.lock().unwrap();
        if hold {
            world.go_on.notified().await;
        }
        Outcome {
            execution: Execution {
                status: ExecutionStatus::Completed,
                finished_at: Some(self.now),
                output: Some(ToolOutput {
                    value: Some(json!("done")),
                    ..ToolOutput::default()
                }),
                ..pending(&self.run)
            },
            next: Next::Over,
        }
    }
}

impl Mortal {
    pub(super) async fn write<T>(
        &self,
        write: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let left = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        if left.is_ok() {
            return write.await;
        }
        if self.written {
            let _ = write.await;
        }
        self.died.notify_one();
        std::future::pending().await
    }
}

#[async_trait]
impl Store for Mortal {
    async fn get(&self, key: &str) -> Result<Option<Record>, StoreError> {
        self.store.get(key).await
    }

    async fn create(
        &self,
        key: &str,
        value: Bytes,
        expires: Option<Timestamp>,
    ) -> Result<Option<Version>, StoreError> {
        self.write(self.store.create(key, value, expires)).await
    }

    async fn replace(
        &self,
        key: &str,
        seen: Version,
        value: Bytes,
        expires: Option<Timestamp>,
    ) -> Result<Option<Version>, StoreError> {
        self.write(self.store.replace(key, seen, value, expires))
            .await
    }

    async fn take(&self, key: &str) -> Result<Option<Record>, StoreError> {
        self.write(self.store.take(key)).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Record)>, StoreError> {
        self.store.list(prefix, after, limit).await
    }

    async fn purge(&self) -> Result<u64, StoreError> {
        self.store.purge().await
    }
}

impl Bench {
    pub(super) fn new(repeatable: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = ManualClock::new("2026-11-21T10:00:00Z".parse().unwrap());
        let store = SledStore::open(directory.path(), Arc::new(clock.clone())).unwrap();
        Self {
            _directory: directory,
            store: Arc::new(store),
            clock,
            world: Arc::new(World {
                repeatable,
                ..World::default()
            }),
            processes: 0,
        }
    }

    pub(super) fn process(&mut self) -> Process {
        let store = Arc::clone(&self.store);
        self.process_on(store)
    }

    pub(super) fn process_on(&mut self, store: Arc<dyn Store>) -> Process {
        self.processes += 1;
        let ring = [RootKey {
            id: "k".into(),
            key: Zeroizing::new([1; 32]),
        }];
        let entropy = Arc::new(SeededEntropy::new(self.processes));
        let schedule = Schedule::new(Parts {
            store,
            sealer: Sealer::new(&ring, entropy.clone()),
            signals: Signals::new(),
            clock: Arc::new(self.clock.clone()),
            entropy,
        });
        let hand = FakeHand(Arc::clone(&self.world), self.clock.clone());
        let runner = schedule.runner_with(Arc::new(hand), Arc::new(self.clock.clone()));
        let stopping = CancellationToken::new();
        let runner = tokio::spawn(runner.run(stopping.clone()));
        Process {
            schedule,
            stopping,
            runner: AbortOnDropHandle::new(runner),
        }
    }

    pub(super) fn advance(&self, seconds: i64) {
        self.clock.advance(Span::from_secs(seconds));
    }

    pub(super) fn done(&self, id: &str) -> usize {
        let done = self.world.done.lock().unwrap();
        done.get(id).copied().unwrap_or_default()
    }

    pub(super) async fn records(&self, table: &str) -> usize {
        let prefix = format!("{table}/");
        self.store.list(&prefix, None, 1000).await.unwrap().len()
    }
}

impl Process {
    /// Orders a run in a minute.
    pub(super) async fn order(&self) -> Result<Run, StoreError> {
        let now = self.schedule.agenda.now();
        let due = later(now, Span::from_secs(60));
        let run = Run {
            id: self.schedule.id(now),
            key: "team".parse().unwrap(),
            key_hash: crate::base::secret::TokenHash::of("key"),
            source: "team".parse().unwrap(),
            user: None,
            tool_name: "Kit.Tool".into(),
            tool_version: None,
            tool: Named {
                toolkit: "Kit".into(),
                name: "Tool".into(),
                version: None,
                upstream: "kit".parse().unwrap(),
            },
            stacktrace: false,
            ordered: now,
            run_at: due,
            changed: now,
            stage: Stage::Waiting { due },
            attempts: Vec::new(),
        };
        let input = serde_json::from_str(r#"{"secret":"of the caller's"}"#).unwrap();
        self.schedule.agenda.add(&run, &input).await?;
        self.schedule.signals.raise(NEWS);
        Ok(run)
    }

    pub(super) async fn look(&self, run: &Run) -> Option<Detail> {
        let (key, source) = (&run.key, &run.source);
        self.schedule.detail(key, source, &run.id).await.unwrap()
    }

    pub(super) async fn until(&self, run: &Run, what: impl Fn(&Run) -> bool) -> Detail {
        for _ in 0..1000 {
            if let Some(detail) = self.look(run).await
                && what(&detail.run)
            {
                return detail;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("never came: {:?}", self.look(run).await);
    }

    pub(super) async fn ended(&self, run: &Run) -> Detail {
        self.until(run, Run::has_ended).await
    }
}

pub(super) async fn eventually(mut is: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if is() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never came");
}
