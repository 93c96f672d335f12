//! How the house is configured.

use std::{collections::BTreeMap, time::Duration};

use anteroom::{
    base::{id::ProviderName, seal::RootKey},
    config::{
        Account, Audit, Config, Elicitation, Engine, Gateway, Globs, OAuthProvider, Provider,
        RootKeys, Server, StoreConfig, ToolNames, UserSource, UserSourceKind,
    },
};
use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use url::Url;
use zeroize::Zeroizing;

use super::house::{FLOW_LIFETIME, name, password};

pub fn configuration(base: &Url, providers: BTreeMap<ProviderName, OAuthProvider>) -> Config {
    let accounts = ["alice", "bob"].map(|who| (who.to_owned(), account(who)));
    let source = |title: &str| UserSource {
        title: title.into(),
        description: None,
        active: true,
        allowed_origins: Vec::new(),
        kind: UserSourceKind::Accounts(accounts_of(&accounts)),
    };
    let gateway = Gateway {
        title: "Work tools".into(),
        user_source: name("team"),
        headers_access: true,
        oauth_access: false,
        skip_consent: Default::default(),
        accounts: Default::default(),
        require: Default::default(),
        rules: Vec::new(),
        tools: Globs::new(&["*".to_owned()]).unwrap(),
        upstreams: Vec::new(),
        names: ToolNames::Prefixed,
        instructions: None,
        default: false,
    };
    Config {
        secrets: BTreeMap::new(),
        warnings: anteroom::config::Problems::default(),
        files: Vec::new(),
        edition: 0,
        server: Server {
            listen: "127.0.0.1:0".parse().unwrap(),
            admin_listen: None,
            public_url: base.clone(),
            max_request_bytes: 1 << 20,
            allowed_origins: Vec::new(),
            shutdown_grace: Duration::from_secs(1),
        },
        store: StoreConfig {
            engine: Engine::Sled("data".into()),
            root_keys: RootKeys::Ring(
                [RootKey {
                    id: "test".into(),
                    key: Zeroizing::new([7; 32]),
                }]
                .into(),
            ),
        },
        audit: Audit {
            keep: Duration::from_secs(90 * 24 * 60 * 60),
        },
        elicitation: Elicitation {
            hold: Duration::from_secs(45),
            flow_lifetime: FLOW_LIFETIME,
            overrides: Vec::new(),
        },
        oauth: Default::default(),
        clients: BTreeMap::new(),
        user_sources: [
            (name("team"), source("Team")),
            (name("club"), source("Club")),
        ]
        .into(),
        api_keys: BTreeMap::new(),
        providers: providers
            .into_iter()
            .map(|(name, provider)| (name, Provider::OAuth(Box::new(provider))))
            .collect(),
        upstreams: BTreeMap::new(),
        gateways: [(name("work"), gateway)].into(),
        hooks: Default::default(),
    }
}

fn accounts_of(accounts: &[(String, Account)]) -> BTreeMap<String, Account> {
    accounts
        .iter()
        .map(|(who, account)| {
            (
                who.clone(),
                Account {
                    claims: account.claims.clone(),
                    password_hash: account.password_hash.clone(),
                    display_name: account.display_name.clone(),
                    email: account.email.clone(),
                },
            )
        })
        .collect()
}

/// Cheap hashing: what it costs is tested elsewhere.
fn account(who: &str) -> Account {
    let cheap = Params::new(Params::MIN_M_COST, 1, 1, None).unwrap();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, cheap);
    let hash = argon2.hash_password_with_salt(password(who).as_bytes(), b"salt and pepper!");
    Account {
        claims: Default::default(),
        password_hash: hash.unwrap().to_string(),
        display_name: Some(format!("{who} of the team")),
        email: None,
    }
}
