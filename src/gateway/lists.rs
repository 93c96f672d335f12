//! What upstreams list: each list fetched by one at a time, kept for as long as its upstream says, and longer while the upstream
//! fails or takes its time. Whose tools these make is `catalog`'s affair.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use moka::future::Cache;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};
use url::Url;

use crate::{
    audit::{Entry, Trail},
    base::{
        clock::{Clock, Span, Timestamp},
        id::UpstreamName,
    },
    config::Config,
    store::signal::Signals,
    upstream::{Caller, ToolList, UpstreamError, Upstreams},
};

use super::{required, view::Source};

/// After a failed attempt the last known list is used this long before the next one.
const RETRY: Span = Span::from_secs(5);

/// Even a list that is good for no time at all is not fetched more often than this.
const SHORTEST: Duration = Duration::from_secs(1);

/// Lists are forgotten when nobody asked for them this long.
const IDLE: Duration = Duration::from_secs(30 * 60);

/// From the beginning of an attempt, a list that is there already waits so long for its successor.
const SHORT: Duration = Duration::from_millis(500);

/// Keeps lists. Clones share.
#[derive(Clone)]
pub(super) struct Lists {
    upstreams: Upstreams,
    clock: Arc<dyn Clock>,
    signals: Signals,
    trail: Trail,
    /// By name, address and owner: what one address listed says nothing about another.
    slots: Cache<(UpstreamName, Url, Owner), Arc<Slot>>,
}

/// Whose a list is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    /// Listed without a token, for all.
    Anybody,
    /// Two accounts of one user at the upstream may have different tools.
    User {
        user: Arc<str>,
        /// As in [`Caller::credential`].
        credential: String,
    },
}

/// How long to wait for a fresh list where there is a stale one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// Half a second; the fetching goes on meanwhile, and a list that changed is announced.
    Short,
    /// As long as the upstream may take.
    Whole,
}

/// A list as it is known.
pub(super) struct Listed {
    pub source: Source,
    pub fresh_until: Timestamp,
}

#[derive(Default)]
struct Slot(Mutex<State>);

#[derive(Default)]
struct State {
    known: Option<Known>,
    fresh_until: Option<Timestamp>,
    attempt: Option<Attempt>,
}

enum Known {
    Tools(Arc<ToolList>),
    NeedsUser,
}

/// A list being fetched.
#[derive(Clone)]
struct Attempt {
    began: Instant,
    /// Closed when it is over, however it went.
    over: watch::Receiver<()>,
}

impl Lists {
    pub fn new(
        upstreams: Upstreams,
        clock: Arc<dyn Clock>,
        signals: Signals,
        trail: Trail,
    ) -> Self {
        let slots = Cache::builder()
            .max_capacity(50_000)
            .time_to_idle(IDLE)
            .build();
        Self {
            upstreams,
            clock,
            signals,
            trail,
            slots,
        }
    }

    /// What `upstream` lists for `caller`, whose list is `owner`'s. If it is asked, `uses` are noted first.
    pub async fn get(
        &self,
        config: &Arc<Config>,
        upstream: &UpstreamName,
        owner: Owner,
        caller: Caller,
        patience: Patience,
        uses: impl FnOnce() -> Vec<Entry>,
    ) -> Listed {
        let Some(url) = config.upstreams.get(upstream).map(|known| &known.url) else {
            return State::default().listed(self.clock.now());
        };
        let key = (upstream.clone(), url.clone(), owner.clone());
        let slot = self.slots.get_with(key, async { Arc::default() }).await;
        let waits = {
            let mut state = slot.state();
            let stale = state
                .fresh_until
                .is_none_or(|until| until <= self.clock.now());
            stale.then(|| {
                let attempt = state.join().unwrap_or_else(|| {
                    let (ending, over) = watch::channel(());
                    let attempt = Attempt {
                        began: Instant::now(),
                        over,
                    };
                    let fetching = self.clone().fetch(
                        Arc::clone(&slot),
                        Arc::clone(config),
                        upstream.clone(),
                        owner,
                        caller,
                        uses(),
                    );
                    // A task of its own: who asked first may lose patience, and others wait for it too.
                    tokio::spawn(async move {
                        fetching.await;
                        drop(ending);
                    });
                    state.attempt = Some(attempt.clone());
                    attempt
                });
                (attempt, state.known.is_some())
            })
        };
        if let Some((attempt, known)) = waits {
            attempt.wait(known && patience == Patience::Short).await;
        }
        slot.state().listed(self.clock.now())
    }

