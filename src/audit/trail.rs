//! Getting events written without holding up those they happen to.
//!
//! A call makes one small value and sends it down a channel; there is no lock that all share, and no call waits for the disk.
//! At the other end one task gathers what comes within a second and writes it as one record. What somebody waits for ends the
//! gathering at once. While the store fails, the task holds on to what it has, the channel fills, and callers wait for room;
//! none is let go on unrecorded. A caller waits for so long and is then told, so that a dead disk does not look like a slow one.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::value::RawValue;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    entry::Entry,
    retention::{self, Lines, SPAN, TABLE},
};
use crate::{
    base::{
        clock::{Clock, Timestamp},
        entropy::Entropy,
    },
    config::live::Live,
    store::{Store, StoreError, table::Table},
};

/// How many events may wait to be gathered.
const ROOM: usize = 4096;
/// How long events are gathered at most, before those there are get written.
const GATHER: Duration = Duration::from_secs(1);
/// A record is not larger: sled keeps records up to 32 KiB where it reads them fastest. Bytes.
const RECORD: usize = 24 * 1024;
/// How long a caller waits for room, or for the disk.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest pause before a store that failed is tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Where events are told. Clones lead to the same log.
#[derive(Clone)]
pub struct Trail {
    jobs: mpsc::Sender<Job>,
    closing: CancellationToken,
    /// The store did not take the last that it was given.
    failing: Arc<AtomicBool>,
    clock: Arc<dyn Clock>,
}

/// The other end of a [`Trail`]. It has to be [written](Queue::write), else there is soon no more room.
#[must_use = "events that nobody writes are not recorded"]
pub struct Queue {
    jobs: mpsc::Receiver<Job>,
    closing: CancellationToken,
    failing: Arc<AtomicBool>,
}

/// Why an event is not in the log, for all the caller knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRecorded {
    /// The store does not take events, or not as fast as they come.
    #[error("the audit log cannot be written at present")]
    Stuck,
    /// The process is about to end.
    #[error("the audit log is closed")]
    Closed,
}

enum Job {
    Note(Timestamp, Entry),
    Record(Timestamp, Entry, oneshot::Sender<()>),
    Flush(oneshot::Sender<()>),
}

impl Trail {
    /// A log and the queue before it, which the caller has written.
    pub fn new(clock: Arc<dyn Clock>) -> (Self, Queue) {
        let (sender, receiver) = mpsc::channel(ROOM);
        let (closing, failing) = (CancellationToken::new(), Arc::<AtomicBool>::default());
        let queue = Queue {
            jobs: receiver,
            closing: closing.clone(),
            failing: Arc::clone(&failing),
        };
        let trail = Self {
            jobs: sender,
            closing,
            failing,
            clock,
        };
        (trail, queue)
    }

    /// Has `entry` written within a second. Waits for room if there is none, and for the disk while the store fails: what it does
    /// not take would be lost with the process.
    ///
    /// # Errors
    /// When that takes long, or the process is about to end: then what it tells of should not be done.
    pub async fn note(&self, entry: Entry) -> Result<(), NotRecorded> {
        if self.failing.load(Ordering::Relaxed) {
            return self.record(entry).await;
        }
        self.send(Job::Note(self.clock.now(), entry)).await
    }

    /// Writes `entry`: durable when this returns.
    ///
    /// # Errors
    /// As [`Self::note`]. It may still get written.
    pub async fn record(&self, entry: Entry) -> Result<(), NotRecorded> {
        let (done, written) = oneshot::channel();
        self.send(Job::Record(self.clock.now(), entry, done))
            .await?;
        settled(written).await
    }

    /// [`Self::record`] for what has happened already and cannot be undone: if that fails, the log file says so.
    pub async fn record_done(&self, entry: Entry) {
        let kind = entry.event().kind();
        if let Err(error) = self.record(entry).await {
            tracing::error!(event = kind, %error, "an event may be missing in the audit log");
        }
    }

    /// [`Self::note`] for what has happened already and cannot be undone: if that fails, the log file says so.
    pub async fn note_done(&self, entry: Entry) {
        let kind = entry.event().kind();
        if let Err(error) = self.note(entry).await {
            tracing::error!(event = kind, %error, "an event is missing in the audit log");
        }
    }

    /// Everything told before is durable when this returns: for whoever is about to read the log.
    ///
    /// # Errors
    /// As [`Self::note`].
    pub async fn flush(&self) -> Result<(), NotRecorded> {
        let (done, written) = oneshot::channel();
        self.send(Job::Flush(done)).await?;
        settled(written).await
    }

    /// Has the rest written and takes no more: before the process ends. [`Queue::write`] returns once that is done. Nobody waits
    /// for room here: a process that was told to end must end, whatever the store does.
    pub fn close(&self) {
        self.closing.cancel();
    }

    async fn send(&self, job: Job) -> Result<(), NotRecorded> {
        use mpsc::error::TrySendError;
        match self.jobs.try_send(job) {
            Ok(()) => Ok(()),
            Err(TrySendError::Closed(_)) => Err(NotRecorded::Closed),
            Err(TrySendError::Full(job)) => match timeout(PATIENCE, self.jobs.send(job)).await {
                Ok(sent) => sent.map_err(|_| NotRecorded::Closed),
                Err(_) => Err(NotRecorded::Stuck),
            },
        }
    }
}

