//! Waiting for the user: a call that is held until its connections land, the user says no, or time is up.
//!
//! The wait costs a subscription and nothing else: no lock, no polling. Signals are hints; how a flow stands is read anew.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::{
    base::id::FlowId,
    connect::{Offer, Outcome, flow::Why},
    gateway::{admit::Need, view::Tool},
    protocol::{jsonrpc, mcp::object},
    store::{StoreError, table::Change},
};

use super::{
    McpFace,
    answer::{Answer, Ending, Messages, Refusal, Said},
    call,
    client::Client,
    elicitation,
    serve::{self, OwnedRequest},
    session::SessionKey,
    state::Action,
};

/// Longer ids are none of ours.
const LONGEST_ID: usize = 64;

/// The record of an in-band elicitation: what the client said to it, once it did.
#[derive(Debug, Serialize, Deserialize)]
pub struct Word {
    action: Option<Action>,
}

/// A connection that a call waits for.
pub struct Awaited {
    /// What is missing.
    pub need: Need,
    /// The flow whose link the user was shown.
    pub flow: FlowId,
    /// The id of our own request that asked for it, if it was asked in-band.
    pub ask: Option<String>,
}

/// Draws the id of an in-band elicitation and makes the record that waits for its answer, so that only what was asked can be
/// answered.
///
/// # Errors
/// When the store cannot be written.
pub async fn expect_word(
    face: &McpFace,
    session: &SessionKey,
    offer: &Offer,
) -> Result<String, StoreError> {
    let id = face.entropy.handle();
    let unsaid = Word { action: None };
    face.elicited()
        .create(&key(session, &id), &unsaid, Some(offer.expires))
        .await?;
    Ok(id)
}

/// Takes in what a legacy client answered to one of our requests. The first word counts; what nobody asked changes nothing.
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
    let id = id
        .and_then(object::text)
        .filter(|id| id.len() <= LONGEST_ID);
    let (Some(session), Some(id)) = (&client.session, id) else {
        return;
    };
    let action = match outcome {
        jsonrpc::Outcome::Result(result) => serde_json::from_str::<Result>(result.get())
            .map_or(Action::Cancel, |result| result.action),
        // A client that cannot show the request says so with an error: the same as being asked and closing the question.
        jsonrpc::Outcome::Error(_) => Action::Cancel,
    };
    let key = key(session, &id);
    let heard = face.elicited().update(&key, |word: Word| {
        Ok::<_, StoreError>(match word.action {
            None => Change::Keep(Word {
                action: Some(action),
            }),
            Some(_) => Change::Leave(word),
        })
    });
    match heard.await {
        Ok(Some(_)) => face.signals.raise(&elicited_topic(session)),
        Ok(None) => {}
        Err(error) => {
            tracing::error!(%error, "a client's answer to an elicitation could not be kept");
        }
    }
}

fn key(session: &SessionKey, id: &str) -> String {
    format!("{}/{id}", session.as_str())
}

fn elicited_topic(session: &SessionKey) -> String {
    format!("elicited/{}", session.as_str())
}

