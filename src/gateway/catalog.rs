//! Which tools a principal has: the lists of several upstreams under one roof.
//!
//! A list that an upstream gives to anybody is fetched once for all and kept for as long as it says. One that it gives only
//! with a user's token is kept per user; until that user has connected, one tool stands for it, `{upstream}_connect`.
//! An upstream that fails keeps its last known tools, and never hides those of the others.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use moka::future::Cache;
use tokio::sync::Mutex;

use crate::{
    base::{
        clock::{Clock, Span, Timestamp},
        id::{GatewayName, UpstreamName},
    },
    config::Config,
    store::signal::Signals,
    upstream::{Caller, ToolList, UpstreamError, Upstreams},
};

use super::{
    access::Principal,
    admit::{Admission, Admitting, Held},
    view::{Source, Tool, View},
};

/// After a failed attempt the last known list is used this long before the next one.
const RETRY: Span = Span::from_secs(5);

/// Even a list that is good for no time at all is not fetched more often than this.
const SHORTEST: Duration = Duration::from_secs(1);

/// Views are forgotten when nobody asked for them this long.
const IDLE: Duration = Duration::from_secs(30 * 60);

/// Keeps lists and views.
#[derive(Clone)]
pub struct Catalog {
    upstreams: Upstreams,
    admitting: Admitting,
    clock: Arc<dyn Clock>,
    signals: Signals,
    lists: Cache<ListKey, Arc<Mutex<Slot>>>,
    views: Cache<ViewKey, Shown>,
}

type ListKey = (UpstreamName, Option<Owner>);
type ViewKey = (GatewayName, Option<Arc<str>>);

/// Whose a list is. Two accounts of one user at the upstream may have different tools.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Owner {
    user: Arc<str>,
    /// As in [`Caller::credential`].
    credential: String,
}

#[derive(Clone)]
enum Shown {
    To(Arc<View>),
    /// Look under the user's own key.
    PerUser,
}

#[derive(Default)]
struct Slot {
    known: Option<Known>,
    fresh_until: Option<Timestamp>,
}

#[derive(Clone)]
enum Known {
    Tools(Arc<ToolList>),
    NeedsUser,
}

impl Catalog {
    /// A catalog that knows nothing yet.
    pub fn new(
        upstreams: Upstreams,
        admitting: Admitting,
        clock: Arc<dyn Clock>,
        signals: Signals,
    ) -> Self {
        Self {
            upstreams,
            admitting,
            clock,
            signals,
            lists: Cache::builder()
                .max_capacity(50_000)
                .time_to_idle(IDLE)
                .build(),
            views: Cache::builder()
                .max_capacity(50_000)
                .time_to_idle(IDLE)
                .build(),
        }
    }

    /// The tools of a principal, fetched where they are stale.
    pub async fn list(&self, config: &Arc<Config>, principal: &Principal) -> Arc<View> {
        self.build(config, principal).await
    }

    /// The tool called `name`, if this principal has it. What is known suffices even where it is stale; an unknown name is
    /// looked up anew.
    pub async fn resolve(
        &self,
        config: &Arc<Config>,
        principal: &Principal,
        name: &str,
    ) -> Option<Arc<Tool>> {
        if let Some(view) = self.known(principal).await {
            let tool = view.get(name).cloned();
            if let Some(tool) = tool {
                if view.fresh_until() <= self.clock.now() && view.begin_refresh() {
                    let (catalog, config, principal) =
                        (self.clone(), Arc::clone(config), principal.clone());
                    tokio::spawn(async move { catalog.build(&config, &principal).await });
                }
                return Some(tool);
            }
        }
        self.build(config, principal).await.get(name).cloned()
    }

    async fn known(&self, principal: &Principal) -> Option<Arc<View>> {
        let shared = (principal.gateway().clone(), None);
        match self.views.get(&shared).await? {
            Shown::To(view) => Some(view),
            Shown::PerUser => match self.views.get(&own(principal)).await? {
                Shown::To(view) => Some(view),
                Shown::PerUser => None,
            },
        }
    }

    async fn build(&self, config: &Arc<Config>, principal: &Principal) -> Arc<View> {
        let gateway = &config.gateways[principal.gateway()];
        let parts = join_all(
            gateway
                .upstreams
                .iter()
                .map(|upstream| self.part(config, principal, upstream)),
        )
        .await;
        let per_user = parts.iter().any(|part| part.per_user);
        let fresh_until = parts
            .iter()
            .map(|part| part.fresh_until)
            .min()
            .unwrap_or(Timestamp::MAX);
        let sources: Vec<_> = parts.into_iter().map(|part| part.source).collect();
        let old = self.known(principal).await;
        if let Some(old) = &old
            && old.is_made_from(&sources, fresh_until)
        {
            return Arc::clone(old);
        }
        let view = Arc::new(View::new(gateway, sources, fresh_until));
        let shared = (principal.gateway().clone(), None);
        if per_user {
            self.views.insert(shared, Shown::PerUser).await;
            self.views
                .insert(own(principal), Shown::To(Arc::clone(&view)))
                .await;
        } else {
            self.views
                .insert(shared, Shown::To(Arc::clone(&view)))
                .await;
        }
        view
    }

