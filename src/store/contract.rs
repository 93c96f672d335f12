//! What every engine must do, as a suite that each runs: see the tests of [`super::sled`].

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    IN_ORDER, Store, StoreError,
    lease::Leases,
    table::{Change, Table},
};
use crate::base::clock::{Clock, ManualClock, Span, Timestamp};

/// Opens the engine on the same records each time; the one opened before is dropped by then.
pub(crate) type Open = Box<dyn Fn() -> Arc<dyn Store>>;

/// An engine without records, and its clock.
struct Bench {
    open: Open,
    store: Arc<dyn Store>,
    clock: ManualClock,
}

/// Runs the suite. `fresh` prepares an engine without records on the given clock.
pub(crate) async fn hold(fresh: impl Fn(&ManualClock) -> Open) {
    let bench = || {
        let clock = ManualClock::new("2026-11-21T10:00:00Z".parse().unwrap());
        let open = fresh(&clock);
        let store = open();
        Bench { open, store, clock }
    };
    created_once_while_alive(bench()).await;
    replaced_only_over_what_was_seen(bench()).await;
    a_version_never_comes_back(bench()).await;
    expiry_is_absence(bench()).await;
    purged_when_expired(bench()).await;
    listed_in_pages(bench()).await;
    bounds_are_kept(bench()).await;
    of_many_takers_one_gets_it(bench()).await;
    of_many_creators_one_does(bench()).await;
    concurrent_updates_lose_none(bench()).await;
    a_lease_is_held_by_one(bench()).await;
    all_survives_reopening(bench()).await;
    shapes_are_checked(bench()).await;
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

impl Bench {
    fn after(&self, seconds: i64) -> Option<Timestamp> {
        Some(self.clock.now() + Span::from_secs(seconds))
    }

    async fn text(&self, key: &str) -> Option<String> {
        let record = self.store.get(key).await.unwrap()?;
        Some(String::from_utf8(record.value.to_vec()).unwrap())
    }

    async fn create(&self, key: &str, text: &str, expires: Option<Timestamp>) -> bool {
        let created = self.store.create(key, bytes(text), expires).await;
        created.unwrap().is_some()
    }

    async fn keys(&self, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
        let page = self.store.list(prefix, after, limit).await.unwrap();
        page.into_iter().map(|(key, _)| key).collect()
    }
}

async fn created_once_while_alive(bench: Bench) {
    assert!(bench.create("t/a", "first", None).await);
    assert!(!bench.create("t/a", "second", None).await);
    assert_eq!(bench.text("t/a").await.as_deref(), Some("first"));
    assert_eq!(bench.text("t/b").await, None);
    assert!(bench.create("t/", "", None).await, "an empty value is one");
    assert_eq!(bench.text("t/").await.as_deref(), Some(""));
}

async fn replaced_only_over_what_was_seen(bench: Bench) {
    let store = &bench.store;
    let first = store
        .create("t/a", bytes("1"), None)
        .await
        .unwrap()
        .unwrap();
    let second = store.replace("t/a", first, bytes("2"), None).await.unwrap();
    assert_eq!(
        store.get("t/a").await.unwrap().unwrap().version,
        second.unwrap()
    );
    let late = store.replace("t/a", first, bytes("3"), None).await.unwrap();
    assert_eq!(late, None);
    assert_eq!(bench.text("t/a").await.as_deref(), Some("2"));
    let absent = store.replace("t/b", first, bytes("3"), None).await.unwrap();
    assert_eq!(absent, None);
    assert_eq!(bench.text("t/b").await, None);
}

async fn a_version_never_comes_back(bench: Bench) {
    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        for _ in 0..3 {
            let version = bench.store.create("t/a", bytes("x"), None).await.unwrap();
            assert!(seen.insert(version.unwrap().0), "met again");
            bench.store.take("t/a").await.unwrap().unwrap();
        }
    }
}

async fn expiry_is_absence(bench: Bench) {
    let (store, expires) = (&bench.store, bench.after(10));
    let version = store.create("t/a", bytes("old"), expires).await.unwrap();
    assert_eq!(store.get("t/a").await.unwrap().unwrap().expires, expires);
    bench.clock.advance(Span::from_millis(9_999));
    assert!(!bench.create("t/a", "new", None).await);
    bench.clock.advance(Span::from_millis(1));
    assert_eq!(bench.text("t/a").await, None);
    assert!(store.take("t/a").await.unwrap().is_none());
    let replaced = store
        .replace("t/a", version.unwrap(), bytes("x"), None)
        .await;
    assert_eq!(replaced.unwrap(), None);
    assert!(bench.keys("", None, 10).await.is_empty());
    assert!(bench.create("t/a", "new", None).await);
    assert_eq!(bench.text("t/a").await.as_deref(), Some("new"));
}

