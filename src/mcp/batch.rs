//! Batches of 2025-03-26: the one revision that must take them (and the last: 2025-06-18 removed them).

use axum::response::Response;
use http::StatusCode;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use crate::protocol::{
    jsonrpc::{self, Malformed, Message, code},
    mcp::revision::Revision,
};

use super::{
    McpFace,
    answer::{self, Refusal, Said},
    client::Client,
    endpoint::Knock,
    legacy::{self, Started},
};

/// More messages than this in one 2025-03-26 batch are refused.
const MOST_IN_BATCH: usize = 50;

/// A body that is not one message: a batch, in the one revision that has them, or nothing at all.
pub async fn batch(
    face: &McpFace,
    knock: &Knock<'_>,
    body: &[u8],
    malformed: Malformed<'_>,
) -> Response {
    let client = match legacy::client(face, knock) {
        Ok(client) => client,
        Err(stranger) => return stranger.response(),
    };
    match jsonrpc::batch(body) {
        None => legacy::refuse_malformed(malformed),
        Some(Ok(messages)) if client.revision == Revision::V2025_03_26 => {
            each(face, knock, &client, &messages).await
        }
        Some(Ok(_)) => legacy::bad_request(
            code::INVALID_REQUEST,
            "batches exist in 2025-03-26 only; send one message per POST",
        ),
        Some(Err(malformed)) => legacy::refuse_malformed(malformed),
    }
}

async fn each(
    face: &McpFace,
    knock: &Knock<'_>,
    client: &Client,
    messages: &[&RawValue],
) -> Response {
    if messages.len() > MOST_IN_BATCH {
        return legacy::bad_request(
            code::INVALID_REQUEST,
            "a batch may hold at most 50 messages",
        );
    }
    let mut running = Vec::new();
    for message in messages {
        match Message::parse(message.get().as_bytes()) {
            Err(malformed) => running.push(Err(malformed_body(malformed))),
            Ok(Message::Request { id, method, .. }) if method == "initialize" => {
                let refusal = Refusal::new(
                    code::INVALID_REQUEST,
                    "initialize must not be part of a batch",
                );
                running.push(Err(refusal.body(Some(id))));
            }
            Ok(Message::Request { id, method, params }) => {
                let params = match params {
                    Some(params) => params.to_owned(),
                    None => legacy::no_params(),
                };
                let started = legacy::start(face, knock, client, id, &method, params);
                running.push(Ok((id, started)));
            }
            Ok(other) => legacy::take(face, client, other).await,
        }
    }
    let mut body = b"[".to_vec();
    for started in running {
        let message = match started {
            Err(message) => Some(message),
            Ok((id, Started::Ready(ending))) => Some(ending.body(id)),
            Ok((_, Started::Task(answers))) => response_of(answers).await,
        };
        let Some(message) = message else { continue };
        if body.len() > 1 {
            body.push(b',');
        }
        body.extend_from_slice(&message);
    }
    if body.len() == 1 {
        return answer::accepted();
    }
    body.push(b']');
    answer::json(StatusCode::OK, body)
}

fn malformed_body(malformed: Malformed<'_>) -> Vec<u8> {
    match malformed {
        Malformed::NotJson => Refusal::new(code::PARSE_ERROR, "not JSON").body(None),
        Malformed::NotAMessage { id, reason } => {
            Refusal::new(code::INVALID_REQUEST, reason).body(id)
        }
    }
}

/// `None` if the request was cancelled: nothing more is said about it.
async fn response_of(mut answers: mpsc::Receiver<Said>) -> Option<Vec<u8>> {
    while let Some(said) = answers.recv().await {
        if let Said::Last(response) = said {
            return Some(response);
        }
    }
    None
}
