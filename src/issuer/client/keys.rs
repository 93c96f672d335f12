//! The public keys of clients that keep them at an address (RFC 7591 `jwks_uri`).

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::http::StatusCode;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use serde_json::Value;
use url::Url;

use super::{
    Keys,
    budget::{Budget, TooOften},
    document::{fresh_for, is_json, later},
    metadata::is_public,
};
use crate::{
    base::clock::{Clock, Timestamp},
    web::{
        fetch::{FetchError, Fetcher, Limits},
        pace::Pace,
    },
};

/// Larger sets are nobody's. Bytes.
const LARGEST: usize = 64 * 1024;
const ROOM: u64 = 1000;

#[derive(Clone)]
pub(super) struct KeySets {
    fetcher: Fetcher,
    known: moka::future::Cache<Url, Known>,
    budget: Budget,
    pace: Pace<Url>,
    /// For names of keys that we do not know. Apart from the others, or strangers could use those up with names they invent.
    renewals: Pace<Url>,
    clock: Arc<dyn Clock>,
}

#[derive(Clone)]
struct Known {
    set: Arc<JwkSet>,
    until: Timestamp,
}

/// Why there are no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeysProblem {
    #[error("its keys cannot be fetched: {0}")]
    Fetch(#[from] FetchError),
    #[error("at its jwks_uri is no JWK set of public keys")]
    NotKeys,
    #[error("its keys are fetched too often")]
    TooOften,
}

impl From<TooOften> for KeysProblem {
    fn from(_: TooOften) -> Self {
        Self::TooOften
    }
}

impl KeySets {
    pub(super) fn new(fetcher: Fetcher, budget: Budget, clock: Arc<dyn Clock>) -> Self {
        Self {
            fetcher,
            known: moka::future::Cache::new(ROOM),
            budget,
            pace: Pace::new(5, Duration::from_secs(60), Arc::clone(&clock)),
            renewals: Pace::new(2, Duration::from_secs(5 * 60), Arc::clone(&clock)),
            clock,
        }
    }

    /// The keys that may have made a signature under `kid`: the one of that name, else all. A name that is not there may be
    /// new, so the set is fetched again, though not as often as strangers like.
    pub(super) async fn find(
        &self,
        keys: &Keys,
        kid: Option<&str>,
        (private, from): (bool, IpAddr),
    ) -> Result<Vec<Jwk>, KeysProblem> {
        let url = match keys {
            Keys::Inline(text) => {
                let set: JwkSet = serde_json::from_str(text).map_err(|_| KeysProblem::NotKeys)?;
                return Ok(chosen(&set, kid));
            }
            Keys::At(url) => url,
        };
        let found = chosen(&*self.set(url, private, from).await?, kid);
        if !found.is_empty() || self.renewals.spend(url).is_err() {
            return Ok(found);
        }
        if self.budget.spend(url, from).is_err() {
            return Ok(found);
        }
        let known = self.fetch(url, private).await?;
        self.known.insert(url.clone(), known.clone()).await;
        Ok(chosen(&known.set, kid))
    }

    async fn set(
        &self,
        url: &Url,
        private: bool,
        from: IpAddr,
    ) -> Result<Arc<JwkSet>, KeysProblem> {
        if let Some(known) = self.known.get(url).await {
            if self.clock.now() < known.until {
                return Ok(known.set);
            }
            self.known.invalidate(url).await;
        }
        let fetched = self.known.try_get_with_by_ref(url, async {
            self.budget.spend(url, from)?;
            let spent = self.pace.spend(url);
            spent.map_err(|_| KeysProblem::TooOften)?;
            self.fetch(url, private).await
        });
        Ok(fetched.await.map_err(|problem| *problem)?.set)
    }

    async fn fetch(&self, url: &Url, private: bool) -> Result<Known, KeysProblem> {
        let limits = Limits {
            largest: LARGEST,
            private,
        };
        let fetched = self.fetcher.get_json(url, limits).await?;
        let value: Value =
            serde_json::from_slice(&fetched.body).map_err(|_| KeysProblem::NotKeys)?;
        if fetched.status != StatusCode::OK || !is_json(&fetched.headers) || !is_public(&value) {
            return Err(KeysProblem::NotKeys);
        }
        let set = serde_json::from_value(value).map_err(|_| KeysProblem::NotKeys)?;
        self.budget.prove(url).await;
        let now = self.clock.now();
        Ok(Known {
            set: Arc::new(set),
            until: later(now, fresh_for(url, &fetched, now)),
        })
    }
}

fn chosen(set: &JwkSet, kid: Option<&str>) -> Vec<Jwk> {
    match kid {
        Some(kid) => set.find(kid).cloned().into_iter().collect(),
        None => set.keys.clone(),
    }
}