async fn purged_when_expired(bench: Bench) {
    for number in 0..300 {
        bench
            .create(&format!("t/{number}"), "short", bench.after(10))
            .await;
    }
    bench.create("t/for-ever", "", None).await;
    bench.create("t/longer", "", bench.after(20)).await;
    let [ordered] = IN_ORDER;
    for (number, seconds) in [(1, 10), (2, 20), (3, 30)] {
        bench
            .create(&format!("{ordered}/{number}"), "", bench.after(seconds))
            .await;
    }
    assert_eq!(bench.store.purge().await.unwrap(), 0);
    bench.clock.advance(Span::from_secs(10));
    assert_eq!(bench.store.purge().await.unwrap(), 301);
    assert_eq!(bench.store.purge().await.unwrap(), 0);
    let left = ["2", "3"].map(|number| format!("{ordered}/{number}"));
    let left: Vec<_> = left.iter().map(String::as_str).collect();
    assert_eq!(
        bench.keys("", None, 1000).await,
        [&left[..], &["t/for-ever", "t/longer"]].concat()
    );
}

async fn listed_in_pages(bench: Bench) {
    for key in [
        "a", "a/", "a/1", "a/2", "a/2/x", "a/ü", "a0", "b/1", "a/gone",
    ] {
        let expires = key.ends_with("gone").then(|| bench.clock.now());
        assert!(bench.create(key, "", expires).await);
    }
    let all = ["a/", "a/1", "a/2", "a/2/x", "a/ü"];
    assert_eq!(bench.keys("a/", None, 100).await, all);
    assert_eq!(bench.keys("a/", None, 5).await, all);
    assert_eq!(bench.keys("a/", None, 2).await, ["a/", "a/1"]);
    assert_eq!(bench.keys("a/", Some("a/1"), 2).await, ["a/2", "a/2/x"]);
    assert_eq!(
        bench.keys("a/", Some("a/15"), 1).await,
        ["a/2"],
        "a key that is not there"
    );
    assert_eq!(bench.keys("a/", Some("a/ü"), 9).await, [""; 0]);
    assert_eq!(
        bench.keys("a/", Some("Z"), 9).await,
        all,
        "before the prefix"
    );
    assert_eq!(
        bench.keys("a/", Some("b"), 9).await,
        [""; 0],
        "behind the prefix"
    );
    assert_eq!(bench.keys("a/", None, 0).await, [""; 0]);
    assert_eq!(bench.keys("c", None, 9).await, [""; 0]);
    assert_eq!(bench.keys("", None, 100).await.len(), 8);
}

async fn bounds_are_kept(bench: Bench) {
    let store = &bench.store;
    let (longest, largest) = ("k".repeat(512), Bytes::from(vec![7; 256 * 1024]));
    let version = store.create(&longest, largest.clone(), None).await.unwrap();
    assert_eq!(store.get(&longest).await.unwrap().unwrap().value, largest);
    let refused = |error: StoreError| matches!(error, StoreError::OutOfBounds { .. });
    for key in [String::new(), "k".repeat(513)] {
        assert!(refused(store.get(&key).await.unwrap_err()));
        assert!(refused(store.take(&key).await.unwrap_err()));
        assert!(refused(
            store.create(&key, bytes(""), None).await.unwrap_err()
        ));
    }
    let too_large = || Bytes::from(vec![7; 256 * 1024 + 1]);
    assert!(refused(
        store.create("t/a", too_large(), None).await.unwrap_err()
    ));
    let replaced = store.replace(&longest, version.unwrap(), too_large(), None);
    assert!(refused(replaced.await.unwrap_err()));
    assert_eq!(
        store.get(&longest).await.unwrap().unwrap().version,
        version.unwrap()
    );
}

async fn of_many_takers_one_gets_it(bench: Bench) {
    for round in 0..20 {
        let key = format!("t/{round}");
        bench.create(&key, "prize", None).await;
        let takers: Vec<_> = (0..32)
            .map(|_| {
                let (store, key) = (Arc::clone(&bench.store), key.clone());
                tokio::spawn(async move { store.take(&key).await.unwrap().is_some() })
            })
            .collect();
        assert_eq!(successes(takers).await, 1);
        assert_eq!(bench.text(&key).await, None);
    }
}

