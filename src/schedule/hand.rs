//! What does the work of a run: as the program that ordered it, by the configuration of now.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Map;

use super::run::{Next, Outcome, Run, later};
use crate::{
    base::clock::{Clock, Span, Timestamp},
    config::{Config, live::Live},
    execution::{
        Execution, ExecutionStatus, ExecutionType, Executor, Judgement, NotExecuted, Order,
    },
    gateway::access::{AccessControl, Denied, Principal},
    protocol::arcade::invoke::{ToolError, ToolOutput, kind},
};

/// Does the work of runs.
#[async_trait]
pub(super) trait Hand: Send + Sync + 'static {
    /// Everything that can be seen to before anything is sent; else what there is to say of the run.
    async fn prepare(&self, run: &Run, order: Order) -> Result<Box<dyn Ready>, Outcome>;
}

/// A run that can go.
#[async_trait]
pub(super) trait Ready: Send {
    /// Whether twice is as good as once.
    fn may_run_twice(&self) -> bool;

    /// Runs it, to the end.
    async fn execute(self: Box<Self>) -> Outcome;
}

/// By [`Executor`].
pub(super) struct ByExecutor {
    pub live: Live,
    pub access: AccessControl,
    pub executor: Executor,
    pub clock: Arc<dyn Clock>,
}

struct Admitted {
    executor: Executor,
    config: Arc<Config>,
    principal: Principal,
    may_run_twice: bool,
    order: Order,
    run: Run,
    clock: Arc<dyn Clock>,
}

/// What to say of a run that did not come to its tool.
pub(super) struct Refused {
    pub kind: &'static str,
    pub message: String,
    pub judgement: Judgement,
}

impl Refused {
    pub fn for_good(message: &str) -> Self {
        Self {
            kind: kind::REQUIREMENTS_NOT_MET,
            message: message.to_owned(),
            judgement: Judgement::Final,
        }
    }

    /// What comes of `run`, now.
    pub fn outcome(self, run: &Run, now: Timestamp) -> Outcome {
        let next = match self.judgement {
            Judgement::Final => Next::Over,
            Judgement::Later { after } => Next::Again {
                not_before: after
                    .and_then(|after| Span::try_from(after).ok())
                    .map(|after| later(now, after)),
            },
        };
        let error = ToolError {
            kind: self.kind.to_owned(),
            message: self.message,
            can_retry: next != Next::Over,
            ..ToolError::default()
        };
        let execution = Execution {
            status: ExecutionStatus::Failed,
            success: Some(false),
            finished_at: Some(now),
            output: Some(ToolOutput {
                error: Some(error),
                ..ToolOutput::default()
            }),
            nothing_was_executed: true,
            ..pending(run)
        };
        Outcome { execution, next }
    }
}

impl From<NotExecuted> for Refused {
    fn from(error: NotExecuted) -> Self {
        Self {
            kind: error.kind(),
            message: error.public(),
            judgement: error.judgement(),
        }
    }
}

impl From<Denied> for Refused {
    fn from(denied: Denied) -> Self {
        let judgement = match denied {
            Denied::Unavailable(_) => Judgement::Later { after: None },
            _ => Judgement::Final,
        };
        Self {
            judgement,
            ..Self::for_good(&format!("The run was not allowed any more: {denied}."))
        }
    }
}

/// A run that has not begun, as programs see it.
pub(super) fn pending(run: &Run) -> Execution {
    Execution {
        id: run.id.clone(),
        execution_id: run.id.clone(),
        execution_type: ExecutionType::Scheduled,
        status: ExecutionStatus::Pending,
        success: Some(true),
        duration: None,
        run_at: Some(run.run_at),
        finished_at: None,
        output: None,
        tool_name: format!("{}.{}", run.tool.toolkit, run.tool.name),
        metadata: Map::new(),
        nothing_was_executed: false,
    }
}

#[async_trait]
impl Hand for ByExecutor {
    async fn prepare(&self, run: &Run, order: Order) -> Result<Box<dyn Ready>, Outcome> {
        let admitted = self.admit(run, order).await;
        let admitted = admitted.map_err(|refused| refused.outcome(run, self.clock.now()))?;
        Ok(Box::new(admitted))
    }
}

impl ByExecutor {
    async fn admit(&self, run: &Run, order: Order) -> Result<Admitted, Refused> {
        let config = self.live.now();
        still_speaks(&config, run).map_err(Refused::for_good)?;
        let principal = self
            .access
            .spoken_for(&config, &run.key, run.user.clone())
            .await?;
        let (name, version) = (&order.tool_name, order.tool_version.as_deref());
        let resolved = self.executor.resolve(&config, &principal, name, version);
        let tool = resolved.await?;
        // Whoever ordered it meant the one that was there then, and not whatever has taken its name since.
        if tool.upstream != run.tool.upstream {
            return Err(Refused::for_good(
                "The tool of this name is another server's by now; order it again if that one is meant.",
            ));
        }
        Ok(Admitted {
            executor: self.executor.clone(),
            may_run_twice: tool.may_run_twice(),
            config,
            principal,
            order,
            run: run.clone(),
            clock: Arc::clone(&self.clock),
        })
    }
}

/// Whether the key that ordered a run could order it now. Whoever has replaced a key did not mean to keep what it left behind.
fn still_speaks(config: &Config, run: &Run) -> Result<(), &'static str> {
    let key = config.api_keys.get(&run.key);
    let key = key.filter(|key| key.hash == run.key_hash && key.user_source == run.source);
    if key.is_none() {
        return Err("The API key that ordered this run has been revoked or replaced since.");
    }
    let source = config.user_sources.get(&run.source);
    let Some(source) = source.filter(|source| source.active) else {
        return Err("The user source of this run's user is inactive.");
    };
    let user = run.user.as_ref();
    if user.is_some_and(|user| !source.may_know(user.subject())) {
        return Err("The user source has no such user any more.");
    }
    Ok(())
}

#[async_trait]
impl Ready for Admitted {
    fn may_run_twice(&self) -> bool {
        self.may_run_twice
    }

    async fn execute(self: Box<Self>) -> Outcome {
        let Self {
            executor,
            config,
            principal,
            order,
            run,
            clock,
            ..
        } = *self;
        let executed = executor.execute(&config, &principal, &order, &run.id);
        match executed.await {
            Ok(execution) => {
                let next = next(&execution, clock.now());
                Outcome {
                    execution: Execution {
                        execution_type: ExecutionType::Scheduled,
                        run_at: Some(run.run_at),
                        ..execution
                    },
                    next,
                }
            }
            Err(refused) => Refused::from(refused).outcome(&run, clock.now()),
        }
    }
}

/// Another attempt only if nothing was executed, and what stood in the way may go away.
fn next(execution: &Execution, now: Timestamp) -> Next {
    let error = execution
        .output
        .as_ref()
        .and_then(|output| output.error.as_ref());
    match error {
        Some(error) if execution.nothing_was_executed && error.can_retry => Next::Again {
            not_before: error
                .retry_after_ms
                .map(|wait| later(now, Span::from_millis(wait.max(0)))),
        },
        _ => Next::Over,
    }
}
