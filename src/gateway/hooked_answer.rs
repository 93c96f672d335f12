//! An answer on its way past the hooks. They see all of it that a model would; what they put in its place leaves nothing of it.

use std::sync::Arc;

use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};

use super::{access::Principal, offered::asker};
use crate::{
    config::Config,
    hooks::{Answer, Call, Denial, Hooks, Replaced},
    protocol::{
        arcade::invoke::{Invoked, ToolError},
        members::{Members, is_unambiguous},
    },
    upstream::Outcome,
};

/// What is to be done before an answer goes on.
pub(super) struct After {
    pub hooks: Hooks,
    pub config: Arc<Config>,
    pub principal: Principal,
    pub call: Call,
    /// What the tool got.
    pub inputs: Box<RawValue>,
}

/// What hooks are shown of an MCP server's answer.
struct Shown {
    success: bool,
    output: Box<RawValue>,
    content: Option<Box<RawValue>>,
    /// Whether `output` is the structured content.
    structured: bool,
    code: Option<String>,
    error: Option<String>,
}

impl After {
    /// What goes on of an MCP server's answer.
    pub async fn outcome(self, outcome: Outcome) -> Outcome {
        let Some(shown) = Shown::of(&outcome) else {
            let words = "The tool's server sent an answer that cannot be understood.";
            return Outcome::Result(result(&text(words), None, true));
        };
        let answer = Answer {
            success: shown.success,
            output: Some(&shown.output),
            content: shown.content.as_deref(),
            code: shown.code.as_deref(),
            error: shown.error.as_deref(),
        };
        match self.ask(answer).await {
            Err(denial) => Outcome::Result(denied(&denial)),
            Ok(replaced) if replaced.is_nothing() => outcome,
            Ok(replaced) => Outcome::Result(shown.with(replaced)),
        }
    }

    /// What goes on of a worker's answer.
    pub async fn invoked(self, mut invoked: Invoked) -> Invoked {
        if !self.hooks.look_at_answers(&self.config, &self.call) {
            return invoked;
        }
        // The contract has no place for them, and what hooks are not shown does not go past them.
        if let Some(output) = &mut invoked.output {
            output.logs = None;
        }
        let output = invoked.output.as_ref();
        let error = output.and_then(|output| output.error.as_ref());
        let code = error.map(|error| match error.status_code {
            Some(status) => status.to_string(),
            None => error.kind.clone(),
        });
        let asks = output.and_then(|output| output.requires_authorization.as_ref());
        let said = match (error, asks) {
            (Some(error), _) => to_raw_value(error),
            (None, Some(asks)) => to_raw_value(&json!({ "authorization": asks })),
            (None, None) => to_raw_value(&output.and_then(|output| output.value.as_ref())),
        };
        let said = said.expect("JSON serialises");
        let answer = Answer {
            success: invoked.success && error.is_none(),
            output: Some(&said),
            content: None,
            code: code.as_deref(),
            error: error.map(|error| error.message.as_str()),
        };
        match self.ask(answer).await {
            Err(denial) => denial.invoked(),
            Ok(replaced) => match replaced.output.or(replaced.content.flatten()) {
                None => invoked,
                Some(put) => with(invoked, &put),
            },
        }
    }

    async fn ask(&self, answer: Answer<'_>) -> Result<Replaced, Denial> {
        let asker = asker(&self.config, &self.principal);
        self.hooks
            .post(asker, &self.call, &self.inputs, answer)
            .await
    }
}

impl Shown {
    /// `None` if it cannot be understood, or in two ways.
    fn of(outcome: &Outcome) -> Option<Self> {
        match outcome {
            Outcome::Result(result) => Self::of_result(result),
            Outcome::Error {
                code,
                message,
                data,
            } => {
                let said = json!({ "code": code, "message": message, "data": data });
                Some(Self {
                    success: false,
                    output: to_raw_value(&said).ok()?,
                    content: None,
                    structured: false,
                    code: Some(code.to_string()),
                    error: Some(message.clone()),
                })
            }
        }
    }

