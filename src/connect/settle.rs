//! From a code or key that may be used to a credential: exchange, vault, the end of the flow. Whoever gets here has proved whose
//! it is, and taken what can be taken only once. Or from there to an application, which has yet to say whose it is.

use std::time::Duration;

use url::Url;

use super::{
    Connect,
    flow::{Flow, Held, Landed, Why},
    later,
    pages::{ConnectPages, Stop},
    ticket,
};
use crate::{
    base::{seal::Sealer, secret::TokenHash},
    config::{Config, OAuthProvider, Provider},
    protocol::oauth::scope::ScopeSet,
    provider::{Account, ApiKey, AuthorizationCode, CodeVerifier, TokenError, TokenSet},
    vault::{Grant, VaultError},
};

/// How long a provider may take to tell whose account was connected.
const TELLING: Duration = Duration::from_secs(4);

/// A flow that is about to end.
pub(super) struct Settling {
    pub pages: ConnectPages,
    pub flow: Flow,
    /// The state or the ticket that it waited for.
    pub awaited: TokenHash,
    /// What the provider was asked for.
    pub asked: ScopeSet,
}

impl Settling {
    pub fn connect(&self) -> &Connect {
        &self.pages.connect
    }

    /// The flow's provider; without one the flow has failed.
    pub async fn provider<'c>(
        &self,
        config: &'c Config,
    ) -> Result<Option<&'c OAuthProvider>, Stop> {
        let provider = config.providers.get(&self.flow.provider);
        let provider = provider.and_then(Provider::oauth);
        if provider.is_none() {
            let why = "the provider is no longer configured";
            self.misconfigured(&why).await?;
        }
        Ok(provider)
    }

    /// Uses the code. Ends the flow, one way or the other.
    pub async fn redeem(
        &self,
        provider: &OAuthProvider,
        code: &AuthorizationCode,
        verifier: Option<&CodeVerifier>,
    ) -> Result<(), Stop> {
        let pages = &self.pages;
        let redirect_uri = pages.connect.urls.callback(&self.flow.provider);
        let tokens = pages
            .oauth
            .exchange(provider, &redirect_uri, code, verifier)
            .await;
        match tokens {
            Ok(tokens) => {
                let account = self.account(provider, &tokens).await;
                self.land(Grant::Tokens {
                    tokens,
                    asked: self.asked.clone(),
                    account,
                })
                .await
            }
            Err(error) => self.no_tokens(&error).await,
        }
    }

    /// A key that its user typed, and that is good. Ends the flow; without the key, if nobody takes keys there any more.
    pub async fn take(&self, key: ApiKey, account: Option<Account>) -> Result<(), Stop> {
        let config = self.connect().live.now();
        let provider = config.providers.get(&self.flow.provider);
        if !matches!(provider, Some(Provider::ApiKey(_))) {
            let why = "the provider is no longer configured as one that takes keys";
            return self.misconfigured(&why).await;
        }
        let key = key.into();
        self.land(Grant::Key { key, account }).await
    }

    /// Keeps what `seal` seals for a ticket, and sends the browser to the application with that.
    pub async fn hold(
        &self,
        config: &Config,
        seal: impl FnOnce(&Sealer, TokenHash) -> Held,
    ) -> Result<Url, Stop> {
        let (pages, flow) = (&self.pages, &self.flow);
        let minted = pages.connect.mint_for(flow).await;
        let (ticket, hash) = pages.stored(minted, "keeping a ticket")?;
        let Some(destination) = ticket::destination(config, flow, &ticket) else {
            let why = "its user source has no such verifier any more";
            self.misconfigured(&why).await?;
            return Ok(pages.next(flow));
        };
        let held = seal(&pages.sealer, hash);
        let now = pages.connect.clock.now();
        let until = later(now, ticket::VERIFYING);
        let held = pages
            .connect
            .step(&flow.id, |flow| {
                flow.hold(self.awaited, (hash, held.clone()), until, now)
            })
            .await;
        pages.stepped(held, flow)?;
        Ok(destination)
    }

    /// Whose account it is. The connection is as good without an answer, and the user does not wait long for one.
    async fn account(&self, provider: &OAuthProvider, tokens: &TokenSet) -> Option<Account> {
        let told = self.pages.oauth.user_info(provider, tokens);
        let told = tokio::time::timeout(TELLING, told).await;
        let why = "it takes too long";
        let slow = TokenError::Unavailable {
            retry_after: None,
            why,
        };
        told.unwrap_or(Err(slow)).unwrap_or_else(|error| {
            let flow = &self.flow;
            tracing::warn!(
                user = ?flow.user, flow = ?flow.id, provider = %flow.provider, %error,
                "the provider did not tell whose account was connected"
            );
            None
        })
    }

    /// The exchange may have taken seconds: who said no in another tab meanwhile is heard.
    async fn still_wanted(&self) -> Result<bool, Stop> {
        let flow = &self.flow;
        let current = self.connect().load(&flow.id).await;
        let current = self.pages.stored(current, "reading a flow")?;
        let ended = current.is_none_or(|flow| flow.has_ended());
        if ended {
            tracing::info!(
                user = ?flow.user, flow = ?flow.id, provider = %flow.provider,
                "tokens were thrown away: the flow ended meanwhile"
            );
        }
        Ok(!ended)
    }

    /// Into the vault first, completed then: whoever waits for the flow finds the credential. Nothing is kept if the flow ended
    /// meanwhile.
    async fn land(&self, grant: Grant) -> Result<(), Stop> {
        if !self.still_wanted().await? {
            return Ok(());
        }
        let (pages, flow) = (&self.pages, &self.flow);
        let kept = pages
            .vault
            .keep(&flow.user, &flow.provider, &flow.slot, grant)
            .await;
        let kept = match kept {
            Ok(kept) => kept,
            Err(error @ VaultError::Full { .. }) => {
                return self.fail(Why::TooMany, &error).await;
            }
            Err(error) => return self.broken("keeping tokens", &error).await,
        };
        // What was withheld of what the call needs: of the rest nobody has to hear.
        let granted = flow.scopes.missing_from(&kept.connection.withheld);
        let missing = flow.scopes.missing_from(&granted);
        pages.connect.tell_kept(flow, &kept).await;
        let (now, landed) = (pages.connect.clock.now(), Landed::of(&kept));
        let completed = pages
            .connect
            .step(&flow.id, |flow| {
                flow.complete(missing.clone(), landed.clone(), now)
            })
            .await;
        pages.stepped(completed, flow)?;
        let missing = (!missing.is_empty()).then(|| missing.to_string());
        tracing::info!(
            user = ?flow.user, flow = ?flow.id, provider = %flow.provider, missing,
            "an account was connected"
        );
        Ok(())
    }

    async fn no_tokens(&self, error: &TokenError) -> Result<(), Stop> {
        let reference = self.pages.faults.reference();
        let why = match error {
            TokenError::Refused { .. } => Why::CodeRefused { reference },
            TokenError::Misconfigured { .. } | TokenError::Unreadable { .. } => {
                Why::Misconfigured { reference }
            }
            TokenError::Unavailable { .. } => Why::Unavailable { reference },
        };
        self.fail(why, error).await
    }

    pub async fn misconfigured(&self, detail: &(dyn std::fmt::Display + Sync)) -> Result<(), Stop> {
        let reference = self.pages.faults.reference();
        self.fail(Why::Misconfigured { reference }, detail).await
    }

    pub async fn broken(
        &self,
        doing: &str,
        error: &(dyn std::error::Error + Sync),
    ) -> Result<(), Stop> {
        let reference = self.pages.faults.note(doing, error).reference().to_owned();
        self.end(Why::Fault { reference }).await
    }

    pub async fn fail(
        &self,
        why: Why,
        detail: &(dyn std::fmt::Display + Sync),
    ) -> Result<(), Stop> {
        let flow = &self.flow;
        let (user, id, provider) = (&flow.user, &flow.id, &flow.provider);
        match why.reference() {
            None => {
                tracing::info!(?user, flow = ?id, %provider, "the connection was not made: {why}")
            }
            Some(reference) => tracing::warn!(
                ?user, flow = ?id, %provider, reference, %detail, "the connection was not made: {why}"
            ),
        }
        self.end(why).await
    }

    async fn end(&self, why: Why) -> Result<(), Stop> {
        let now = self.connect().clock.now();
        let failed = self
            .connect()
            .step(&self.flow.id, |flow| {
                flow.fail(self.awaited, why.clone(), now)
            })
            .await;
        self.pages.stepped(failed, &self.flow).map(drop)
    }
}
