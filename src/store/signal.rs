//! Signals: a word to those who wait that a record is worth another look.
//!
//! A signal carries nothing and may come for no reason; the record is the truth. Within one process for now; an engine for
//! many replicas raises the same topics from what the others tell it.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// Where topics are raised and waited for. Clones are the same place.
#[derive(Clone, Default)]
pub struct Signals {
    topics: Arc<Mutex<Topics>>,
}

/// Waits for one or more topics. Forgotten by them when dropped.
pub struct Waiter {
    bell: Arc<Notify>,
    number: u64,
    topics: Vec<String>,
    signals: Signals,
}

#[derive(Default)]
struct Topics {
    bells: HashMap<String, HashMap<u64, Arc<Notify>>>,
    next: u64,
}

impl Signals {
    /// Nobody waits yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Wakes everybody who waits for `topic`. Costs a look-up when nobody does.
    pub fn raise(&self, topic: &str) {
        if let Some(bells) = self.topics().bells.get(topic) {
            bells.values().for_each(|bell| bell.notify_one());
        }
    }

    /// Waits for `topic` from now on: subscribe first, then read the record, then wait.
    pub fn subscribe(&self, topic: &str) -> Waiter {
        self.subscribe_many(&[topic])
    }

    /// Waits for any of `topics` from now on.
    pub fn subscribe_many<S: AsRef<str>>(&self, topics: &[S]) -> Waiter {
        let bell = Arc::new(Notify::new());
        let topics: Vec<_> = topics
            .iter()
            .map(|topic| topic.as_ref().to_owned())
            .collect();
        let mut all = self.topics();
        let number = all.next;
        all.next += 1;
        for topic in &topics {
            let bells = all.bells.entry(topic.clone()).or_default();
            bells.insert(number, Arc::clone(&bell));
        }
        Waiter {
            bell,
            number,
            topics,
            signals: self.clone(),
        }
    }

    fn topics(&self) -> MutexGuard<'_, Topics> {
        // Nothing under this lock leaves the maps half changed.
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signals({} topics)", self.topics().bells.len())
    }
}

impl Waiter {
    /// Returns at the next raise of a topic since the subscription or the last return; at once if that was already. Many
    /// raises in between are one. Nothing is missed when the future is dropped and made again.
    pub async fn wait(&mut self) {
        self.bell.notified().await;
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut all = self.signals.topics();
        for topic in &self.topics {
            let Some(bells) = all.bells.get_mut(topic) else {
                continue;
            };
            bells.remove(&self.number);
            if bells.is_empty() {
                all.bells.remove(topic);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn rings(waiter: &mut Waiter) -> bool {
        tokio::time::timeout(Duration::from_millis(50), waiter.wait())
            .await
            .is_ok()
    }

    #[tokio::test]
    async fn what_was_raised_before_waiting_is_not_missed() {
        let signals = Signals::new();
        signals.raise("a");
        let mut waiter = signals.subscribe("a");
        assert!(!rings(&mut waiter).await, "raised before the subscription");
        signals.raise("a");
        signals.raise("a");
        assert!(rings(&mut waiter).await);
        assert!(!rings(&mut waiter).await, "two raises are one");
        signals.raise("b");
        assert!(!rings(&mut waiter).await, "another topic");
    }

    #[tokio::test]
    async fn a_wait_given_up_loses_nothing() {
        let signals = Signals::new();
        let mut waiter = signals.subscribe("a");
        assert!(!rings(&mut waiter).await);
        signals.raise("a");
        assert!(rings(&mut waiter).await);
    }

    #[tokio::test]
    async fn everybody_hears_and_any_topic_will_do() {
        let signals = Signals::new();
        let mut one = signals.subscribe("a");
        let mut many = signals.subscribe_many(&["a", "b", "b"]);
        signals.raise("a");
        assert!(rings(&mut one).await && rings(&mut many).await);
        signals.raise("b");
        assert!(!rings(&mut one).await && rings(&mut many).await);
    }

    #[test]
    fn topics_go_with_their_waiters() {
        let signals = Signals::new();
        let first = signals.subscribe_many(&["a", "b"]);
        let second = signals.subscribe("a");
        assert_eq!(format!("{signals:?}"), "Signals(2 topics)");
        drop(first);
        assert_eq!(format!("{signals:?}"), "Signals(1 topics)");
        drop(second);
        assert_eq!(format!("{signals:?}"), "Signals(0 topics)");
    }
}
