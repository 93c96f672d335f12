//! Getting events written, and reading them again.

use std::{sync::Arc, time::Duration};

use anteroom::{
    audit::{
        Archive, Entry, Event, NotRecorded, Query, Trail,
        event::{By, Cause},
        trail::{Queue, Writer},
    },
    base::{
        clock::{Clock, ManualClock, Span, Timestamp},
        entropy::{OsEntropy, SeededEntropy},
        id::UserId,
    },
    config::{self, live::Live},
    store::{Store, sled::SledStore},
};
use futures_util::FutureExt;
use tokio::task::JoinHandle;

use super::{lines, words};
use crate::support::moody::Moody;

struct Desk {
    clock: ManualClock,
    directory: tempfile::TempDir,
    store: Moody,
    trail: Trail,
    queue: Option<Queue>,
    live: Live,
    writing: Option<JoinHandle<()>>,
}

impl Desk {
    /// One that nobody writes at.
    fn idle() -> Self {
        let clock = ManualClock::new("2026-11-21T10:00:00Z".parse().unwrap());
        let directory = tempfile::tempdir().unwrap();
        let store = SledStore::open(&directory.path().join("store"), Arc::new(clock.clone()));
        let (trail, queue) = Trail::new(Arc::new(clock.clone()));
        let file = directory.path().join("gateway.toml");
        std::fs::write(&file, "[audit]\nkeep = \"2d\"\n").unwrap();
        let live = Live::new(config::load(&file).unwrap());
        Self {
            clock,
            directory,
            store: Moody::new(Arc::new(store.unwrap())),
            trail,
            queue: Some(queue),
            live,
            writing: None,
        }
    }

    fn busy() -> Self {
        let mut desk = Self::idle();
        desk.begin();
        desk
    }

    fn begin(&mut self) {
        let writer = Writer {
            store: Arc::new(self.store.clone()),
            live: self.live.clone(),
            entropy: Arc::new(SeededEntropy::new(1)),
        };
        self.writing = Some(tokio::spawn(self.queue.take().unwrap().write(writer)));
    }

    fn archive(&self) -> Archive {
        Archive::new(Arc::new(self.store.clone()))
    }

    async fn subjects(&self, query: Query) -> Vec<String> {
        words(&lines(&self.archive(), query).await, "user")
    }

    async fn records(&self) -> Vec<String> {
        let records = self.store.list("audit/", None, 10_000).await.unwrap();
        records.into_iter().map(|(key, _)| key).collect()
    }

    fn now(&self, seconds: i64) -> Timestamp {
        self.clock.now() + Span::from_secs(seconds)
    }
}

fn refreshed(user: &str, provider: &str) -> Entry {
    let user = UserId::new("team".parse().unwrap(), user);
    let cause = Cause::Expiry;
    Entry::new(
        &user,
        &provider.parse().unwrap(),
        Event::Refreshed { cause },
    )
}

#[tokio::test]
async fn many_events_are_one_record_and_come_back_in_order() {
    let desk = Desk::busy();
    for number in 0..50 {
        desk.trail
            .note(refreshed(&format!("u{number}"), "acme"))
            .await
            .unwrap();
        desk.clock.advance(Span::from_millis(1));
    }
    desk.trail.record(refreshed("last", "acme")).await.unwrap();
    let subjects = desk.subjects(Query::default()).await;
    let mut expected: Vec<_> = (0..50).map(|number| format!("u{number}")).collect();
    expected.push("last".to_owned());
    assert_eq!(subjects, expected);
    assert_eq!(desk.records().await.len(), 1);
}

#[tokio::test]
async fn a_time_a_user_a_provider_and_a_kind_are_picked_out() {
    let desk = Desk::busy();
    let start = desk.clock.now();
    // Over a minute, with a record or more for each; some lie in a record that begins earlier.
    for number in 0..60 {
        let provider = if number % 2 == 0 { "acme" } else { "other" };
        desk.trail
            .note(refreshed(&format!("u{number}"), provider))
            .await
            .unwrap();
        if number % 7 == 0 {
            desk.trail.flush().await.unwrap();
        }
        desk.clock.advance(Span::from_secs(1));
    }
    let gone = Event::Disconnected {
        by: By::Operator,
        revoked: "done",
    };
    let user = UserId::new("others".parse().unwrap(), "u7");
    desk.trail
        .record(Entry::new(&user, &"acme".parse().unwrap(), gone))
        .await
        .unwrap();

    let at = |seconds| Some(start + Span::from_secs(seconds));
    let time = Query {
        since: at(20),
        until: at(24),
        ..Query::default()
    };
    assert_eq!(
        desk.subjects(time.clone()).await,
        ["u20", "u21", "u22", "u23"]
    );
    let acme = Query {
        provider: Some("acme".into()),
        ..time
    };
    assert_eq!(desk.subjects(acme).await, ["u20", "u22"]);
    let user = Query {
        user: Some("u7".into()),
        ..Query::default()
    };
    assert_eq!(desk.subjects(user.clone()).await.len(), 2, "of two sources");
    let source = Query {
        user_source: Some("team".into()),
        ..user
    };
    assert_eq!(desk.subjects(source).await.len(), 1);
    let kind = Query {
        event: Some("disconnected".into()),
        ..Query::default()
    };
    assert_eq!(desk.subjects(kind).await, ["u7"]);
    let latest = Query {
        limit: Some(3),
        ..Query::default()
    };
    assert_eq!(desk.subjects(latest).await, ["u58", "u59", "u7"]);
    let future = Query {
        since: at(1000),
        ..Query::default()
    };
    assert!(desk.subjects(future).await.is_empty());
}

