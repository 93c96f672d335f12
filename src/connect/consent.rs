//! "This client asks for this access at this provider, for you": the page, and its answer.
//!
//! Only with the answer do state, PKCE verifier and callback record come to be: before the user agreed, nothing exists that a
//! provider's redirect could be fitted to.

use axum::{
    Form,
    extract::{
        Path, State,
        rejection::{FormRejection, PathRejection},
    },
    http::{HeaderMap, StatusCode, header},
    response::{AppendHeaders, IntoResponse, Response},
};
use url::{Position, Url};

use super::{
    api_key,
    callback::Callback,
    flow::{Flow, Stage, Verification, Why},
    pages::{ConnectPages, Stop, see_other},
    verify::Verified,
};
use crate::{
    base::secret::{ExposeSecret, Secret, TokenHash},
    config::{Config, OAuthProvider, Provider, UserSource},
    protocol::oauth::{pkce::CodeVerifier, scope::ScopeSet},
    provider::authorization_url,
    web::{
        csrf,
        failure::{PageFailure, ProviderFailure},
        page::{ConsentAnswer, ConsentForm, ConsentPage, ScopeLine, respond_leading_to},
        page_key::KeyNotice,
        urls::LocalPath,
    },
};

/// Asks the flow's user. To be shown as often as they like.
pub(super) async fn page(pages: &ConnectPages, verified: &Verified) -> Result<Response, Stop> {
    let flow = verified.flow();
    let config = pages.connect.live.now();
    let provider = match config.providers.get(&flow.provider) {
        Some(Provider::OAuth(provider)) => provider,
        Some(Provider::ApiKey(provider)) => {
            return Ok(api_key::page(pages, verified, provider, KeyNotice::Nothing));
        }
        None => return Err(gone(pages, verified)),
    };
    let here = LocalPath::connect(&flow.id);
    let person = verified.person(&config);
    let source = config.user_sources.get(flow.user.source());
    let vouching = source.filter(|_| flow.verification != Verification::AtBrowser);
    let scopes = to_ask_for(pages, flow, provider).await?;
    let page = ConsentPage {
        own_page: flow.asker.is_own_page(),
        client: &flow.asker.label,
        client_note: flow.asker.note.as_deref(),
        gateway: gateway_title(&config, flow),
        provider: &provider.title,
        destination: &provider.authorize_url[Position::BeforeHost..Position::AfterPort],
        signed_in: person.as_ref().zip(verified.switch_form()),
        vouched_by: vouching.map(|source| source.title.as_str()),
        scopes: scope_lines(&scopes, Some(provider)),
        action: here.as_str(),
        csrf: verified.form_token(csrf::Form::Connect(&flow.id)),
    };
    let mut places = vec![&provider.authorize_url];
    places.extend(verifier_of(&flow.verification, source));
    places.extend(&flow.next_uri);
    let page = respond_leading_to(StatusCode::OK, &page, &places);
    let cookie = verified.cookie(&pages.connect.urls);
    let cookie = cookie.map(|cookie| (header::SET_COOKIE, cookie));
    Ok((AppendHeaders(cookie), page).into_response())
}

/// Where it was asked, as pages call it.
pub(super) fn gateway_title<'a>(config: &'a Config, flow: &'a Flow) -> Option<&'a str> {
    let name = flow.gateway.as_ref()?;
    let gateway = config.gateways.get(name);
    Some(gateway.map_or(name.as_str(), |gateway| &gateway.title))
}

/// Where a browser that is back from the provider goes on to.
pub(super) fn verifier_of<'a>(
    verification: &'a Verification,
    source: Option<&'a UserSource>,
) -> Option<&'a Url> {
    match verification {
        Verification::AtBrowser => None,
        Verification::ByApp => Some(&source?.app()?.verifier_url),
        Verification::ByLink {
            user_verify_url, ..
        } => Some(user_verify_url),
    }
}

/// `POST /connect/{flow}`
pub(super) async fn answer(
    State(pages): State<ConnectPages>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    form: Result<Form<ConsentForm>, FormRejection>,
) -> Result<Response, Stop> {
    let flow = pages.flow(id).await?;
    let verified = pages.verify(&headers, flow).await?;
    let flow = verified.flow();
    let Form(form) = form.map_err(|refused| unread(&refused))?;
    csrf::check(&headers, &pages.connect.urls, csrf::Form::Connect(&flow.id), &form.csrf)
        .inspect_err(|forged| {
            tracing::warn!(user = ?flow.user, flow = ?flow.id, "the answer to a connect page was refused: {forged}");
        })?;
    match form.answer {
        ConsentAnswer::Continue => go_on(pages, verified, form.key).await,
        ConsentAnswer::Decline => {
            decline(&pages, &verified).await?;
            Ok(see_other(&pages.next(flow)))
        }
    }
}

