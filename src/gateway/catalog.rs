//! Which tools a principal has: the lists of several upstreams under one roof.
//!
//! A list that an upstream gives to anybody is one for all. One that it gives only with a user's token is the user's own; until
//! that user has connected, one tool stands for it, `{upstream}_connect`. An upstream that fails never hides the tools of the
//! others.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use moka::future::Cache;

use crate::{
    audit::Trail,
    base::{
        clock::{Clock, Timestamp},
        id::{GatewayName, UpstreamName},
    },
    config::Config,
    hooks::Hooks,
    store::signal::Signals,
    upstream::{Caller, Upstreams},
};

use super::{
    access::Principal,
    admit::{Admission, AdmitError, Admitting, Held},
    lists::{Listed, Lists, Owner, Patience},
    noted, offered,
    policy::Rights,
    view::{Source, Tool, View},
};

/// Views are forgotten when nobody asked for them this long.
const IDLE: Duration = Duration::from_secs(30 * 60);

/// Keeps lists and views.
#[derive(Clone)]
pub struct Catalog {
    admitting: Admitting,
    clock: Arc<dyn Clock>,
    lists: Lists,
    hooks: Hooks,
    views: Cache<ViewKey, Shown>,
}

/// The edition of the configuration, the gateway, what its rules let see, and whose view it is if not everybody's: what one
/// configuration allowed is not to be had under the next.
type ViewKey = (u64, GatewayName, Rights, Option<Arc<str>>);

#[derive(Clone)]
enum Shown {
    To(Arc<View>),
    /// Look under the user's own key.
    PerUser,
}

impl Catalog {
    /// A catalog that knows nothing yet.
    pub fn new(
        upstreams: Upstreams,
        admitting: Admitting,
        clock: Arc<dyn Clock>,
        signals: Signals,
        trail: Trail,
        hooks: Hooks,
    ) -> Self {
        Self {
            admitting,
            lists: Lists::new(upstreams, Arc::clone(&clock), signals, trail),
            clock,
            hooks,
            views: Cache::builder()
                .max_capacity(50_000)
                .time_to_idle(IDLE)
                .build(),
        }
    }

    /// The tools of a principal, fetched where they are stale; an upstream that takes its time shows what it had before.
    /// `None` if this configuration has no such gateway.
    pub async fn list(&self, config: &Arc<Config>, principal: &Principal) -> Option<Arc<View>> {
        let view = self.build(config, principal, Patience::Short).await?;
        Some(offered::seen(&self.hooks, config, principal, view).await)
    }

    /// The tool called `name`, if this principal has it. What is known suffices even where it is stale; an unknown name is
    /// looked up anew.
    pub async fn resolve(
        &self,
        config: &Arc<Config>,
        principal: &Principal,
        name: &str,
    ) -> Option<Arc<Tool>> {
        self.look(config, principal, |view| view.get(name)).await
    }

    /// The tool that a program calls `name`, in whichever form, and of that version if it asks for one; else as
    /// [`Self::resolve`].
    pub async fn find(
        &self,
        config: &Arc<Config>,
        principal: &Principal,
        name: &str,
        version: Option<&str>,
    ) -> Option<Arc<Tool>> {
        self.look(config, principal, |view| view.find(name, version))
            .await
    }

    /// Whether each upstream has listed its tools once, or said that it does so for its users only.
    pub async fn knows_all(&self, config: &Config, principal: &Principal) -> bool {
        let known = self.known(config, principal).await;
        known.is_some_and(|view| view.knows_all())
    }

    /// A tool that policy lets a principal have, if hooks let it be seen as well.
    async fn look(
        &self,
        config: &Arc<Config>,
        principal: &Principal,
        look: impl Fn(&View) -> Option<&Arc<Tool>>,
    ) -> Option<Arc<Tool>> {
        let tool = self.allowed(config, principal, look).await?;
        let seen = offered::is_seen(&self.hooks, config, principal, &tool).await;
        seen.then_some(tool)
    }

    async fn allowed(
        &self,
        config: &Arc<Config>,
        principal: &Principal,
        look: impl Fn(&View) -> Option<&Arc<Tool>>,
    ) -> Option<Arc<Tool>> {
        if let Some(view) = self.known(config, principal).await {
            let tool = look(&view).cloned();
            if let Some(tool) = tool {
                if view.fresh_until() <= self.clock.now() && view.begin_refresh() {
                    let (catalog, config, principal) =
                        (self.clone(), Arc::clone(config), principal.clone());
                    tokio::spawn(async move {
                        catalog.build(&config, &principal, Patience::Whole).await
                    });
                }
                return Some(tool);
            }
        }
        let view = self.build(config, principal, Patience::Whole).await?;
        look(&view).cloned()
    }

