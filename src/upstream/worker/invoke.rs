//! One call of a worker's tool: sent once, never repeated here.

use serde_json::value::RawValue;

use super::{
    Caller, ToolCall, UpstreamError, Workers, catalogue,
    line::{Answer, Asked},
};
use crate::{
    base::secret::ExposeSecret,
    protocol::{
        arcade::{
            definition::ToolDefinition,
            invoke::{Invoked, ToolError, ToolOutput, kind},
            request::{self, Authorization, Context, Invoke, Which},
        },
        members::place_of,
    },
};

/// Runs the tool that `call` names.
pub(super) async fn invoke(
    workers: &Workers,
    asked: &Asked<'_>,
    caller: &Caller,
    call: ToolCall<'_>,
) -> Result<Invoked, UpstreamError> {
    let Some(definition) = call.worker else {
        return Err(gone(call.name.to_owned()));
    };
    let inputs = match request::inputs(definition, call.arguments) {
        Ok(inputs) => inputs,
        Err(error) => return Ok(bad_input(&error)),
    };
    let created_at = workers.clock.now().to_string();
    let body = body(definition, caller, call.execution_id, created_at, &inputs);
    match workers.post_invoke(asked, body.into()).await? {
        Answer::Json(said) => serde_json::from_slice(&said)
            .map(Invoked::of_one_mind)
            .map_err(|error| {
                UpstreamError::protocol(format!("an answer to a call is {}", place_of(&error)))
            }),
        Answer::Broke => Err(explain(workers, asked, definition).await),
    }
}

fn body(
    definition: &ToolDefinition,
    caller: &Caller,
    execution_id: &str,
    created_at: String,
    inputs: &RawValue,
) -> Vec<u8> {
    let told = &caller.context;
    let token = told.token.as_ref();
    let secrets = told.secrets.iter();
    let facts = told.metadata.iter();
    let run_id = format!("tr_{}", execution_id.trim_start_matches("te_"));
    let invoke = Invoke {
        run_id: &run_id,
        execution_id,
        created_at,
        tool: Which::of(definition),
        inputs,
        context: Context {
            authorization: token.map(|token| Authorization {
                token: token.expose_secret(),
                user_info: &told.user_info,
            }),
            secrets: secrets
                .map(|(name, value)| (name.as_str(), value.expose_secret()))
                .collect(),
            metadata: facts
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect(),
            user_id: told.user_id.as_deref(),
        },
    };
    serde_json::to_vec(&invoke).expect("our own values serialise")
}

/// A worker that has no such tool says the same as one that broke. Its catalogue tells them apart.
async fn explain(
    workers: &Workers,
    asked: &Asked<'_>,
    definition: &ToolDefinition,
) -> UpstreamError {
    match catalogue::has(workers, asked, definition).await {
        Ok(false) => {
            let version = definition.toolkit.version.as_deref().unwrap_or("*");
            gone(format!("{}@{version}", definition.qualified_name()))
        }
        Ok(true) | Err(_) => UpstreamError::broken("it answered 500"),
    }
}

fn gone(tool: String) -> UpstreamError {
    UpstreamError::Gone { tool }
}

/// What the tool would say of such inputs if it were asked.
fn bad_input(error: &serde_json::Error) -> Invoked {
    let said = ToolError {
        kind: kind::BAD_INPUT_VALUE.to_owned(),
        message: format!("The inputs cannot be passed on: {error}"),
        status_code: Some(400),
        ..ToolError::default()
    };
    Invoked {
        duration: None,
        success: false,
        output: Some(ToolOutput {
            error: Some(said),
            ..ToolOutput::default()
        }),
    }
}
