//! Waiting for the user: a call that is held until its connections land, the user says no, or time is up.
//!
//! The wait costs a subscription and nothing else: no lock, no polling. Signals are hints; how a flow stands is read anew.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::{
    base::{clock::Span, id::FlowId},
    connect::{Offer, Outcome, flow::Why},
    gateway::view::Tool,
    protocol::{jsonrpc, mcp::object},
    store::StoreError,
};

use super::{
    McpFace,
    answer::{Answer, Ending, Messages, Refusal, Said},
    call,
    client::Client,
    elicitation,
    serve::OwnedRequest,
    session::SessionKey,
    state::Action,
};

/// How long a client's word on an in-band elicitation is kept for the call that waits for it.
const WORD_KEPT: Span = Span::from_mins(5);

/// A record of what a client said to an in-band elicitation.
#[derive(Debug, Serialize, Deserialize)]
pub struct Word {
    action: Action,
}

/// Takes in what a legacy client answered to one of our requests.
pub async fn answered(
    face: &McpFace,
    client: &Client,
    id: Option<&RawValue>,
    outcome: &jsonrpc::Outcome<'_>,
) {
    #[derive(Deserialize)]
    struct Result {
        action: Action,
    }
    let flow = id.and_then(object::text).and_then(|id| FlowId::parse(&id));
    let (Some(session), Some(flow)) = (&client.session, flow) else {
        return;
    };
    // What nobody asked is not kept.
    if !matches!(face.connect.outcome(&flow).await, Ok(Some(Outcome::Open))) {
        return;
    }
    let action = match outcome {
        jsonrpc::Outcome::Result(result) => serde_json::from_str::<Result>(result.get())
            .map_or(Action::Cancel, |result| result.action),
        // A client that cannot show the request says so with an error: the same as being asked and closing the question.
        jsonrpc::Outcome::Error(_) => Action::Cancel,
    };
    let key = format!("{}/{flow}", session.as_str());
    let expires = face.clock.now() + WORD_KEPT;
    if let Err(error) = face
        .elicited()
        .create(&key, &Word { action }, Some(expires))
        .await
    {
        tracing::error!(%error, "a client's answer to an elicitation could not be kept");
    }
    face.signals.raise(&elicited_topic(session));
}

fn elicited_topic(session: &SessionKey) -> String {
    format!("elicited/{}", session.as_str())
}

/// Says nothing until the connections land, the user says no, or `hold` is over; then the call's own answer.
pub fn wait(
    face: McpFace,
    request: OwnedRequest,
    tool: Arc<Tool>,
    offers: Vec<Offer>,
    hold: Duration,
) -> Messages {
    let waited = async move {
        let ended = landed(&face, &request, &offers, hold).await;
        let id = request.id.clone();
        let Some(borrowed) = request.borrow() else {
            return one(Ending::from(Refusal::internal()).body(&id));
        };
        let answer = match ended {
            Ended::Landed => call::again(&face, borrowed, tool).await,
            Ended::No(words) => Answer::Ready(elicitation::error(&face, &borrowed, &words)),
            Ended::NotYet => Answer::Ready(elicitation::text(
                &face,
                &borrowed,
                &tool,
                &offers,
                "The connection has not been made yet. ",
            )),
        };
        match answer {
            Answer::Ready(ending) => one(ending.body(&id)),
            Answer::Stream(messages) => messages,
        }
    };
    stream::once(waited).flatten().boxed()
}

fn one(response: Vec<u8>) -> Messages {
    stream::iter([Said::Last(response)]).boxed()
}

enum Ended {
    Landed,
    No(String),
    NotYet,
}

async fn landed(face: &McpFace, request: &OwnedRequest, offers: &[Offer], hold: Duration) -> Ended {
    let deadline = Instant::now() + hold;
    let connected = format!("connected/{}", request.principal.user_key());
    let mut topics = vec![connected];
    topics.extend(request.client.session.as_ref().map(elicited_topic));
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    // Subscribed before the first look, so that nothing that lands in between is missed.
    let mut signal = face.signals.subscribe_many(&topics);
    loop {
        match settled(face, request, offers).await {
            Ok(Some(ended)) => return ended,
            Ok(None) => {}
            Err(error) => {
                tracing::error!(%error, "a held call could not look whether its connection landed")
            }
        }
        tokio::select! {
            () = signal.wait() => {}
            () = tokio::time::sleep_until(deadline) => return Ended::NotYet,
            () = face.stopping.cancelled() => return Ended::NotYet,
        }
    }
}

async fn settled(
    face: &McpFace,
    request: &OwnedRequest,
    offers: &[Offer],
) -> Result<Option<Ended>, StoreError> {
    let mut open = false;
    for offer in offers {
        match face.connect.outcome(&offer.flow).await? {
            Some(Outcome::Completed) => {}
            Some(Outcome::Open) => open = true,
            Some(Outcome::Failed(why)) => return Ok(Some(Ended::No(failed(&why, &offer.title)))),
            Some(Outcome::Expired) | None => {
                return Ok(Some(Ended::No(format!(
                    "The link to connect {} has expired. Call the tool again for a new one.",
                    offer.title
                ))));
            }
        }
        if let Some(session) = &request.client.session {
            let key = format!("{}/{}", session.as_str(), offer.flow);
            if let Some(said) = face.elicited().take(&key).await?
                && said.action != Action::Accept
            {
                return Ok(Some(Ended::No(format!(
                    "The user did not want to connect {}.",
                    offer.title
                ))));
            }
        }
    }
    Ok((!open).then_some(Ended::Landed))
}

/// How a flow that ended badly is told to the client: what the person may do next, nothing of the provider's words.
fn failed(why: &Why, provider: &str) -> String {
    match why {
        Why::Declined => format!(
            "The user declined to connect {provider}. Do not ask again unless the user wants to."
        ),
        Why::Denied => format!(
            "Access was denied at {provider}. Call the tool again if the user wants to try once more."
        ),
        Why::ProviderError { reference, .. }
        | Why::CodeRefused { reference }
        | Why::Unavailable { reference } => {
            format!(
                "{provider} did not complete the connection (reference {reference}). Call the tool again to try once more."
            )
        }
        Why::WrongIssuer { reference }
        | Why::Misconfigured { reference }
        | Why::Fault { reference } => {
            format!(
                "{provider} could not be connected; the gateway's operator has to look at it (reference {reference})."
            )
        }
    }
}
