//! How much strangers may have us fetch: whoever names an address makes us ask there.

use std::{net::IpAddr, sync::Arc, time::Duration};

use url::Url;

use crate::{
    base::clock::Clock,
    web::pace::{self, Pace},
};

/// The most addresses that are remembered as good.
const ROOM: u64 = 1000;

/// What is left to fetch. Cheap to clone; clones share.
#[derive(Clone)]
pub(super) struct Budget {
    /// Addresses where something good was once. Strangers can use up what may be fetched of a host, but not for those.
    proven: moka::future::Cache<Url, ()>,
    /// By who makes us fetch.
    askers: Pace<IpAddr>,
    /// By whom we fetch from: nobody is to be flooded through us.
    hosts: Pace<String>,
    all: Pace<()>,
}

/// Nothing is to be fetched now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many fetches")]
pub(super) struct TooOften;

impl Budget {
    pub(super) fn new(clock: &Arc<dyn Clock>) -> Self {
        let every = Duration::from_millis;
        Self {
            proven: moka::future::Cache::new(ROOM),
            askers: Pace::new(10, every(6000), Arc::clone(clock)),
            hosts: Pace::new(20, every(3000), Arc::clone(clock)),
            all: Pace::new(100, every(500), Arc::clone(clock)),
        }
    }

    /// Takes one fetch of `url` for `from`.
    pub(super) fn spend(&self, url: &Url, from: IpAddr) -> Result<(), TooOften> {
        self.askers
            .spend(&pace::network(from))
            .map_err(|_| TooOften)?;
        if self.proven.contains_key(url) {
            return Ok(());
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        self.hosts
            .spend(&host)
            .and_then(|()| self.all.spend(&()))
            .map_err(|_| TooOften)
    }

    /// Remembers that something good came from `url`.
    pub(super) async fn prove(&self, url: &Url) {
        self.proven.insert(url.clone(), ()).await;
    }
}
