//! Identity assertions (ID-JAG): which are taken, and which are not.

use std::sync::Arc;

use anteroom::{
    base::{
        clock::ManualClock,
        entropy::{Entropy, SeededEntropy},
        seal::{RootKey, Sealer},
    },
    config::{Oidc, UserSourceKind},
    store::{Store, sled::SledStore},
    user_source::{
        oidc::{AssertionError, OidcProviders},
        profile::Profiles,
    },
    web::urls::Urls,
};
use serde_json::{Map, Value, json};

use super::office::Office;
use crate::support::idp::{Document, Idp, Key, base64, by_hand, hs256};

const US: &str = "https://gw.example.com";
const TYPE: &str = "oauth-id-jag+jwt";
const NOW: i64 = 1_800_000_000;

struct Counter {
    idp: Idp,
    oidc: Oidc,
    providers: OidcProviders,
    clock: ManualClock,
    _directory: tempfile::TempDir,
}

impl Counter {
    async fn open() -> Self {
        let office = Office::open().await;
        let config = office.world.configuration();
        let UserSourceKind::Oidc(oidc) = &config.user_sources["corp"].kind else {
            panic!("corp is of type oidc");
        };
        let clock = ManualClock::new("2027-01-15T08:00:00Z".parse().unwrap());
        let directory = tempfile::tempdir().unwrap();
        let store = SledStore::open(directory.path(), Arc::new(clock.clone())).unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(1));
        let key = RootKey {
            id: "test".into(),
            key: zeroize::Zeroizing::new([7; 32]),
        };
        let providers = OidcProviders::new(
            &store,
            Profiles::new(Arc::clone(&store)),
            Sealer::new(&[key], Arc::clone(&entropy)),
            Urls::new(&US.parse().unwrap()),
            Arc::new(clock.clone()),
            entropy,
        );
        Self {
            idp: office.idp,
            oidc: Oidc::clone(oidc),
            providers,
            clock,
            _directory: directory,
        }
    }

    fn claims(&self) -> Map<String, Value> {
        let claims = json!({
            "iss": self.idp.issuer(), "sub": "alice", "aud": US, "client_id": "c", "jti": "1",
            "resource": "https://gw.example.com/mcp/work", "iat": NOW, "exp": NOW + 60,
        });
        claims.as_object().unwrap().clone()
    }

    /// An assertion with this claim otherwise, or without it.
    fn with(&self, name: &str, value: Value) -> String {
        let mut claims = self.claims();
        claims.insert(name.into(), value);
        claims.retain(|_, value| !value.is_null());
        self.idp.key().sign(&claims, TYPE)
    }

    async fn hand_in(&self, jwt: &str) -> Result<Map<String, Value>, AssertionError> {
        let source = "corp".parse().unwrap();
        self.providers.assertion(&source, &self.oidc, jwt, US).await
    }

    async fn refused(&self, jwt: &str, why: &str) {
        match self.hand_in(jwt).await {
            Err(AssertionError::Refused(said)) => assert!(said.contains(why), "{said}, not {why}"),
            other => panic!("{why}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_good_one_is_taken_whatever_kind_of_key_made_it() {
    for key in [
        Key::es256("a"),
        Key::rs256("b"),
        Key::ps256("c"),
        Key::ed25519("d"),
    ] {
        let counter = Counter::open().await;
        counter.idp.rotate(key);
        for typ in [TYPE, "application/oauth-id-jag+jwt", "OAuth-ID-JAG+JWT"] {
            let jwt = counter.idp.key().sign(&counter.claims(), typ);
            assert_eq!(counter.hand_in(&jwt).await.unwrap(), counter.claims());
        }
    }
}

#[tokio::test]
async fn one_that_the_issuer_did_not_sign() {
    let counter = Counter::open().await;
    let (claims, key) = (counter.claims(), counter.idp.key());
    let header = |alg: &str| json!({ "alg": alg, "typ": TYPE, "kid": key.id });
    let good = key.sign(&claims, TYPE);
    let public = serde_json::to_string(&key.public()).unwrap();
    counter
        .refused(&by_hand(&header("none"), &claims, b""), "no signed JWT")
        .await;
    let hmac = by_hand(&header("HS256"), &claims, b"whatever it is");
    counter.refused(&hmac, "algorithm").await;
    counter
        .refused(&hs256(public.as_bytes(), &key.id, &claims), "type")
        .await;
    counter
        .refused(&by_hand(&header("ES256"), &claims, &[0; 64]), "no key")
        .await;
    counter
        .refused(&by_hand(&header("RS256"), &claims, &[0; 256]), "no key")
        .await;
    counter
        .refused(&Key::es256("unknown").sign(&claims, TYPE), "no key")
        .await;
    counter
        .refused(&Key::es256(&key.id).sign(&claims, TYPE), "no key")
        .await;
    // Claims changed after signing.
    let mut parts = good.split('.');
    let mut other = claims.clone();
    other.insert("sub".into(), "mallory".into());
    let other = base64(serde_json::to_string(&other).unwrap().as_bytes());
    let (head, signature) = (parts.next().unwrap(), parts.nth(1).unwrap());
    counter
        .refused(&format!("{head}.{other}.{signature}"), "no key")
        .await;
    let critical =
        json!({ "alg": "ES256", "typ": TYPE, "kid": key.id, "crit": ["b64"], "b64": false });
    counter
        .refused(&by_hand(&critical, &claims, &[0; 64]), "do not understand")
        .await;
    assert!(counter.hand_in(&good).await.is_ok());
}

#[tokio::test]
async fn an_id_token_or_an_access_token_is_no_assertion() {
    let counter = Counter::open().await;
    for typ in ["JWT", "at+jwt", "", "oauth-id-jag"] {
        let jwt = counter.idp.key().sign(&counter.claims(), typ);
        counter.refused(&jwt, "its type").await;
    }
}

#[tokio::test]
async fn one_for_others_or_by_others() {
    let counter = Counter::open().await;
    for (claim, value, why) in [
        ("aud", json!("https://other.example"), "(aud)"),
        ("aud", json!("https://gw.example.com/"), "(aud)"),
        (
            "aud",
            json!([US, "https://other.example"]),
            "for others too",
        ),
        ("aud", Value::Null, "it needs"),
        ("aud", json!([]), "(aud)"),
        ("iss", json!("https://other.example"), "(iss)"),
        (
            "iss",
            json!([counter.idp.issuer(), "https://other.example"]),
            "two issuers",
        ),
        ("iss", Value::Null, "it needs"),
        ("sub", Value::Null, "it needs"),
    ] {
        counter.refused(&counter.with(claim, value), why).await;
    }
    assert!(
        counter
            .hand_in(&counter.with("aud", json!([US])))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn one_of_another_time() {
    let counter = Counter::open().await;
    for (claim, value, why) in [
        ("exp", json!(NOW - 60), "expired"),
        ("exp", Value::Null, "it needs"),
        ("exp", json!("soon"), "it needs"),
        ("iat", json!(NOW + 61), "of the future"),
        ("iat", Value::Null, "does not say when"),
        ("iat", json!("then"), "does not say when"),
        ("nbf", json!(NOW + 61), "not good yet"),
        ("nbf", json!("then"), "does not say when"),
    ] {
        counter.refused(&counter.with(claim, value), why).await;
    }
    for (claim, value) in [("exp", NOW - 59), ("iat", NOW + 60), ("nbf", NOW + 60)] {
        assert!(
            counter
                .hand_in(&counter.with(claim, json!(value)))
                .await
                .is_ok()
        );
    }
}

#[tokio::test]
async fn rubbish() {
    let counter = Counter::open().await;
    for rubbish in ["", ".", "..", "a.b.c", "e30.e30.", "☃.☃.☃"] {
        counter.refused(rubbish, "no signed JWT").await;
    }
    counter.refused(&"a".repeat(1 << 20), "too long").await;
    assert!(
        counter.idp.asked("discovery").is_empty(),
        "nobody is asked for their sake"
    );
}

#[tokio::test]
async fn keys_that_changed_and_keys_that_cannot_be_had() {
    let counter = Counter::open().await;
    assert!(
        counter
            .hand_in(&counter.with("jti", json!("1")))
            .await
            .is_ok()
    );
    counter.idp.rotate(Key::rs256("second"));
    assert!(
        counter
            .hand_in(&counter.with("jti", json!("2")))
            .await
            .is_ok()
    );
    let unknown = Key::es256("unknown").sign(&counter.claims(), TYPE);
    for _ in 0..10 {
        counter.refused(&unknown, "no key").await;
    }
    assert_eq!(
        counter.idp.asked("jwks").len(),
        2,
        "anybody can send us such"
    );

    counter
        .clock
        .advance(anteroom::base::clock::Span::from_secs(30));
    counter.idp.switch(|idp| idp.jwks = Document::Status(503));
    let answer = counter.hand_in(&unknown).await;
    assert!(
        matches!(answer, Err(AssertionError::Unavailable(_))),
        "{answer:?}"
    );
    let known = counter.with("jti", json!("3"));
    assert!(counter.hand_in(&known).await.is_ok(), "known keys work on");
}
