//! Streams that outlive one question: `subscriptions/listen` of 2026-07-28, and the GET stream of legacy sessions.
//!
//! Both tell when the tools of this principal change; the GET stream also tells the session that asked when a connection
//! landed (`notifications/elicitation/complete`, 2025-11-25), exactly once, whichever replica it is connected to.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use axum::response::Response;
use futures_util::{StreamExt, stream};
use http::StatusCode;
use serde_json::{json, value::RawValue};

use crate::{
    config::Config,
    gateway::{access::Principal, view::View},
    protocol::{
        jsonrpc::code,
        mcp::{meta, object::ObjectWriter, revision::Revision},
        members::Members,
    },
    store::signal::Waiter,
};

use super::{
    McpFace,
    answer::{self, Answer, Messages, Refusal, Said},
    endpoint::Knock,
    legacy, modern,
    seats::Seat,
    serve::{self, Request},
    session::SessionKey,
};

/// Upstreams do not all say when their tools change; this often we look, at lists that are cached.
const LOOK: Duration = Duration::from_secs(30);

/// Opens a `subscriptions/listen` stream.
pub fn subscribe(face: &McpFace, request: &Request<'_>) -> Answer {
    let Some(filter) = request
        .params
        .get("notifications")
        .and_then(|filter| Members::of(filter).ok())
    else {
        return Refusal::invalid_params("subscriptions/listen needs params.notifications").into();
    };
    let Some(seat) = face.seats().take(request.principal.user_key()) else {
        return Refusal::too_many_streams().into();
    };
    let tools = filter
        .get("toolsListChanged")
        .is_some_and(|wanted| wanted.get() == "true");
    let honoured = if tools {
        json!({ "toolsListChanged": true })
    } else {
        json!({})
    };
    let mut acknowledged = Vec::new();
    let mut writer = notification(
        &mut acknowledged,
        "notifications/subscriptions/acknowledged",
    );
    let mut params = ObjectWriter::open(writer.key("params"));
    tag(&mut params, request.id);
    params.value("notifications", &honoured);
    params.close();
    writer.close();
    let listening = Listening {
        subscription: Some(request.id.to_owned()),
        tools,
        ..Listening::new(face, request.config, request.principal, None, seat)
    };
    let end = Said::Last(closing(request));
    Answer::Stream(
        stream::iter([Said::More(acknowledged)])
            .chain(listening.messages())
            .chain(stream::iter([end]))
            .boxed(),
    )
}

/// `GET /mcp/{gateway}`: the stream of a legacy session.
pub fn get(face: &McpFace, knock: &Knock<'_>) -> Response {
    let accepts = modern::header(knock.headers, "accept")
        .is_some_and(|accept| accept.contains("text/event-stream"));
    if !accepts {
        let refusal = Refusal::new(
            code::INVALID_REQUEST,
            "a GET here must accept text/event-stream",
        );
        return answer::refusal(StatusCode::NOT_ACCEPTABLE, None, &refusal);
    }
    if modern::header(knock.headers, "mcp-protocol-version") == Some(Revision::V2026_07_28.as_str())
    {
        let refusal = Refusal::new(
            code::INVALID_REQUEST,
            "2026-07-28 has no GET stream; use subscriptions/listen",
        );
        return answer::refusal(StatusCode::METHOD_NOT_ALLOWED, None, &refusal);
    }
    match legacy::client(face, knock) {
        Err(stranger) => stranger.response(),
        Ok(client) => {
            let Some(seat) = face.seats().take(knock.principal.user_key()) else {
                let refusal = Refusal::too_many_streams();
                return answer::refusal(StatusCode::TOO_MANY_REQUESTS, None, &refusal);
            };
            let (config, principal) = (knock.config, knock.principal);
            let listening = Listening {
                tools: true,
                ..Listening::new(face, config, principal, client.session, seat)
            };
            answer::events(listening.messages().boxed())
        }
    }
}

struct Listening {
    face: McpFace,
    config: Arc<Config>,
    principal: Principal,
    session: Option<SessionKey>,
    subscription: Option<Box<RawValue>>,
    tools: bool,
    signal: Waiter,
    seen: Option<Arc<View>>,
    queue: VecDeque<Vec<u8>>,
    _seat: Seat,
}

impl Listening {
    fn new(
        face: &McpFace,
        config: &Arc<Config>,
        principal: &Principal,
        session: Option<SessionKey>,
        seat: Seat,
    ) -> Self {
        Self {
            signal: face.signals.subscribe_many(&topics(config, principal)),
            face: face.clone(),
            config: Arc::clone(config),
            principal: principal.clone(),
            session,
            subscription: None,
            tools: false,
            seen: None,
            queue: VecDeque::new(),
            _seat: seat,
        }
    }

