//! The edge towards clients of 2025-03-26 to 2025-11-25: `initialize`, sessions, responses to our requests, batches.
//!
//! A dropped connection does not cancel a call here (2025-11-25 transports: "Disconnection SHOULD NOT be interpreted as the
//! client cancelling its request"), so each call runs in a task of its own and ends by `notifications/cancelled` only.

use std::sync::Arc;

use axum::response::Response;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{
    json,
    value::{RawValue, to_raw_value},
};
use tokio::sync::mpsc;

use crate::{
    gateway::access::Principal,
    protocol::{
        jsonrpc::{Malformed, Message, code},
        mcp::revision::Revision,
        members::Members,
    },
    store::signal::Waiter,
};

use super::{
    McpFace,
    answer::{self, Answer, Ending, Refusal, Said},
    client::Client,
    dress::Dresser,
    endpoint::Knock,
    hold,
    modern::header,
    serve::OwnedRequest,
    session::SessionKey,
};

/// Why it is not known in which revision a legacy client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stranger {
    /// 404: the client is to initialise anew.
    #[error("unknown MCP session; initialize anew")]
    UnknownSession,
    /// 400.
    #[error("this MCP-Protocol-Version is not supported")]
    UnsupportedVersion,
}

impl Stranger {
    /// How it is answered.
    pub fn response(self) -> Response {
        let status = match self {
            Self::UnknownSession => StatusCode::NOT_FOUND,
            Self::UnsupportedVersion => StatusCode::BAD_REQUEST,
        };
        answer::refusal(
            status,
            None,
            &Refusal::new(code::INVALID_REQUEST, self.to_string()),
        )
    }
}

/// One request of a legacy client.
pub async fn request(
    face: &McpFace,
    knock: &Knock<'_>,
    id: &RawValue,
    method: &str,
    params: &Members<'_>,
) -> Response {
    if method == "initialize" {
        return initialize(face, knock, id, params);
    }
    let client = match client(face, knock) {
        Ok(client) => client,
        Err(stranger) => return stranger.response(),
    };
    match start(face, knock, &client, id, method, params.to_raw()) {
        Started::Ready(ending) => answer::json(StatusCode::OK, ending.body(id)),
        Started::Task(answers) => respond(answers).await,
    }
}

/// A notification of a legacy client, or its response to a request of ours.
pub async fn message(face: &McpFace, knock: &Knock<'_>, message: Message<'_>) -> Response {
    match client(face, knock) {
        Ok(client) => {
            take(face, &client, message).await;
            answer::accepted()
        }
        Err(stranger) => stranger.response(),
    }
}

/// `DELETE`: the client is done with its session.
pub async fn delete(face: &McpFace, principal: &Principal, headers: &HeaderMap) -> Response {
    let Some(id) = header(headers, "mcp-session-id") else {
        return bad_request(
            code::INVALID_REQUEST,
            "name the session to end in the header Mcp-Session-Id",
        );
    };
    let Ok(Client {
        session: Some(key), ..
    }) = face.sessions().resume(principal, id)
    else {
        return Stranger::UnknownSession.response();
    };
    match face.sessions().end(&key).await {
        Ok(()) => answer::json(StatusCode::OK, b"{}".to_vec()),
        Err(error) => {
            tracing::error!(%error, "an MCP session could not be ended");
            answer::refusal(StatusCode::SERVICE_UNAVAILABLE, None, &Refusal::internal())
        }
    }
}

/// The client behind a request that is not `initialize`: from its session, or, if it lost that, from its headers.
///
/// # Errors
/// [`Stranger`].
pub fn client(face: &McpFace, knock: &Knock<'_>) -> Result<Client, Stranger> {
    let stated = match header(knock.headers, "mcp-protocol-version") {
        None => Revision::UNSTATED,
        Some(version) => Revision::parse(version).ok_or(Stranger::UnsupportedVersion)?,
    };
    match header(knock.headers, "mcp-session-id") {
        Some(id) => face
            .sessions()
            .resume(knock.principal, id)
            .map_err(|_| Stranger::UnknownSession),
        None => Ok(Client::unknown(stated.min(Revision::LATEST_LEGACY))),
    }
}

/// How bytes that are no message are refused.
pub fn refuse_malformed(malformed: Malformed<'_>) -> Response {
    match malformed {
        Malformed::NotJson => bad_request(code::PARSE_ERROR, "the body is not JSON"),
        Malformed::NotAMessage { id, reason } => answer::refusal(
            StatusCode::BAD_REQUEST,
            id,
            &Refusal::new(code::INVALID_REQUEST, reason),
        ),
    }
}

/// Takes in what wants no answer.
pub async fn take(face: &McpFace, client: &Client, message: Message<'_>) {
    match message {
        Message::Notification { method, params } => notified(face, client, &method, params),
        Message::Response { id, outcome } => hold::answered(face, client, id, &outcome).await,
        // Requests are answered, not taken.
        Message::Request { .. } => {}
    }
}