fn unread(refused: &FormRejection) -> PageFailure {
    match refused.status() {
        StatusCode::PAYLOAD_TOO_LARGE => PageFailure::TooLarge,
        _ => PageFailure::Unreadable,
    }
}

/// To the provider; or, with a key, to the end.
async fn go_on(
    pages: ConnectPages,
    verified: Verified,
    typed: Option<Secret>,
) -> Result<Response, Stop> {
    let config = pages.connect.live.now();
    match config.providers.get(&verified.flow().provider) {
        Some(Provider::OAuth(provider)) => {
            let url = leave(&pages, &verified, provider).await?;
            Ok(see_other(&url))
        }
        Some(Provider::ApiKey(provider)) => api_key::answer(pages, verified, provider, typed).await,
        None => Err(gone(&pages, &verified)),
    }
}

/// The scopes of `scopes` with the words the provider's configuration has for them.
pub(super) fn scope_lines<'a>(
    scopes: &'a ScopeSet,
    provider: Option<&'a OAuthProvider>,
) -> Vec<ScopeLine<'a>> {
    let words = |scope| Some(provider?.scope_words.get(scope)?.as_str());
    scopes
        .iter()
        .map(|scope| ScopeLine {
            scope,
            words: words(scope),
        })
        .collect()
}

/// What the flow is for and what the provider is always asked for, and what was granted since the link was given out: what is
/// not asked for again, many a provider takes away, and the credential that lands takes the place of the one that is there.
async fn to_ask_for(
    pages: &ConnectPages,
    flow: &Flow,
    provider: &OAuthProvider,
) -> Result<ScopeSet, Stop> {
    let granted = pages
        .vault
        .granted(&flow.user, &flow.provider, &flow.slot)
        .await;
    let granted = granted.map_err(|error| pages.fault("reading what was granted", &error))?;
    Ok(provider.scopes.union(&flow.scopes).union(&granted))
}

/// Makes what the way to the provider and back needs, now and not before, and says where to go.
async fn leave(
    pages: &ConnectPages,
    verified: &Verified,
    provider: &OAuthProvider,
) -> Result<Url, Stop> {
    let (flow, connect) = (verified.flow(), &pages.connect);
    let now = connect.clock.now();
    let state = Secret::from(connect.entropy.token());
    let hash = TokenHash::of(state.expose_secret());
    let scopes = to_ask_for(pages, flow, provider).await?;
    let verifier = provider.pkce.then(|| CodeVerifier::new(&*connect.entropy));
    let callback = Callback::new(
        verified,
        hash,
        scopes.clone(),
        verifier.as_ref(),
        &pages.sealer,
    );
    let kept = callback.keep(connect, hash, flow, now).await;
    pages.stored(kept, "keeping a state")?;
    let left = connect.step(&flow.id, |flow| flow.leave(hash, now)).await;
    pages.stepped(left, flow)?;
    if let Stage::AtProvider { state: before, .. } = &flow.stage {
        // Void already; this only tidies up.
        let taken = connect.callbacks.take(&before.to_hex()).await;
        pages.stored(taken, "dropping a void state")?;
    }
    Ok(authorization_url(
        provider,
        &connect.urls.callback(&flow.provider),
        &scopes,
        &state,
        verifier.map(|verifier| verifier.challenge()).as_ref(),
    ))
}

async fn decline(pages: &ConnectPages, verified: &Verified) -> Result<(), Stop> {
    let (flow, now) = (verified.flow(), pages.connect.clock.now());
    let declined = pages.connect.step(&flow.id, |flow| flow.decline(now)).await;
    pages.stepped(declined, flow)?;
    let why = Why::Declined;
    tracing::info!(user = ?flow.user, flow = ?flow.id, provider = %flow.provider, "the connection was not made: {why}");
    Ok(())
}

/// The configuration changed since the link was given out.
fn gone(pages: &ConnectPages, verified: &Verified) -> Stop {
    let flow = verified.flow();
    let reference = pages.faults.reference();
    tracing::warn!(
        user = ?flow.user, flow = ?flow.id, provider = %flow.provider, reference,
        "a link leads to a provider that is no longer configured"
    );
    PageFailure::Provider {
        provider: flow.provider.to_string(),
        failure: ProviderFailure::TokenRefused { reference },
    }
    .into()
}