    async fn part(
        &self,
        config: &Arc<Config>,
        principal: &Principal,
        upstream: &UpstreamName,
    ) -> Part {
        let anybody = self.fetch(config, upstream, None, anybody()).await;
        if !matches!(anybody.source, Source::NeedsUser) {
            return anybody;
        }
        let own = match self.admitting.to_list(config, principal, upstream).await {
            Ok(Admission::Permit(permit)) => {
                let owner = Owner {
                    user: Arc::clone(principal.user_key()),
                    credential: permit.caller.credential.clone(),
                };
                let own = self
                    .fetch(config, upstream, Some(owner), permit.caller.clone())
                    .await;
                if matches!(own.source, Source::NeedsUser) {
                    // Renews the token for the next look, or notes that only the user can get another.
                    self.refused(config, principal, upstream, &permit.held)
                        .await;
                }
                own
            }
            Ok(Admission::NeedsUser(_)) => anybody,
            Err(error) => {
                tracing::warn!(%upstream, %error, user = ?principal.user(), "the tools of an upstream cannot be listed for this user");
                Part {
                    source: Source::Nothing,
                    ..anybody
                }
            }
        };
        Part {
            per_user: true,
            ..own
        }
    }

    async fn refused(
        &self,
        config: &Arc<Config>,
        principal: &Principal,
        upstream: &UpstreamName,
        held: &[Held],
    ) {
        if let Err(error) = self.admitting.refused(config, principal, held).await {
            tracing::warn!(%upstream, %error, user = ?principal.user(), "a token that an upstream refused could not be renewed");
        }
    }

    /// One list, fetched by one caller at a time while others wait for it.
    async fn fetch(
        &self,
        config: &Arc<Config>,
        upstream: &UpstreamName,
        owner: Option<Owner>,
        caller: Caller,
    ) -> Part {
        let slot = self
            .lists
            .get_with((upstream.clone(), owner.clone()), async { Arc::default() })
            .await;
        let mut slot = slot.lock().await;
        let now = self.clock.now();
        if slot
            .fresh_until
            .is_none_or(|fresh_until| fresh_until <= now)
        {
            let fetched = self
                .upstreams
                .list_tools(&config.upstreams[upstream], &caller)
                .await;
            self.take_in(&mut slot, config, upstream, owner.as_ref(), fetched);
        }
        Part {
            source: match &slot.known {
                Some(Known::Tools(tools)) => Source::Tools(Arc::clone(tools)),
                Some(Known::NeedsUser) => Source::NeedsUser,
                None => Source::Nothing,
            },
            fresh_until: slot.fresh_until.unwrap_or(now),
            per_user: false,
        }
    }

    fn take_in(
        &self,
        slot: &mut Slot,
        config: &Config,
        upstream: &UpstreamName,
        owner: Option<&Owner>,
        fetched: Result<ToolList, UpstreamError>,
    ) {
        let now = self.clock.now();
        let later = |ttl: Duration| now + Span::try_from(ttl).unwrap_or(RETRY);
        match fetched {
            Ok(list) => {
                slot.fresh_until = Some(later(list.ttl.max(SHORTEST)));
                let changed =
                    !matches!(&slot.known, Some(Known::Tools(old)) if same_tools(old, &list));
                let first = slot.known.is_none();
                if changed {
                    slot.known = Some(Known::Tools(Arc::new(list)));
                }
                if changed && !first {
                    self.announce(upstream, owner);
                }
            }
            Err(UpstreamError::Unauthorized { .. } | UpstreamError::InsufficientScope { .. }) => {
                slot.known = Some(Known::NeedsUser);
                // What one user's token opens may change at any moment, when they connect.
                slot.fresh_until = Some(match owner {
                    None => later(config.upstreams[upstream].list_ttl),
                    Some(_) => now + RETRY,
                });
            }
            Err(error) => {
                tracing::warn!(%upstream, %error, "the tools of an upstream could not be listed");
                slot.fresh_until = Some(now + RETRY);
            }
        }
    }

    fn announce(&self, upstream: &UpstreamName, owner: Option<&Owner>) {
        match owner {
            Some(owner) => self.signals.raise(&format!("tools/{}", owner.user)),
            None => self.signals.raise(&format!("tools/upstream/{upstream}")),
        }
    }
}

struct Part {
    source: Source,
    fresh_until: Timestamp,
    per_user: bool,
}

fn own(principal: &Principal) -> ViewKey {
    (
        principal.gateway().clone(),
        Some(Arc::clone(principal.user_key())),
    )
}

/// A caller without credentials.
fn anybody() -> Caller {
    Caller {
        user: String::new(),
        credentials: Vec::new(),
        credential: String::new(),
    }
}

fn same_tools(old: &ToolList, new: &ToolList) -> bool {
    old.tools.len() == new.tools.len()
        && old
            .tools
            .iter()
            .zip(&new.tools)
            .all(|(old, new)| old.raw.get() == new.raw.get())
}
