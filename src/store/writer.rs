//! Group commit: one thread that writes, so that many writers share one sync.
//!
//! Verbs wait in a queue. The thread takes all that wait, runs them one after the other, makes the group durable with one
//! sync, and only then answers. A verb therefore never races another, and nobody hears of anything a power cut could undo.

use std::{io, sync::Arc, thread::JoinHandle};

use tokio::sync::{mpsc, oneshot};

use super::StoreError;

/// How many verbs may wait; more wait for a place in the queue.
const QUEUE: usize = 1024;
/// The most verbs that share a sync.
const GROUP: usize = 256;

/// What the writer thread writes to.
pub(super) trait Medium: Send + 'static {
    /// Bytes written since the last sync.
    fn unsynced(&self) -> u64;

    /// Makes everything written so far survive a power cut.
    fn sync(&mut self) -> io::Result<()>;

    /// A group is synced when it has written this much, though more verbs wait.
    const GROUP_BYTES: u64;
}

/// The queue's end that verbs are put in. Dropping it finishes what waits and ends the thread.
pub(super) struct Writer<M> {
    queue: Option<mpsc::Sender<Job<M>>>,
    thread: Option<JoinHandle<()>>,
}

/// Why nothing can be written any more.
#[derive(Clone, Debug, thiserror::Error)]
enum Stopped {
    #[error(
        "writing ended when the disk refused a sync ({0}); see to the disk and start Anteroom again"
    )]
    SyncRefused(Arc<io::Error>),
    #[error("the writer thread has ended; start Anteroom again and keep its last log lines")]
    ThreadEnded,
}

/// Runs a verb, or is told that it cannot be run; what it returns answers the caller once the group was synced, or not.
type Job<M> = Box<dyn FnOnce(Result<&mut M, Stopped>) -> Answer + Send>;
type Answer = Box<dyn FnOnce(Result<(), Stopped>) + Send>;

impl<M: Medium> Writer<M> {
    /// Starts the thread.
    pub(super) fn start(medium: M) -> io::Result<Self> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || write(medium, jobs))?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    /// Runs `verb` on the writer thread and returns its result once all it wrote is durable.
    ///
    /// Dropping the future does not take back a verb that is in the queue.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        verb: impl FnOnce(&mut M) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, receiver) = oneshot::channel();
        let job: Job<M> = Box::new(move |medium| {
            let result = medium.map_err(StoreError::from).and_then(verb);
            Box::new(move |synced: Result<(), Stopped>| {
                // Nobody listens when the caller went away; the verb stays done.
                let _ = sender.send(synced.map_err(StoreError::from).and(result));
            })
        });
        let queue = self.queue.as_ref().ok_or(Stopped::ThreadEnded)?;
        queue.send(job).await.map_err(|_| Stopped::ThreadEnded)?;
        receiver.await.map_err(|_| Stopped::ThreadEnded)?
    }
}

impl<M> Drop for Writer<M> {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // It ends after the group it is at, a few milliseconds; a panic there was reported to those who waited.
            let _ = thread.join();
        }
    }
}

impl From<Stopped> for StoreError {
    fn from(stopped: Stopped) -> Self {
        Self::Unavailable(Box::new(stopped))
    }
}

fn write<M: Medium>(mut medium: M, mut jobs: mpsc::Receiver<Job<M>>) {
    while let Some(first) = jobs.blocking_recv() {
        let mut answers = vec![first(Ok(&mut medium))];
        while answers.len() < GROUP && medium.unsynced() < M::GROUP_BYTES {
            let Ok(next) = jobs.try_recv() else { break };
            answers.push(next(Ok(&mut medium)));
        }
        let synced = match medium.unsynced() {
            0 => Ok(()),
            _ => medium.sync(),
        };
        match synced {
            Ok(()) => answers.into_iter().for_each(|answer| answer(Ok(()))),
            Err(error) => return refuse(jobs, answers, error),
        }
    }
}

/// After a failed sync the kernel may have dropped the pages it could not write and call the next sync good. So no later one
/// is believed: every verb is refused, unrun, until somebody has looked.
fn refuse<M: Medium>(mut jobs: mpsc::Receiver<Job<M>>, answers: Vec<Answer>, error: io::Error) {
    let stopped = Stopped::SyncRefused(Arc::new(error));
    tracing::error!(reason = %stopped, "the store takes no more writes");
    for answer in answers {
        answer(Err(stopped.clone()));
    }
    while let Some(job) = jobs.blocking_recv() {
        job(Err(stopped.clone()))(Ok(()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts what is written, and how often it is synced; refuses to sync once told so.
    #[derive(Default)]
    struct Paper {
        unsynced: u64,
        synced: u64,
        syncs: u64,
        torn: bool,
    }

    impl Medium for Paper {
        const GROUP_BYTES: u64 = 1000;

        fn unsynced(&self) -> u64 {
            self.unsynced
        }

        fn sync(&mut self) -> io::Result<()> {
            // As slow as a disk, so that verbs gather.
            std::thread::sleep(std::time::Duration::from_millis(2));
            if self.torn {
                return Err(io::Error::other("torn"));
            }
            self.synced += std::mem::take(&mut self.unsynced);
            self.syncs += 1;
            Ok(())
        }
    }

    fn write_one(paper: &mut Paper) -> Result<(), StoreError> {
        paper.unsynced += 1;
        Ok(())
    }

    #[tokio::test]
    async fn many_verbs_share_a_sync() {
        let writer = Arc::new(Writer::start(Paper::default()).unwrap());
        let verbs = (0..500).map(|_| writer.run(write_one));
        for result in futures_util::future::join_all(verbs).await {
            result.unwrap();
        }
        let counts = writer.run(|paper| Ok((paper.synced, paper.syncs))).await;
        let (synced, syncs) = counts.unwrap();
        assert_eq!(synced, 500);
        assert!((2..50).contains(&syncs), "{syncs} syncs");
    }

    #[tokio::test]
    async fn after_a_refused_sync_nothing_is_acknowledged() {
        let writer = Writer::start(Paper::default()).unwrap();
        writer.run(write_one).await.unwrap();
        let tear = |paper: &mut Paper| {
            paper.torn = true;
            write_one(paper)
        };
        for attempt in [writer.run(tear).await, writer.run(write_one).await] {
            let text = attempt.unwrap_err().to_string();
            assert!(text.contains("refused a sync (torn)"), "{text}");
        }
        let read = writer.run(|paper| Ok(paper.synced)).await;
        assert!(read.is_err(), "even a verb that writes nothing");
    }

    #[tokio::test]
    async fn a_verb_that_fails_leaves_the_others_alone() {
        let writer = Writer::start(Paper::default()).unwrap();
        let contended = || StoreError::Contended("t/a".to_owned());
        let failed = writer.run(move |_| Err::<(), _>(contended()));
        let (failed, written) = tokio::join!(failed, writer.run(write_one));
        assert!(matches!(failed, Err(StoreError::Contended(_))));
        written.unwrap();
    }

    #[tokio::test]
    async fn a_panic_is_an_error_for_all_who_wait() {
        let writer = Writer::start(Paper::default()).unwrap();
        let panicking = writer.run(|_| -> Result<(), StoreError> { panic!("on purpose") });
        assert!(panicking.await.is_err());
        let text = writer.run(write_one).await.unwrap_err().to_string();
        assert!(text.contains("writer thread has ended"), "{text}");
    }
}
