//! The browser's half of Anteroom over real HTTP: sign-in pages, connect pages, sled, a clock that stands still, and a
//! provider next door.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anteroom::{
    audit::{Through, Trail, trail::Writer},
    base::{
        clock::{Clock, ManualClock, Span},
        entropy::{Entropy, SeededEntropy},
        id::{GatewayName, ProviderName, UserId},
        seal::Sealer,
    },
    config::{OAuthProvider, live::Live},
    connect::{
        Ask, Connect, ConnectError, ConnectPages, Ending, Offer, Outcome,
        flow::{Asker, Why},
        routes,
    },
    protocol::oauth::scope::ScopeSet,
    provider::OAuthClient,
    store::{Store, lease::Leases, signal::Signals, sled::SledStore},
    user_source::{
        self, accounts::Accounts, oidc::OidcProviders, profile::Profiles, session::BrowserSessions,
        sign_in::SignIn,
    },
    vault::{self, Lack, Slot, TokenLookup, Vault, Wish},
    web::{failure::Faults, urls::Urls},
};
use url::Url;

use super::furnishing::configuration;
use crate::support::{
    browser::{Browser, Page},
    moody::Moody,
    provider::StandIn,
    serve,
};

/// How long the provider may be silent.
pub const PATIENCE: Duration = Duration::from_millis(400);
pub const FLOW_LIFETIME: Duration = Duration::from_secs(20 * 60);

pub struct House {
    pub base: Url,
    pub acme: StandIn,
    /// A second provider, as strangers as the first.
    pub other: StandIn,
    pub clock: ManualClock,
    pub connect: Connect,
    pub pages: ConnectPages,
    pub vault: Vault,
    pub store: Moody,
    pub signals: Signals,
    pub live: Live,
    _directory: tempfile::TempDir,
}

impl House {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// `change` is made to how Acme is configured.
    pub async fn with(change: impl FnOnce(&mut OAuthProvider)) -> Self {
        let (acme, other) = (StandIn::start().await, StandIn::start().await);
        let directory = tempfile::tempdir().unwrap();
        let clock = ManualClock::new("2026-11-06T08:00:00Z".parse().unwrap());
        let mut config = acme.config();
        change(&mut config);
        let providers = [(name("acme"), config), (name("other"), other.config())];
        let mut house = None;
        let base = serve(|base| {
            let live = Live::new(configuration(base, providers.into()));
            let (built, router) = build(live, directory, clock.clone(), &acme, &other);
            house = Some(built);
            router
        })
        .await;
        let mut house = house.unwrap();
        house.base = base;
        house
    }

    /// What Alice is asked for: Acme's `notes`, by curl.
    pub async fn offer(&self) -> Offer {
        self.ask(&alice(), "curl", "acme", "notes").await.unwrap()
    }

    pub async fn ask(
        &self,
        user: &UserId,
        client: &str,
        provider: &str,
        scopes: &str,
    ) -> Result<Offer, ConnectError> {
        self.ask_notifying(user, client, provider, scopes, None)
            .await
    }

    pub async fn ask_notifying(
        &self,
        user: &UserId,
        client: &str,
        provider: &str,
        scopes: &str,
        notify: Option<&str>,
    ) -> Result<Offer, ConnectError> {
        let slot = &Slot::Default;
        self.ask_for(slot, user, client, (provider, scopes), notify)
            .await
    }

    /// What Alice is asked for: Acme's `notes`, by curl, as this account.
    pub async fn offer_for(&self, slot: &Slot) -> Offer {
        let what = ("acme", "notes");
        let alice = alice();
        let asked = self.ask_for(slot, &alice, "curl", what, None);
        asked.await.unwrap()
    }

    async fn ask_for(
        &self,
        slot: &Slot,
        user: &UserId,
        client: &str,
        (provider, scopes): (&str, &str),
        notify: Option<&str>,
    ) -> Result<Offer, ConnectError> {
        let (provider, gateway): (ProviderName, GatewayName) = (name(provider), name("work"));
        let config = self.live.now();
        self.connect
            .offer(Ask {
                user,
                asker: &Asker {
                    key: format!("key/{client}"),
                    label: client.into(),
                    note: Some("through the API key demo".into()),
                    through: Through::ApiKey {
                        api_key: name("demo"),
                    },
                },
                gateway: Some(&gateway),
                provider: &provider,
                config: &config.providers[&provider],
                slot,
                scopes: &ScopeSet::parse(scopes),
                ending: &Ending::default(),
                notify,
            })
            .await
    }

