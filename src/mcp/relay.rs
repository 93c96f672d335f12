//! An upstream's reply on its way to the client: notifications as they come, then the result in this revision's words.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use serde_json::value::RawValue;

use crate::{
    gateway::view::Tool,
    protocol::{
        jsonrpc::code,
        mcp::{
            meta,
            object::{ObjectWriter, text},
        },
        members::Members,
    },
    upstream::{Event, Outcome, Reply, UpstreamError},
};

use super::{
    McpFace,
    answer::{Answer, Ending, Refusal, Said},
    serve::{self, OwnedRequest, Request},
    state::{self, Waiting},
};

/// Client capabilities whose use by an upstream we pass on.
const RELAYED: [&str; 3] = ["elicitation", "sampling", "roots"];

/// JSON if the upstream's first word is its last; a stream otherwise. Dropping the stream cancels the call upstream.
pub async fn answer(
    face: &McpFace,
    request: &Request<'_>,
    tool: &Arc<Tool>,
    mut reply: Reply,
) -> Answer {
    let level = serve::log_level(request).unwrap_or_default();
    loop {
        match next(&mut reply, level).await {
            Next::Nothing => {}
            Next::Ended(outcome) => return Answer::Ready(ending(face, request, tool, outcome)),
            Next::Notification(first) => {
                let flowing = Flowing {
                    face: face.clone(),
                    request: request.to_owned(),
                    tool: Arc::clone(tool),
                    reply,
                    level,
                };
                let rest = stream::unfold(
                    Some(flowing),
                    |flowing| async move { flowing?.next().await },
                );
                return Answer::Stream(stream::iter([Said::More(first)]).chain(rest).boxed());
            }
        }
    }
}

/// What this client can do that we can relay, to be declared upstream; `None` for nothing. Clients of 2026-07-28 answer an
/// upstream's questions themselves, as input responses of a retry. Extensions are not among it: what they would make an
/// upstream answer (tasks, say) has methods that this gateway does not have.
pub fn capabilities(request: &Request<'_>) -> Option<Box<RawValue>> {
    let declared = request
        .meta
        .get(meta::CLIENT_CAPABILITIES)
        .filter(|_| request.client.revision.is_modern())?;
    let declared = Members::of(declared).ok()?;
    let mut relayed = Vec::new();
    let mut writer = ObjectWriter::open(&mut relayed);
    let mut any = false;
    for (name, value) in declared.iter().filter(|(name, _)| RELAYED.contains(name)) {
        writer.raw(name, value.get());
        any = true;
    }
    writer.close();
    let relayed = String::from_utf8(relayed).expect("JSON is UTF-8");
    any.then(|| RawValue::from_string(relayed).expect("an object of raw values is JSON"))
}

/// The progress token of a request, if it has one of the right type.
pub fn progress_token<'a>(meta: &Members<'a>) -> Option<&'a RawValue> {
    meta.get(meta::PROGRESS_TOKEN).filter(|token| {
        let text = token.get();
        text.starts_with('"') || text.bytes().all(|c| c.is_ascii_digit() || c == b'-')
    })
}

struct Flowing {
    face: McpFace,
    request: OwnedRequest,
    tool: Arc<Tool>,
    reply: Reply,
    level: Option<usize>,
}

impl Flowing {
    async fn next(mut self) -> Option<(Said, Option<Self>)> {
        loop {
            match next(&mut self.reply, self.level).await {
                Next::Nothing => {}
                Next::Notification(message) => return Some((Said::More(message), Some(self))),
                Next::Ended(outcome) => {
                    let ending = match self.request.borrow() {
                        Some(request) => ending(&self.face, &request, &self.tool, outcome),
                        None => Refusal::internal().into(),
                    };
                    return Some((Said::Last(ending.body(&self.request.id)), None));
                }
            }
        }
    }
}

enum Next {
    /// Not for this client.
    Nothing,
    Notification(Vec<u8>),
    Ended(Result<Outcome, UpstreamError>),
}

async fn next(reply: &mut Reply, level: Option<usize>) -> Next {
    match reply.next().await {
        None => Next::Ended(Err(UpstreamError::Protocol {
            why: "the reply had ended already".into(),
        })),
        Some(Ok(Event::Done(outcome))) => Next::Ended(Ok(outcome)),
        Some(Err(error)) => Next::Ended(Err(error)),
        Some(Ok(Event::Notification { method, params })) => {
            let wanted = match method.as_str() {
                "notifications/progress" => true,
                "notifications/message" => is_severe_enough(&params, level),
                _ => false,
            };
            if !wanted {
                return Next::Nothing;
            }
            let mut message = Vec::new();
            let mut writer = ObjectWriter::open(&mut message);
            writer
                .value("jsonrpc", "2.0")
                .value("method", &method)
                .raw("params", params.get());
            writer.close();
            Next::Notification(message)
        }
    }
}

