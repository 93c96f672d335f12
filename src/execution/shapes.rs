//! What programs get to see of a run.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::answer::Answer;
use crate::{
    base::clock::{Span, Timestamp},
    gateway::view::Tool,
    protocol::arcade::invoke::ToolOutput,
};

/// What came of a run, or, of one that was ordered for later, that it is still to come.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ExecuteToolResponse)]
pub struct Execution {
    /// The same as `execution_id`.
    pub id: String,
    /// `te_…`
    pub execution_id: String,
    /// When it was ordered to run.
    pub execution_type: ExecutionType,
    /// How it stands.
    pub status: ExecutionStatus,
    /// Whether the tool did what it was asked; absent while that is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success: Option<bool>,
    /// How long it took. Milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<f64>,
    /// When it began, or is to begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub run_at: Option<Timestamp>,
    /// When it came to an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
    /// What the tool said; absent while that is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<ToolOutput>,
    /// `Kit.Tool`
    pub tool_name: String,
    /// Nothing so far; programs look for it.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
    /// It failed, and it is certain that nothing was executed: to run it again is safe whatever the tool does. For us, not for
    /// programs.
    #[serde(skip)]
    pub nothing_was_executed: bool,
}

/// When a tool was ordered to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionType {
    /// At once.
    Immediate,
    /// Later.
    Scheduled,
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionStatus {
    /// It is to begin yet.
    Pending,
    /// It has begun.
    Running,
    /// The tool did what it was asked.
    Completed,
    /// It did not.
    Failed,
}

/// What the end of a run is made of, beside the answer.
#[derive(Clone, Copy)]
pub(super) struct End<'a> {
    pub execution_id: &'a str,
    pub begun: Timestamp,
    pub finished: Timestamp,
    /// Whether the caller wants to see what is for the tool's author.
    pub stacktrace: bool,
}

/// A run at once that came to its end.
pub(super) fn execution(tool: &Tool, answer: Answer, end: End<'_>) -> Execution {
    let Answer {
        success,
        duration,
        mut output,
        nothing_was_executed,
    } = answer;
    if let Some(error) = output.error.as_mut().filter(|_| !end.stacktrace) {
        error.developer_message = None;
        error.stacktrace = None;
        // Addresses and the like of services behind the tool.
        error.extra = None;
    }
    let taken = end.finished.duration_since(end.begun).max(Span::ZERO);
    Execution {
        id: end.execution_id.to_owned(),
        execution_id: end.execution_id.to_owned(),
        execution_type: ExecutionType::Immediate,
        status: if success {
            ExecutionStatus::Completed
        } else {
            ExecutionStatus::Failed
        },
        success: Some(success),
        duration: Some(duration.unwrap_or_else(|| taken.as_secs_f64() * 1000.0)),
        run_at: Some(end.begun),
        finished_at: Some(end.finished),
        output: Some(output),
        tool_name: tool.qualified.dotted(),
        metadata: Map::new(),
        nothing_was_executed,
    }
}
