//! What the tool, its server or the way to it has to say, in one shape.

use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use crate::{
    gateway::view::Tool,
    protocol::{
        arcade::invoke::{Invoked, ToolError, ToolOutput, kind},
        members::place_of,
    },
    upstream::{Event, Outcome, Reply, UpstreamError},
};

/// No kind of error has a longer name.
const LONGEST_KIND: usize = 64;

/// The end of a run.
#[derive(Debug)]
pub(super) struct Answer {
    pub success: bool,
    /// As the tool's server says. Milliseconds.
    pub duration: Option<f64>,
    pub output: ToolOutput,
    /// It failed, and it is certain that nothing was executed.
    pub nothing_was_executed: bool,
}

impl Answer {
    fn value(value: Value) -> Self {
        Self {
            success: true,
            duration: None,
            output: ToolOutput {
                value: Some(value),
                ..ToolOutput::default()
            },
            nothing_was_executed: false,
        }
    }

    fn error(error: ToolError) -> Self {
        Self {
            success: false,
            duration: None,
            output: ToolOutput {
                error: Some(error),
                ..ToolOutput::default()
            },
            nothing_was_executed: false,
        }
    }
}

/// Reads an MCP server's reply to its end. What it notes on the way nobody here waits for.
pub(super) async fn of_reply(mut reply: Reply) -> Result<Answer, UpstreamError> {
    while let Some(event) = reply.next().await {
        if let Event::Done(outcome) = event? {
            return of_outcome(outcome);
        }
    }
    let why = "the reply ended without an answer".into();
    Err(UpstreamError::Protocol { why })
}

fn of_outcome(outcome: Outcome) -> Result<Answer, UpstreamError> {
    match outcome {
        Outcome::Result(result) => of_result(&result),
        Outcome::Error { code, message, .. } => {
            // JSON-RPC 2.0 §5.1: invalid params.
            let kind = match code {
                -32602 => kind::BAD_INPUT_VALUE,
                _ => kind::FATAL,
            };
            Ok(Answer::error(ToolError {
                kind: kind.to_owned(),
                message,
                ..ToolError::default()
            }))
        }
    }
}

/// A tool's result, as MCP has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CallToolResult {
    #[serde(default)]
    content: Vec<Value>,
    structured_content: Option<Value>,
    #[serde(default)]
    is_error: bool,
    result_type: Option<String>,
    #[serde(default, rename = "_meta")]
    meta: Option<Map<String, Value>>,
}

/// What tool servers of the Arcade kind say of an error beside its words.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TakenApart {
    error_kind: Option<String>,
    can_retry: Option<bool>,
    additional_prompt_content: Option<String>,
    retry_after_ms: Option<i64>,
    status_code: Option<u16>,
}

fn of_result(result: &RawValue) -> Result<Answer, UpstreamError> {
    let result: CallToolResult =
        serde_json::from_str(result.get()).map_err(|error| UpstreamError::Protocol {
            why: format!("a tool's result is {}", place_of(&error)),
        })?;
    match result.result_type.as_deref() {
        None | Some("complete") => {}
        Some("input_required") => return Ok(Answer::error(asks_for_input())),
        Some(other) => {
            let why = format!("a result of the type {other:.60}");
            return Err(UpstreamError::Protocol { why });
        }
    }
    if result.is_error {
        return Ok(Answer::error(tool_error(&result)));
    }
    let structured = result.structured_content.filter(|value| !value.is_null());
    Ok(Answer::value(
        structured.unwrap_or_else(|| content(result.content)),
    ))
}

fn asks_for_input() -> ToolError {
    ToolError {
        kind: kind::FATAL.to_owned(),
        message: "The tool's server asks its user something, and a program cannot answer; use this tool from an MCP client.".to_owned(),
        ..ToolError::default()
    }
}

fn tool_error(result: &CallToolResult) -> ToolError {
    let meta = result.meta.as_ref().and_then(|meta| meta.get("arcade"));
    let said = meta.and_then(|said| TakenApart::deserialize(said).ok());
    let said = said.unwrap_or_default();
    let legal = |kind: &String| {
        let mut letters = kind.bytes();
        kind.len() <= LONGEST_KIND && letters.all(|c| c.is_ascii_uppercase() || c == b'_')
    };
    let texts: Vec<_> = result.content.iter().filter_map(text).collect();
    let message = match texts.is_empty() {
        true => "The tool failed and did not say why.".to_owned(),
        false => texts.join("\n"),
    };
    ToolError {
        kind: said
            .error_kind
            .filter(legal)
            .unwrap_or_else(|| kind::FATAL.to_owned()),
        message,
        can_retry: said.can_retry.unwrap_or_default(),
        additional_prompt_content: said.additional_prompt_content,
        retry_after_ms: said.retry_after_ms,
        status_code: said.status_code,
        ..ToolError::default()
    }
}