#[tokio::test]
async fn records_of_two_replicas_are_merged_by_time() {
    let one = Desk::busy();
    let (trail, queue) = Trail::new(Arc::new(one.clock.clone()));
    let other = Writer {
        store: Arc::new(one.store.clone()),
        live: one.live.clone(),
        entropy: Arc::new(OsEntropy),
    };
    tokio::spawn(queue.write(other));
    for number in 0..20 {
        let trail = if number % 2 == 0 { &one.trail } else { &trail };
        trail
            .note(refreshed(&format!("u{number:02}"), "acme"))
            .await
            .unwrap();
        one.clock.advance(Span::from_millis(10));
    }
    one.trail.flush().await.unwrap();
    trail.flush().await.unwrap();
    assert_eq!(one.records().await.len(), 2);
    let subjects = one.subjects(Query::default()).await;
    assert!(subjects.is_sorted() && subjects.len() == 20, "{subjects:?}");
}

#[tokio::test]
async fn a_full_channel_is_waited_for_and_loses_nothing() {
    let mut desk = Desk::idle();
    let mut told = 0;
    let waiting = loop {
        let mut note = Box::pin(desk.trail.note(refreshed(&format!("u{told}"), "acme")));
        told += 1;
        match note.as_mut().now_or_never() {
            Some(noted) => noted.unwrap(),
            None => break note,
        }
    };
    assert!(told > 1000, "{told}");
    let (trail, mut rest) = (desk.trail.clone(), Desk::idle());
    rest.queue = desk.queue.take();
    rest.begin();
    waiting.await.unwrap();
    trail.flush().await.unwrap();
    assert_eq!(rest.subjects(Query::default()).await.len(), told);
    for (key, record) in rest.store.list("audit/", None, 1000).await.unwrap() {
        assert!(record.value.len() < 32 * 1024, "{key}");
    }
}

#[tokio::test]
async fn with_no_room_left_it_is_closed_all_the_same() {
    let mut desk = Desk::idle();
    let mut told = 0;
    while let Some(noted) = desk.trail.note(refreshed("alice", "acme")).now_or_never() {
        noted.unwrap();
        told += 1;
    }
    // Nobody waits for room here.
    desk.trail.close();
    desk.begin();
    desk.writing.take().unwrap().await.unwrap();
    assert_eq!(desk.subjects(Query::default()).await.len(), told);
}

#[tokio::test]
async fn what_a_failing_store_did_not_take_it_takes_later() {
    let desk = Desk::busy();
    desk.store.fail_for("audit/");
    desk.trail.note(refreshed("alice", "acme")).await.unwrap();
    let mut recorded = Box::pin(desk.trail.record(refreshed("bob", "acme")));
    let soon = tokio::time::timeout(Duration::from_millis(300), &mut recorded).await;
    assert!(soon.is_err(), "nobody is told that it is written");
    let mut noted = Box::pin(desk.trail.note(refreshed("carol", "acme")));
    let soon = tokio::time::timeout(Duration::from_millis(300), &mut noted).await;
    assert!(
        soon.is_err(),
        "a call does not go ahead of what may be lost"
    );
    desk.store.fail_for("none/");
    recorded.await.unwrap();
    noted.await.unwrap();
    let subjects = desk.subjects(Query::default()).await;
    assert_eq!(subjects, ["alice", "bob", "carol"]);
}

#[tokio::test]
async fn closed_it_writes_the_rest_and_takes_no_more() {
    let mut desk = Desk::busy();
    for number in 0..500 {
        desk.trail
            .note(refreshed(&format!("u{number}"), "acme"))
            .await
            .unwrap();
    }
    desk.trail.close();
    desk.writing.take().unwrap().await.unwrap();
    assert_eq!(desk.subjects(Query::default()).await.len(), 500);
    let late = desk.trail.note(refreshed("late", "acme")).await;
    assert_eq!(late, Err(NotRecorded::Closed));
    desk.trail.close();
}

#[tokio::test]
async fn what_was_recorded_is_there_after_the_process_was_killed() {
    let desk = Desk::busy();
    desk.trail.record(refreshed("alice", "acme")).await.unwrap();
    // As after a kill: the files as they lie there, while the process that wrote them has closed nothing.
    let (store, copy) = (
        desk.directory.path().join("store"),
        desk.directory.path().join("copy"),
    );
    let copied = std::process::Command::new("cp")
        .arg("-r")
        .args([&store, &copy])
        .status();
    assert!(copied.unwrap().success());
    let store = SledStore::open(&copy, Arc::new(desk.clock.clone())).unwrap();
    let lines = lines(&Archive::new(Arc::new(store)), Query::default()).await;
    assert_eq!(words(&lines, "user"), ["alice"]);
}

#[tokio::test]
async fn kept_for_as_long_as_the_file_says() {
    let desk = Desk::busy();
    let day = Span::from_hours(24);
    desk.trail.record(refreshed("alice", "acme")).await.unwrap();
    desk.clock.advance(day);
    desk.trail.record(refreshed("bob", "acme")).await.unwrap();
    assert_eq!(desk.store.purge().await.unwrap(), 0);
    desk.clock.advance(day);
    assert_eq!(desk.subjects(Query::default()).await, ["bob"]);
    assert_eq!(desk.store.purge().await.unwrap(), 1);
    assert_eq!(desk.records().await.len(), 1);
    let since = Query {
        since: Some(desk.now(-3 * 24 * 3600)),
        ..Query::default()
    };
    assert_eq!(desk.subjects(since).await, ["bob"]);
    desk.clock.advance(day);
    assert!(desk.subjects(Query::default()).await.is_empty());
}
