//! Runs that were ordered for later: `run_at` at `POST /v1/tools/execute`, and what came of them. A key sees those that were
//! ordered with it.

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ApiFace,
    body::{Named, Parameters},
    caller::Caller,
    error::{ApiError, ErrorBody},
    page::{Page, Paging},
};
use crate::{
    base::{clock::Timestamp, id::UserId},
    execution::{Execution, ExecutionStatus, ExecutionType, Inputs, Order},
    gateway::view::Tool,
    protocol::arcade::invoke::{ToolError, ToolOutput, kind},
    schedule::{self, Attempt, Detail, Outcome, Run, ScheduleError, Sent, Stage, Wanted},
};

/// A run that was ordered for later.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ToolExecution)]
pub(super) struct Shown {
    /// `te_…`
    id: String,
    /// How it stands.
    execution_status: ExecutionStatus,
    /// When it was ordered to run.
    execution_type: ExecutionType,
    /// What the tool is called in its toolkit.
    tool_name: String,
    /// What it belongs to.
    toolkit_name: String,
    /// The version of that when the run was ordered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    toolkit_version: Option<String>,
    /// For whom; absent if for the program itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    user_id: Option<String>,
    /// For when it was ordered.
    #[schema(value_type = String, format = DateTime)]
    run_at: Timestamp,
    /// When it was ordered.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it changed last.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// When its first attempt began.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, required = false)]
    started_at: Option<Timestamp>,
    /// When it was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, required = false)]
    finished_at: Option<Timestamp>,
}

/// The same with what it was given, and what came of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ToolExecutionDetail)]
pub(super) struct ShownInFull {
    #[serde(flatten)]
    run: Shown,
    /// What the tool is given.
    #[schema(value_type = Object)]
    input: Inputs,
    /// The first first.
    attempts: Vec<ShownAttempt>,
}

/// One attempt to run it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ToolExecutionAttempt)]
struct ShownAttempt {
    id: String,
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, required = false)]
    finished_at: Option<Timestamp>,
    /// Whether the tool did what it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    success: Option<bool>,
    /// What the tool said, or why there is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    output: Option<ToolOutput>,
    /// What went wrong, if it was not the tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    system_error_message: Option<String>,
}

pub(super) fn routes() -> OpenApiRouter<ApiFace> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get))
}

/// Lists the runs that were ordered for later, the latest first.
#[utoipa::path(
    get,
    path = "/v1/scheduled_tools",
    operation_id = "scheduled_list",
    tag = "tools",
    params(Paging),
    responses((status = OK, description = "One page of them", body = Page<Shown>)),
)]
async fn list(
    State(face): State<ApiFace>,
    caller: Caller,
    Parameters(paging): Parameters<Paging>,
) -> Result<Json<Page<Shown>>, ApiError> {
    let runs = face.schedule.runs(&caller.key, &caller.source).await;
    let runs = runs.map_err(|error| {
        ApiError::fault(&face.faults, "looking up scheduled runs", &error).by(&caller)
    })?;
    let page = paging.of(runs, |run| shown(&run));
    page.map(Json).map_err(|error| error.by(&caller))
}

/// Tells of one run that was ordered for later.
#[utoipa::path(
    get,
    path = "/v1/scheduled_tools/{id}",
    operation_id = "scheduled_get",
    tag = "tools",
    params(("id" = String, Path, description = "Of the run: `te_…`")),
    responses(
        (status = OK, description = "What it was given, and what came of it", body = ShownInFull),
        (status = NOT_FOUND, description = "No such run was ordered with this key", body = ErrorBody),
    ),
)]
async fn get(
    State(face): State<ApiFace>,
    caller: Caller,
    Named(id): Named<String>,
) -> Result<Json<ShownInFull>, ApiError> {
    let detail = face.schedule.detail(&caller.key, &caller.source, &id).await;
    let detail = detail.map_err(|error| {
        ApiError::fault(&face.faults, "looking up a scheduled run", &error).by(&caller)
    })?;
    let detail = detail.ok_or_else(|| {
        ApiError::not_found("no such run was ordered with this key, or it ended too long ago")
            .by(&caller)
    })?;
    Ok(Json(in_full(detail)))
}

