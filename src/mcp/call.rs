//! `tools/call`: name → tool → admission → upstream → answer. The path that has to be short.

use std::sync::Arc;

use serde_json::value::RawValue;

use crate::{
    gateway::{
        account::Accounts,
        admit::{Admission, AdmitError, Need, Permit},
        call::{CallError, Called},
        view::{Tool, What},
    },
    protocol::{mcp::meta, members::Members},
    upstream::ToolCall,
};

use super::{
    McpFace, account,
    answer::{Answer, Ending, Refusal},
    elicitation, invoked, mirror, relay,
    serve::{self, Request},
    state::{self, State, Waiting},
};

/// Answers a call.
pub async fn call(face: &McpFace, request: Request<'_>) -> Answer {
    match prepare(face, &request).await {
        Ok((tool, state, accounts)) => run(face, request, tool, state, &accounts).await,
        Err(refusal) => refusal.into(),
    }
}

/// Answers a call whose user has been asked and has connected: whatever is missing now is said plainly, not asked again.
pub async fn again(face: &McpFace, request: Request<'_>, tool: Arc<Tool>) -> Answer {
    let accounts = match account::said(&request) {
        Ok(accounts) => accounts,
        Err(refusal) => return refusal.into(),
    };
    match face
        .gateways
        .admit(request.config, request.principal, &tool, &accounts)
        .await
    {
        Ok(Admission::Permit(permit)) => {
            forward(face, &request, &tool, permit, Asked::Already).await
        }
        Ok(Admission::NeedsUser(needs)) => still_missing(&request, &needs),
        Err(error) => not_admitted(&request, &tool, &error),
    }
}

async fn prepare(
    face: &McpFace,
    request: &Request<'_>,
) -> Result<(Arc<Tool>, Option<State>, Accounts), Refusal> {
    let name = request
        .params
        .text("name")
        .ok_or_else(|| Refusal::invalid_params("tools/call needs the name of a tool"))?;
    let arguments = request
        .params
        .get("arguments")
        .filter(|arguments| arguments.get() != "null");
    if arguments.is_some_and(|arguments| !arguments.get().starts_with('{')) {
        return Err(Refusal::invalid_params(
            "the arguments of a tool are an object",
        ));
    }
    serve::log_level(request)?;
    let tool = face
        .gateways
        .resolve(request.config, request.principal, &name)
        .await
        .ok_or_else(|| unknown(&name))?;
    if request.client.revision.is_modern()
        && !request.headers.is_empty()
        && let What::Native(native) = &tool.what
    {
        mirror::check(&native.mirrored, arguments, request.headers)?;
    }
    let state = state::open(face, request, &tool.name)?;
    Ok((tool, state, account::said(request)?))
}

/// What is said of a tool that there is not, for this principal.
pub fn unknown(name: &str) -> Refusal {
    Refusal::invalid_params(format!("Unknown tool: {name:.128}"))
}

async fn run(
    face: &McpFace,
    request: Request<'_>,
    tool: Arc<Tool>,
    state: Option<State>,
    accounts: &Accounts,
) -> Answer {
    match face
        .gateways
        .admit(request.config, request.principal, &tool, accounts)
        .await
    {
        Ok(Admission::Permit(permit)) => {
            let asked = match state.map(|state| state.waiting) {
                None => Asked::NotYet,
                Some(Waiting::Connections(_)) => Asked::Already,
                Some(Waiting::Upstream(inner)) => Asked::ByUpstream(inner),
            };
            forward(face, &request, &tool, permit, asked).await
        }
        Ok(Admission::NeedsUser(needs)) => match state.map(|state| state.waiting) {
            None => elicitation::ask(face, &request, &tool, &needs).await,
            Some(Waiting::Connections(flows)) => {
                elicitation::resume(face, &request, &tool, needs, &flows)
            }
            Some(Waiting::Upstream(_)) => gone(face, &request, &tool, &needs).await,
        },
        Err(error) => not_admitted(&request, &tool, &error),
    }
}

/// What the user was asked before this call.
enum Asked {
    NotYet,
    /// To connect an account: not to be asked twice in one call.
    Already,
    /// By the upstream, whose own state goes back to it.
    ByUpstream(Option<String>),
}

fn still_missing(request: &Request<'_>, needs: &[Need]) -> Answer {
    let missing: Vec<_> = needs
        .iter()
        .map(|need| format!("{} ({})", need.title, need.scopes))
        .collect();
    let words = format!(
        "The account was connected, but the tool's server needs more than that gave. Still missing: {}. Call the tool again to ask for it.",
        missing.join(", ")
    );
    tool_error(request, &words)
}

