//! `requestState`: what a 2026-07-28 client carries back to us between an input-required result and its retry.
//!
//! Sealed, bound to the user and the gateway, with an expiry; inside it names the call it belongs to. It grants nothing: a
//! retry is admitted like any call, and the state only says that the user was asked already (MRTR, server requirements 1–2).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use crate::{
    base::{clock::Span, id::FlowId, seal::Purpose, secret::TokenHash},
    gateway::access::Principal,
    protocol::mcp::object::text,
};

use super::{McpFace, answer::Refusal, serve::Request};

/// What a state says.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    /// The tool's name at the gateway.
    #[serde(rename = "t")]
    tool: String,
    /// A digest of the arguments.
    #[serde(rename = "d")]
    arguments: TokenHash,
    /// Why the client was sent away.
    #[serde(rename = "w")]
    pub waiting: Waiting,
}

/// What the client was sent away for.
#[derive(Debug, Serialize, Deserialize)]
pub enum Waiting {
    /// Ours: connections to make, by the key of the input request.
    #[serde(rename = "c")]
    Connections(BTreeMap<String, FlowId>),
    /// The upstream's: its own state, given back to it alone.
    #[serde(rename = "u")]
    Upstream(Option<String>),
}

/// A client's word on one input request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// The user agreed to open the link; nothing is done yet.
    Accept,
    /// The user said no.
    Decline,
    /// The user closed the question.
    Cancel,
}

#[derive(Deserialize)]
struct InputResponse {
    action: Action,
}

/// Seals what a retry of `request` has to bring back.
pub fn seal(face: &McpFace, request: &Request<'_>, tool: &str, waiting: Waiting) -> String {
    let state = State {
        tool: tool.to_owned(),
        arguments: digest(request.params.get("arguments")),
        waiting,
    };
    let state = serde_json::to_vec(&state).expect("our own record serialises");
    let lifetime =
        Span::try_from(request.config.elicitation.flow_lifetime).unwrap_or(Span::from_mins(15));
    let expires = face.clock.now() + lifetime;
    face.sealer.seal_text(
        Purpose::RequestState,
        &owner(request.principal),
        expires,
        &state,
    )
}

/// Opens the state of a retry; `None` if the request brings none.
///
/// # Errors
/// `-32602` for a state that was changed, has expired, or belongs to another user, tool or arguments.
pub fn open(face: &McpFace, request: &Request<'_>, tool: &str) -> Result<Option<State>, Refusal> {
    let Some(sealed) = request
        .params
        .get("requestState")
        .filter(|state| state.get() != "null")
    else {
        return Ok(None);
    };
    let refuse = || {
        Refusal::invalid_params(
            "requestState is not valid for this call, or has expired; call the tool anew without it",
        )
    };
    let sealed = text(sealed).ok_or_else(refuse)?;
    let opened = face
        .sealer
        .open_text(
            Purpose::RequestState,
            &owner(request.principal),
            face.clock.now(),
            &sealed,
        )
        .map_err(|_| refuse())?;
    let state: State = serde_json::from_slice(&opened).map_err(|_| refuse())?;
    let same_call =
        state.tool == tool && state.arguments == digest(request.params.get("arguments"));
    if same_call {
        Ok(Some(state))
    } else {
        Err(refuse())
    }
}

/// What the client answered, by key; keys we did not ask are kept out by the caller.
///
/// # Errors
/// `-32602` when `inputResponses` does not have its shape.
pub fn responses(request: &Request<'_>) -> Result<BTreeMap<String, Action>, Refusal> {
    let Some(responses) = request
        .params
        .get("inputResponses")
        .filter(|responses| responses.get() != "null")
    else {
        return Ok(BTreeMap::new());
    };
    let responses: BTreeMap<String, InputResponse> = serde_json::from_str(responses.get())
        .map_err(|_| {
            Refusal::invalid_params(
                "inputResponses must map each key to {\"action\": accept | decline | cancel}",
            )
        })?;
    Ok(responses
        .into_iter()
        .map(|(key, response)| (key, response.action))
        .collect())
}

/// A digest of JSON that does not depend on blanks or on the order of keys: clients serialise a retry anew. What is too deep
/// or has too large numbers to be read so counts as it was written.
fn digest(arguments: Option<&RawValue>) -> TokenHash {
    let arguments = arguments.map_or("null", RawValue::get);
    match serde_json::from_str::<Value>(arguments) {
        Ok(value) => TokenHash::of(&value.to_string()),
        Err(_) => TokenHash::of(arguments),
    }
}

fn owner(principal: &Principal) -> [&str; 2] {
    [principal.gateway().as_str(), principal.user_key()]
}
