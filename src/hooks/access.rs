//! Which tools a user sees.

use std::sync::Arc;

use super::{Asker, Hooks, Point, count};
use crate::{
    base::{
        clock::Span,
        id::{GatewayName, HookName},
    },
    config::HookPoint,
    protocol::arcade::{
        definition::Metadata,
        hook::{AccessQuestion, OfferedKit, OfferedRequirements, OfferedVersion},
        hook_answer::AccessAnswer,
    },
};

/// A tool that a user would see if no hook said otherwise.
#[derive(Clone, Debug)]
pub struct Offered {
    /// `upstream.tool`, as in `gateway.toml`.
    pub written: String,
    /// The kit of a worker's tool; the upstream of others.
    pub toolkit: String,
    /// Without its kit.
    pub name: String,
    /// Empty where there is none.
    pub version: String,
    /// What must be there for it to run.
    pub requirements: OfferedRequirements,
    /// What it is about and what it does.
    pub metadata: Option<Metadata>,
}

/// Edition, hook, gateway, user, tool.
pub(super) type VerdictKey = (u64, HookName, GatewayName, Arc<str>, String);

impl Hooks {
    /// Of each of `tools`, whether it is to be seen.
    pub async fn access(&self, asker: Asker<'_>, tools: &[Offered]) -> Vec<bool> {
        let mut seen = vec![true; tools.len()];
        for hook in &asker.config.hooks.access {
            let mut asked = Vec::new();
            for (at, tool) in tools.iter().enumerate() {
                if !seen[at] || !hook.server.tools.allows(&tool.written) {
                    continue;
                }
                match self.known(asker, hook, tool).await {
                    Some(verdict) => seen[at] = verdict,
                    None => asked.push(at),
                }
            }
            if asked.is_empty() {
                continue;
            }
            let offered: Vec<_> = asked.iter().map(|at| &tools[*at]).collect();
            let verdicts = self.ask_access(asker, hook, &offered).await;
            for (at, verdict) in asked.into_iter().zip(verdicts) {
                seen[at] = verdict;
            }
        }
        seen
    }

    async fn ask_access(
        &self,
        asker: Asker<'_>,
        hook: &HookPoint,
        offered: &[&Offered],
    ) -> Vec<bool> {
        let question = question(asker, offered);
        let point = (Point::Access, hook);
        let answer = self
            .clients
            .ask(asker, point, &question, AccessAnswer::read)
            .await;
        let answer = match answer {
            Ok(Some(answer)) => answer,
            Ok(None) => return vec![true; offered.len()],
            Err(_) => return vec![false; offered.len()],
        };
        let allows = |tool: &&Offered| answer.allows(&tool.toolkit, &tool.name, &tool.version);
        let verdicts: Vec<bool> = offered.iter().map(allows).collect();
        let denied = verdicts.iter().filter(|allowed| !**allowed).count();
        if denied > 0 {
            count(hook, Point::Access, "denied");
            let (name, gateway, user) = (&hook.server.name, asker.gateway, asker.user);
            match offered {
                // A call, that is.
                [only] => {
                    tracing::info!(hook = %name, point = "access", %gateway, ?user, tool = only.written, "a hook denied a call");
                }
                many => {
                    tracing::debug!(hook = %name, %gateway, ?user, denied, of = many.len(), "a hook keeps tools from a user");
                }
            }
        } else {
            count(hook, Point::Access, "ok");
        }
        if !hook.cache.is_zero() {
            let until = self.clock.now() + Span::try_from(hook.cache).unwrap_or_default();
            for (tool, verdict) in offered.iter().zip(&verdicts) {
                let key = key(asker, hook, tool);
                self.verdicts.insert(key, (*verdict, until)).await;
            }
        }
        verdicts
    }

    async fn known(&self, asker: Asker<'_>, hook: &HookPoint, tool: &Offered) -> Option<bool> {
        if hook.cache.is_zero() {
            return None;
        }
        let (verdict, until) = self.verdicts.get(&key(asker, hook, tool)).await?;
        let left = until.duration_since(self.clock.now());
        // Longer than ever means that the clock was set back.
        let holds = left.is_positive() && left <= Span::try_from(hook.cache).unwrap_or_default();
        holds.then_some(verdict)
    }
}

fn key(asker: Asker<'_>, hook: &HookPoint, tool: &Offered) -> VerdictKey {
    (
        asker.config.edition,
        hook.server.name.clone(),
        asker.gateway.clone(),
        Arc::clone(asker.user_key),
        format!("{} {}", tool.written, tool.version),
    )
}

fn question<'a>(asker: Asker<'a>, offered: &[&'a Offered]) -> AccessQuestion<'a> {
    let mut question = AccessQuestion {
        user_id: asker.user_id.unwrap_or_default(),
        toolkits: Default::default(),
    };
    for tool in offered {
        let kit: &mut OfferedKit<'a> = question.toolkits.entry(&tool.toolkit).or_default();
        let versions = kit.tools.entry(&tool.name).or_default();
        versions.push(OfferedVersion {
            version: &tool.version,
            requirements: &tool.requirements,
            metadata: tool.metadata.as_ref(),
        });
    }
    question
}