    pub async fn outcome(&self, offer: &Offer) -> Outcome {
        self.connect.outcome(&offer.flow).await.unwrap().unwrap()
    }

    /// A browser at which this user is signed in.
    pub async fn browser_of(&self, user: &UserId) -> Browser {
        let browser = Browser::new();
        let home = self.base.join("sign-in/team").unwrap();
        let page = browser.open(&home).await;
        sign_in(&browser, &page, user.subject()).await;
        browser
    }

    /// Alice, up to the provider's answer: the address her browser is sent back to, not yet visited.
    pub async fn alice_at_callback(&self, offer: &Offer) -> (Browser, Url) {
        let browser = self.browser_of(&alice()).await;
        let page = browser.open(&offer.url).await;
        let away = browser.press(&page.form("Continue to Acme Notes")).await;
        let back = browser.get(away.location().unwrap()).await;
        (browser, back.location().unwrap())
    }

    /// Every record of the store, as text.
    pub async fn records(&self) -> Vec<(String, String)> {
        self.store
            .list("", None, 10_000)
            .await
            .unwrap()
            .into_iter()
            .map(|(key, record)| (key, String::from_utf8_lossy(&record.value).into_owned()))
            .collect()
    }

    /// The records of one table.
    pub async fn table(&self, table: &str) -> Vec<(String, String)> {
        let mut records = self.records().await;
        records.retain(|(key, _)| key.starts_with(&format!("{table}/")));
        records
    }

    /// What is there beside browser sessions, which note when they were used.
    pub async fn records_but_sessions(&self) -> Vec<(String, String)> {
        let mut records = self.records().await;
        records.retain(|(key, _)| {
            !key.starts_with("browser_sessions/") && !key.starts_with("sign_in_attempts/")
        });
        records
    }

    /// That the vault gives this user's calls just this token.
    pub async fn has(&self, user: &UserId, provider: &str, token: &str) {
        match self.find(user, provider).await {
            TokenLookup::Ready(held) => assert_eq!(held.token.expose(), token),
            TokenLookup::Missing(lack) => panic!("no token: {lack:?}"),
        }
    }

    /// That the vault has nothing for this user.
    pub async fn has_nothing(&self, user: &UserId, provider: &str) {
        let found = self.find(user, provider).await;
        assert!(
            matches!(found, TokenLookup::Missing(Lack::NotConnected)),
            "{found:?}"
        );
    }

    async fn find(&self, user: &UserId, provider: &str) -> TokenLookup {
        let (provider, config) = (name(provider), self.live.now());
        let required = ScopeSet::parse("notes");
        let wish = Wish {
            user,
            name: &provider,
            provider: &config.providers[&provider],
            slot: &Slot::Default,
            required: &required,
        };
        self.vault.find(wish).await.unwrap()
    }

    /// Loads a configuration in which this provider is another.
    pub fn reconfigure(&self, provider: &str, change: impl FnOnce(&mut OAuthProvider)) {
        let mut providers = self.providers();
        change(providers.get_mut(provider).unwrap());
        self.live.replace(configuration(&self.base, providers));
    }

    /// Loads a configuration without this provider.
    pub fn forget_provider(&self, provider: &str) {
        let mut providers = self.providers();
        providers.remove(provider);
        self.live.replace(configuration(&self.base, providers));
    }

    fn providers(&self) -> BTreeMap<ProviderName, OAuthProvider> {
        [
            (name("acme"), self.acme.config()),
            (name("other"), self.other.config()),
        ]
        .into()
    }

    pub fn advance(&self, minutes: i64) {
        self.clock.advance(Span::from_mins(minutes));
    }
}

pub fn alice() -> UserId {
    UserId::new(name("team"), "alice")
}

pub fn bob() -> UserId {
    UserId::new(name("team"), "bob")
}

/// Fills a sign-in page in.
pub async fn sign_in(browser: &Browser, page: &Page, who: &str) -> Page {
    let form = page.form("Sign in");
    let form = form.with("username", who).with("password", &password(who));
    let page = browser.submit(&form).await;
    assert!(!page.has_button("Sign in"), "{}", page.words());
    page
}

