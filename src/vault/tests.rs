//! The vault over a real store and a real token endpoint, which does as it is told.

use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::post};
use zeroize::Zeroizing;

use super::*;
use crate::{
    base::{
        clock::{ManualClock, Span},
        entropy::OsEntropy,
        seal::RootKey,
    },
    provider::example,
    store::sled::SledStore,
};

/// A token endpoint. Unless told otherwise it rotates: the nth answer has `at-n` and `rt-n` and an hour's life.
#[derive(Clone, Default)]
pub(super) struct Endpoint {
    bodies: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<VecDeque<(StatusCode, String)>>>,
    delay: Arc<AtomicU64>,
}

pub(super) struct Bench {
    pub(super) endpoint: Endpoint,
    pub(super) clock: ManualClock,
    pub(super) directory: tempfile::TempDir,
    pub(super) provider: Provider,
    pub(super) store: Arc<SledStore>,
    pub(super) vault: Vault,
}

impl Endpoint {
    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/token", post(Self::answer))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}/token")
    }

    async fn answer(State(this): State<Self>, body: String) -> impl IntoResponse {
        let number = {
            let mut bodies = this.bodies.lock().unwrap();
            bodies.push(body);
            bodies.len()
        };
        tokio::time::sleep(Duration::from_millis(this.delay.load(Ordering::SeqCst))).await;
        let told = this.answers.lock().unwrap().pop_front();
        let (status, body) = told.unwrap_or_else(|| (StatusCode::OK, tokens(number, true, 3600)));
        (status, [("content-type", "application/json")], body)
    }

    pub(super) fn then(&self, status: u16, body: impl Into<String>) {
        let status = StatusCode::from_u16(status).unwrap();
        self.answers
            .lock()
            .unwrap()
            .push_back((status, body.into()));
    }

    pub(super) fn takes(&self, milliseconds: u64) {
        self.delay.store(milliseconds, Ordering::SeqCst);
    }

    pub(super) fn requests(&self) -> usize {
        self.bodies.lock().unwrap().len()
    }

    fn last(&self) -> String {
        self.bodies.lock().unwrap().last().unwrap().clone()
    }
}