async fn of_many_creators_one_does(bench: Bench) {
    let creators: Vec<_> = (0..32)
        .map(|number: u8| {
            let store = Arc::clone(&bench.store);
            tokio::spawn(async move {
                let value = Bytes::from(vec![number]);
                store.create("t/a", value, None).await.unwrap().is_some()
            })
        })
        .collect();
    assert_eq!(successes(creators).await, 1);
}

async fn successes(tasks: Vec<tokio::task::JoinHandle<bool>>) -> usize {
    let mut count = 0;
    for task in tasks {
        count += usize::from(task.await.unwrap());
    }
    count
}

async fn concurrent_updates_lose_none(bench: Bench) {
    let table = Table::<u64>::new(Arc::clone(&bench.store), "counter");
    assert_eq!(
        table
            .update::<StoreError>("a", |n| Ok(Change::Keep(n)))
            .await
            .unwrap(),
        None
    );
    let expires = bench.after(60);
    assert!(table.create("a", &0, expires).await.unwrap());
    let workers: Vec<_> = (0..16)
        .map(|_| {
            let table = table.clone();
            tokio::spawn(async move {
                for _ in 0..50 {
                    let add = |n| Ok::<_, StoreError>(Change::Keep(n + 1));
                    table.update("a", add).await.unwrap().unwrap();
                }
                true
            })
        })
        .collect();
    assert_eq!(successes(workers).await, 16);
    let entry = table.get("a").await.unwrap().unwrap();
    assert_eq!((entry.value, entry.expires), (800, expires));
    let left = table
        .update::<StoreError>("a", |n| Ok(Change::Leave(n)))
        .await;
    assert_eq!(left.unwrap(), Some(800));
    let after = table.get("a").await.unwrap().unwrap();
    assert_eq!(after.version, entry.version, "left is not written");
}

async fn a_lease_is_held_by_one(bench: Bench) {
    let leases = Leases::new(Arc::clone(&bench.store), Arc::new(bench.clock.clone()));
    let acquire = || leases.acquire("job", Duration::from_secs(10));
    let first = acquire().await.unwrap().unwrap();
    assert!(acquire().await.unwrap().is_none());
    first.release().await.unwrap();
    let slow = acquire().await.unwrap().unwrap();
    bench.clock.advance(Span::from_secs(10));
    let third = acquire().await.unwrap().unwrap();
    slow.release().await.unwrap();
    assert!(
        acquire().await.unwrap().is_none(),
        "the slow one released another's"
    );
    third.release().await.unwrap();
    drop(acquire().await.unwrap().unwrap());
    assert!(
        acquire().await.unwrap().is_none(),
        "dropped is not released"
    );
}

async fn all_survives_reopening(bench: Bench) {
    let Bench { open, store, clock } = bench;
    let mut versions = Vec::new();
    for number in 0..500 {
        let value = Bytes::from(vec![number as u8; 1 + number * 7 % 9000]);
        let version = store.create(&format!("t/{number:03}"), value, None).await;
        versions.push(version.unwrap().unwrap());
    }
    for number in (0..500).step_by(5) {
        store
            .take(&format!("t/{number:03}"))
            .await
            .unwrap()
            .unwrap();
    }
    let expires = Some(clock.now() + Span::from_secs(5));
    store.create("u/a", bytes("x"), expires).await.unwrap();
    drop(store);
    let store = open();
    let page = store.list("t/", None, 1000).await.unwrap();
    assert_eq!(page.len(), 400);
    for (key, record) in page {
        let number: usize = key[2..].parse().unwrap();
        assert_ne!(number % 5, 0);
        assert_eq!(record.version, versions[number]);
        assert_eq!(record.value, vec![number as u8; 1 + number * 7 % 9000]);
    }
    assert_eq!(store.get("u/a").await.unwrap().unwrap().expires, expires);
    let fresh = store
        .create("t/000", bytes("x"), None)
        .await
        .unwrap()
        .unwrap();
    assert!(!versions.contains(&fresh), "a version came back");
}

#[derive(Debug, Serialize, Deserialize)]
struct Shape {
    field: u64,
}

async fn shapes_are_checked(bench: Bench) {
    let value = bytes(r#"{"field":"a secret, perhaps"}"#);
    bench.store.create("t/a", value, None).await.unwrap();
    let table = Table::<Shape>::new(Arc::clone(&bench.store), "t");
    let error = table.get("a").await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{text}");
    assert!(text.contains("t/a") && !text.contains("secret"), "{text}");
}