/// That a flow failed, and how; without the reference.
pub fn failure(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Failed(Why::Declined) => "declined",
        Outcome::Failed(Why::Denied) => "denied",
        Outcome::Failed(Why::ProviderError { .. }) => "provider error",
        Outcome::Failed(Why::WrongIssuer { .. }) => "wrong issuer",
        Outcome::Failed(Why::CodeRefused { .. }) => "code refused",
        Outcome::Failed(Why::Misconfigured { .. }) => "misconfigured",
        Outcome::Failed(Why::Unavailable { .. }) => "unavailable",
        Outcome::Failed(Why::OtherPerson) => "other person",
        Outcome::Failed(Why::Interrupted) => "interrupted",
        Outcome::Failed(Why::TooMany) => "too many",
        Outcome::Failed(Why::Fault { .. }) => "fault",
        Outcome::Open => "open",
        Outcome::Completed => "completed",
        Outcome::Expired => "expired",
    }
}

pub fn name(text: &str) -> ProviderName {
    text.parse().unwrap()
}

pub fn password(who: &str) -> String {
    format!("{who}'s password")
}

fn build(
    live: Live,
    directory: tempfile::TempDir,
    clock: ManualClock,
    acme: &StandIn,
    other: &StandIn,
) -> (House, axum::Router) {
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(7));
    let sled = SledStore::open(directory.path(), Arc::clone(&shared)).unwrap();
    let moody = Moody::new(Arc::new(sled));
    let store: Arc<dyn Store> = Arc::new(moody.clone());
    let config = live.now();
    let urls = Urls::new(&config.server.public_url);
    let sealer = Sealer::new(
        &config.store.root_keys.ring(entropy.as_ref()).unwrap(),
        Arc::clone(&entropy),
    );
    let signals = Signals::new();
    let (trail, queue) = Trail::new(Arc::clone(&shared));
    let writer = Writer {
        store: Arc::clone(&store),
        live: live.clone(),
        entropy: Arc::clone(&entropy),
    };
    tokio::spawn(queue.write(writer));
    let sessions = BrowserSessions::new(
        Arc::clone(&store),
        live.clone(),
        urls.clone(),
        Arc::clone(&shared),
        Arc::clone(&entropy),
    );
    let oauth = OAuthClient::new(Arc::clone(&shared)).patience(PATIENCE);
    let vault = vault(&store, &sealer, &oauth, &shared, &signals, &trail);
    let connect = Connect::new(
        &store,
        live.clone(),
        urls.clone(),
        signals.clone(),
        trail.clone(),
        Arc::clone(&shared),
        Arc::clone(&entropy),
    );
    let faults = Faults::new(Arc::clone(&entropy));
    let pages = ConnectPages::new(
        connect.clone(),
        sessions.clone(),
        oauth,
        vault.clone(),
        sealer.clone(),
        faults.clone(),
    );
    let oidc = OidcProviders::new(
        &store,
        Profiles::new(Arc::clone(&store)),
        sealer.clone(),
        urls.clone(),
        Arc::clone(&shared),
        Arc::clone(&entropy),
    );
    let sign_in = user_source::sign_in::routes(SignIn {
        live: live.clone(),
        urls,
        sessions,
        accounts: Accounts::new(Arc::clone(&store), Arc::clone(&shared)),
        oidc,
        faults,
        entropy,
    });
    let house = House {
        base: config.server.public_url.clone(),
        acme: acme.clone(),
        other: other.clone(),
        clock,
        connect,
        pages: pages.clone(),
        vault,
        store: moody,
        signals,
        live,
        _directory: directory,
    };
    (house, routes(pages).merge(sign_in))
}

fn vault(
    store: &Arc<dyn Store>,
    sealer: &Sealer,
    oauth: &OAuthClient,
    clock: &Arc<dyn Clock>,
    signals: &Signals,
    trail: &Trail,
) -> Vault {
    Vault::new(vault::Parts {
        store: Arc::clone(store),
        sealer: sealer.clone(),
        leases: Leases::new(Arc::clone(store), Arc::clone(clock)),
        client: oauth.clone(),
        clock: Arc::clone(clock),
        entropy: Arc::new(SeededEntropy::new(9)),
        signals: signals.clone(),
        trail: trail.clone(),
    })
}
