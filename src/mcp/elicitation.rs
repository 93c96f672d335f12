//! Asking the user for what a call lacks, in the way this client understands: the only file that knows how that differs.
//!
//! | client | gets |
//! |---|---|
//! | 2026-07-28 with `elicitation.url` | an input-required result; the retry is held until the connections land |
//! | 2025-11-25 with `elicitation.url` | error -32042, and the complete notification later; or in-band `elicitation/create` |
//! | anyone else | a tool result with the link in its text |
//!
//! A retry is never answered with a second input-required result: SDK drivers spin through their rounds within a second.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::{StreamExt, future::try_join_all, stream};
use serde_json::{Value, json};

use crate::{
    base::id::{FlowId, ProviderName},
    config::{AskBy, Era},
    connect::{self, Ask, ConnectError, Offer, flow::Asker},
    gateway::access::Voucher,
    gateway::{admit::Need, view::Tool},
    protocol::{jsonrpc::code, mcp::revision::Revision},
};

use super::{
    McpFace,
    answer::{Answer, Ending, Refusal, Said},
    call,
    hold::{self, Awaited},
    serve::Request,
    state::{self, Action, Waiting},
};

/// The `_meta` key under which programs find what the text says to people.
const MARKER: &str = "dev.anteroom/authorization-required";

/// Asks for everything `needs` names. For calls nobody was asked about yet; see [`resume`].
pub async fn ask(
    face: &McpFace,
    request: &Request<'_>,
    tool: &Arc<Tool>,
    needs: &[Need],
) -> Answer {
    let offers = match offer_all(face, request, needs).await {
        Ok(offers) => offers,
        Err(ending) => return Answer::Ready(ending),
    };
    match way(request) {
        Way::InputRequired => input_required(face, request, tool, &offers),
        Way::Error => url_elicitation_required(&offers),
        Way::InBand => in_band(face, request, tool, needs, offers).await,
        Way::Text => Answer::Ready(text(request, tool, &offers, "")),
    }
}

/// Gives the links for everything `needs` names in words, whatever the client could do: it was asked something already. `before`
/// precedes them.
pub async fn in_words(
    face: &McpFace,
    request: &Request<'_>,
    tool: &Tool,
    needs: &[Need],
    before: &str,
) -> Ending {
    match offer_all(face, request, needs).await {
        Ok(offers) => text(request, tool, &offers, before),
        Err(ending) => ending,
    }
}

/// How this client is to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    InputRequired,
    Error,
    InBand,
    Text,
}

/// By declared capability, unless the table of misdeclaring clients says otherwise.
fn way(request: &Request<'_>) -> Way {
    let client = &request.client;
    let era = if client.revision.is_modern() {
        Era::Modern
    } else {
        Era::Legacy
    };
    let asked = request
        .config
        .elicitation
        .ask(client.name.as_deref().unwrap_or_default(), era);
    let declared = if client.url_elicitation {
        AskBy::Url
    } else {
        AskBy::Text
    };
    match (asked.unwrap_or(declared), client.revision) {
        (AskBy::Url | AskBy::UrlInBand, Revision::V2026_07_28) => Way::InputRequired,
        (AskBy::Url, Revision::V2025_11_25) => Way::Error,
        (AskBy::UrlInBand, Revision::V2025_11_25) if client.session.is_some() => Way::InBand,
        (AskBy::UrlInBand, Revision::V2025_11_25) => Way::Error,
        (AskBy::Text, _) | (_, Revision::V2025_06_18 | Revision::V2025_03_26) => Way::Text,
    }
}

async fn offer_all(
    face: &McpFace,
    request: &Request<'_>,
    needs: &[Need],
) -> Result<Vec<Offer>, Ending> {
    let asker = asker(request);
    let ending = connect::Ending::default();
    let offers = needs.iter().map(|need| {
        face.connect.offer(Ask {
            user: request.principal.user(),
            asker: &asker,
            gateway: Some(request.principal.gateway()),
            provider: &need.provider,
            config: &request.config.providers[&need.provider],
            slot: &need.slot,
            scopes: &need.scopes,
            ending: &ending,
            notify: request
                .client
                .session
                .as_ref()
                .map(|session| session.as_str()),
        })
    });
    try_join_all(offers)
        .await
        .map_err(|error| not_offered(request, &error))
}

fn not_offered(request: &Request<'_>, why: &ConnectError) -> Ending {
    tracing::warn!(error = %why, user = ?request.principal.user(), "a connection could not be offered");
    let words = match why {
        ConnectError::TooMany(_) => why.to_string(),
        ConnectError::Store(_) => {
            "The gateway cannot ask for the account this tool needs right now; try again later."
                .to_owned()
        }
    };
    error(request, &words)
}

fn input_required(face: &McpFace, request: &Request<'_>, tool: &Tool, offers: &[Offer]) -> Answer {
    let flows = offers
        .iter()
        .map(|offer| (key(&offer.provider), offer.flow.clone()))
        .collect();
    let state = state::seal(face, request, &tool.name, Waiting::Connections(flows));
    let inputs: BTreeMap<_, _> = offers
        .iter()
        .map(|offer| {
            let params = json!({ "mode": "url", "url": offer.url, "message": message(offer) });
            (
                key(&offer.provider),
                json!({ "method": "elicitation/create", "params": params }),
            )
        })
        .collect();
    let dresser = request.dresser();
    Answer::Ready(Ending::Result(dresser.own_as("input_required", |result| {
        result
            .value("inputRequests", &inputs)
            .value("requestState", &state);
    })))
}

