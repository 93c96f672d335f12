//! `GET /oauth2/intermediate_callback/{provider}`: the browser is back.
//!
//! In this order, and each only if the one before went well: the state record is taken, once for all; it was given out for
//! this provider's address (each has its own: RFC 9700 §4.4.2.2), to this browser; the flow's user is still the one at it; the
//! flow still waits for it; the provider sent the answer (RFC 9207). Only then is the answer looked at.
//!
//! A refusal before that point leaves the flow as it is: its user may press "continue" again. From that point on every way
//! ends the flow.

use axum::{
    extract::{Path, RawQuery, State, rejection::PathRejection},
    http::HeaderMap,
    response::Response,
};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    Connect,
    flow::{Flow, NotNow, Why},
    later,
    pages::{ConnectPages, Stop, see_other},
    verify::Verified,
};
use crate::{
    base::{
        clock::{Span, Timestamp},
        id::{FlowId, ProviderName},
        seal::{OpenError, Purpose, Sealed, Sealer},
        secret::{ExposeSecret, TokenHash},
    },
    config::{OAuthProvider, Provider},
    protocol::oauth::{
        authorization_response::{Answer, AuthorizationResponse, check_issuer},
        error::ErrorCode,
        scope::ScopeSet,
    },
    provider::{AuthorizationCode, CodeVerifier, TokenError, TokenSet},
    store::StoreError,
    web::{cookie::BrowserKey, failure::LinkFailure},
};

/// So long a user may take at the provider (and never longer than their link is good).
pub(super) const STATE_LIFETIME: Span = Span::from_mins(10);

/// What waits for a `state`, under its hash.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Callback {
    flow: FlowId,
    provider: ProviderName,
    browser: TokenHash,
    /// What the provider was asked for.
    scopes: ScopeSet,
    verifier: Option<Sealed>,
}

impl Callback {
    pub(super) fn new(
        verified: &Verified,
        state: TokenHash,
        scopes: ScopeSet,
        verifier: Option<&CodeVerifier>,
        sealer: &Sealer,
    ) -> Self {
        let flow = verified.flow();
        Self {
            flow: flow.id.clone(),
            provider: flow.provider.clone(),
            browser: verified.browser(),
            scopes,
            verifier: verifier.map(|verifier| {
                sealer.seal(
                    Purpose::CodeVerifier,
                    &owner(&state.to_hex(), &flow.user.key()),
                    verifier.expose().as_bytes(),
                )
            }),
        }
    }

    pub(super) async fn keep(
        &self,
        connect: &Connect,
        state: TokenHash,
        flow: &Flow,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let expires = later(now, STATE_LIFETIME).min(flow.expires);
        connect
            .callbacks
            .create(&state.to_hex(), self, Some(expires))
            .await
    }

    fn verifier(
        &self,
        state: TokenHash,
        flow: &Flow,
        sealer: &Sealer,
    ) -> Result<Option<CodeVerifier>, OpenError> {
        let Some(sealed) = &self.verifier else {
            return Ok(None);
        };
        let (state, user) = (state.to_hex(), flow.user.key());
        let opened = sealer.open(Purpose::CodeVerifier, &owner(&state, &user), sealed)?;
        let text = std::str::from_utf8(&opened).map_err(|_| OpenError::Malformed)?;
        Ok(Some(text.into()))
    }
}

fn owner<'a>(state: &'a str, user: &'a str) -> [&'a str; 3] {
    ["callbacks", state, user]
}

