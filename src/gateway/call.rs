//! A permit is spent: the call goes upstream, and comes back as an answer or as one more question to the user.

use std::sync::Arc;

use crate::{
    audit::{NotRecorded, Trail},
    base::entropy::Entropy,
    config::{Config, Provider},
    hooks::Hooks,
    protocol::{arcade::invoke::Invoked, mirrored},
    upstream::{Answered, Reply, ServerFacts, ToolCall, UpstreamError, Upstreams},
};

use super::{
    Gateways,
    access::Principal,
    account::Accounts,
    admit::{Admission, AdmitError, Admitting, Need, Permit},
    catalog::Catalog,
    view::{Tool, View, What},
};

/// How an admitted call began.
pub enum Called {
    /// The upstream answers.
    Reply(Reply),
    /// A worker answered, whether its tool went well or not.
    Invoked(Box<Invoked>),
    /// A tool that only connects: there is nothing more to do.
    Connected,
    /// The upstream did not take the token, and only the user can get a better one.
    NeedsUser(Vec<Need>),
}

/// Why an admitted call did not begin.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The upstream failed.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// A second token could not be had after the upstream refused the first.
    #[error(transparent)]
    Admit(#[from] AdmitError),
    /// Nobody would learn that a credential was used, so it was not.
    #[error(transparent)]
    Unrecorded(#[from] NotRecorded),
}

impl Gateways {
    /// Routing over `catalog`, admission by `admitting`, execution by `upstreams`; `trail` is told of credentials that are used,
    /// and `entropy` makes the ids of workers' executions.
    pub fn new(
        catalog: Catalog,
        admitting: Admitting,
        upstreams: Upstreams,
        hooks: Hooks,
        trail: Trail,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            catalog,
            admitting,
            upstreams,
            hooks,
            trail,
            entropy,
        }
    }

    /// The tools of a principal; `None` if this configuration has no such gateway.
    pub async fn list(&self, config: &Arc<Config>, principal: &Principal) -> Option<Arc<View>> {
        self.catalog.list(config, principal).await
    }

    /// The tool of that name, if this principal has it.
    pub async fn resolve(
        &self,
        config: &Arc<Config>,
        principal: &Principal,
        name: &str,
    ) -> Option<Arc<Tool>> {
        self.catalog.resolve(config, principal, name).await
    }

    /// The tool that a program calls `name`, if this principal has it; see [`View::find`].
    pub async fn find(
        &self,
        config: &Arc<Config>,
        principal: &Principal,
        name: &str,
        version: Option<&str>,
    ) -> Option<Arc<Tool>> {
        self.catalog.find(config, principal, name, version).await
    }

    /// Whether each upstream of a principal's gateway has been heard of: else a name that is not there may be there later.
    pub async fn knows_all_tools(&self, config: &Config, principal: &Principal) -> bool {
        self.catalog.knows_all(config, principal).await
    }

    /// How the server of `tool` introduced itself; `None` if it did not yet, or is no MCP server.
    pub fn server_of(&self, config: &Config, tool: &Tool) -> Option<Arc<ServerFacts>> {
        self.upstreams.facts(config.upstreams.get(&tool.upstream)?)
    }

    /// Whether a call of `tool` may go ahead, with the accounts it names.
    ///
    /// # Errors
    /// See [`AdmitError`].
    pub async fn admit(
        &self,
        config: &Arc<Config>,
        principal: &Principal,
        tool: &Arc<Tool>,
        accounts: &Accounts,
    ) -> Result<Admission<Permit>, AdmitError> {
        self.admitting
            .to_call(config, principal, tool, accounts)
            .await
    }

    /// Calls, and has the hooks have their say before and after. See [`Self::perform`] for the call itself.
    ///
    /// # Errors
    /// See [`CallError`]. What a hook does not let pass is an answer, in the words of a tool's error.
    pub async fn call(
        &self,
        config: &Arc<Config>,
        principal: &Principal,
        permit: Permit,
        call: ToolCall<'_>,
    ) -> Result<Called, CallError> {
        if Self::is_hooked(config, &permit) {
            // Boxed: a call that nobody is asked about is not to be as large as one that somebody is.
            Box::pin(self.call_hooked(config, principal, permit, call)).await
        } else {
            self.perform(config, principal, permit, call).await
        }
    }

    /// Calls. A token the upstream refuses is renewed once and the call repeated, for a 401 means nothing was executed; what it
    /// refuses then, only the user can mend.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(super) async fn perform(
        &self,
        config: &Arc<Config>,
        principal: &Principal,
        permit: Permit,
        call: ToolCall<'_>,
    ) -> Result<Called, CallError> {
        if permit.held.is_empty() {
            return Ok(self.execute(config, &permit, call).await?);
        }
        let first = self.execute_noted(config, principal, &permit, call).await?;
        let called = match first {
            Ok(Called::Invoked(invoked)) if invoked.refused_token() => {
                return self
                    .refused_inside(config, principal, &permit, call, invoked)
                    .await;
            }
            Err(UpstreamError::Unauthorized { .. }) => {
                match self.renew(config, principal, &permit).await? {
                    Admission::Permit(renewed) => {
                        let second = self
                            .execute_noted(config, principal, &renewed, call)
                            .await?;
                        return self.last(config, principal, &renewed, second).await;
                    }
                    Admission::NeedsUser(needs) => Ok(Called::NeedsUser(needs)),
                }
            }
            Err(error @ UpstreamError::InsufficientScope { .. }) => {
                return self.wider(config, principal, &permit, error).await;
            }
            called => called,
        };
        Ok(called?)
    }

    /// The service behind a worker's tool did not take the token. The tool may have done something before: it runs again, with a
    /// renewed token, only if twice is as good as once.
    async fn refused_inside(
        &self,
        config: &Arc<Config>,
        principal: &Principal,
        permit: &Permit,
        call: ToolCall<'_>,
        invoked: Box<Invoked>,
    ) -> Result<Called, CallError> {
        self.note_refused_inside(principal, permit).await;
        let may_repeat = permit.tool.may_run_twice();
        let renewed = match self.renew(config, principal, permit).await {
            Ok(Admission::NeedsUser(needs)) => return Ok(Called::NeedsUser(needs)),
            Ok(Admission::Permit(renewed)) => renewed,
            Err(error) if may_repeat => return Err(error.into()),
            Err(error) => {
                // It has run. Whoever heard only that no token can be had would take it for one that has not.
                let (upstream, tool) = (&permit.tool.upstream, &permit.tool.name);
                tracing::warn!(%upstream, tool, user = ?principal.user(), %error, "a token that a tool's service refused could not be renewed");
                return Ok(Called::Invoked(invoked));
            }
        };
        if !may_repeat {
            return Ok(Called::Invoked(Box::new(invoked.to_be_called_again())));
        }
        let second = self
            .execute_noted(config, principal, &renewed, call)
            .await?;
        self.last(config, principal, &renewed, second).await
    }

    /// What came of a call with a token that was renewed for it.
    async fn last(
        &self,
        config: &Arc<Config>,
        principal: &Principal,
        renewed: &Permit,
        called: Result<Called, UpstreamError>,
    ) -> Result<Called, CallError> {
        match called {
            Ok(Called::Invoked(invoked)) if invoked.refused_token() => {
                self.note_refused_inside(principal, renewed).await;
                let needs = self
                    .admitting
                    .refused(config, principal, &renewed.held)
                    .await?;
                Ok(if needs.is_empty() {
                    Called::Invoked(invoked)
                } else {
                    Called::NeedsUser(needs)
                })
            }
            Err(error @ UpstreamError::Unauthorized { .. }) => {
                let needs = self
                    .admitting
                    .refused(config, principal, &renewed.held)
                    .await?;
                if needs.is_empty() {
                    // Somebody else got another token meanwhile; the next call tries it.
                    return Err(error.into());
                }
                Ok(Called::NeedsUser(needs))
            }
            Err(error @ UpstreamError::InsufficientScope { .. }) => {
                self.wider(config, principal, renewed, error).await
            }
            called => Ok(called?),
        }
    }

    /// With a note of each credential before, and of its refusal after.
    async fn execute_noted(
        &self,
        config: &Config,
        principal: &Principal,
        permit: &Permit,
        call: ToolCall<'_>,
    ) -> Result<Result<Called, UpstreamError>, NotRecorded> {
        if let What::Native(_) = permit.tool.what {
            self.note_use(principal, permit).await?;
        }
        let called = self.execute(config, permit, call).await;
        if let Err(error) = &called {
            self.note_refusal(principal, permit, error).await;
        }
        Ok(called)
    }

    async fn execute(
        &self,
        config: &Config,
        permit: &Permit,
        call: ToolCall<'_>,
    ) -> Result<Called, UpstreamError> {
        let What::Native(native) = &permit.tool.what else {
            return Ok(Called::Connected);
        };
        let mirrored = mirrored::headers(&native.mirrored, call.arguments);
        let made_up;
        let execution_id = match (&native.worker, call.execution_id) {
            (Some(_), "") => {
                made_up = format!("te_{}", self.entropy.handle());
                &made_up
            }
            (_, given) => given,
        };
        let call = ToolCall {
            execution_id,
            name: &native.name,
            mirrored: &mirrored,
            worker: native.worker.as_deref(),
            ..call
        };
        let Some(upstream) = config.upstreams.get(&permit.tool.upstream) else {
            return Err(UpstreamError::Unavailable {
                why: "it is not configured any more".into(),
                sent: false,
                retry_after: None,
            });
        };
        let answered = self.upstreams.call(upstream, &permit.caller, call).await;
        if let Err(UpstreamError::Gone { .. }) = &answered {
            self.catalog.doubt(config, &permit.tool.upstream).await;
        }
        Ok(match answered? {
            Answered::Reply(reply) => Called::Reply(reply),
            Answered::Invoked(invoked) => Called::Invoked(invoked),
        })
    }

    /// A permit with tokens that the upstream has not refused yet.
    async fn renew(
        &self,
        config: &Arc<Config>,
        principal: &Principal,
        permit: &Permit,
    ) -> Result<Admission<Permit>, AdmitError> {
        let needs = self
            .admitting
            .refused(config, principal, &permit.held)
            .await?;
        if needs.is_empty() {
            let renewed = self
                .admitting
                .to_call(config, principal, &permit.tool, &permit.accounts)
                .await?;
            Ok(match renewed {
                Admission::Permit(mut renewed) => {
                    // Those that hooks put in place are among them.
                    renewed.caller.context.secrets = permit.caller.context.secrets.clone();
                    Admission::Permit(renewed)
                }
                asked @ Admission::NeedsUser(_) => asked,
            })
        } else {
            Ok(Admission::NeedsUser(needs))
        }
    }

    /// What to ask for when the upstream says that a token's scopes do not suffice: what it names, or else what the file names.
    /// No consent makes a key good for more: then it is an error like others. So it is if the user was just asked, and the
    /// provider would not, or it did and the upstream wants what it has already.
    async fn wider(
        &self,
        config: &Config,
        principal: &Principal,
        permit: &Permit,
        error: UpstreamError,
    ) -> Result<Called, CallError> {
        let UpstreamError::InsufficientScope { scope: named } = &error else {
            return Err(error.into());
        };
        let provider = |name| config.providers.get(name).and_then(Provider::oauth);
        let mut held = permit.held.iter();
        let Some(held) = held.find(|held| provider(&held.provider).is_some()) else {
            return Err(error.into());
        };
        let mut scopes = held.scopes.union(&held.token.scopes);
        if let Some(named) = named {
            scopes = scopes.union(named);
        }
        let nothing_new = scopes.missing_from(&held.token.scopes).is_empty();
        if nothing_new && self.admitting.just_connected(held) {
            return Err(error.into());
        }
        let need = self
            .admitting
            .wider(config, principal, held, scopes)
            .await?;
        Ok(Called::NeedsUser(vec![need]))
    }
}
