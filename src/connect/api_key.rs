//! "Your key for this service, please": the page, and its answer.
//!
//! While a key is tried its flow is as if its user were away at a provider, under a state that nobody but the task that tries it
//! knows: a key typed later takes its place, and so does a no in another tab. A key that is not good leaves the flow open.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{AppendHeaders, IntoResponse, Response},
};
use url::Url;

use super::{
    consent::{gateway_title, verifier_of},
    flow::{Flow, Verification},
    pages::{ConnectPages, Stop, see_other},
    settle::Settling,
    ticket,
    verify::Verified,
};
use crate::{
    base::{
        clock::Span,
        secret::{ExposeSecret, Secret, TokenHash},
    },
    config::ApiKeyProvider,
    protocol::oauth::scope::ScopeSet,
    provider::{Account, ApiKey, KeyError, NotAKey},
    user_source::throttle::{Attempt, Rule},
    web::{
        csrf,
        page::{respond, respond_leading_to},
        page_key::{KeyNotice, KeyPage},
        urls::LocalPath,
    },
};

/// Ten keys at once, then two a minute: more than a person mistypes, and too few to find out which of many stolen ones work.
const TRIES: Rule = Rule {
    burst: 10,
    every: Span::from_secs(30),
};

/// Asks the flow's user for their key. To be shown as often as they like.
pub(super) fn page(
    pages: &ConnectPages,
    verified: &Verified,
    provider: &ApiKeyProvider,
    notice: KeyNotice,
) -> Response {
    let flow = verified.flow();
    let config = pages.connect.live.now();
    let person = verified.person(&config);
    let source = config.user_sources.get(flow.user.source());
    let vouching = source.filter(|_| flow.verification != Verification::AtBrowser);
    let (status, wait) = (status(&notice), wait(&notice));
    let here = LocalPath::connect(&flow.id);
    let page = KeyPage {
        own_page: flow.asker.is_own_page(),
        client: &flow.asker.label,
        client_note: flow.asker.note.as_deref(),
        gateway: gateway_title(&config, flow),
        provider: &provider.title,
        key: &provider.label,
        hint: provider.hint.as_deref(),
        key_url: provider.key_url.as_ref().map(Url::as_str),
        tried: provider.probe.is_some(),
        signed_in: person.as_ref().zip(verified.switch_form()),
        vouched_by: vouching.map(|source| source.title.as_str()),
        notice,
        action: here.as_str(),
        csrf: verified.form_token(csrf::Form::Connect(&flow.id)),
    };
    let onward = verifier_of(&flow.verification, source);
    let places: Vec<&Url> = onward.into_iter().chain(&flow.next_uri).collect();
    let page = match places.as_slice() {
        [] => respond(status, &page),
        places => respond_leading_to(status, &page, places),
    };
    let cookie = verified.cookie(&pages.connect.urls);
    let cookie = cookie.map(|cookie| (header::SET_COOKIE, cookie));
    (AppendHeaders(cookie), AppendHeaders(wait), page).into_response()
}

fn status(notice: &KeyNotice) -> StatusCode {
    match notice {
        KeyNotice::Nothing => StatusCode::OK,
        KeyNotice::Empty | KeyNotice::TooLong | KeyNotice::Blank | KeyNotice::Odd => {
            StatusCode::BAD_REQUEST
        }
        KeyNotice::Wrong => StatusCode::FORBIDDEN,
        KeyNotice::Silent { .. } => StatusCode::BAD_GATEWAY,
        KeyNotice::Wait(_) => StatusCode::TOO_MANY_REQUESTS,
    }
}

fn wait(notice: &KeyNotice) -> Option<(header::HeaderName, HeaderValue)> {
    match notice {
        KeyNotice::Wait(seconds) => Some((header::RETRY_AFTER, HeaderValue::from(*seconds))),
        _ => None,
    }
}

