//! `GET /admin/audit`: the audit log as JSON lines, the latest last, as [`Query`] reads the address. Everything that was told
//! before is in it.

use axum::{
    Router,
    body::Body,
    extract::{RawQuery, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use futures_util::stream;

use super::Operators;
use crate::{
    audit::{Query, export::Export},
    store::StoreError,
};

/// Lines are sent in pieces of about this size. Bytes.
const PIECE: usize = 32 * 1024;

pub(super) fn routes(operators: Operators) -> Router {
    Router::new()
        .route("/admin/audit", get(export))
        .with_state(operators)
}

async fn export(State(operators): State<Operators>, RawQuery(query): RawQuery) -> Response {
    let pairs: Vec<_> = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .into_owned()
        .collect();
    let pairs = pairs.iter().map(|(name, value)| (&**name, &**value));
    let query = match Query::read(pairs, operators.clock.now()) {
        Ok(query) => query,
        Err(bad) => return (StatusCode::BAD_REQUEST, format!("{bad}\n")).into_response(),
    };
    if let Err(error) = operators.trail.flush().await {
        // What was written is worth reading all the same.
        tracing::warn!(%error, "the audit log is given out without its latest events");
    }
    match operators.archive.export(query).await {
        Ok(lines) => {
            let body = Body::from_stream(stream::try_unfold(lines, piece));
            ([(header::CONTENT_TYPE, "application/jsonl")], body).into_response()
        }
        Err(error) => {
            tracing::warn!(%error, "the audit log could not be read");
            let why = "the audit log cannot be read; the gateway's log says why\n";
            (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
        }
    }
}

/// Some lines; an error in the middle breaks the answer off, so that nobody takes it for whole.
async fn piece(mut lines: Export) -> Result<Option<(Bytes, Export)>, StoreError> {
    let mut piece = String::new();
    while piece.len() < PIECE {
        let next = lines.next().await.inspect_err(|error| {
            tracing::warn!(%error, "the audit log could not be read to its end");
        });
        let Some(line) = next? else { break };
        piece.push_str(&line);
        piece.push('\n');
    }
    Ok((!piece.is_empty()).then(|| (piece.into(), lines)))
}
