//! What upstreams refuse, what users take back, what others do to the store.

use super::{
    tests_bench::{Bench, find, held, lack, name, read, reconnect, token, user, vault, wish},
    *,
};
use crate::{
    audit::event::By, base::seal::OpenError, protocol::oauth::scope::ScopeSet,
    store::sled::SledStore,
};

impl Bench {
    /// Alice disconnects her only account.
    async fn disconnect(&self) -> Option<Disconnected> {
        let (user, name, id) = (user("alice"), name(), self.only().await.id);
        let gone = self.vault.disconnect(&user, &name, &id, None, By::User);
        gone.await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_is_refreshed_once_for_all() {
    let bench = Bench::new().await;
    let first = held(bench.find().await);
    bench.endpoint.takes(50);
    let answers = (0..50).map(|_| bench.refused(&first));
    for answer in futures_util::future::join_all(answers).await {
        assert_eq!(token(answer), "at-1");
    }
    assert_eq!(token(bench.refused(&first).await), "at-1", "long after");
    assert_eq!(bench.endpoint.requests(), 1);
}

#[tokio::test]
async fn refused_again_it_is_up_to_the_user() {
    let bench = Bench::new().await;
    let first = held(bench.find().await);
    let second = held(bench.refused(&first).await);
    assert_eq!(lack(bench.refused(&second).await), reconnect());
    assert_eq!(lack(bench.find().await), reconnect());
    assert_eq!(bench.endpoint.requests(), 1);
    bench.keep(5, false).await;
    let unrefreshable = held(bench.find().await);
    assert_eq!(lack(bench.refused(&unrefreshable).await), reconnect());
    assert_eq!(bench.endpoint.requests(), 1);
}

#[tokio::test]
async fn a_refusal_while_the_provider_fails_condemns_nobody() {
    let bench = Bench::new().await;
    let first = held(bench.find().await);
    bench.endpoint.then(503, "out");
    for _ in 0..3 {
        let error = bench.refused(&first).await.unwrap_err();
        assert!(matches!(error, VaultError::Unavailable { .. }), "{error}");
    }
    assert_eq!(bench.endpoint.requests(), 1);
    bench.pass(1);
    assert_eq!(token(bench.refused(&first).await), "at-2");
}

#[tokio::test]
async fn a_caller_who_goes_away_loses_no_rotated_token() {
    let bench = Bench::expired().await;
    bench.endpoint.takes(200);
    let impatient = tokio::time::timeout(Duration::from_millis(50), bench.find());
    assert!(impatient.await.is_err());
    assert_eq!(token(bench.find().await), "at-1");
    assert_eq!(bench.endpoint.requests(), 1);
}

#[tokio::test]
async fn what_the_user_does_during_a_refresh_wins() {
    let bench = Bench::expired().await;
    bench.endpoint.takes(200);
    let reconnecting = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        bench.keep(9, true).await;
    };
    let (found, ()) = tokio::join!(bench.find(), reconnecting);
    assert_eq!(token(found), "at-9");
    bench.pass(3600);
    let disconnecting = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(bench.disconnect().await.is_some());
    };
    // It waits for the refresh, so that what the provider is told to end is what it gave last.
    let (found, ()) = tokio::join!(bench.find(), disconnecting);
    assert_eq!(token(found), "at-2");
    assert_eq!(lack(bench.find().await), Lack::NotConnected);
    assert_eq!(bench.endpoint.requests(), 2);
}

#[tokio::test]
async fn a_disconnect_is_seen_at_once() {
    let bench = Bench::new().await;
    let before = held(bench.find().await);
    let (alice, acme, id) = (user("alice"), name(), bench.only().await.id);
    assert!(bench.disconnect().await.is_some());
    assert_eq!(lack(bench.find().await), Lack::NotConnected);
    let again = bench.vault.disconnect(&alice, &acme, &id, None, By::User);
    assert!(again.await.unwrap().is_none());
    bench.pass(1);
    bench.keep(1, true).await;
    let after = held(bench.find().await);
    assert_ne!(before.revision, after.revision);
    assert_eq!(token(bench.refused(&before).await), "at-1");
    assert_eq!(bench.endpoint.requests(), 0);
}

#[tokio::test]
async fn a_lease_of_a_dead_replica_is_waited_for() {
    let bench = Bench::expired().await;
    let leases = Leases::new(bench.store.clone(), Arc::new(bench.clock.clone()));
    let id = bench.only().await.id;
    let key = format!("credential/{}/acme/{id}", user("alice").key());
    let _held_by_the_dead = leases
        .acquire(&key, Duration::from_secs(20))
        .await
        .unwrap()
        .unwrap();
    let burial = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(bench.endpoint.requests(), 0);
        bench.pass(20);
    };
    let (found, ()) = tokio::join!(bench.find(), burial);
    assert_eq!(token(found), "at-1");
}

#[tokio::test]
async fn a_row_copied_to_another_user_does_not_open() {
    let bench = Bench::new().await;
    let key = |subject| format!("credentials/{}/acme", user(subject).key());
    let row = bench.store.get(&key("alice")).await.unwrap().unwrap();
    bench
        .store
        .create(&key("mallory"), row.value, None)
        .await
        .unwrap();
    let (mallory, name, read) = (user("mallory"), name(), read());
    let wish = wish(&mallory, &name, &bench.provider, &Slot::Default, &read);
    let stolen = bench.vault.find(wish).await;
    let error = stolen.unwrap_err();
    assert!(
        matches!(
            error,
            VaultError::Sealed {
                source: OpenError::Refused,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn what_was_kept_is_there_after_a_restart_and_nothing_of_it_in_the_clear() {
    let bench = Bench::expired().await;
    assert_eq!(token(bench.find().await), "at-1");
    let Bench {
        clock,
        directory,
        provider,
        store,
        vault: old,
        ..
    } = bench;
    old.drain().await;
    drop((old, store));
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = if path.is_file() {
            std::fs::read(path).unwrap()
        } else {
            continue;
        };
        for secret in ["at-0", "rt-0", "at-1", "rt-1"] {
            assert!(
                !bytes.windows(4).any(|window| window == secret.as_bytes()),
                "{secret}"
            );
        }
    }
    let store = SledStore::open(directory.path(), Arc::new(clock.clone())).unwrap();
    let vault = vault(&Arc::new(store), &clock);
    assert_eq!(token(find(&vault, &provider).await), "at-1");
    let lookup = find(&vault, &provider).await;
    assert!(!format!("{vault:?} {lookup:?}").contains("at-1"));
}

#[tokio::test]
async fn what_is_lacking_says_what_to_ask_for() {
    let bench = Bench::new().await;
    let write = ScopeSet::parse("write");
    let (alice, name) = (user("alice"), name());
    let wish = wish(&alice, &name, &bench.provider, &Slot::Default, &write);
    let lookup = bench.vault.find(wish).await;
    let lack = lack(lookup);
    assert_eq!(
        lack,
        Lack::MoreScopes {
            missing: write.clone(),
            granted: read()
        }
    );
    assert_eq!(lack.to_ask_for(&write), ScopeSet::parse("read write"));
    assert_eq!(Lack::NotConnected.to_ask_for(&write), write);
}