fn url_elicitation_required(offers: &[Offer]) -> Answer {
    let elicitations: Vec<_> = offers.iter().map(url_request).collect();
    Refusal {
        data: Some(json!({ "elicitations": elicitations })),
        ..Refusal::new(code::URL_ELICITATION_REQUIRED, "This tool needs accounts that are not connected yet. Open each link, then call the tool again.")
    }
    .into()
}

fn url_request(offer: &Offer) -> Value {
    json!({ "mode": "url", "elicitationId": offer.flow.as_str(), "url": offer.url, "message": message(offer) })
}

/// The link for clients that show a tool's text and nothing else. `before` precedes it.
fn text(request: &Request<'_>, tool: &Tool, offers: &[Offer], before: &str) -> Ending {
    let mut words = before.to_owned();
    for offer in offers {
        words.push_str(&format!(
            "To connect {}, the user has to open this link in a browser:\n{}\n",
            offer.title, offer.url
        ));
    }
    words.push_str("Then call the tool again.");
    let connections: Vec<_> = offers
        .iter()
        .map(|offer| json!({ "provider": offer.provider, "scopes": offer.scopes, "authorization_url": offer.url, "expires_at": offer.expires }))
        .collect();
    let first = offers.first().map(|offer| &offer.url);
    let structured =
        json!({ "authorization_url": first, "message": words, "connections": connections });
    let dresser = request.dresser();
    Ending::Result(dresser.own_with_meta(MARKER, &structured, |result| {
        result
            .value("content", &[json!({ "type": "text", "text": words })])
            .value("isError", &true);
        if !call::has_output_schema(tool) {
            // Clients check structured content against the tool's schema, also in errors, and would drop the link.
            result.value("structuredContent", &structured);
        }
    }))
}

/// A retry: the user was asked, by the links of `flows`. Decline and cancel are final; otherwise the answer waits for those
/// flows, and one that has ended meanwhile is answered at once.
pub fn resume(
    face: &McpFace,
    request: &Request<'_>,
    tool: &Arc<Tool>,
    needs: Vec<Need>,
    flows: &BTreeMap<String, FlowId>,
) -> Answer {
    let responses = match state::responses(request) {
        Ok(responses) => responses,
        Err(refusal) => return refusal.into(),
    };
    let said_no = flows.keys().find_map(|key| {
        responses
            .get(key)
            .filter(|action| **action != Action::Accept)
    });
    if let Some(action) = said_no {
        let words = match action {
            Action::Decline => {
                "The user declined to connect the account this tool needs. Do not ask again unless the user wants to."
            }
            Action::Cancel | Action::Accept => {
                "The user closed the question without connecting the account this tool needs. The tool can be called again later."
            }
        };
        return Answer::Ready(error(request, words));
    }
    let awaited = needs
        .into_iter()
        .filter_map(|need| {
            let flow = flows.get(&key(&need.provider))?.clone();
            Some(Awaited {
                need,
                flow,
                ask: None,
            })
        })
        .collect();
    let hold = request.config.elicitation.hold;
    Answer::Stream(hold::wait(
        face.clone(),
        request.to_owned(),
        Arc::clone(tool),
        awaited,
        hold,
    ))
}

/// `elicitation/create` inside the call, which then waits for the user (2025-11-25 only).
async fn in_band(
    face: &McpFace,
    request: &Request<'_>,
    tool: &Arc<Tool>,
    needs: &[Need],
    offers: Vec<Offer>,
) -> Answer {
    let Some(session) = &request.client.session else {
        return url_elicitation_required(&offers);
    };
    let (mut asks, mut awaited) = (Vec::new(), Vec::new());
    for (need, offer) in needs.iter().zip(offers) {
        let id = match hold::expect_word(face, session, &offer).await {
            Ok(id) => id,
            Err(error) => return Answer::Ready(not_offered(request, &error.into())),
        };
        let message = json!({
            "jsonrpc": "2.0", "id": id, "method": "elicitation/create", "params": url_request(&offer),
        });
        asks.push(Said::More(message.to_string().into_bytes()));
        awaited.push(Awaited {
            need: need.clone(),
            flow: offer.flow,
            ask: Some(id),
        });
    }
    let hold = request.config.elicitation.flow_lifetime;
    let wait = hold::wait(
        face.clone(),
        request.to_owned(),
        Arc::clone(tool),
        awaited,
        hold,
    );
    Answer::Stream(stream::iter(asks).chain(wait).boxed())
}

pub(super) fn error(request: &Request<'_>, words: &str) -> Ending {
    let dresser = request.dresser();
    Ending::Result(dresser.tool_error(words))
}

/// The key of an input request. Providers are unique within one call.
fn key(provider: &ProviderName) -> String {
    format!("connect_{provider}")
}

fn message(offer: &Offer) -> String {
    format!(
        "Connect your {} account so that this tool can work for you.",
        offer.title
    )
}

/// Who is shown as the one that asks: what the client calls itself, and on whose word we talk to it.
fn asker(request: &Request<'_>) -> Asker {
    let title = request.client.title.clone();
    match request.principal.voucher() {
        Voucher::ApiKey(key) => {
            let label = title.unwrap_or_else(|| key.to_string());
            Asker {
                key: format!("{key}/{label}"),
                label,
                note: Some(format!("with the API key “{key}”")),
                through: request.principal.through(),
            }
        }
        // The name that the user approved, not what the client calls itself today.
        Voucher::Client(access) => Asker {
            key: access.approved.client_id.clone(),
            label: access.approved.client_name.clone(),
            note: Some("to which you signed in".to_owned()),
            through: request.principal.through(),
        },
    }
}