    /// What there is to say, until we stop.
    fn messages(self) -> Messages {
        stream::unfold(self, |mut listening| async move {
            loop {
                if let Some(message) = listening.queue.pop_front() {
                    return Some((Said::More(message), listening));
                }
                if !listening.keep_up().await {
                    return None;
                }
                listening.look().await;
                if listening.queue.is_empty() {
                    let stopping = listening.face.stopping.clone();
                    tokio::select! {
                        () = stopping.cancelled() => return None,
                        () = listening.signal.wait() => {}
                        () = tokio::time::sleep(LOOK) => {}
                        () = listening.face.config.replaced(listening.config.edition) => {}
                    }
                }
            }
        })
        .boxed()
    }

    /// Takes over the configuration in force and what its user may use; `false` if the stream would not be opened now.
    async fn keep_up(&mut self) -> bool {
        let config = self.face.config.now();
        let renewed = self
            .face
            .access
            .renewed(&self.config, &config, &self.principal);
        let principal = match renewed.await {
            Ok(Some(principal)) => principal,
            Ok(None) => return false,
            Err(error) => {
                tracing::error!(%error, user = ?self.principal.user(), "a stream was ended: whether its user may still have it could not be looked up");
                return false;
            }
        };
        if config.edition != self.config.edition {
            let topics = topics(&config, &principal);
            self.signal = self.face.signals.subscribe_many(&topics);
        }
        (self.config, self.principal) = (config, principal);
        true
    }

    async fn look(&mut self) {
        if let Some(session) = &self.session {
            match self.face.connect.landed(session.as_str()).await {
                Ok(flows) => self.queue.extend(flows.iter().map(|flow| {
                    let message = json!({
                        "jsonrpc": "2.0",
                        "method": "notifications/elicitation/complete",
                        "params": { "elicitationId": flow.as_str() },
                    });
                    message.to_string().into_bytes()
                })),
                Err(error) => tracing::error!(%error, "a session could not be told what landed"),
            }
        }
        if self.tools {
            let listed = self.face.gateways.list(&self.config, &self.principal);
            let Some(view) = listed.await else { return };
            let changed = self.seen.as_ref().is_some_and(|seen| {
                !Arc::ptr_eq(seen, &view)
                    && seen.listing(Revision::V2026_07_28) != view.listing(Revision::V2026_07_28)
            });
            self.seen = Some(view);
            if changed {
                self.queue.push_back(self.list_changed());
            }
        }
    }

    fn list_changed(&self) -> Vec<u8> {
        let mut message = Vec::new();
        let mut writer = notification(&mut message, "notifications/tools/list_changed");
        if let Some(subscription) = &self.subscription {
            let mut params = ObjectWriter::open(writer.key("params"));
            tag(&mut params, subscription);
            params.close();
        }
        writer.close();
        message
    }
}

/// When to look again: the user's own tools or connections changed, those of an upstream, or what let them in was revoked.
fn topics(config: &Config, principal: &Principal) -> Vec<String> {
    let user = principal.user_key();
    let upstreams = serve::gateway(config, principal).map(|gateway| &gateway.upstreams);
    let mut topics = vec![format!("tools/{user}"), format!("connected/{user}")];
    topics.extend(principal.revoked_topic());
    topics.extend(
        upstreams
            .into_iter()
            .flatten()
            .map(|upstream| format!("tools/upstream/{upstream}")),
    );
    topics
}

fn notification<'b>(buffer: &'b mut Vec<u8>, method: &str) -> ObjectWriter<'b> {
    let mut writer = ObjectWriter::open(buffer);
    writer.value("jsonrpc", "2.0").value("method", method);
    writer
}

/// Every message of a subscription names the request that opened it.
fn tag(params: &mut ObjectWriter<'_>, subscription: &RawValue) {
    let mut meta = ObjectWriter::open(params.key("_meta"));
    meta.raw(meta::SUBSCRIPTION_ID, subscription.get());
    meta.close();
}

/// The response that ends a subscription when we stop.
fn closing(request: &Request<'_>) -> Vec<u8> {
    let dresser = request.dresser();
    let result = dresser.own_with_meta(meta::SUBSCRIPTION_ID, request.id, |_| {});
    answer::Ending::Result(result).body(request.id)
}