/// Orders a run of `tool` for later.
///
/// # Errors
/// 400 for no time, or one too far away; 429 when too many are waiting.
pub(super) async fn order(
    face: &ApiFace,
    caller: &Caller,
    user: Option<UserId>,
    tool: &Tool,
    (order, run_at): (Order, &str),
) -> Result<Execution, ApiError> {
    let bad = |message: &'static str| ApiError::bad("invalid_run_at", message);
    let run_at = schedule::time(run_at).ok_or_else(|| {
        bad("`run_at` is no time; write it like 2026-12-24T18:00:00Z; without a zone it is UTC")
    })?;
    let wanted = Wanted {
        key: &caller.key,
        user,
        tool,
        order,
        run_at,
    };
    let ordered = face.schedule.order(&caller.config, wanted).await;
    ordered.map_err(|error| match error {
        ScheduleError::TooFar => bad("`run_at` is more than a year away"),
        ScheduleError::TooMany => {
            let status = StatusCode::TOO_MANY_REQUESTS;
            ApiError::new(status, "rate_limit", error.to_string()).should_retry(false)
        }
        ScheduleError::NoKey => ApiError::unauthorized("the API key is not valid"),
        ScheduleError::Store(error) => {
            let fault = ApiError::fault(&face.faults, "keeping a scheduled run", &error);
            fault.should_retry(false)
        }
    })
}

fn shown(run: &Run) -> Shown {
    let began = run.attempts.first().map(|attempt| attempt.began);
    let (execution_status, current, finished_at) = match run.stage {
        Stage::Waiting { .. } => (ExecutionStatus::Pending, None, None),
        Stage::UnderWay { began, .. } => (ExecutionStatus::Running, Some(began), None),
        Stage::Ended { at, success: true } => (ExecutionStatus::Completed, None, Some(at)),
        Stage::Ended { at, .. } => (ExecutionStatus::Failed, None, Some(at)),
    };
    Shown {
        id: run.id.clone(),
        execution_status,
        execution_type: ExecutionType::Scheduled,
        tool_name: run.tool.name.clone(),
        toolkit_name: run.tool.toolkit.clone(),
        toolkit_version: run.tool.version.clone(),
        user_id: run.user.as_ref().map(|user| user.subject().to_owned()),
        run_at: run.run_at,
        created_at: run.ordered,
        updated_at: run.changed,
        started_at: began.or(current),
        finished_at,
    }
}

fn in_full(detail: Detail) -> ShownInFull {
    let Detail {
        run,
        input,
        outcomes,
    } = detail;
    let last = run.attempts.len().saturating_sub(1);
    let over = run.attempts.iter().zip(outcomes).enumerate();
    let over = over.map(|(number, (attempt, outcome))| {
        let is_last = number == last && run.has_ended();
        past(&run.id, number, (attempt, outcome), is_last)
    });
    let mut attempts: Vec<_> = over.collect();
    if let Stage::UnderWay { began, .. } = run.stage {
        attempts.push(ShownAttempt {
            id: attempt_id(&run.id, run.attempts.len()),
            started_at: began,
            finished_at: None,
            success: None,
            output: None,
            system_error_message: None,
        });
    }
    ShownInFull {
        run: shown(&run),
        input,
        attempts,
    }
}

fn past(
    run: &str,
    number: usize,
    (attempt, outcome): (&Attempt, Option<Outcome>),
    is_last: bool,
) -> ShownAttempt {
    let (output, broken) = match (outcome, attempt.cut_off) {
        (Some(outcome), _) => (outcome.execution.output, None),
        (None, cut_off) => {
            let words = words(cut_off, is_last);
            (Some(nothing(words)), Some(words.to_owned()))
        }
    };
    ShownAttempt {
        id: attempt_id(run, number),
        started_at: attempt.began,
        finished_at: Some(attempt.ended),
        success: Some(attempt.success),
        output,
        system_error_message: broken,
    }
}

fn attempt_id(run: &str, number: usize) -> String {
    format!("{run}_{}", number + 1)
}

/// Why nothing came of an attempt.
fn words(cut_off: Option<Sent>, is_last: bool) -> &'static str {
    match (cut_off, is_last) {
        (None, _) => "What came of this cannot be read; ask the gateway's operator.",
        (Some(_), false) => "The gateway was stopped while this ran; it is run again.",
        (Some(Sent::Nothing), true) => {
            "The gateway was stopped before this ran, too many times. Nothing was executed."
        }
        (Some(_), true) => {
            "The gateway was stopped while this ran. Whether the tool did anything is not known, so it is not run again."
        }
    }
}

fn nothing(words: &str) -> ToolOutput {
    ToolOutput {
        error: Some(ToolError {
            kind: kind::UNKNOWN.to_owned(),
            message: words.to_owned(),
            ..ToolError::default()
        }),
        ..ToolOutput::default()
    }
}
