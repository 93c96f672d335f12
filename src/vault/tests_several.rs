//! Several accounts of one user at one provider.

use super::{
    tests_bench::{Bench, lack, name, read, token, user, wish},
    *,
};
use crate::{
    audit::event::By,
    base::id::{ConnectionId, Label},
};

fn label(text: &str) -> Slot {
    Slot::Label(text.parse().unwrap())
}

fn words(text: &str) -> Label {
    text.parse().unwrap()
}

impl Bench {
    /// Alice has connected an account whose name at the provider is known.
    async fn known(account: &str) -> Self {
        let bench = Self::new().await;
        let kept = bench.lands(&Slot::Default, Some(account), 1).await;
        assert_eq!(
            kept.change,
            KeptAs::Replaced,
            "nobody knew whose the first was"
        );
        bench
    }

    async fn lands(&self, slot: &Slot, account: Option<&str>, number: usize) -> Kept {
        self.pass(1);
        self.land(slot, account, number, true).await.unwrap()
    }

    async fn found(&self, slot: &Slot) -> Result<TokenLookup, VaultError> {
        let (user, name, read) = (user("alice"), name(), read());
        let wish = wish(&user, &name, &self.provider, slot, &read);
        self.vault.find(wish).await
    }

    /// As a list of account, labels and whether it is the default.
    async fn wallet(&self) -> Vec<String> {
        let all = self.vault.of_user(&user("alice")).await.unwrap();
        let shown = all.iter().map(|known| {
            let account = known.account.as_ref().map_or("?", |account| &account.id);
            let labels: Vec<_> = known.labels.iter().map(Label::as_str).collect();
            let default = if known.is_default { "*" } else { "" };
            format!("{account}{default} {}", labels.join(","))
        });
        shown.map(|shown| shown.trim().to_owned()).collect()
    }

    async fn disconnect_one(&self, id: &ConnectionId) -> Option<Disconnected> {
        let (user, name) = (user("alice"), name());
        let ended = self
            .vault
            .disconnect(&user, &name, id, Some(&self.provider), By::User);
        ended.await.unwrap()
    }
}

#[tokio::test]
async fn another_account_stands_beside_the_first_and_calls_find_each() {
    let bench = Bench::known("home").await;
    let kept = bench.lands(&label("work"), Some("office"), 2).await;
    assert_eq!(
        (kept.change, kept.instead_of.is_none()),
        (KeptAs::New, true)
    );
    assert_eq!(bench.wallet().await, ["home*", "office work"]);
    assert_eq!(token(bench.found(&Slot::Default).await), "at-1");
    assert_eq!(token(bench.found(&label(" WORK ")).await), "at-2");
    assert_eq!(lack(bench.found(&label("play")).await), Lack::NotConnected);
    assert_eq!(lack(bench.found(&Slot::Beside).await), Lack::NotConnected);
    let again = Slot::Again(kept.connection.id.clone());
    assert_eq!(token(bench.found(&again).await), "at-2");
    // Each is refreshed by itself.
    bench.pass(3600);
    assert_eq!(token(bench.found(&label("work")).await), "at-1");
    assert_eq!(bench.endpoint.requests(), 1);
    assert!(bench.endpoint.last().contains("refresh_token=rt-2"));
}

#[tokio::test]
async fn the_same_account_is_updated_wherever_it_was_to_go() {
    let bench = Bench::known("home").await;
    let first = bench.only().await.id;
    let slots = [
        Slot::Default,
        label("work"),
        Slot::Beside,
        Slot::Again(first.clone()),
    ];
    for (number, slot) in slots.iter().enumerate() {
        let kept = bench.lands(slot, Some("home"), 10 + number).await;
        assert_eq!(kept.change, KeptAs::Updated, "{slot:?}");
        assert_eq!(kept.connection.id, first);
    }
    assert_eq!(bench.wallet().await, ["home* work"]);
    assert_eq!(token(bench.find().await), "at-13");
}

#[tokio::test]
async fn another_account_where_one_was_meant_loses_nothing() {
    let bench = Bench::known("home").await;
    let first = bench.only().await.id;
    let kept = bench
        .lands(&Slot::Again(first.clone()), Some("office"), 2)
        .await;
    assert_eq!(kept.instead_of.unwrap().id, first);
    assert_eq!(bench.wallet().await, ["home*", "office"]);
    let kept = bench.lands(&Slot::Default, Some("club"), 3).await;
    assert_eq!(kept.instead_of.unwrap().id, first);
    assert_eq!(bench.wallet().await, ["home", "office", "club*"]);
    bench.lands(&label("work"), Some("office"), 4).await;
    let kept = bench.lands(&label("Work"), Some("home"), 5).await;
    assert_eq!(kept.instead_of.unwrap().account.unwrap().id, "office");
    assert_eq!(bench.wallet().await, ["home work", "office", "club*"]);
    assert_eq!(token(bench.found(&label("work")).await), "at-5");
}

