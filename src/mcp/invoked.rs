//! A worker's answer as the result of a tool: what went well as content, what did not as words for the model.

use serde_json::{Value, json};

use super::{
    answer::{Answer, Ending},
    call,
    serve::Request,
};
use crate::{
    gateway::view::Tool,
    protocol::arcade::invoke::{Invoked, ToolError, ToolOutput},
};

/// The `_meta` key under which programs find a tool's error taken apart, as Arcade's own servers have it.
const ARCADE: &str = "arcade";

/// The result for this client.
pub fn answer(request: &Request<'_>, tool: &Tool, invoked: &Invoked) -> Answer {
    let nothing = ToolOutput::default();
    let output = invoked.output.as_ref().unwrap_or(&nothing);
    let dresser = request.dresser();
    if let Some(error) = &output.error {
        return Answer::Ready(Ending::Result(dresser.own_with_meta(
            ARCADE,
            &taken_apart(error),
            |result| {
                result
                    .value("content", &[text(&words(error))])
                    .value("isError", &true);
            },
        )));
    }
    if let Some(wanted) = &output.requires_authorization {
        let address = wanted.get("authorization_url").and_then(Value::as_str);
        return call::tool_error(request, &asked_inside(address));
    }
    if !invoked.success {
        return call::tool_error(request, "The tool failed and did not say why.");
    }
    let value = output.value.as_ref().unwrap_or(&Value::Null);
    let structured = call::has_output_schema(tool).then(|| structured(value));
    Answer::Ready(Ending::Result(dresser.own(|result| {
        result.value("content", &[text(&shown(value))]);
        if let Some(structured) = structured {
            result.value("structuredContent", &structured);
        }
    })))
}

fn text(words: &str) -> Value {
    json!({ "type": "text", "text": words })
}

/// A text is shown as it is, everything else as JSON.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Structured content is an object; what is none is the `result` of one, as the output schema says.
fn structured(value: &Value) -> Value {
    match value {
        Value::Object(_) => value.clone(),
        other => json!({ "result": other }),
    }
}

/// What the model reads: the message, and how to do better.
fn words(error: &ToolError) -> String {
    match error.additional_prompt_content.as_deref() {
        Some(more) if !more.is_empty() => format!("{}\n\n{more}", error.message),
        _ => error.message.clone(),
    }
}

fn taken_apart(error: &ToolError) -> Value {
    json!({
        "errorKind": error.kind,
        "canRetry": error.can_retry,
        "additionalPromptContent": error.additional_prompt_content,
        "retryAfterMs": error.retry_after_ms,
        "statusCode": error.status_code,
    })
}

fn asked_inside(address: Option<&str>) -> String {
    let web = |it: &&str| it.starts_with("https://") || it.starts_with("http://");
    match address.filter(web) {
        Some(address) => format!(
            "The tool needs an account that it connects itself. The user has to open this link in a browser:\n{address}\nThen call the tool again."
        ),
        None => "The tool needs an account that is not connected.".to_owned(),
    }
}
