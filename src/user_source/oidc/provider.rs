//! What a provider publishes about itself, kept for a while: its discovery document and its keys.
//!
//! Of many who ask for the same at a cold cache one fetches and the others wait for it. A failure is remembered for a moment
//! only, so that a crowd before a dead provider hears of it at once and nobody has to wait for it to be forgotten.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ::http::{StatusCode, header};
use futures_util::future::{BoxFuture, FutureExt};
use openidconnect::{
    AdditionalProviderMetadata, DiscoveryError, JsonWebKeySet, JsonWebKeySetUrl, ProviderMetadata,
    core::{
        CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType,
        CoreJsonWebKey, CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm,
        CoreJweKeyManagementAlgorithm, CoreResponseMode, CoreResponseType,
        CoreSubjectIdentifierType,
    },
};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    http::{Http, HttpError},
    refusal::{OidcError, quoted},
};
use crate::base::clock::{Clock, Span, Timestamp};

/// How long a discovery document is taken for true.
const METADATA_LIFETIME: Span = Span::from_mins(60);
/// How long keys are: one that was withdrawn at the provider is good here no longer than this.
const KEYS_LIFETIME: Span = Span::from_mins(15);
/// How long a failure is remembered.
const FAILURE_LIFETIME: Span = Span::from_secs(3);
/// A token under an unknown key makes us look for new keys, and no oftener than this: anybody can make such tokens.
const REFETCH_EVERY: Span = Span::from_secs(30);

/// A discovery document (OpenID Connect Discovery §3).
pub(super) type Metadata = ProviderMetadata<
    More,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// What other specifications add to it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct More {
    /// OpenID Connect RP-Initiated Logout §2.1.
    pub end_session_endpoint: Option<String>,
    /// RFC 9207 §3.
    pub authorization_response_iss_parameter_supported: Option<bool>,
}

impl AdditionalProviderMetadata for More {}

/// What is known of providers, by issuer. Cheap to clone.
#[derive(Clone)]
pub(super) struct Library {
    http: Http,
    clock: Arc<dyn Clock>,
    known: Arc<Mutex<HashMap<String, Arc<Known>>>>,
}

#[derive(Default)]
struct Known {
    metadata: Slot<Metadata>,
    keys: Slot<CoreJsonWebKeySet>,
}

impl Library {
    pub(super) fn new(http: Http, clock: Arc<dyn Clock>) -> Self {
        Self {
            http,
            clock,
            known: Arc::default(),
        }
    }

    /// The discovery document of `issuer`.
    pub(super) async fn metadata(&self, issuer: &str) -> Result<Arc<Metadata>, OidcError> {
        let known = self.known(issuer);
        let fetch = discover(self.http.clone(), issuer.to_owned()).boxed();
        let metadata = known
            .metadata
            .get(&self.clock, METADATA_LIFETIME, None, fetch);
        metadata.await
    }

    /// The keys of the provider; others than `outworn`, if there are and it is not too soon to look.
    pub(super) async fn keys(
        &self,
        metadata: &Metadata,
        outworn: Option<&Arc<CoreJsonWebKeySet>>,
    ) -> Result<Arc<CoreJsonWebKeySet>, OidcError> {
        let known = self.known(metadata.issuer());
        let fetch = fetch_keys(self.http.clone(), metadata.jwks_uri().clone()).boxed();
        let keys = known.keys.get(&self.clock, KEYS_LIFETIME, outworn, fetch);
        keys.await
    }

    fn known(&self, issuer: &str) -> Arc<Known> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(issuer.to_owned()).or_default())
    }
}

/// OpenID Connect Discovery §4. Not by the crate, which fetches the keys along with the document and its metadata could not be
/// kept without them.
async fn discover(http: Http, issuer: String) -> Result<Metadata, OidcError> {
    let unusable = |why: String| OidcError::Discovery(why);
    let request = ::http::Request::get(format!("{}{DOCUMENT}", issuer.trim_end_matches('/')))
        .header(header::ACCEPT, "application/json")
        .body(Vec::new())
        .map_err(|_| unusable("the issuer is no address".to_owned()))?;
    let answer = http.caller()(request).await.map_err(|error| match error {
        HttpError::Silent(why) => OidcError::Silent(why),
        error => unusable(error.to_string()),
    })?;
    if answer.status() != StatusCode::OK {
        return Err(unusable(format!("it answers {}", answer.status())));
    }
    let metadata: Metadata = serde_json::from_slice(answer.body())
        .map_err(|error| unusable(quoted(&error.to_string())))?;
    if metadata.issuer().as_str() != issuer {
        let theirs = quoted(metadata.issuer());
        return Err(OidcError::Issuer(format!("{theirs}, not {issuer:?}")));
    }
    if !is_safe(&metadata) {
        let why = "it sends https traffic to plain http addresses";
        return Err(unusable(why.to_owned()));
    }
    Ok(metadata)
}

async fn fetch_keys(http: Http, from: JsonWebKeySetUrl) -> Result<CoreJsonWebKeySet, OidcError> {
    let call = http.caller();
    let found = JsonWebKeySet::fetch_async(&from, &call).await;
    found.map_err(no_keys)
}

/// OpenID Connect Discovery §4.
const DOCUMENT: &str = "/.well-known/openid-configuration";