async fn settled(written: oneshot::Receiver<()>) -> Result<(), NotRecorded> {
    match timeout(PATIENCE, written).await {
        Ok(written) => written.map_err(|_| NotRecorded::Closed),
        Err(_) => Err(NotRecorded::Stuck),
    }
}

/// Where and how a queue is written.
pub struct Writer {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Says how long the log is kept.
    pub live: Live,
    /// Names the writer, so that no two of many replicas write the same record.
    pub entropy: Arc<dyn Entropy>,
}

impl Queue {
    /// Writes what comes, until the trail is closed or all its clones are gone.
    pub async fn write(mut self, writer: Writer) {
        let name = writer.entropy.handle();
        let table = Table::new(writer.store, TABLE);
        let mut next = None;
        for number in 0_u64.. {
            let mut batch = Batch::default();
            next = self.gather(&mut batch, next.take()).await;
            if let Some((first, last)) = batch.times() {
                let key = format!("{}/{name}-{number}", retention::place(first));
                let keep = writer.live.now().audit.keep;
                let expires = retention::end(last, keep);
                write(&table, &key, &batch, expires, &self.failing).await;
            }
            batch.settle();
            if next.is_none() && self.jobs.is_closed() && self.jobs.is_empty() {
                return;
            }
        }
    }

    /// Fills `batch`, beginning with `next`; answers what came and did not fit.
    async fn gather(&mut self, batch: &mut Batch, next: Option<Job>) -> Option<Job> {
        let mut next = match next {
            Some(job) => Some(job),
            None => self.next().await,
        };
        let deadline = Instant::now() + GATHER;
        while let Some(job) = next {
            if let Some(left) = batch.take(job) {
                return Some(left);
            }
            next = if batch.urgent {
                self.jobs.try_recv().ok()
            } else {
                timeout_at(deadline, self.next()).await.ok().flatten()
            };
        }
        None
    }

    /// What comes next; once the trail is closed, what is left.
    async fn next(&mut self) -> Option<Job> {
        tokio::select! {
            biased;
            () = self.closing.cancelled(), if !self.jobs.is_closed() => self.jobs.close(),
            job = self.jobs.recv() => return job,
        }
        self.jobs.recv().await
    }
}

/// What will be one record.
#[derive(Default)]
struct Batch {
    lines: Vec<(Timestamp, Box<RawValue>)>,
    bytes: usize,
    kinds: BTreeMap<&'static str, u64>,
    waiting: Vec<oneshot::Sender<()>>,
    /// Somebody waits for it.
    urgent: bool,
}

impl Batch {
    /// Takes what fits; gives back what does not.
    fn take(&mut self, job: Job) -> Option<Job> {
        match job {
            Job::Note(at, _) | Job::Record(at, _, _) if !self.has_room(at) => return Some(job),
            Job::Note(at, entry) => self.add(at, &entry),
            Job::Record(at, entry, done) => {
                self.add(at, &entry);
                self.waiting.push(done);
                self.urgent = true;
            }
            Job::Flush(done) => {
                self.waiting.push(done);
                self.urgent = true;
            }
        }
        None
    }

    fn has_room(&self, at: Timestamp) -> bool {
        let near = |other: Timestamp| at.duration_since(other).abs() <= SPAN;
        self.times()
            .is_none_or(|(first, last)| near(first) && near(last))
            && self.bytes < RECORD
    }

    fn add(&mut self, at: Timestamp, entry: &Entry) {
        let line = RawValue::from_string(entry.line(at)).expect("a line is JSON");
        self.bytes += line.get().len();
        *self.kinds.entry(entry.event().kind()).or_default() += 1;
        // Nearly always the last: the channel keeps the order, and those who send read the same clock.
        let place = self.lines.partition_point(|(other, _)| *other <= at);
        self.lines.insert(place, (at, line));
    }

    fn times(&self) -> Option<(Timestamp, Timestamp)> {
        Some((self.lines.first()?.0, self.lines.last()?.0))
    }

    fn settle(self) {
        for (kind, count) in self.kinds {
            metrics::counter!("anteroom_audit_events_total", "event" => kind).increment(count);
        }
        for done in self.waiting {
            // Whoever has lost patience was told.
            let _ = done.send(());
        }
    }
}

/// Tries until it is written.
async fn write(
    table: &Table<Lines>,
    key: &str,
    batch: &Batch,
    expires: Timestamp,
    failing: &AtomicBool,
) {
    let lines: Lines = batch.lines.iter().map(|(_, line)| line.clone()).collect();
    let mut pause = Duration::from_millis(100);
    loop {
        // Nobody else writes under this key: what is there already is what an attempt that seemed to fail has written.
        match table.create(key, &lines, Some(expires)).await {
            Ok(_) => return failing.store(false, Ordering::Relaxed),
            Err(error @ StoreError::OutOfBounds { .. }) => {
                tracing::error!(%error, events = lines.len(), "events are missing in the audit log");
                return;
            }
            Err(error) => {
                failing.store(true, Ordering::Relaxed);
                tracing::error!(%error, events = lines.len(), "the audit log cannot be written; trying again");
            }
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