/// The upstream asked the user something, and meanwhile the account went with which the answer was to be given.
async fn gone(face: &McpFace, request: &Request<'_>, tool: &Tool, needs: &[Need]) -> Answer {
    let before = "The account this tool used is not connected any more. ";
    Answer::Ready(elicitation::in_words(face, request, tool, needs, before).await)
}

async fn forward(
    face: &McpFace,
    request: &Request<'_>,
    tool: &Arc<Tool>,
    permit: Permit,
    asked: Asked,
) -> Answer {
    let inner = match &asked {
        Asked::ByUpstream(inner) => inner.as_ref(),
        Asked::NotYet | Asked::Already => None,
    };
    let inner =
        inner.map(|inner| serde_json::value::to_raw_value(inner).expect("a string serialises"));
    let rest = rest(request, inner.as_deref());
    let meta = request.meta.iter().filter(|(key, _)| *key != account::KEY);
    let meta: Vec<_> = meta.collect();
    let log_level = request.meta.text(meta::LOG_LEVEL);
    let capabilities = relay::capabilities(request);
    let call = ToolCall {
        arguments: request
            .params
            .get("arguments")
            .filter(|arguments| arguments.get() != "null"),
        rest: &rest,
        meta: &meta,
        capabilities: capabilities.as_deref(),
        log_level: log_level.as_deref(),
        progress: relay::progress_token(&request.meta),
        ..ToolCall::default()
    };
    match face
        .gateways
        .call(request.config, request.principal, permit, call)
        .await
    {
        Ok(Called::Reply(reply)) => relay::answer(face, request, tool, reply).await,
        Ok(Called::Invoked(invoked)) => invoked::answer(request, tool, &invoked),
        Ok(Called::Connected) => connected(request, tool),
        Ok(Called::NeedsUser(needs)) => match asked {
            Asked::NotYet => elicitation::ask(face, request, tool, &needs).await,
            Asked::Already => still_missing(request, &needs),
            Asked::ByUpstream(_) => gone(face, request, tool, &needs).await,
        },
        Err(CallError::Upstream(error)) => {
            tracing::warn!(upstream = %tool.upstream, tool = %tool.name, user = ?request.principal.user(), %error, "a tool call failed");
            tool_error(request, error.public())
        }
        Err(CallError::Admit(error)) => not_admitted(request, tool, &error),
        Err(CallError::Unrecorded(error)) => {
            tracing::error!(upstream = %tool.upstream, tool = %tool.name, user = ?request.principal.user(), %error, "a tool call was not made");
            tool_error(
                request,
                "The call was not made, because it cannot be recorded right now; try again later.",
            )
        }
    }
}

/// Parameters that are neither ours nor the tool's: passed on, but for what this hop has answered itself.
fn rest<'a>(
    request: &'a Request<'_>,
    inner_state: Option<&'a RawValue>,
) -> Vec<(&'a str, &'a RawValue)> {
    let ours = [
        "name",
        "arguments",
        "_meta",
        "requestState",
        "inputResponses",
        "task",
    ];
    let mut rest: Vec<_> = request
        .params
        .iter()
        .filter(|(key, _)| !ours.contains(key))
        .collect();
    let own_question = request.params.get("requestState").is_some() && inner_state.is_none();
    if !own_question && let Some(responses) = request.params.get("inputResponses") {
        rest.push(("inputResponses", responses));
    }
    rest.extend(inner_state.map(|state| ("requestState", state)));
    rest
}

fn connected(request: &Request<'_>, tool: &Tool) -> Answer {
    let words = format!(
        "Connected. List the tools again: those of {} are there now.",
        tool.upstream
    );
    let dresser = request.dresser();
    Answer::Ready(Ending::Result(dresser.own(|result| {
        result.value(
            "content",
            &[serde_json::json!({ "type": "text", "text": words })],
        );
    })))
}

fn not_admitted(request: &Request<'_>, tool: &Tool, error: &AdmitError) -> Answer {
    tracing::warn!(upstream = %tool.upstream, tool = %tool.name, user = ?request.principal.user(), %error, "a tool call could not be admitted");
    tool_error(request, &error.public())
}

/// A tool result that says why there is none.
pub fn tool_error(request: &Request<'_>, words: &str) -> Answer {
    let dresser = request.dresser();
    Answer::Ready(Ending::Result(dresser.tool_error(words)))
}

/// Whether clients will hold structured content of this tool against a schema.
pub fn has_output_schema(tool: &Tool) -> bool {
    match &tool.what {
        What::Native(native) => {
            Members::of(&native.raw).is_ok_and(|tool| tool.get("outputSchema").is_some())
        }
        What::Connect => false,
    }
}