fn initialize(face: &McpFace, knock: &Knock<'_>, id: &RawValue, params: &Members<'_>) -> Response {
    let Some(client) = negotiate(params) else {
        let refusal = Refusal::invalid_params(
            "initialize needs protocolVersion, capabilities and clientInfo",
        );
        return answer::json(StatusCode::OK, refusal.body(Some(id)));
    };
    let gateway = knock.gateway();
    let dresser = Dresser {
        revision: client.revision,
        server_info: &knock.server_info,
    };
    let result = dresser.own(|result| {
        result
            .value("protocolVersion", client.revision.as_str())
            .value("capabilities", &json!({ "tools": { "listChanged": true } }))
            .raw("serverInfo", dresser.server_info);
        if let Some(instructions) = gateway.and_then(|gateway| gateway.instructions.as_ref()) {
            result.value("instructions", instructions);
        }
    });
    let session = face.sessions().open(knock.principal, &client);
    let mut response = answer::json(StatusCode::OK, Ending::Result(result).body(id));
    let session = HeaderValue::from_str(&session).expect("a sealed text is base64url");
    response.headers_mut().insert("mcp-session-id", session);
    response
}

fn negotiate(params: &Members<'_>) -> Option<Client> {
    let requested = params.text("protocolVersion")?;
    let revision = Revision::parse(&requested)
        .filter(|revision| !revision.is_modern())
        .unwrap_or(Revision::LATEST_LEGACY);
    Client::declared(
        revision,
        params.get("capabilities")?,
        params.get("clientInfo"),
    )
}

fn notified(face: &McpFace, client: &Client, method: &str, params: Option<&RawValue>) {
    if method != "notifications/cancelled" {
        return;
    }
    let id = params
        .and_then(|params| Members::of(params).ok())
        .and_then(|params| params.get("requestId"));
    if let (Some(session), Some(id)) = (&client.session, id) {
        face.signals.raise(&cancel_topic(session, id));
    }
}

fn cancel_topic(session: &SessionKey, id: &RawValue) -> String {
    format!("cancel/{}/{}", session.as_str(), id.get())
}

/// A request that was begun.
pub enum Started {
    /// It needed no task.
    Ready(Ending),
    /// What its task says, in order.
    Task(mpsc::Receiver<Said>),
}

/// The parameters of a request that has none.
pub fn no_params() -> Box<RawValue> {
    to_raw_value(&json!({})).expect("a Value serialises")
}

/// Starts a request in a task that outlives the connection, unless it is answered on the spot.
pub fn start(
    face: &McpFace,
    knock: &Knock<'_>,
    client: &Client,
    id: &RawValue,
    method: &str,
    params: Box<RawValue>,
) -> Started {
    let refused = |refusal: Refusal| Started::Ready(refusal.into());
    match method {
        "ping" => return Started::Ready(Ending::Result(b"{}".to_vec())),
        "tools/list" | "tools/call" => {}
        _ => return refused(Refusal::unknown_method()),
    }
    let (sender, receiver) = mpsc::channel(16);
    let request = OwnedRequest {
        principal: knock.principal.clone(),
        config: Arc::clone(knock.config),
        client: client.clone(),
        id: id.to_owned(),
        method: method.to_owned(),
        params,
        server_info: Arc::clone(&knock.server_info),
        listener: Some(sender.clone()),
    };
    let session = client.session.as_ref();
    // Before the task gets to run: the cancellation may be the very next message.
    let cancelled = session.map(|session| face.signals.subscribe(&cancel_topic(session, id)));
    tokio::spawn(run(face.clone(), request, cancelled, sender));
    Started::Task(receiver)
}

/// Runs to the end, whether or not anybody still listens, unless the client cancels.
async fn run(
    face: McpFace,
    request: OwnedRequest,
    cancelled: Option<Waiter>,
    answers: mpsc::Sender<Said>,
) {
    let Some(mut cancelled) = cancelled else {
        return pump(&face, &request, &answers).await;
    };
    tokio::select! {
        () = pump(&face, &request, &answers) => {}
        () = cancelled.wait() => {}
    }
}

async fn pump(face: &McpFace, request: &OwnedRequest, answers: &mpsc::Sender<Said>) {
    match request.serve(face).await {
        Answer::Ready(ending) => drop(answers.send(Said::Last(ending.body(&request.id))).await),
        Answer::Stream(mut messages) => {
            while let Some(said) = messages.next().await {
                // A client that went away still gets its work done; only the words are lost.
                drop(answers.send(said).await);
            }
        }
    }
}

/// JSON if the first message is the response, server-sent events otherwise.
async fn respond(mut answers: mpsc::Receiver<Said>) -> Response {
    match answers.recv().await {
        Some(Said::Last(response)) => answer::json(StatusCode::OK, response),
        // Nothing more is said about a cancelled request (2025-11-25, Cancellation): its stream is empty.
        None => answer::events(stream::empty().boxed()),
        Some(more) => {
            let rest = stream::poll_fn(move |context| answers.poll_recv(context));
            answer::events(stream::iter([more]).chain(rest).boxed())
        }
    }
}

/// A 400 that belongs to no request.
pub fn bad_request(code: i64, message: &'static str) -> Response {
    answer::refusal(StatusCode::BAD_REQUEST, None, &Refusal::new(code, message))
}