/// Says nothing until the connections land, the user says no, or `hold` is over; then the call's own answer.
pub fn wait(
    face: McpFace,
    request: OwnedRequest,
    tool: Arc<Tool>,
    awaited: Vec<Awaited>,
    hold: Duration,
) -> Messages {
    let waited = async move {
        let ended = landed(&face, &request, &awaited, hold).await;
        forget_words(&face, &request, &awaited).await;
        let id = request.id.clone();
        if let Err(refusal) = still_allowed(&face, &request, &tool).await {
            return one(Ending::from(refusal).body(&id));
        }
        let Some(borrowed) = request.borrow() else {
            return one(Ending::from(Refusal::internal()).body(&id));
        };
        let answer = match ended {
            Ended::Left => return stream::empty().boxed(),
            Ended::Landed => call::again(&face, borrowed, tool).await,
            Ended::No(words) => Answer::Ready(elicitation::error(&borrowed, &words)),
            Ended::NotYet => {
                let needs: Vec<_> = awaited.into_iter().map(|awaited| awaited.need).collect();
                let before = "The connection has not been made yet. ";
                Answer::Ready(elicitation::in_words(&face, &borrowed, &tool, &needs, before).await)
            }
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

/// A wait may be long, and what let the call in may be gone at its end. What is called then is as it was at its beginning.
async fn still_allowed(face: &McpFace, request: &OwnedRequest, tool: &Tool) -> Result<(), Refusal> {
    let (config, principal) = (face.config.now(), &request.principal);
    let renewed = face.access.renewed(&request.config, &config, principal);
    let renewed = renewed.await.map_err(|error| {
        tracing::error!(%error, user = ?principal.user(), "a held call was ended: whether its user may still make it could not be looked up");
        Refusal::internal()
    })?;
    let gateway = serve::gateway(&config, principal);
    let allowed = renewed
        .zip(gateway)
        .is_some_and(|(principal, gateway)| tool.is_for(gateway, principal.rights()));
    allowed
        .then_some(())
        .ok_or_else(|| call::unknown(&tool.name))
}

enum Ended {
    /// The client went away; nobody is there to call the tool for.
    Left,
    Landed,
    No(String),
    NotYet,
}

async fn landed(
    face: &McpFace,
    request: &OwnedRequest,
    awaited: &[Awaited],
    hold: Duration,
) -> Ended {
    let deadline = Instant::now() + hold;
    let connected = format!("connected/{}", request.principal.user_key());
    let mut topics = vec![connected];
    topics.extend(request.client.session.as_ref().map(elicited_topic));
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    // Subscribed before the first look, so that nothing that lands in between is missed.
    let mut signal = face.signals.subscribe_many(&topics);
    loop {
        match settled(face, request, awaited).await {
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
            () = left(request) => return Ended::Left,
        }
    }
}

/// Returns when the client will not hear the answer. Disconnecting cancels no call in the legacy revisions, but this one has not
/// begun, and would begin at some later moment for nobody.
async fn left(request: &OwnedRequest) {
    match &request.listener {
        Some(listener) => listener.closed().await,
        None => std::future::pending().await,
    }
}

async fn settled(
    face: &McpFace,
    request: &OwnedRequest,
    awaited: &[Awaited],
) -> Result<Option<Ended>, StoreError> {
    let mut open = false;
    for Awaited { need, flow, ask } in awaited {
        match face.connect.outcome(flow).await? {
            Some(Outcome::Completed) => {}
            Some(Outcome::Open) => open = true,
            Some(Outcome::Failed(why)) => return Ok(Some(Ended::No(failed(&why, &need.title)))),
            Some(Outcome::Expired) | None => {
                return Ok(Some(Ended::No(format!(
                    "The link to connect {} has expired. Call the tool again for a new one.",
                    need.title
                ))));
            }
        }
        if let (Some(session), Some(id)) = (&request.client.session, ask) {
            let word = face.elicited().get(&key(session, id)).await?;
            let said = word.and_then(|word| word.value.action);
            if said.is_some_and(|action| action != Action::Accept) {
                return Ok(Some(Ended::No(format!(
                    "The user did not want to connect {}.",
                    need.title
                ))));
            }
        }
    }
    Ok((!open).then_some(Ended::Landed))
}

/// Once a call has ended, an answer to what it asked is an answer to nothing. What stays behind expires with the link.
async fn forget_words(face: &McpFace, request: &OwnedRequest, awaited: &[Awaited]) {
    let Some(session) = &request.client.session else {
        return;
    };
    for id in awaited.iter().filter_map(|awaited| awaited.ask.as_ref()) {
        if let Err(error) = face.elicited().take(&key(session, id)).await {
            tracing::debug!(%error, "the record of an elicitation stays until its link expires");
        }
    }
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
        Why::OtherPerson => format!(
            "The connection to {provider} was not made: another person came than the one this client works for. Call the tool again for a new link."
        ),
        Why::Interrupted => format!(
            "The connection to {provider} was interrupted. Call the tool again to try once more."
        ),
        Why::TooMany => format!(
            "The connection to {provider} was not made: the user has too many accounts there. The user has to disconnect one first."
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
