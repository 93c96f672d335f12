//! Whether a call goes ahead, and what of its answer goes on.

use serde_json::value::RawValue;

use super::{Asker, Denial, Hooks, Point, count};
use crate::{
    base::secret::Secret,
    config::{Config, HookPoint},
    protocol::arcade::{
        definition::Metadata,
        hook::{CallContext, PostQuestion, PreQuestion, ToolInfo},
        hook_answer::{Decision, Malformed},
    },
};

/// One call.
#[derive(Clone, Debug)]
pub struct Call {
    /// `upstream.tool`, as in `gateway.toml`.
    pub written: String,
    /// The kit of a worker's tool; the upstream of others.
    pub toolkit: String,
    /// Without its kit.
    pub name: String,
    /// Empty where there is none.
    pub version: String,
    /// What the tool is about and what it does.
    pub metadata: Option<Metadata>,
    /// `te_…`
    pub execution_id: String,
    /// For whom, and with what.
    pub context: CallContext,
}

/// What hooks put in place before a call.
#[derive(Debug, Default)]
pub struct Changes {
    /// All inputs: an object.
    pub inputs: Option<Box<RawValue>>,
    /// Values of secrets.
    pub secrets: Vec<(String, Secret)>,
}

/// What came of a call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answer<'a> {
    /// Whether the tool did what it was asked.
    pub success: bool,
    /// What it said.
    pub output: Option<&'a RawValue>,
    /// The content blocks, if an MCP server answers.
    pub content: Option<&'a RawValue>,
    /// A word or number for the error.
    pub code: Option<&'a str>,
    /// Words for the error.
    pub error: Option<&'a str>,
}

/// What hooks put in place after a call.
#[derive(Debug, Default)]
pub struct Replaced {
    /// The output; any JSON.
    pub output: Option<Box<RawValue>>,
    /// The content blocks: others, or (inside) none, to be made from the output.
    pub content: Option<Option<Box<RawValue>>>,
}

impl Replaced {
    /// Nothing was.
    pub fn is_nothing(&self) -> bool {
        self.output.is_none() && self.content.is_none()
    }
}

impl Call {
    fn tool(&self) -> ToolInfo<'_> {
        ToolInfo {
            name: &self.name,
            toolkit: &self.toolkit,
            version: &self.version,
            metadata: self.metadata.as_ref(),
        }
    }
}

impl Hooks {
    /// Whether `call` may go ahead with `inputs`.
    ///
    /// # Errors
    /// A hook said no, or one that must say yes said nothing. It has been logged.
    pub async fn pre(
        &self,
        asker: Asker<'_>,
        call: &Call,
        inputs: &RawValue,
    ) -> Result<Changes, Denial> {
        let mut changes = Changes::default();
        for hook in about(&asker.config.hooks.pre, call) {
            let question = PreQuestion {
                execution_id: &call.execution_id,
                tool: call.tool(),
                inputs: changes.inputs.as_deref().unwrap_or(inputs),
                context: &call.context,
            };
            let at = (Point::Pre, hook);
            let put = self
                .ask_about(asker, at, call, &question, Decision::read_pre)
                .await?;
            let Some(put) = put else { continue };
            changes.inputs = put.inputs.or(changes.inputs);
            for (name, secret) in put.secrets {
                changes.secrets.retain(|(known, _)| *known != name);
                changes.secrets.push((name, secret));
            }
        }
        Ok(changes)
    }

    /// Whether anybody is asked about the answer to `call`.
    pub fn look_at_answers(&self, config: &Config, call: &Call) -> bool {
        about(&config.hooks.post, call).next().is_some()
    }

    /// What of the answer to `call` goes on.
    ///
    /// # Errors
    /// As [`Self::pre`].
    pub async fn post(
        &self,
        asker: Asker<'_>,
        call: &Call,
        inputs: &RawValue,
        answer: Answer<'_>,
    ) -> Result<Replaced, Denial> {
        let mut replaced = Replaced::default();
        for hook in about(&asker.config.hooks.post, call) {
            let question = PostQuestion {
                execution_id: &call.execution_id,
                tool: call.tool(),
                inputs,
                success: answer.success,
                output: replaced.output.as_deref().or(answer.output),
                content: match &replaced.content {
                    Some(content) => content.as_deref(),
                    None => answer.content,
                },
                execution_code: answer.code,
                // Its words are in the output as well, and another output is there in its place.
                execution_error: answer.error.filter(|_| replaced.is_nothing()),
                context: &call.context,
            };
            let at = (Point::Post, hook);
            let put = self
                .ask_about(asker, at, call, &question, Decision::read_post)
                .await?;
            let Some(put) = put else { continue };
            if put.output.is_some() {
                // Blocks that say the old thing must not stay beside a new one.
                replaced.content = Some(None);
                replaced.output = put.output;
            }
            if let Some(content) = put.content {
                replaced.content = Some(Some(content).filter(|it| !is_empty(it)));
            }
        }
        Ok(replaced)
    }

    /// What a hook puts in place; `None` if it did not answer, which is let pass.
    async fn ask_about<T>(
        &self,
        asker: Asker<'_>,
        (point, hook): (Point, &HookPoint),
        call: &Call,
        question: &impl serde::Serialize,
        read: impl FnOnce(&[u8]) -> Result<Decision<T>, Malformed>,
    ) -> Result<Option<T>, Denial> {
        let answer = self.clients.ask(asker, (point, hook), question, read).await;
        match answer.map_err(|_| Denial::silent(point))? {
            None => Ok(None),
            Some(Decision::Go(put)) => {
                count(hook, point, "ok");
                Ok(Some(put))
            }
            Some(Decision::Stop(stop, words)) => {
                count(hook, point, "denied");
                let (id, tool) = (&call.execution_id, &call.written);
                tracing::info!(hook = %hook.server.name, point = point.word(), gateway = %asker.gateway, user = ?asker.user, execution = id, tool, ?stop, "a hook denied a call");
                Err(Denial::said(point, stop, words))
            }
        }
    }
}

fn about<'h>(hooks: &'h [HookPoint], call: &Call) -> impl Iterator<Item = &'h HookPoint> {
    let written = call.written.clone();
    hooks
        .iter()
        .filter(move |hook| hook.server.tools.allows(&written))
}

fn is_empty(content: &RawValue) -> bool {
    serde_json::from_str::<Vec<&RawValue>>(content.get()).is_ok_and(|blocks| blocks.is_empty())
}