fn is_severe_enough(params: &RawValue, level: Option<usize>) -> bool {
    let Some(level) = level else { return false };
    let severity = Members::of(params)
        .ok()
        .and_then(|params| params.get("level").and_then(serve::severity));
    severity.is_some_and(|severity| severity >= level)
}

fn ending(
    face: &McpFace,
    request: &Request<'_>,
    tool: &Tool,
    outcome: Result<Outcome, UpstreamError>,
) -> Ending {
    match outcome {
        Ok(Outcome::Result(result)) => match understood(&result) {
            Ok((Kind::Complete, members)) => {
                Ending::Result(request.dresser().upstream(&result, &members))
            }
            Ok((Kind::InputRequired, members)) => input_required(face, request, tool, &members),
            Err(error) => failed(request, tool, &error),
        },
        Ok(Outcome::Error {
            code,
            message,
            data,
        }) => {
            let modern = request.client.revision.is_modern();
            refused(modern, code, message, data.as_deref())
        }
        Err(error) => failed(request, tool, &error),
    }
}

fn failed(request: &Request<'_>, tool: &Tool, error: &UpstreamError) -> Ending {
    tracing::warn!(upstream = %tool.upstream, tool = %tool.name, user = ?request.principal.user(), %error, "a tool call failed");
    Ending::Result(request.dresser().tool_error(error.public()))
}

/// What a result says it is.
enum Kind {
    Complete,
    InputRequired,
}

/// The members of an upstream's result, and its kind: `complete` unless it says otherwise (2026-07-28, Result type). Another
/// kind belongs to an extension, and none is declared to upstreams.
fn understood(result: &RawValue) -> Result<(Kind, Members<'_>), UpstreamError> {
    let failed = |why: String| UpstreamError::Protocol { why };
    let members = Members::of(result).map_err(|error| failed(error.to_string()))?;
    let kind = match members.get("resultType") {
        None => Kind::Complete,
        Some(kind) => match text(kind).as_deref() {
            Some("complete") => Kind::Complete,
            Some("input_required") => Kind::InputRequired,
            _ => return Err(failed(format!("a result of the type {:.60}", kind.get()))),
        },
    };
    Ok((kind, members))
}

/// An upstream's question, with its state sealed in ours so that it reaches only that upstream, for this user and call.
fn input_required(
    face: &McpFace,
    request: &Request<'_>,
    tool: &Tool,
    members: &Members<'_>,
) -> Ending {
    let dresser = request.dresser();
    if !request.client.revision.is_modern() {
        let words =
            "The tool's server asks for input that this client's revision of MCP cannot give.";
        return Ending::Result(dresser.tool_error(words));
    }
    let inner = members
        .get("requestState")
        .and_then(text)
        .map(std::borrow::Cow::into_owned);
    let sealed =
        inner.map(|inner| state::seal(face, request, &tool.name, Waiting::Upstream(Some(inner))));
    Ending::Result(dresser.own_as("input_required", |writer| {
        for (key, value) in members
            .iter()
            .filter(|(key, _)| !matches!(*key, "resultType" | "requestState" | "_meta"))
        {
            writer.raw(key, value.get());
        }
        if let Some(sealed) = &sealed {
            writer.value("requestState", sealed);
        }
    }))
}

/// An upstream's error. Codes that would be read as statements about the hop between the client and us are not passed on,
/// but for one: a modern client's capabilities are declared upstream as they are, so what the upstream misses, the client
/// misses.
fn refused(modern: bool, code: i64, message: String, data: Option<&RawValue>) -> Ending {
    let about_the_client = modern && code == code::MISSING_CLIENT_CAPABILITY;
    let about_the_hop = !about_the_client
        && (code == code::RESOURCE_NOT_FOUND || (-32099..=-32020).contains(&code));
    if about_the_hop {
        return Ending::Relayed(Refusal::new(
            code::INTERNAL_ERROR,
            "The tool's server refused the call in a way that cannot be relayed.",
        ));
    }
    let refusal = Refusal {
        data: data.and_then(|data| serde_json::from_str(data.get()).ok()),
        ..Refusal::new(code, message)
    };
    if about_the_client {
        Ending::Refused(refusal)
    } else {
        Ending::Relayed(refusal)
    }
}