pub(super) async fn receive(
    State(pages): State<ConnectPages>,
    provider: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Stop> {
    let response = AuthorizationResponse::parse(query.as_deref().unwrap_or_default())
        .map_err(|error| refused(None, &error))?;
    let state = TokenHash::of(response.state.expose_secret());
    let taken = pages.connect.callbacks.take(&state.to_hex()).await;
    let Some(callback) = pages.stored(taken, "taking a state")? else {
        let why = "nobody waits for its state: made up, used or expired";
        return Err(refused(None, &why));
    };
    let address = provider.ok().map(|Path(provider)| provider);
    if address.as_deref() != Some(callback.provider.as_str()) {
        let why = "it came to another provider's address";
        return Err(refused(Some(&callback.flow), &why));
    }
    let settling = Settling::begin(pages, callback, state, &headers).await?;
    let (pages, next) = (settling.pages.clone(), settling.next());
    pages.see_through(settling.settle(response)).await?;
    Ok(see_other(&next))
}

/// An answer that may be acted upon.
struct Settling {
    pages: ConnectPages,
    verified: Verified,
    callback: Callback,
    state: TokenHash,
}

impl Settling {
    /// The same browser, the same user, and a flow that still waits for just this state.
    async fn begin(
        pages: ConnectPages,
        callback: Callback,
        state: TokenHash,
        headers: &HeaderMap,
    ) -> Result<Self, Stop> {
        let browser = BrowserKey::of(headers, &pages.connect.urls);
        if browser.is_none_or(|browser| browser.hash() != callback.browser) {
            let why = "it came from another browser, or a sign-in ago";
            return Err(refused(Some(&callback.flow), &why));
        }
        let flow = pages.connect.load(&callback.flow).await;
        let Some(flow) = pages.stored(flow, "reading a flow")? else {
            return Err(refused(Some(&callback.flow), &"its flow is forgotten"));
        };
        let verified = pages.verify(headers, flow).await?;
        let now = pages.connect.clock.now();
        match verified.flow().awaits(state, now) {
            Ok(()) => Ok(Self {
                pages,
                verified,
                callback,
                state,
            }),
            Err(NotNow::Ended | NotNow::Expired) => {
                Err(Stop::SeeOther(pages.next(verified.flow())))
            }
            Err(NotNow::NotAwaited) => {
                let why = "a later state took its place";
                Err(refused(Some(&callback.flow), &why))
            }
        }
    }

    fn next(&self) -> Url {
        self.pages.next(self.verified.flow())
    }

    /// Ends the flow, one way or the other.
    async fn settle(self, response: AuthorizationResponse) -> Result<(), Stop> {
        let config = self.pages.connect.live.now();
        let Some(provider) = config
            .providers
            .get(&self.callback.provider)
            .and_then(Provider::oauth)
        else {
            let reference = self.pages.faults.reference();
            let why = Why::Misconfigured { reference };
            return self
                .fail(why, &"the provider is no longer configured")
                .await;
        };
        let (expected, required) = (provider.issuer.as_deref(), provider.iss_required);
        if let Err(wrong) = check_issuer(expected, required, response.issuer.as_deref()) {
            let reference = self.pages.faults.reference();
            return self.fail(Why::WrongIssuer { reference }, &wrong).await;
        }
        match response.answer {
            Answer::Code(code) => self.redeem(provider, &code).await,
            Answer::Error(ErrorCode::AccessDenied) => {
                self.fail(Why::Denied, &ErrorCode::AccessDenied).await
            }
            Answer::Error(code) => self.provider_error(Some(code)).await,
            Answer::Nothing => self.provider_error(None).await,
        }
    }

    async fn redeem(&self, provider: &OAuthProvider, code: &AuthorizationCode) -> Result<(), Stop> {
        let (pages, flow) = (&self.pages, self.verified.flow());
        let verifier = match self.callback.verifier(self.state, flow, &pages.sealer) {
            Ok(verifier) => verifier,
            Err(error) => return self.broken("opening a code verifier", &error).await,
        };
        let redirect_uri = pages.connect.urls.callback(&flow.provider);
        let tokens = pages
            .oauth
            .exchange(provider, &redirect_uri, code, verifier.as_ref())
            .await;
        match tokens {
            Ok(tokens) if self.still_wanted().await? => self.land(tokens).await,
            Ok(_) => Ok(()),
            Err(error) => self.no_tokens(&error).await,
        }
    }

    /// The exchange may have taken seconds: who said no in another tab meanwhile is heard.
    async fn still_wanted(&self) -> Result<bool, Stop> {
        let (connect, flow) = (&self.pages.connect, self.verified.flow());
        let current = connect.load(&flow.id).await;
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

    /// Into the vault first, completed then: whoever waits for the flow finds the credential.
    async fn land(&self, tokens: TokenSet) -> Result<(), Stop> {
        let (pages, flow) = (&self.pages, self.verified.flow());
        let granted = tokens.scopes.as_ref();
        let missing = granted.map_or_else(ScopeSet::default, |granted| {
            flow.scopes.missing_from(granted)
        });
        let asked = &self.callback.scopes;
        let kept = pages
            .vault
            .keep(&flow.user, &flow.provider, tokens, asked)
            .await;
        if let Err(error) = kept {
            return self.broken("keeping tokens", &error).await;
        }
        let now = pages.connect.clock.now();
        let completed = pages
            .connect
            .step(&flow.id, |flow| flow.complete(missing.clone(), now))
            .await;
        pages.stepped(completed, flow)?;
        let missing = (!missing.is_empty()).then(|| missing.to_string());
        tracing::info!(
            user = ?flow.user, flow = ?flow.id, provider = %flow.provider, missing,
            "an account was connected"
        );
        Ok(())
    }

    async fn provider_error(&self, code: Option<ErrorCode>) -> Result<(), Stop> {
        let reference = self.pages.faults.reference();
        let detail = code.map_or("neither code nor error", ErrorCode::as_str);
        self.fail(Why::ProviderError { code, reference }, &detail)
            .await
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

    async fn broken(
        &self,
        doing: &str,
        error: &(dyn std::error::Error + Sync),
    ) -> Result<(), Stop> {
        let reference = self.pages.faults.note(doing, error).reference().to_owned();
        self.end(Why::Fault { reference }).await
    }

    async fn fail(&self, why: Why, detail: &(dyn std::fmt::Display + Sync)) -> Result<(), Stop> {
        let flow = self.verified.flow();
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
        let (connect, flow) = (&self.pages.connect, self.verified.flow());
        let now = connect.clock.now();
        let failed = connect
            .step(&flow.id, |flow| flow.fail(self.state, why.clone(), now))
            .await;
        self.pages.stepped(failed, flow).map(drop)
    }
}

/// The flow, if there is one, stays as it is.
fn refused(flow: Option<&FlowId>, why: &dyn std::fmt::Display) -> Stop {
    tracing::warn!(?flow, "an answer of a provider was refused: {why}");
    LinkFailure::Used.into()
}
