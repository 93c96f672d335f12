//! What we remember about one upstream, whoever calls it: its era, how it introduced itself, and its health.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use arc_swap::ArcSwapOption;
use http::Uri;
use serde_json::value::RawValue;

use super::{error::UpstreamError, health::Health};
use crate::{
    base::clock::{Span, Timestamp},
    config::{Era, Upstream},
    protocol::members::Members,
};

/// An upstream whose answers look like another era's is asked anew, but not at every call.
const PROBE_AT_MOST_EVERY: Span = Span::from_secs(30);

/// How an upstream introduced itself. Self-reported: for people to read, never to decide by.
#[derive(Clone, Debug)]
pub struct ServerFacts {
    /// The era it answered in.
    pub era: Era,
    /// `serverInfo.name`.
    pub name: Option<String>,
    /// `serverInfo.version`.
    pub version: Option<String>,
    /// What it wants models to know.
    pub instructions: Option<String>,
}

/// One upstream, by its address.
#[derive(Debug)]
pub(super) struct Peer {
    pub uri: Uri,
    pub health: Health,
    facts: ArcSwapOption<ServerFacts>,
    /// Held by the one who probes.
    pub probing: tokio::sync::Mutex<()>,
    history: Mutex<History>,
}

#[derive(Debug, Default)]
struct History {
    failed_probes: u64,
    last_failure: Option<UpstreamError>,
    forgotten: Option<Timestamp>,
}

/// All of them, by address, so that a reloaded configuration finds what is known.
#[derive(Debug, Default)]
pub(super) struct Peers(RwLock<HashMap<String, Arc<Peer>>>);

impl Peers {
    /// The one behind `upstream`; made at the first call.
    pub fn of(&self, upstream: &Upstream) -> Result<Arc<Peer>, UpstreamError> {
        let address = upstream.url.as_str();
        if let Some(peer) = self.known(address) {
            return Ok(peer);
        }
        let uri = address
            .parse()
            .map_err(|_| UpstreamError::unreachable("its URL cannot be sent"))?;
        let mut peers = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let peer = peers
            .entry(address.to_owned())
            .or_insert_with(|| Arc::new(Peer::new(uri)));
        Ok(Arc::clone(peer))
    }

    pub fn known(&self, address: &str) -> Option<Arc<Peer>> {
        let peers = self.0.read().unwrap_or_else(PoisonError::into_inner);
        peers.get(address).cloned()
    }

    /// Forgets every upstream that is not among these.
    pub fn retain(&self, keep: &[&str]) {
        let mut peers = self.0.write().unwrap_or_else(PoisonError::into_inner);
        peers.retain(|address, _| keep.contains(&address.as_str()));
    }
}

impl ServerFacts {
    /// Texts are cut where nobody would read on.
    pub(super) fn new(era: Era, server: Option<&RawValue>, instructions: Option<String>) -> Self {
        let server = server.and_then(|server| Members::of(server).ok());
        let text = |name| server.as_ref()?.read::<String>(name);
        let cut = |text: String, at: usize| text.chars().take(at).collect();
        Self {
            era,
            name: text("name").map(|name| cut(name, 200)),
            version: text("version").map(|version| cut(version, 100)),
            instructions: instructions.map(|instructions| cut(instructions, 20_000)),
        }
    }
}

impl Peer {
    fn new(uri: Uri) -> Self {
        Self {
            uri,
            health: Health::default(),
            facts: ArcSwapOption::empty(),
            probing: tokio::sync::Mutex::new(()),
            history: Mutex::default(),
        }
    }

    /// What it said when it was asked; `None` before.
    pub fn facts(&self) -> Option<Arc<ServerFacts>> {
        self.facts.load_full()
    }

    /// The era, without counting references: once per call.
    pub fn era(&self) -> Option<Era> {
        self.facts.load().as_ref().map(|facts| facts.era)
    }

    pub fn learn(&self, facts: ServerFacts) {
        self.facts.store(Some(Arc::new(facts)));
    }

    /// Forgets the era, so that the next call probes. Does nothing, and says so, if that was done a moment ago.
    pub fn forget(&self, now: Timestamp) -> bool {
        let mut history = self.history();
        let due = history
            .forgotten
            .and_then(|last| last.checked_add(PROBE_AT_MOST_EVERY).ok())
            .is_none_or(|due| due <= now);
        if due {
            history.forgotten = Some(now);
            self.facts.store(None);
        }
        due
    }

    /// How many probes have failed; see [`Self::failed_since`].
    pub fn failed_probes(&self) -> u64 {
        self.history().failed_probes
    }

    /// The failure of a probe that ended after `seen` were counted: whoever waited for that one shares it, instead of
    /// waiting through another after it.
    pub fn failed_since(&self, seen: u64) -> Option<UpstreamError> {
        let history = self.history();
        (history.failed_probes > seen)
            .then(|| history.last_failure.clone())
            .flatten()
    }

    /// A probe failed for a reason that is the same for every caller.
    pub fn probe_failed(&self, error: &UpstreamError) {
        let mut history = self.history();
        history.failed_probes += 1;
        history.last_failure = Some(error.clone());
    }

    fn history(&self) -> std::sync::MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_era_is_forgotten_at_most_twice_a_minute() {
        let peer = Peer::new(Uri::from_static("http://localhost/"));
        let at = |second| Timestamp::from_second(second).unwrap();
        assert!(peer.forget(at(0)));
        assert!(!peer.forget(at(29)));
        assert!(peer.forget(at(30)));
    }

    #[test]
    fn those_who_waited_share_a_failed_probe() {
        let peer = Peer::new(Uri::from_static("http://localhost/"));
        let seen = peer.failed_probes();
        assert!(peer.failed_since(seen).is_none());
        peer.probe_failed(&UpstreamError::TimedOut);
        assert!(peer.failed_since(seen).is_some());
        assert!(peer.failed_since(peer.failed_probes()).is_none());
    }
}
