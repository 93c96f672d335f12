//! What came of a call, in the worker protocol's words.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A worker's answer to one call.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Invoked {
    /// Milliseconds.
    #[serde(default)]
    pub duration: Option<f64>,
    /// Whether the tool did what it was asked.
    pub success: bool,
    /// What it says.
    #[serde(default)]
    pub output: Option<ToolOutput>,
}

/// What a tool says: a value, or why there is none.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ToolOutput {
    /// Any JSON.
    #[serde(default)]
    pub value: Option<Value>,
    /// Why there is no value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ToolError>,
    /// What it noted on the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs: Option<Vec<ToolLog>>,
    /// It found out while it ran that it needs an account.
    #[serde(
        default,
        rename(serialize = "authorization"),
        alias = "authorization",
        skip_serializing_if = "Option::is_none"
    )]
    pub requires_authorization: Option<Map<String, Value>>,
}

/// Why a tool did not do what it was asked.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ToolError {
    /// One of [`kind`].
    #[serde(default)]
    pub kind: String,
    /// For models and people.
    #[serde(default)]
    pub message: String,
    /// Whether the same call may go well later, or another one.
    #[serde(default)]
    pub can_retry: bool,
    /// For the tool's author; not for models or clients unless they ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub developer_message: Option<String>,
    /// For models: how to do better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub additional_prompt_content: Option<String>,
    /// Not before so many milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<i64>,
    /// Of the service behind the tool, or the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_code: Option<u16>,
    /// For the tool's author; not for models or clients unless they ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stacktrace: Option<String>,
    /// Whatever else the tool says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<Map<String, Value>>,
}

/// One note of a tool's.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ToolLog {
    /// As in `warning`.
    #[serde(default)]
    pub level: Option<String>,
    /// Its words.
    #[serde(default)]
    pub message: Option<String>,
    /// As in `deprecation`.
    #[serde(default)]
    pub subtype: Option<String>,
}

/// The kinds of tool errors that programs tell apart.
pub mod kind {
    /// Something that the tool needs is not there: an account, a secret, a provider.
    pub const REQUIREMENTS_NOT_MET: &str = "TOOL_REQUIREMENTS_NOT_MET";
    /// The inputs do not fit.
    pub const BAD_INPUT_VALUE: &str = "TOOL_RUNTIME_BAD_INPUT_VALUE";
    /// The tool broke.
    pub const FATAL: &str = "TOOL_RUNTIME_FATAL";
    /// The tool asks to be called again, with what it adds.
    pub const RETRY: &str = "TOOL_RUNTIME_RETRY";
    /// A hook could not say.
    pub const CONTEXT_CHECK_FAILED: &str = "CONTEXT_CHECK_FAILED";
    /// A hook said no.
    pub const CONTEXT_DENIED: &str = "CONTEXT_DENIED";
    /// The service behind the tool did not accept the token.
    pub const AUTH_ERROR: &str = "UPSTREAM_RUNTIME_AUTH_ERROR";
    /// The service behind the tool, or the tool's server, did not take the request.
    pub const BAD_REQUEST: &str = "UPSTREAM_RUNTIME_BAD_REQUEST";
    /// What was asked for is not there, or no longer.
    pub const NOT_FOUND: &str = "UPSTREAM_RUNTIME_NOT_FOUND";
    /// The service behind the tool, or the tool's server, is broken.
    pub const SERVER_ERROR: &str = "UPSTREAM_RUNTIME_SERVER_ERROR";
    /// Nobody answered in time.
    pub const TIMEOUT: &str = "NETWORK_TRANSPORT_RUNTIME_TIMEOUT";
    /// Nobody could be reached.
    pub const UNREACHABLE: &str = "NETWORK_TRANSPORT_RUNTIME_UNREACHABLE";
    /// Something else on the way.
    pub const TRANSPORT_UNMAPPED: &str = "NETWORK_TRANSPORT_RUNTIME_UNMAPPED";
    /// Nothing of the above.
    pub const UNKNOWN: &str = "UNKNOWN";
}

impl Invoked {
    /// The same, as one answer: an error, a request for an account, or a value; what an error or a request comes with beside it
    /// nobody is to take for the answer.
    pub fn of_one_mind(mut self) -> Self {
        let Some(output) = &mut self.output else {
            return self;
        };
        if output.error.is_some() {
            output.requires_authorization = None;
        }
        if output.error.is_some() || output.requires_authorization.is_some() {
            output.value = None;
            self.success = false;
        }
        self
    }

    /// The same, with the word that the token was renewed since, so that another call may go well.
    pub fn to_be_called_again(mut self) -> Self {
        let output = self.output.get_or_insert_default();
        let error = output.error.get_or_insert_default();
        error.can_retry = true;
        error.message.push_str(
            " The account's token has been renewed: call the tool again, if it may run twice.",
        );
        self
    }

    /// Whether the service behind the tool said that the token is not good (401). A 403 is about this one request.
    pub fn refused_token(&self) -> bool {
        let error = self
            .output
            .as_ref()
            .and_then(|output| output.error.as_ref());
        error.is_some_and(|error| {
            error.kind == kind::AUTH_ERROR && error.status_code.is_none_or(|status| status == 401)
        })
    }
}