    /// `upstream` has not what it listed: the next list, and the next call, go by a fresh one. Views are made anew from lists that
    /// are known, so nothing is lost with those that have nothing to do with it.
    pub(super) async fn doubt(&self, config: &Config, upstream: &UpstreamName) {
        self.lists.doubt(config, upstream).await;
        self.views.invalidate_all();
    }

    async fn known(&self, config: &Config, principal: &Principal) -> Option<Arc<View>> {
        let shared = shared(config, principal);
        match self.views.get(&shared).await? {
            Shown::To(view) => Some(view),
            Shown::PerUser => match self.views.get(&own(config, principal)).await? {
                Shown::To(view) => Some(view),
                Shown::PerUser => None,
            },
        }
    }

    async fn build(
        &self,
        config: &Arc<Config>,
        principal: &Principal,
        patience: Patience,
    ) -> Option<Arc<View>> {
        let gateway = config.gateways.get(principal.gateway())?;
        let parts = join_all(
            gateway
                .upstreams
                .iter()
                .map(|upstream| self.part(config, principal, upstream, patience)),
        )
        .await;
        let per_user = parts.iter().any(|part| part.per_user);
        let fresh_until = parts
            .iter()
            .map(|part| part.listed.fresh_until)
            .min()
            .unwrap_or(Timestamp::MAX);
        let sources: Vec<_> = parts.into_iter().map(|part| part.listed.source).collect();
        let old = self.known(config, principal).await;
        if let Some(old) = &old
            && old.is_made_from(&sources)
        {
            old.renew(fresh_until);
            return Some(Arc::clone(old));
        }
        let view = View::new(gateway, principal.rights(), sources, fresh_until);
        let view = Arc::new(view);
        let shared = shared(config, principal);
        if per_user {
            self.views.insert(shared, Shown::PerUser).await;
            self.views
                .insert(own(config, principal), Shown::To(Arc::clone(&view)))
                .await;
        } else {
            self.views
                .insert(shared, Shown::To(Arc::clone(&view)))
                .await;
        }
        Some(view)
    }

    async fn part(
        &self,
        config: &Arc<Config>,
        principal: &Principal,
        upstream: &UpstreamName,
        patience: Patience,
    ) -> Part {
        let lists = &self.lists;
        let anybody = lists
            .get(
                config,
                upstream,
                Owner::Anybody,
                anybody(),
                patience,
                Vec::new,
            )
            .await;
        if !matches!(anybody.source, Source::NeedsUser) {
            return Part {
                listed: anybody,
                per_user: false,
            };
        }
        let own = match self.admitting.to_list(config, principal, upstream).await {
            Ok(Admission::Permit(permit)) => {
                let owner = Owner::User {
                    user: Arc::clone(principal.user_key()),
                    credential: permit.caller.credential.clone(),
                };
                let own = lists
                    .get(
                        config,
                        upstream,
                        owner,
                        permit.caller.clone(),
                        patience,
                        || noted::listing(principal, upstream, &permit.held),
                    )
                    .await;
                if matches!(own.source, Source::NeedsUser) {
                    // Renews the token for the next look, or notes that only the user can get another.
                    self.refused(config, principal, upstream, &permit.held)
                        .await;
                }
                own
            }
            Ok(Admission::NeedsUser(_)) | Err(AdmitError::Withheld { .. }) => anybody,
            Err(error) => {
                tracing::warn!(%upstream, %error, user = ?principal.user(), "the tools of an upstream cannot be listed for this user");
                Listed {
                    source: Source::Nothing,
                    ..anybody
                }
            }
        };
        Part {
            listed: own,
            per_user: true,
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
}

struct Part {
    listed: Listed,
    per_user: bool,
}

/// Where the view is that all who have the same rights share.
fn shared(config: &Config, principal: &Principal) -> ViewKey {
    let (gateway, rights) = (principal.gateway(), principal.rights());
    (config.edition, gateway.clone(), rights.clone(), None)
}

fn own(config: &Config, principal: &Principal) -> ViewKey {
    let (edition, gateway, rights, _) = shared(config, principal);
    let owner = Some(Arc::clone(principal.user_key()));
    (edition, gateway, rights, owner)
}

/// A caller without credentials.
fn anybody() -> Caller {
    Caller::default()
}