    /// What `upstream` lists to anybody is not what it has: the next look is a fresh one.
    pub async fn doubt(&self, config: &Config, upstream: &UpstreamName) {
        let Some(url) = config.upstreams.get(upstream).map(|known| &known.url) else {
            return;
        };
        let key = (upstream.clone(), url.clone(), Owner::Anybody);
        if let Some(slot) = self.slots.get(&key).await {
            slot.state().fresh_until = None;
        }
    }

    async fn fetch(
        self,
        slot: Arc<Slot>,
        config: Arc<Config>,
        upstream: UpstreamName,
        owner: Owner,
        caller: Caller,
        uses: Vec<Entry>,
    ) {
        for entry in uses {
            if let Err(error) = self.trail.note(entry).await {
                tracing::error!(%upstream, %error, "an upstream was not asked for its tools");
                return;
            }
        }
        let Some(known) = config.upstreams.get(&upstream) else {
            return;
        };
        let fetched = self.upstreams.list_tools(known, &caller).await;
        let now = self.clock.now();
        let later = |ttl: Duration| now + Span::try_from(ttl).unwrap_or(RETRY);
        let mut state = slot.state();
        match fetched {
            Ok(list) => {
                state.fresh_until = Some(later(list.ttl.max(SHORTEST)));
                if !state.has(&list) {
                    required::note_unknown(&config, &upstream, &list);
                }
                if state.take_in(list) {
                    self.announce(&upstream, &owner);
                }
            }
            Err(UpstreamError::Unauthorized { .. } | UpstreamError::InsufficientScope { .. }) => {
                state.known = Some(Known::NeedsUser);
                state.fresh_until = Some(match owner {
                    Owner::Anybody => later(known.list_ttl),
                    // What one user's token opens may change at any moment, when they connect.
                    Owner::User { .. } => now + RETRY,
                });
            }
            Err(error) => {
                tracing::warn!(%upstream, %error, "the tools of an upstream could not be listed");
                state.fresh_until = Some(now + RETRY);
            }
        }
        state.attempt = None;
    }

    fn announce(&self, upstream: &UpstreamName, owner: &Owner) {
        match owner {
            Owner::User { user, .. } => self.signals.raise(&format!("tools/{user}")),
            Owner::Anybody => self.signals.raise(&format!("tools/upstream/{upstream}")),
        }
    }
}

impl Slot {
    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is whole before the next line can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The attempt under way; one that crashed is none.
    fn join(&self) -> Option<Attempt> {
        let under_way = |attempt: &&Attempt| attempt.over.has_changed().is_ok();
        self.attempt.as_ref().filter(under_way).cloned()
    }

    /// Whether this is a change of which somebody may want to hear.
    fn take_in(&mut self, list: ToolList) -> bool {
        if self.has(&list) {
            return false;
        }
        let before = self.known.replace(Known::Tools(Arc::new(list)));
        before.is_some()
    }

    /// Whether these very tools are known.
    fn has(&self, list: &ToolList) -> bool {
        matches!(&self.known, Some(Known::Tools(old)) if same_tools(old, list))
    }

    fn listed(&self, now: Timestamp) -> Listed {
        Listed {
            source: match &self.known {
                Some(Known::Tools(tools)) => Source::Tools(Arc::clone(tools)),
                Some(Known::NeedsUser) => Source::NeedsUser,
                None => Source::Nothing,
            },
            fresh_until: self.fresh_until.unwrap_or(now),
        }
    }
}

impl Attempt {
    async fn wait(mut self, briefly: bool) {
        let over = async { while self.over.changed().await.is_ok() {} };
        if briefly {
            let _ = timeout_at(self.began + SHORT, over).await;
        } else {
            over.await;
        }
    }
}

fn same_tools(old: &ToolList, new: &ToolList) -> bool {
    old.tools.len() == new.tools.len()
        && old
            .tools
            .iter()
            .zip(&new.tools)
            // A worker's tool may be another one, by its version, and look the same to MCP clients.
            .all(|(old, new)| old.raw.get() == new.raw.get() && old.worker == new.worker)
}
