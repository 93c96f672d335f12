//! What whoever watches is told of sign-ins.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use metrics::{
    Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

use super::office::Office;
use crate::support::{
    browser::Browser,
    idp::{AtAuthorize, AtToken},
};

/// Counters of this thread, as `name{label="value"}`.
#[derive(Clone, Default)]
struct Tally(Arc<Mutex<BTreeMap<String, u64>>>);

struct One(Tally, String);

impl CounterFn for One {
    fn increment(&self, by: u64) {
        *self.0.0.lock().unwrap().entry(self.1.clone()).or_default() += by;
    }

    fn absolute(&self, value: u64) {
        self.0.0.lock().unwrap().insert(self.1.clone(), value);
    }
}

impl Recorder for Tally {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let labels: Vec<_> = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        let name = format!("{} {}", key.name(), labels.join(" "));
        Counter::from_arc(Arc::new(One(self.clone(), name)))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test]
async fn sign_ins_and_failures_of_providers_are_counted() {
    let tally = Tally::default();
    let _counting = metrics::set_default_local_recorder(&tally);
    let office = Office::open().await;
    office.signed_in("alice").await;
    office.signed_in("bob").await;
    office.world.signed_in("alice").await;
    office
        .idp
        .switch(|idp| idp.authorize = AtAuthorize::Error("access_denied"));
    office.sign_in(&Browser::new(), "alice").await;
    office.idp.switch(|idp| {
        idp.authorize = AtAuthorize::Code;
        idp.token = AtToken::Say(500, "");
    });
    office.sign_in(&Browser::new(), "alice").await;
    let counted: Vec<_> = tally.0.lock().unwrap().clone().into_iter().collect();
    let expected = [
        ("anteroom_idp_failures_total user_source=corp why=silent", 1),
        ("anteroom_sign_ins_total user_source=corp outcome=failed", 1),
        (
            "anteroom_sign_ins_total user_source=corp outcome=refused",
            1,
        ),
        (
            "anteroom_sign_ins_total user_source=corp outcome=signed_in",
            2,
        ),
        (
            "anteroom_sign_ins_total user_source=team outcome=signed_in",
            1,
        ),
    ];
    let ours = counted
        .iter()
        .filter(|(name, _)| name.contains("sign_ins") || name.contains("idp"));
    let ours: Vec<_> = ours.map(|(name, count)| (name.as_str(), *count)).collect();
    assert_eq!(ours, expected);
}
