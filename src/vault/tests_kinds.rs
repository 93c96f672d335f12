//! A provider that becomes one of another kind while things of the old kind are kept: they go nowhere any more.

use super::{
    tests_bench::{Bench, find, held, lack, name, token, user, wish},
    *,
};
use crate::{
    audit::event::By,
    base::secret::Secret,
    config::{ApiKeyProvider, Provider},
    protocol::oauth::scope::ScopeSet,
};

pub(super) fn of_keys() -> Provider {
    Provider::ApiKey(Box::new(ApiKeyProvider {
        title: "Acme".into(),
        label: "API key".into(),
        hint: None,
        key_url: None,
        probe: None,
    }))
}

impl Bench {
    /// Alice gave a key to what is an authorization server now, which has a place to end grants at.
    async fn with_a_key() -> Self {
        let mut bench = Self::new().await;
        bench.revoking();
        let key = Secret::from("sk-alices".to_owned());
        let grant = Grant::Key { key, account: None };
        let (alice, acme) = (user("alice"), name());
        let kept = bench.vault.keep(&alice, &acme, &Slot::Default, grant).await;
        kept.unwrap();
        bench
    }
}

/// A key says nothing of scopes, so it would pass for a token that is good for all of them.
#[tokio::test]
async fn key_passed_off_as_a_token() {
    let bench = Bench::with_a_key().await;
    assert_eq!(lack(bench.find().await), Lack::NotConnected);
    assert_eq!(token(find(&bench.vault, &of_keys()).await), "sk-alices");
}

#[tokio::test]
async fn key_sent_to_a_revocation_endpoint() {
    let bench = Bench::with_a_key().await;
    let (alice, acme, id) = (user("alice"), name(), bench.only().await.id);
    let ended = bench
        .vault
        .disconnect(&alice, &acme, &id, Some(&bench.provider), By::User);
    let ended = ended.await.unwrap().unwrap();
    assert_eq!(ended.revoked, Revocation::NotOffered);
    assert_eq!(bench.endpoint.requests(), 0, "nobody saw the key");
}

/// Good or over, with a refresh token or without: the user is asked for a key, and nothing old is sent.
#[tokio::test]
async fn token_passed_off_as_a_key() {
    let bench = Bench::new().await;
    let held = held(bench.find().await);
    assert_eq!(
        lack(find(&bench.vault, &of_keys()).await),
        Lack::NotConnected
    );
    let (alice, acme, nothing) = (user("alice"), name(), ScopeSet::default());
    let keys = of_keys();
    let wish = wish(&alice, &acme, &keys, &Slot::Default, &nothing);
    assert_eq!(
        lack(bench.vault.refused(wish, &held).await),
        Lack::NotConnected
    );
    bench.pass(7200);
    assert_eq!(
        lack(find(&bench.vault, &of_keys()).await),
        Lack::NotConnected
    );
    assert_eq!(bench.endpoint.requests(), 0);
}