#[tokio::test]
async fn where_the_provider_does_not_tell_the_one_that_is_meant_is_replaced() {
    let bench = Bench::new().await;
    let kept = bench.lands(&Slot::Default, None, 1).await;
    assert_eq!(kept.change, KeptAs::Replaced);
    let kept = bench.lands(&label("work"), None, 2).await;
    assert_eq!(kept.change, KeptAs::New);
    let kept = bench.lands(&label("work"), None, 3).await;
    assert_eq!(kept.change, KeptAs::Replaced);
    assert_eq!(bench.wallet().await, ["?*", "? work"]);
    assert_eq!(token(bench.found(&Slot::Default).await), "at-1");
    assert_eq!(token(bench.found(&label("work")).await), "at-3");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_account_landing_many_times_at_once_is_one_connection() {
    let bench = Bench::known("home").await;
    let other = super::tests_bench::vault(&bench.store, &bench.clock);
    let landings = (0..16).map(|number| {
        let slot = if number % 2 == 0 {
            Slot::Beside
        } else {
            label("work")
        };
        let account = ["office", "club"][number % 4 / 2];
        let vault = if number % 3 == 0 {
            &other
        } else {
            &bench.vault
        };
        bench.land_in(vault, slot, account, 100 + number)
    });
    for kept in futures_util::future::join_all(landings).await {
        kept.unwrap();
    }
    let mut accounts: Vec<_> = bench.wallet().await;
    accounts
        .iter_mut()
        .for_each(|known| *known = known.replace(" work", ""));
    accounts.sort();
    assert_eq!(accounts, ["club", "home*", "office"]);
}

#[tokio::test]
async fn there_is_an_end_to_accounts() {
    let bench = Bench::known("0").await;
    for number in 1..20 {
        bench
            .lands(&Slot::Beside, Some(&number.to_string()), number)
            .await;
    }
    let more = bench.land(&Slot::Beside, Some("20"), 20, true).await;
    assert!(matches!(more, Err(VaultError::Full { .. })), "{more:?}");
    assert_eq!(bench.wallet().await.len(), 20);
    bench.lands(&Slot::Beside, Some("7"), 7).await;
}

#[tokio::test]
async fn a_label_too_many_is_said_and_not_asked_for_again_and_again() {
    let bench = Bench::known("0").await;
    for number in 0..40 {
        let slot = label(&format!("l{number}"));
        bench.lands(&slot, Some("0"), number + 1).await;
    }
    let more = bench.land(&label("more"), Some("0"), 50, true).await;
    assert!(matches!(more, Err(VaultError::Full { .. })), "{more:?}");
    bench.lands(&label("L7"), Some("0"), 51).await;
}

#[tokio::test]
async fn the_default_and_labels_are_moved_by_hand() {
    let bench = Bench::known("home").await;
    let office = bench.lands(&label("work"), Some("office"), 2).await;
    let (alice, acme, office) = (user("alice"), name(), office.connection.id);
    let home = bench.vault.of_user(&alice).await.unwrap()[0].id.clone();
    let moved = bench.vault.make_default(&alice, &acme, &office).await;
    assert!(moved.unwrap().unwrap().is_default);
    assert_eq!(token(bench.found(&Slot::Default).await), "at-2");
    let work = words("Work");
    let named = bench.vault.label(&alice, &acme, &home, Some(&work)).await;
    assert_eq!(named.unwrap().unwrap().labels[0].as_str(), "Work");
    assert_eq!(bench.wallet().await, ["home Work", "office*"]);
    bench.vault.label(&alice, &acme, &home, None).await.unwrap();
    assert_eq!(bench.wallet().await, ["home", "office*"]);
    let nobody: ConnectionId = "x".repeat(27).parse().unwrap();
    for id in [&nobody] {
        assert!(
            bench
                .vault
                .make_default(&alice, &acme, id)
                .await
                .unwrap()
                .is_none()
        );
        assert!(
            bench
                .vault
                .label(&alice, &acme, id, None)
                .await
                .unwrap()
                .is_none()
        );
    }
    // Nobody reaches another's.
    let mallory = user("mallory");
    let stolen = bench.vault.make_default(&mallory, &acme, &home);
    assert!(stolen.await.unwrap().is_none());
}

#[tokio::test]
async fn disconnecting_one_leaves_the_others_and_says_what_is_the_default_now() {
    let bench = Bench::known("home").await;
    let office = bench.lands(&label("work"), Some("office"), 2).await;
    bench.lands(&Slot::Beside, Some("club"), 3).await;
    let home = bench.vault.of_user(&user("alice")).await.unwrap()[0]
        .id
        .clone();
    let ended = bench.disconnect_one(&home).await.unwrap();
    assert_eq!(ended.connection.id, home);
    assert_eq!(ended.revoked, Revocation::NotOffered);
    assert_eq!(ended.default_now.unwrap().id, office.connection.id);
    assert_eq!(bench.wallet().await, ["office* work", "club"]);
    assert_eq!(token(bench.find().await), "at-2");
    assert!(bench.disconnect_one(&home).await.is_none());
    let ended = bench.disconnect_one(&office.connection.id).await.unwrap();
    assert_eq!(ended.default_now.unwrap().account.unwrap().id, "club");
    assert_eq!(lack(bench.found(&label("work")).await), Lack::NotConnected);
}

#[tokio::test]
async fn tokens_put_in_another_accounts_place_do_not_open() {
    let bench = Bench::known("home").await;
    bench.lands(&label("work"), Some("office"), 2).await;
    let record = format!("credentials/{}/acme", user("alice").key());
    let row = bench.store.get(&record).await.unwrap().unwrap();
    let mut wallet: serde_json::Value = serde_json::from_slice(&row.value).unwrap();
    let known = wallet["connections"].as_array_mut().unwrap();
    known[0]["access_token"] = known[1]["access_token"].clone();
    let forged = serde_json::to_vec(&wallet).unwrap().into();
    bench
        .store
        .replace(&record, row.version, forged, None)
        .await
        .unwrap();
    let fresh = super::tests_bench::vault(&bench.store, &bench.clock);
    let (alice, acme, read) = (user("alice"), name(), read());
    let (own, work) = (Slot::Default, label("work"));
    let find = |slot| fresh.find(wish(&alice, &acme, &bench.provider, slot, &read));
    assert!(matches!(find(&own).await, Err(VaultError::Sealed { .. })));
    assert_eq!(
        token(find(&work).await),
        "at-2",
        "one that does not open hides no other"
    );
}
