//! A tool is run for a program: name → tool → admission → upstream → one value, at the end. For faces that do not stream.
//!
//! ```text
//! Order        what is to be run
//! Executor     finds the tool, admits the call, makes it, waits for the answer
//! Execution    what came of it, whether it went well or not       NotExecuted   why it did not run
//! ```

mod answer;
mod inputs;
mod refused;
mod shapes;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::value::{RawValue, to_raw_value};
use tokio::time::{Instant, timeout_at};

pub use self::{
    refused::{Judgement, NotExecuted},
    shapes::{Execution, ExecutionStatus, ExecutionType},
};
use crate::{
    base::{clock::Clock, entropy::Entropy},
    config::Config,
    gateway::{
        Gateways,
        access::Principal,
        account::Accounts,
        admit::{Admission, Permit},
        call::{CallError, Called},
        view::Tool,
    },
    upstream::{ToolCall, UpstreamError},
};

/// Inputs by parameter, each as it was written: a number that is no double stays what it is.
pub type Inputs = BTreeMap<String, Box<RawValue>>;

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Order {
    /// In any of the forms that programs use.
    pub tool_name: String,
    /// Of that version and no other.
    pub tool_version: Option<String>,
    /// By parameter.
    pub input: Inputs,
    /// Whether the caller wants to see what is for the tool's author: stack traces and the like.
    pub stacktrace: bool,
    /// How long whoever wants it waits for the answer; `None` for as long as the tool's server may take.
    pub patience: Option<Duration>,
}

/// Runs tools. Cheap to clone.
#[derive(Clone)]
pub struct Executor {
    gateways: Gateways,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Executor {
    /// Runs what `gateways` let through.
    pub fn new(gateways: Gateways, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            gateways,
            clock,
            entropy,
        }
    }

    /// A name for a run that is about to begin: `te_…`.
    pub fn new_id(&self) -> String {
        format!("te_{}", self.entropy.handle())
    }

    /// The tool that is meant.
    ///
    /// # Errors
    /// [`NotExecuted::UnknownTool`], [`NotExecuted::WrongVersion`].
    pub async fn resolve(
        &self,
        config: &Arc<Config>,
        principal: &Principal,
        name: &str,
        version: Option<&str>,
    ) -> Result<Arc<Tool>, NotExecuted> {
        let gateways = &self.gateways;
        let found = gateways.find(config, principal, name, version).await;
        if let Some(tool) = found {
            return Ok(tool);
        }
        let bare = name.rsplit_once('@').map_or(name, |(bare, _)| bare);
        if bare == name && version.is_none() {
            return Err(self.unknown(config, principal).await);
        }
        match gateways.find(config, principal, bare, None).await {
            Some(tool) => Err(NotExecuted::WrongVersion {
                there: tool.version().unwrap_or_default().to_owned(),
            }),
            None => Err(self.unknown(config, principal).await),
        }
    }

    /// Why there is no such tool: a server that could not be asked for its tools may have it.
    async fn unknown(&self, config: &Arc<Config>, principal: &Principal) -> NotExecuted {
        match self.gateways.knows_all_tools(config, principal).await {
            true => NotExecuted::UnknownTool,
            false => NotExecuted::Unlisted,
        }
    }

    /// Runs a tool and waits for the end. Dropping the future cancels the call where the upstream can be told.
    ///
    /// What the tool, its server or the way to it has to say is an [`Execution`].
    ///
    /// # Errors
    /// [`NotExecuted`]: it did not run.
    pub async fn execute(
        &self,
        config: &Arc<Config>,
        principal: &Principal,
        order: &Order,
        execution_id: &str,
    ) -> Result<Execution, NotExecuted> {
        let until = order.patience.map(|patience| Instant::now() + patience);
        let tool = self
            .resolve(
                config,
                principal,
                &order.tool_name,
                order.tool_version.as_deref(),
            )
            .await?;
        let begun = self.clock.now();
        let admitted = self
            .gateways
            .admit(config, principal, &tool, &Accounts::Unsaid)
            .await?;
        let permit = match admitted {
            Admission::Permit(permit) => permit,
            Admission::NeedsUser(needs) => return Err(NotExecuted::NeedsUser(needs)),
        };
        let arguments =
            to_raw_value(&inputs::fitting(&tool, &order.input)).expect("JSON serialises");
        let call = ToolCall {
            arguments: Some(&arguments),
            execution_id,
            ..ToolCall::default()
        };
        let answering = self.answer(config, principal, &tool, (permit, call));
        let outcome = match until {
            None => answering.await?,
            // Given up, before whoever waits for it gives us up and sends it again.
            Some(until) => match timeout_at(until, answering).await {
                Ok(outcome) => outcome?,
                Err(_) => Err(UpstreamError::TimedOut),
            },
        };
        let answer = outcome.unwrap_or_else(|error| {
            let user = principal.user();
            tracing::warn!(upstream = %tool.upstream, tool = %tool.name, ?user, execution_id, %error, "a tool call failed");
            answer::failed(&error, &tool)
        });
        let end = shapes::End {
            execution_id,
            begun,
            finished: self.clock.now(),
            stacktrace: order.stacktrace,
        };
        Ok(shapes::execution(&tool, answer, end))
    }

    /// What the tool says, at the end; inside, why it says nothing.
    async fn answer(
        &self,
        config: &Arc<Config>,
        principal: &Principal,
        tool: &Tool,
        (permit, call): (Permit, ToolCall<'_>),
    ) -> Result<Result<answer::Answer, UpstreamError>, NotExecuted> {
        let called = self.gateways.call(config, principal, permit, call).await;
        Ok(match called {
            Ok(Called::Reply(reply)) => answer::of_reply(reply).await,
            Ok(Called::Invoked(invoked)) => Ok(answer::of_worker(*invoked)),
            Ok(Called::Connected) => Ok(answer::connected(tool)),
            Ok(Called::NeedsUser(needs)) => return Err(NotExecuted::NeedsUser(needs)),
            Err(CallError::Upstream(error)) => Err(error),
            Err(CallError::Admit(error)) => return Err(error.into()),
            Err(CallError::Unrecorded(error)) => return Err(error.into()),
        })
    }
}
