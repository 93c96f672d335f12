//! The OAuth client against a provider with every quirk and every bad habit, over real HTTP.

mod about;
mod habits;
mod keys;

use std::{sync::Arc, time::Duration};

use anteroom::{
    base::clock::{ManualClock, Timestamp},
    config::OAuthProvider,
    protocol::oauth::scope::ScopeSet,
    provider::{
        AuthorizationCode, CodeVerifier, OAuthClient, TokenError, TokenSet, authorization_url,
    },
};
use url::Url;

use crate::support::{
    browser::Browser,
    provider::{StandIn, Switches},
};

/// How long the provider may be silent.
const PATIENCE: Duration = Duration::from_millis(400);

/// We at the provider's.
struct Desk {
    acme: StandIn,
    client: OAuthClient,
    config: OAuthProvider,
}

impl Desk {
    async fn new(switch: impl FnOnce(&mut Switches)) -> Self {
        let acme = StandIn::start().await;
        acme.switch(switch);
        let clock = Arc::new(ManualClock::new(now()));
        Self {
            client: OAuthClient::new(clock).patience(PATIENCE),
            config: acme.config(),
            acme,
        }
    }

    /// Alice agrees, and the code is exchanged.
    async fn connect(&self) -> Result<TokenSet, TokenError> {
        let redirect_uri = Url::parse("http://127.0.0.1:9/back").unwrap();
        let verifier = CodeVerifier::from("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        let url = authorization_url(
            &self.config,
            &redirect_uri,
            &ScopeSet::parse("notes"),
            &"state".into(),
            Some(&verifier.challenge()),
        );
        let back = Browser::new().get(&url).await.location().unwrap();
        let mut pairs = back.query_pairs();
        let code = pairs.find(|(name, _)| name == "code").unwrap().1;
        let code = AuthorizationCode::from(code.into_owned());
        self.client
            .exchange(&self.config, &redirect_uri, &code, Some(&verifier))
            .await
    }
}

fn now() -> Timestamp {
    "2026-11-06T08:00:00Z".parse().unwrap()
}

fn at(text: &str) -> Option<Timestamp> {
    Some(text.parse().unwrap())
}

/// Who has to act.
fn who(error: &TokenError) -> &'static str {
    match error {
        TokenError::Refused { .. } => "user",
        TokenError::Misconfigured { .. } => "operator",
        TokenError::Unavailable { .. } => "nobody yet",
        TokenError::Unreadable { .. } => "unreadable",
    }
}