    fn of_result(result: &RawValue) -> Option<Self> {
        let result = is_unambiguous(result).then_some(result)?;
        let members = Members::of(result).ok()?;
        let there = |name| members.get(name).filter(|value| value.get() != "null");
        let success = !members.read::<bool>("isError").unwrap_or(false);
        let content = there("content");
        let words = content.and_then(texts);
        // A question to the user is no content, but words of the server's all the same.
        let is_question = members
            .text("resultType")
            .is_some_and(|kind| kind != "complete");
        let structured = there("structuredContent").filter(|_| !is_question);
        let output = match (is_question, structured, &words, content) {
            (true, ..) | (false, None, _, None) => result.to_owned(),
            (false, Some(structured), ..) => structured.to_owned(),
            (false, None, Some(words), _) => to_raw_value(words).ok()?,
            (false, None, None, Some(content)) => content.to_owned(),
        };
        Some(Self {
            success,
            output,
            content: content.map(ToOwned::to_owned),
            structured: structured.is_some(),
            code: None,
            error: words.filter(|_| !success),
        })
    }

    /// The answer that goes on instead.
    fn with(self, replaced: Replaced) -> Box<RawValue> {
        let output = replaced.output.as_deref().unwrap_or(&self.output);
        let content = match replaced.content {
            Some(Some(content)) => content,
            Some(None) => text(&in_words(output)),
            None => self.content.unwrap_or_else(|| text(&in_words(output))),
        };
        // Structured content is an object in all revisions.
        let structured = Some(output).filter(|it| self.structured && it.get().starts_with('{'));
        result(&content, structured, !self.success)
    }
}

/// The texts of content that is nothing but texts.
fn texts(content: &RawValue) -> Option<String> {
    let blocks: Vec<Value> = serde_json::from_str(content.get()).ok()?;
    let texts: Option<Vec<&str>> = blocks
        .iter()
        .map(|block| block["text"].as_str().filter(|_| block["type"] == "text"))
        .collect();
    Some(texts?.join("\n"))
}

fn in_words(output: &RawValue) -> String {
    match serde_json::from_str(output.get()) {
        Ok(Value::String(text)) => text,
        Ok(Value::Null) => String::new(),
        _ => output.get().to_owned(),
    }
}

fn text(words: &str) -> Box<RawValue> {
    to_raw_value(&[json!({ "type": "text", "text": words })]).expect("JSON serialises")
}

fn result(content: &RawValue, structured: Option<&RawValue>, is_error: bool) -> Box<RawValue> {
    let yes = to_raw_value(&true).expect("JSON serialises");
    let mut members = Members::default();
    members.set("content", content);
    if let Some(structured) = structured {
        members.set("structuredContent", structured);
    }
    if is_error {
        members.set("isError", &yes);
    }
    members.to_raw()
}

/// As Arcade's own servers write errors, so that each face finds the kind of it.
fn denied(denial: &Denial) -> Box<RawValue> {
    let error = denial.invoked().output.and_then(|output| output.error);
    let error = error.unwrap_or_default();
    let denied = json!({
        "content": [{ "type": "text", "text": error.message }],
        "isError": true,
        "_meta": { "arcade": {
            "errorKind": error.kind,
            "canRetry": error.can_retry,
            "statusCode": error.status_code,
        } },
    });
    to_raw_value(&denied).expect("JSON serialises")
}

/// A worker's answer with something else in it.
fn with(invoked: Invoked, put: &RawValue) -> Invoked {
    let value: Value = serde_json::from_str(put.get()).unwrap_or_default();
    let mut output = invoked.output.unwrap_or_default();
    output.requires_authorization = None;
    match output.error.take() {
        None => output.value = Some(value),
        Some(old) => {
            let shaped = value["message"].is_string();
            let shaped: Option<ToolError> = shaped
                .then(|| serde_json::from_value(value.clone()).ok())
                .flatten();
            let otherwise = || ToolError {
                message: in_words(put),
                can_retry: old.can_retry,
                retry_after_ms: old.retry_after_ms,
                status_code: old.status_code,
                ..ToolError::default()
            };
            output.error = Some(ToolError {
                kind: old.kind.clone(),
                ..shaped.unwrap_or_else(otherwise)
            });
        }
    }
    Invoked {
        output: Some(output),
        ..invoked
    }
}
