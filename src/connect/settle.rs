//! From a code or key that may be used to a credential: exchange, vault, the end of the flow. Whoever gets here has proved whose
//! it is, and taken what can be taken only once. Or from there to an application, which has yet to say whose it is.

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
    vault::Grant,
};

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
            Ok(tokens) if self.still_wanted().await? => self.land(tokens).await,
            Ok(_) => Ok(()),
            Err(error) => self.no_tokens(&error).await,
        }
    }

    /// A key that its user typed, and that is good. Ends the flow.
    pub async fn take(&self, key: ApiKey, account: Option<Account>) -> Result<(), Stop> {
        let grant = Grant::Key {
            key: key.into(),
            account,
        };
        if self.still_wanted().await? {
            self.keep(grant, ScopeSet::default()).await?;
        }
        Ok(())
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

    async fn land(&self, tokens: TokenSet) -> Result<(), Stop> {
        let granted = tokens.scopes.as_ref();
        let missing = granted.map_or_else(ScopeSet::default, |granted| {
            self.flow.scopes.missing_from(granted)
        });
        let grant = Grant::Tokens {
            tokens,
            asked: self.asked.clone(),
            account: None,
        };
        self.keep(grant, missing).await
    }

    /// Into the vault first, completed then: whoever waits for the flow finds the credential.
    async fn keep(&self, grant: Grant, missing: ScopeSet) -> Result<(), Stop> {
        let (pages, flow) = (&self.pages, &self.flow);
        let kept = pages
            .vault
            .keep(&flow.user, &flow.provider, &flow.slot, grant)
            .await;
        let landed = match kept {
            Ok(kept) => Landed::of(&kept),
            Err(error) => return self.broken("keeping tokens", &error).await,
        };
        let now = pages.connect.clock.now();
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