fn text(item: &Value) -> Option<&str> {
    let is_text = item.get("type").and_then(Value::as_str) == Some("text");
    item.get("text").and_then(Value::as_str).filter(|_| is_text)
}

/// Content as one value: texts as a text, anything else as it is.
fn content(items: Vec<Value>) -> Value {
    let texts: Option<Vec<_>> = items.iter().map(text).collect();
    match texts {
        Some(texts) => texts.join("\n").into(),
        None => items.into(),
    }
}

/// A worker's answer is in our shape already.
pub(super) fn of_worker(invoked: Invoked) -> Answer {
    let Invoked {
        duration,
        mut success,
        output,
    } = invoked;
    let mut output = output.unwrap_or_default();
    success &= output.error.is_none();
    if let Some(wanted) = output.requires_authorization.take() {
        success = false;
        output.requires_authorization = Some(asked_inside(wanted));
    } else if !success && output.error.is_none() {
        output.error = Some(ToolError {
            kind: kind::UNKNOWN.to_owned(),
            message: "The tool failed and did not say why.".to_owned(),
            ..ToolError::default()
        });
    }
    Answer {
        success,
        duration: duration.filter(|taken| taken.is_finite() && *taken >= 0.0),
        output,
        nothing_was_executed: false,
    }
}

/// What a tool wants its user to do, in the words in which we say it ourselves. A program opens the link for its user: it leads to
/// the web and nowhere else.
fn asked_inside(mut wanted: Map<String, Value>) -> Map<String, Value> {
    for (theirs, ours) in [("authorization_url", "url"), ("authorization_id", "id")] {
        if let Some(value) = wanted.remove(theirs) {
            wanted.insert(ours.to_owned(), value);
        }
    }
    let web = |url: &Value| {
        let url = url.as_str().and_then(|url| url::Url::parse(url).ok());
        url.is_some_and(|url| matches!(url.scheme(), "https" | "http"))
    };
    if wanted.get("url").is_some_and(|url| !web(url)) {
        wanted.remove("url");
    }
    wanted
}

/// A tool that does nothing but connect, once it has.
pub(super) fn connected(tool: &Tool) -> Answer {
    let upstream = &tool.upstream;
    let words = format!("Connected. List the tools again: those of {upstream} are there now.");
    Answer::value(words.into())
}

/// There is no answer.
pub(super) fn failed(error: &UpstreamError, tool: &Tool) -> Answer {
    let nothing_was_executed = error.nothing_was_executed();
    let (kind, status_code) = match error {
        UpstreamError::Unauthorized { .. } => (kind::AUTH_ERROR, Some(401)),
        UpstreamError::InsufficientScope { .. } => (kind::AUTH_ERROR, Some(403)),
        UpstreamError::Refused { status } => (kind::BAD_REQUEST, Some(*status)),
        UpstreamError::Unavailable { sent: false, .. } => (kind::UNREACHABLE, None),
        UpstreamError::Unavailable { sent: true, .. } => (kind::SERVER_ERROR, None),
        UpstreamError::TimedOut => (kind::TIMEOUT, None),
        UpstreamError::Gone { .. } => (kind::NOT_FOUND, Some(404)),
        UpstreamError::NotTrusted { .. } => (kind::SERVER_ERROR, None),
        UpstreamError::TooLarge { .. } | UpstreamError::Protocol { .. } => {
            (kind::TRANSPORT_UNMAPPED, None)
        }
    };
    let retry_after = match error {
        UpstreamError::Unavailable { retry_after, .. } => *retry_after,
        _ => None,
    };
    let transient = matches!(
        error,
        UpstreamError::Unavailable { .. } | UpstreamError::TimedOut
    );
    Answer {
        nothing_was_executed,
        ..Answer::error(ToolError {
            kind: kind.to_owned(),
            message: error.public().to_owned(),
            can_retry: transient && (nothing_was_executed || tool.may_run_twice()),
            retry_after_ms: retry_after.and_then(|wait| i64::try_from(wait.as_millis()).ok()),
            status_code,
            ..ToolError::default()
        })
    }
}