/// What was typed: into the vault, or the page again.
pub(super) async fn answer(
    pages: ConnectPages,
    verified: Verified,
    provider: &ApiKeyProvider,
    typed: Option<Secret>,
) -> Result<Response, Stop> {
    let typed = typed.as_ref().map_or("", ExposeSecret::expose_secret);
    let key = match ApiKey::parse(typed) {
        Ok(key) => key,
        Err(why) => return Ok(page(&pages, &verified, provider, unfit(why))),
    };
    let trying = Trying::begin(&pages, verified.flow(), provider, key).await?;
    // Whoever waits for the flow is told of it, even if the browser hangs up meanwhile.
    Ok(match pages.see_through(trying.settle()).await? {
        Ok(next) => see_other(&next),
        Err(notice) => page(&pages, &verified, provider, notice),
    })
}

fn unfit(why: NotAKey) -> KeyNotice {
    match why {
        NotAKey::Empty => KeyNotice::Empty,
        NotAKey::TooLong => KeyNotice::TooLong,
        NotAKey::Blank => KeyNotice::Blank,
        NotAKey::Odd => KeyNotice::Odd,
    }
}

/// A key that may be tried, and kept if it is good.
struct Trying {
    settling: Settling,
    provider: ApiKeyProvider,
    key: ApiKey,
}

impl Trying {
    /// The flow takes a key still, and waits for this one alone from now on.
    async fn begin(
        pages: &ConnectPages,
        flow: &Flow,
        provider: &ApiKeyProvider,
        key: ApiKey,
    ) -> Result<Self, Stop> {
        let connect = &pages.connect;
        let now = connect.clock.now();
        let state = TokenHash::of(&connect.entropy.token());
        let left = connect.step(&flow.id, |flow| flow.leave(state, now)).await;
        Ok(Self {
            settling: Settling {
                flow: pages.stepped(left, flow)?,
                pages: pages.clone(),
                awaited: state,
                asked: ScopeSet::default(),
            },
            provider: provider.clone(),
            key,
        })
    }

    /// Where the browser goes then; or what to say of the key, and nothing was kept.
    async fn settle(self) -> Result<Result<Url, KeyNotice>, Stop> {
        let account = match self.try_it().await? {
            Ok(account) => account,
            Err(notice) => return Ok(Err(notice)),
        };
        let Self { settling, key, .. } = self;
        if settling.flow.verification == Verification::AtBrowser {
            settling.connect().tell_signed_in(&settling.flow).await;
            settling.take(key, account).await?;
            return Ok(Ok(settling.pages.next(&settling.flow)));
        }
        let config = settling.connect().live.now();
        let flow = &settling.flow;
        let seal = |sealer: &_, ticket| ticket::seal_key(sealer, flow, ticket, (&key, &account));
        settling.hold(&config, seal).await.map(Ok)
    }

    /// Spends a try before it is made, and gives it back for a key that is good.
    async fn try_it(&self) -> Result<Result<Option<Account>, KeyNotice>, Stop> {
        if self.provider.probe.is_none() {
            return Ok(Ok(None));
        }
        let Settling { pages, flow, .. } = &self.settling;
        let (user, id, name) = (&flow.user, &flow.id, &flow.provider);
        let (tries, bucket) = (&pages.connect.key_tries, format!("{}/{name}", user.key()));
        let spent = tries.spend(&bucket, TRIES).await;
        if let Attempt::Wait(wait) = pages.stored(spent, "counting a key")? {
            tracing::warn!(?user, flow = ?id, provider = %name, "a key was not tried: too many were");
            return Ok(Err(KeyNotice::Wait(wait.as_secs().max(1))));
        }
        match pages.oauth.try_key(&self.provider, &self.key).await {
            Ok(account) => {
                let returned = tries.give_back(&bucket, TRIES).await;
                pages.stored(returned, "counting a key")?;
                Ok(Ok(account))
            }
            Err(error @ KeyError::Wrong) => {
                tracing::info!(?user, flow = ?id, provider = %name, "a key was not kept: {error}");
                Ok(Err(KeyNotice::Wrong))
            }
            Err(error @ KeyError::Unavailable { status, .. }) => {
                let reference = pages.faults.reference();
                tracing::warn!(
                    ?user, flow = ?id, provider = %name, reference, status, "a key was not kept: {error}"
                );
                Ok(Err(KeyNotice::Silent { reference }))
            }
        }
    }
}