pub(super) fn tokens(number: usize, refreshable: bool, life: u64) -> String {
    let refresh = if refreshable {
        format!(r#""refresh_token":"rt-{number}","#)
    } else {
        String::new()
    };
    format!(
        r#"{{"access_token":"at-{number}",{refresh}"expires_in":{life},"token_type":"Bearer"}}"#
    )
}

pub(super) fn name() -> ProviderName {
    "acme".parse().unwrap()
}

pub(super) fn user(subject: &str) -> UserId {
    UserId::new("team".parse().unwrap(), subject)
}

pub(super) fn read() -> ScopeSet {
    ScopeSet::parse("read")
}

pub(super) fn vault(store: &Arc<SledStore>, clock: &ManualClock) -> Vault {
    let root = RootKey {
        id: "k".into(),
        key: Zeroizing::new([7; 32]),
    };
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    Vault::new(
        store.clone(),
        Sealer::new(&[root], Arc::new(OsEntropy)),
        Leases::new(store.clone(), clock.clone()),
        OAuthClient::new(clock.clone()),
        clock,
        Signals::new(),
    )
}

impl Bench {
    /// Alice has connected: `at-0` and `rt-0`, an hour's life, `read`.
    pub(super) async fn new() -> Self {
        let endpoint = Endpoint::default();
        let provider = Provider::OAuth(Box::new(example(&endpoint.start().await)));
        let clock = ManualClock::new("2026-11-21T10:00:00Z".parse().unwrap());
        let directory = tempfile::tempdir().unwrap();
        let store = SledStore::open(directory.path(), Arc::new(clock.clone())).unwrap();
        let store = Arc::new(store);
        let vault = vault(&store, &clock);
        let bench = Self {
            endpoint,
            clock,
            directory,
            provider,
            store,
            vault,
        };
        bench.keep(0, true).await;
        bench
    }

    pub(super) async fn expired() -> Self {
        let bench = Self::new().await;
        bench.pass(3600);
        bench
    }

    pub(super) async fn keep(&self, number: usize, refreshable: bool) {
        let tokens = TokenSet {
            access_token: format!("at-{number}").into(),
            refresh_token: refreshable.then(|| format!("rt-{number}").into()),
            expires: Some(self.clock.now() + Span::from_hours(1)),
            scopes: None,
            token_type: "Bearer".into(),
            account: None,
        };
        self.vault
            .keep(&user("alice"), &name(), tokens, &read())
            .await
            .unwrap();
    }

    pub(super) fn pass(&self, seconds: i64) {
        self.clock.advance(Span::from_secs(seconds));
    }

    pub(super) async fn find(&self) -> Result<TokenLookup, VaultError> {
        find(&self.vault, &self.provider).await
    }

    pub(super) async fn refused(&self, held: &HeldToken) -> Result<TokenLookup, VaultError> {
        self.vault
            .refused(&user("alice"), &name(), &self.provider, held, &read())
            .await
    }

    /// The results of many looks at the same time.
    async fn crowd(&self, vaults: &[&Vault], many: usize) -> Vec<Result<TokenLookup, VaultError>> {
        let looks = (0..many).map(|number| {
            let (vault, provider) = (vaults[number % vaults.len()].clone(), self.provider.clone());
            tokio::spawn(async move { find(&vault, &provider).await })
        });
        let looks: Vec<_> = looks.collect();
        let mut results = Vec::new();
        for look in looks {
            results.push(look.await.unwrap());
        }
        results
    }
}

pub(super) async fn find(vault: &Vault, provider: &Provider) -> Result<TokenLookup, VaultError> {
    vault.find(&user("alice"), &name(), provider, &read()).await
}

pub(super) fn held(lookup: Result<TokenLookup, VaultError>) -> HeldToken {
    match lookup.unwrap() {
        TokenLookup::Ready(held) => held,
        TokenLookup::Missing(lack) => panic!("{lack:?}"),
    }
}

pub(super) fn token(lookup: Result<TokenLookup, VaultError>) -> String {
    held(lookup).token.expose().to_owned()
}

pub(super) fn lack(lookup: Result<TokenLookup, VaultError>) -> Lack {
    match lookup.unwrap() {
        TokenLookup::Ready(held) => panic!("{held:?}"),
        TokenLookup::Missing(lack) => lack,
    }
}

pub(super) fn reconnect() -> Lack {
    Lack::Reconnect { granted: read() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_calls_make_one_refresh() {
    let bench = Bench::expired().await;
    bench.endpoint.takes(100);
    for look in bench.crowd(&[&bench.vault], 100).await {
        assert_eq!(token(look), "at-1");
    }
    assert_eq!(bench.endpoint.requests(), 1);
    assert!(bench.endpoint.last().contains("refresh_token=rt-0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_make_one_refresh() {
    let bench = Bench::expired().await;
    bench.endpoint.takes(300);
    let other = vault(&bench.store, &bench.clock);
    for look in bench.crowd(&[&bench.vault, &other], 40).await {
        assert_eq!(token(look), "at-1");
    }
    assert_eq!(bench.endpoint.requests(), 1);
}

#[tokio::test]
async fn rotated_tokens_are_kept_and_unrotated_ones_too() {
    let bench = Bench::expired().await;
    bench.endpoint.then(200, tokens(1, true, 3600));
    bench.endpoint.then(200, tokens(2, false, 3600));
    for (number, sent) in [(1, "rt-0"), (2, "rt-1"), (3, "rt-1")] {
        assert_eq!(token(bench.find().await), format!("at-{number}"));
        assert!(
            bench
                .endpoint
                .last()
                .contains(&format!("refresh_token={sent}"))
        );
        bench.pass(3600);
    }
}

#[tokio::test]
async fn a_minutes_token_is_refreshed_before_its_end() {
    let bench = Bench::expired().await;
    bench.endpoint.then(200, tokens(1, true, 60));
    for (seconds, expected) in [(0, "at-1"), (44, "at-1"), (1, "at-2")] {
        bench.pass(seconds);
        assert_eq!(token(bench.find().await), expected);
    }
}

#[tokio::test]
async fn a_slow_refresh_does_not_hold_up_a_token_that_serves() {
    let bench = Bench::new().await;
    bench.pass(3550);
    bench.endpoint.takes(2500);
    assert_eq!(token(bench.find().await), "at-0");
    tokio::time::sleep(Duration::from_millis(1000)).await;
    assert_eq!(token(bench.find().await), "at-1");
    assert_eq!(bench.endpoint.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_grant_needs_the_user_and_a_new_connection_heals() {
    let bench = Bench::expired().await;
    bench.endpoint.then(400, r#"{"error":"invalid_grant"}"#);
    for look in bench.crowd(&[&bench.vault], 20).await {
        assert_eq!(lack(look), reconnect());
    }
    bench.pass(100_000);
    assert_eq!(lack(bench.find().await), reconnect());
    assert_eq!(bench.endpoint.requests(), 1);
    bench.keep(7, true).await;
    assert_eq!(token(bench.find().await), "at-7");
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_client_needs_the_operator_and_the_credential_stays() {
    let bench = Bench::expired().await;
    bench.endpoint.then(401, r#"{"error":"invalid_client"}"#);
    for look in bench.crowd(&[&bench.vault], 20).await {
        let error = look.unwrap_err();
        assert!(matches!(
            error,
            VaultError::Operator {
                error: ErrorCode::InvalidClient,
                ..
            }
        ));
    }
    assert_eq!(bench.endpoint.requests(), 1);
    bench.pass(10);
    assert_eq!(token(bench.find().await), "at-2");
    assert!(bench.endpoint.last().contains("refresh_token=rt-0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_provider_is_asked_seldom_and_the_credential_stays() {
    for (status, body) in [(503, "out"), (500, ""), (200, "<html>"), (429, "{}")] {
        let bench = Bench::expired().await;
        bench.endpoint.then(status, body);
        for look in bench.crowd(&[&bench.vault], 20).await {
            let error = look.unwrap_err();
            assert!(
                matches!(error, VaultError::Unavailable { .. }),
                "{status}: {error}"
            );
        }
        assert_eq!(bench.endpoint.requests(), 1, "{status}");
        bench.pass(1);
        assert_eq!(token(bench.find().await), "at-2", "{status}");
    }
}

#[tokio::test]
async fn while_the_old_token_lives_a_failing_provider_is_not_noticed() {
    let mut bench = Bench::new().await;
    bench.pass(3550);
    bench.endpoint.then(503, "out");
    assert_eq!(token(bench.find().await), "at-0");
    assert_eq!(token(bench.find().await), "at-0");
    assert_eq!(bench.endpoint.requests(), 1);
    // Nobody listens at port 1.
    bench.provider = Provider::OAuth(Box::new(example("http://127.0.0.1:1/")));
    bench.pass(1);
    assert_eq!(token(bench.find().await), "at-0");
    bench.pass(49);
    let error = bench.find().await.unwrap_err();
    assert!(matches!(error, VaultError::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn an_expired_token_without_refresh_token_needs_the_user() {
    let bench = Bench::new().await;
    bench.keep(5, false).await;
    bench.pass(3599);
    assert_eq!(token(bench.find().await), "at-5");
    bench.pass(1);
    assert_eq!(lack(bench.find().await), reconnect());
    assert_eq!(bench.endpoint.requests(), 0);
}

#[tokio::test]
async fn a_refresh_that_nobody_waits_for_is_drained_not_lost() {
    let bench = Bench::expired().await;
    bench.endpoint.takes(300);
    let caller = tokio::time::timeout(Duration::from_millis(100), bench.find());
    assert!(caller.await.is_err(), "the caller went away");
    assert_eq!(bench.endpoint.requests(), 1);
    bench.vault.drain().await;
    let record = CredentialKey::new(&user("alice"), &name()).record();
    let kept = bench.vault.inner.table.get(&record).await.unwrap().unwrap();
    assert_eq!(kept.value.obtained, bench.clock.now(), "rt-1 is kept");
}
