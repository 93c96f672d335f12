//! `GET /oauth2/intermediate_callback/{provider}`: the browser is back.
//!
//! In this order, and each only if the one before went well: the state record is taken, once for all; it was given out for
//! this provider's address (each has its own: RFC 9700 §4.4.2.2), to this browser; the flow's user is still the one at it; the
//! flow still waits for it; the provider sent the answer (RFC 9207). Only then is the answer looked at.
//!
//! Where an application vouches for its users, a code is not used then, but held: see `confirm`.
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
    flow::{Flow, NotNow, Verification, Why},
    later,
    pages::{ConnectPages, Stop, see_other},
    settle::Settling,
    ticket,
    verify::Verified,
};
use crate::{
    base::{
        clock::{Span, Timestamp},
        id::{FlowId, ProviderName},
        seal::{OpenError, Purpose, Sealed, Sealer},
        secret::{ExposeSecret, TokenHash},
    },
    protocol::oauth::{
        authorization_response::{Answer, AuthorizationResponse, check_issuer},
        error::ErrorCode,
        scope::ScopeSet,
    },
    provider::CodeVerifier,
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
    let returned = Returned::begin(pages, callback, state, &headers).await?;
    let pages = returned.pages.clone();
    let next = pages.see_through(returned.settle(response)).await?;
    Ok(see_other(&next))
}

/// An answer that may be acted upon.
struct Returned {
    pages: ConnectPages,
    verified: Verified,
    callback: Callback,
    state: TokenHash,
}

impl Returned {
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

    /// Ends the flow, or holds what came for the application that says who brought it; where the browser goes then.
    async fn settle(self, response: AuthorizationResponse) -> Result<Url, Stop> {
        let verifier = self
            .callback
            .verifier(self.state, self.verified.flow(), &self.pages.sealer);
        let settling = Settling {
            flow: self.verified.into_flow(),
            pages: self.pages,
            awaited: self.state,
            asked: self.callback.scopes,
        };
        let next = settling.pages.next(&settling.flow);
        let config = settling.connect().live.now();
        let Some(provider) = settling.provider(&config).await? else {
            return Ok(next);
        };
        let (expected, required) = (provider.issuer.as_deref(), provider.iss_required);
        if let Err(wrong) = check_issuer(expected, required, response.issuer.as_deref()) {
            let reference = settling.pages.faults.reference();
            let why = Why::WrongIssuer { reference };
            return settling.fail(why, &wrong).await.map(|()| next);
        }
        let ended = match (response.answer, verifier) {
            (Answer::Code(_), Err(error)) => {
                settling.broken("opening a code verifier", &error).await
            }
            (Answer::Code(code), Ok(verifier)) => match settling.flow.verification {
                Verification::AtBrowser => {
                    settling.connect().tell_signed_in(&settling.flow).await;
                    settling.redeem(provider, &code, verifier.as_ref()).await
                }
                Verification::ByApp | Verification::ByLink { .. } => {
                    let (flow, held) = (&settling.flow, (&code, verifier.as_ref()));
                    let seal = |sealer: &_, ticket| {
                        ticket::seal(sealer, flow, ticket, held, &settling.asked)
                    };
                    return settling.hold(&config, seal).await;
                }
            },
            (Answer::Error(ErrorCode::AccessDenied), _) => {
                settling.fail(Why::Denied, &ErrorCode::AccessDenied).await
            }
            (Answer::Error(code), _) => provider_error(&settling, Some(code)).await,
            (Answer::Nothing, _) => provider_error(&settling, None).await,
        };
        ended.map(|()| next)
    }
}

async fn provider_error(settling: &Settling, code: Option<ErrorCode>) -> Result<(), Stop> {
    let reference = settling.pages.faults.reference();
    let detail = code.map_or("neither code nor error", ErrorCode::as_str);
    let why = Why::ProviderError { code, reference };
    settling.fail(why, &detail).await
}

/// The flow, if there is one, stays as it is.
fn refused(flow: Option<&FlowId>, why: &dyn std::fmt::Display) -> Stop {
    tracing::warn!(?flow, "an answer of a provider was refused: {why}");
    LinkFailure::Used.into()
}