fn no_keys(error: DiscoveryError<HttpError>) -> OidcError {
    OidcError::Keys(match error {
        DiscoveryError::Request(HttpError::Silent(why)) => return OidcError::Silent(why),
        DiscoveryError::Request(error) => error.to_string(),
        DiscoveryError::Parse(error) => quoted(&error.to_string()),
        DiscoveryError::Response(_, _, why) => quoted(&why),
        _ => "their address cannot be asked".to_owned(),
    })
}

/// A provider that we reach over https does not send our secret, or its keys, over anything less.
fn is_safe(metadata: &Metadata) -> bool {
    let issuer = metadata.issuer().url();
    let endpoints = [
        Some(metadata.jwks_uri().url()),
        Some(metadata.authorization_endpoint().url()),
        metadata.token_endpoint().map(|url| url.url()),
        metadata.userinfo_endpoint().map(|url| url.url()),
    ];
    let mut schemes = endpoints.into_iter().flatten().map(Url::scheme);
    schemes.all(|scheme| scheme == "https" || (scheme == "http" && issuer.scheme() == "http"))
}

/// Something that is fetched by one and used by all.
struct Slot<T> {
    kept: Arc<Mutex<Kept<T>>>,
    /// Held while fetching. What is good already is had without it.
    fetching: Arc<tokio::sync::Mutex<()>>,
}

struct Kept<T> {
    value: Option<(Arc<T>, Timestamp)>,
    failure: Option<(OidcError, Timestamp)>,
    refetched: Option<Timestamp>,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self {
            kept: Arc::new(Mutex::new(Kept {
                value: None,
                failure: None,
                refetched: None,
            })),
            fetching: Arc::default(),
        }
    }
}

impl<T: Send + Sync + 'static> Slot<T> {
    /// What is kept, if it is younger than `lifetime` and not `outworn`; else what `fetch` brings. A fetch is brought to its
    /// end by a task of its own: whoever hangs up has used up a look for new keys all the same, and others need what it finds.
    async fn get(
        &self,
        clock: &Arc<dyn Clock>,
        lifetime: Span,
        outworn: Option<&Arc<T>>,
        fetch: BoxFuture<'static, Result<T, OidcError>>,
    ) -> Result<Arc<T>, OidcError> {
        if let Some(answer) = locked(&self.kept).answer(clock.now(), lifetime, outworn, false) {
            return answer;
        }
        let turn = Arc::clone(&self.fetching).lock_owned().await;
        // Whoever had the turn before may have brought it.
        let asked = clock.now();
        if let Some(answer) = locked(&self.kept).answer(asked, lifetime, outworn, true) {
            return answer;
        }
        if outworn.is_some() {
            locked(&self.kept).refetched = Some(asked);
        }
        let (kept, clock) = (Arc::clone(&self.kept), Arc::clone(clock));
        let fetching = tokio::spawn(async move {
            let _turn = turn;
            let fetched = fetch.await.map(Arc::new);
            locked(&kept).note(&fetched, asked, clock.now());
            fetched
        });
        let fetched = fetching.await;
        fetched.unwrap_or(Err(OidcError::Silent("it was not asked to the end")))
    }
}

fn locked<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Kept<T> {
    fn note(&mut self, fetched: &Result<Arc<T>, OidcError>, asked: Timestamp, now: Timestamp) {
        match fetched {
            Ok(value) => {
                self.value = Some((Arc::clone(value), asked));
                self.failure = None;
            }
            Err(failure) => self.failure = Some((failure.clone(), now)),
        }
    }

    /// The answer that needs no fetching, if there is one. Whether it is too soon to look for another than an outworn value can
    /// be said only in our turn: somebody may be looking.
    fn answer(
        &self,
        now: Timestamp,
        lifetime: Span,
        outworn: Option<&Arc<T>>,
        our_turn: bool,
    ) -> Option<Result<Arc<T>, OidcError>> {
        let recently = |at: Timestamp, span| now.duration_since(at) < span;
        let good = self
            .value
            .as_ref()
            .filter(|(_, at)| recently(*at, lifetime));
        if let Some((value, _)) = good {
            let refetch = outworn.is_some_and(|outworn| Arc::ptr_eq(outworn, value));
            let too_soon = self.refetched.is_some_and(|at| recently(at, REFETCH_EVERY));
            if !refetch || (our_turn && too_soon) {
                return Some(Ok(Arc::clone(value)));
            }
        }
        let failure = self.failure.as_ref();
        failure
            .filter(|(_, at)| recently(*at, FAILURE_LIFETIME))
            .map(|(failure, _)| Err(failure.clone()))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::{pending, ready};

    use super::*;
    use crate::base::clock::ManualClock;

    const HOUR: Span = Span::from_hours(1);

    /// Anybody can show us a token under an unknown key, and hang up while we look for new keys.
    #[tokio::test]
    async fn whoever_hangs_up_does_not_keep_others_from_new_keys() {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
        let slot = Slot::default();
        let old = slot.get(&clock, HOUR, None, ready(Ok(1)).boxed()).await;
        let old = old.unwrap();
        let (found, keys) = tokio::sync::oneshot::channel();
        let fetch = async { Ok(keys.await.unwrap()) }.boxed();
        let hung_up = slot.get(&clock, HOUR, Some(&old), fetch).now_or_never();
        assert!(hung_up.is_none());
        found.send(2).unwrap();
        // What the first began is brought to its end, and is not begun anew by the next.
        let new = slot.get(&clock, HOUR, Some(&old), pending().boxed()).await;
        assert_eq!(*new.unwrap(), 2);
    }
}
