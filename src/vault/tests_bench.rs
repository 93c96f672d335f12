//! For tests: the vault over a real store and a real token endpoint, which does as it is told.

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
        id::{ProviderName, UserId},
        seal::RootKey,
    },
    config::Provider,
    protocol::oauth::scope::ScopeSet,
    provider::{Account, TokenSet, example},
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

    pub(super) fn last(&self) -> String {
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

fn granted(tokens: TokenSet, account: Option<&str>) -> Grant {
    Grant::Tokens {
        tokens,
        asked: read(),
        account: account.map(|id| Account {
            id: id.into(),
            name: None,
            email: None,
        }),
    }
}

pub(super) fn vault(store: &Arc<SledStore>, clock: &ManualClock) -> Vault {
    let root = RootKey {
        id: "k".into(),
        key: Zeroizing::new([7; 32]),
    };
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    // Nobody writes what is told here.
    let (trail, _) = Trail::new(clock.clone());
    Vault::new(Parts {
        store: store.clone(),
        sealer: Sealer::new(&[root], Arc::new(OsEntropy)),
        leases: Leases::new(store.clone(), clock.clone()),
        client: OAuthClient::new(clock.clone()),
        clock,
        entropy: Arc::new(OsEntropy),
        signals: Signals::new(),
        trail,
    })
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
        self.land(&Slot::Default, None, number, refreshable)
            .await
            .unwrap();
    }

    /// Alice comes back from the provider: `at-{number}` and perhaps `rt-{number}`, an hour's life, `read`.
    pub(super) async fn land(
        &self,
        slot: &Slot,
        account: Option<&str>,
        number: usize,
        refreshable: bool,
    ) -> Result<Kept, VaultError> {
        let tokens = TokenSet {
            access_token: format!("at-{number}").into(),
            refresh_token: refreshable.then(|| format!("rt-{number}").into()),
            expires: Some(self.clock.now() + Span::from_hours(1)),
            scopes: None,
            token_type: "Bearer".into(),
            account: None,
        };
        let grant = granted(tokens, account);
        self.vault.keep(&user("alice"), &name(), slot, grant).await
    }

    /// The same in another replica's vault, with the account known.
    pub(super) async fn land_in(
        &self,
        vault: &Vault,
        slot: Slot,
        account: &str,
        number: usize,
    ) -> Result<Kept, VaultError> {
        let tokens = TokenSet {
            access_token: format!("at-{number}").into(),
            refresh_token: None,
            expires: None,
            scopes: None,
            token_type: "Bearer".into(),
            account: None,
        };
        let grant = granted(tokens, Some(account));
        vault.keep(&user("alice"), &name(), &slot, grant).await
    }

    /// Alice's only connection.
    pub(super) async fn only(&self) -> Connection {
        let mut all = self.vault.of_user(&user("alice")).await.unwrap();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    pub(super) fn pass(&self, seconds: i64) {
        self.clock.advance(Span::from_secs(seconds));
    }

    pub(super) async fn find(&self) -> Result<TokenLookup, VaultError> {
        find(&self.vault, &self.provider).await
    }

    pub(super) async fn refused(&self, held: &HeldToken) -> Result<TokenLookup, VaultError> {
        let (user, name, read) = (user("alice"), name(), read());
        let wish = wish(&user, &name, &self.provider, &Slot::Default, &read);
        self.vault.refused(wish, held).await
    }

    /// The results of many looks at the same time.
    pub(super) async fn crowd(
        &self,
        vaults: &[&Vault],
        many: usize,
    ) -> Vec<Result<TokenLookup, VaultError>> {
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
    let (user, name, read) = (user("alice"), name(), read());
    vault
        .find(wish(&user, &name, provider, &Slot::Default, &read))
        .await
}

pub(super) fn wish<'a>(
    user: &'a UserId,
    name: &'a ProviderName,
    provider: &'a Provider,
    slot: &'a Slot,
    required: &'a ScopeSet,
) -> Wish<'a> {
    Wish {
        user,
        name,
        provider,
        slot,
        required,
    }
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
