//! One request and the beginning of its answer, over whatever link the upstream has: modern, or a legacy session.
//!
//! An upstream that refuses without looking at the request, because it changed its era or ended the session, is asked once
//! more over a fresh link: nothing was executed. Nothing else is ever sent twice.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::{
    Caller, McpServers, Outcome, Reply,
    answer::{Answer, Content, Refusal},
    body,
    error::UpstreamError,
    http::{self as wire, Patience},
    peer::Peer,
    session::{InFlight, Session},
};
use crate::{
    config::{Era, Upstream},
    protocol::{
        jsonrpc::code,
        mirrored::{self, encode},
    },
};

/// What is asked, in words that suit both eras.
pub(super) struct Ask<'a> {
    pub method: &'static str,
    /// For `Mcp-Name`.
    pub name: Option<&'a str>,
    pub mirrored: &'a [(HeaderName, HeaderValue)],
    pub log_level: Option<&'a str>,
    pub progress: Option<&'a RawValue>,
    /// When the head of the answer must be there.
    pub head: Instant,
    /// When everything must be there.
    pub until: Instant,
    /// Writes the body under the id it gets.
    pub body: &'a (dyn Fn(Era, u64) -> Bytes + Sync),
}

/// Whom a request goes to, for whom, and until when everything must be there.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub peer: &'a Peer,
    pub upstream: &'a Upstream,
    pub caller: &'a Caller,
    pub until: Instant,
}

/// How to talk to an upstream for one caller.
pub(super) enum Link {
    /// Every request stands alone.
    Modern,
    /// Within this session.
    Legacy(Arc<Session>),
}

enum Attempt {
    Answered(Reply),
    /// Refused for what we believed about the upstream; this is what it comes to if it says so again.
    OutOfDate(Doubt, Result<Reply, UpstreamError>),
}

/// In what we may be mistaken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    Era,
    /// The session; if a new one cannot be opened, the era.
    Session,
}

impl McpServers {
    /// Sends `ask` and returns when the upstream begins to answer.
    pub(super) async fn exchange(
        &self,
        upstream: &Upstream,
        caller: &Caller,
        ask: &Ask<'_>,
    ) -> Result<Reply, UpstreamError> {
        let peer = self.peers.of(upstream)?;
        let target = Target {
            peer: &peer,
            upstream,
            caller,
            until: ask.until,
        };
        let answered = self.exchange_with(&target, ask).await;
        match &answered {
            Err(UpstreamError::Unavailable { sent: false, .. }) => {
                peer.health.missed(self.clock.now());
            }
            // A tool may take its time; a list may not.
            Err(UpstreamError::TimedOut) if ask.head < ask.until => {
                peer.health.missed(self.clock.now());
            }
            Err(UpstreamError::TimedOut) => {}
            _ => peer.health.reached(),
        }
        answered
    }

    async fn exchange_with(
        &self,
        target: &Target<'_>,
        ask: &Ask<'_>,
    ) -> Result<Reply, UpstreamError> {
        let link = self.link(target).await.map_err(beforehand)?;
        let (doubt, refused) = match self.attempt(target, &link, ask).await? {
            Attempt::Answered(reply) => return Ok(reply),
            Attempt::OutOfDate(doubt, refused) => (doubt, refused),
        };
        match (doubt, &link) {
            (Doubt::Session, Link::Legacy(session)) => self.sessions.forget(session).await,
            (Doubt::Era | Doubt::Session, _) => {
                let named = target.upstream.era.is_some();
                if named || !target.peer.forget(self.clock.now()) {
                    return refused;
                }
            }
        }
        let link = self.link(target).await.map_err(beforehand)?;
        match self.attempt(target, &link, ask).await? {
            Attempt::Answered(reply) => Ok(reply),
            Attempt::OutOfDate(_, refused) => refused,
        }
    }

    async fn attempt(
        &self,
        target: &Target<'_>,
        link: &Link,
        ask: &Ask<'_>,
    ) -> Result<Attempt, UpstreamError> {
        let id = self.id();
        let (era, headers, mut flight) = self.prepare(target, link, ask, id).await?;
        let patience = Patience {
            connect: target.upstream.connect_timeout,
            head: ask.head,
        };
        let answer = self.post(target, headers, (ask.body)(era, id), patience);
        let answer = answer.await.inspect_err(|error| {
            if error.nothing_was_executed()
                && let Some(flight) = &mut flight
            {
                flight.done();
            }
        })?;
        let reply = Reply::new(id, ask.until, ask.progress, flight);
        match answer.content {
            Content::Stream(stream) => {
                let reply = reply.stream(stream, target.upstream.max_response_bytes);
                Ok(Attempt::Answered(reply))
            }
            Content::Message(bytes) => Ok(answered(Outcome::read(&bytes, id)?, era, reply)),
            Content::Nothing => Err(UpstreamError::protocol(
                "it accepted a request without answering it",
            )),
            Content::Refusal(refusal) => refused(refusal, era, reply, id),
        }
    }

    /// What goes with the body: the headers of the link, and in a session the promise to cancel.
    async fn prepare(
        &self,
        target: &Target<'_>,
        link: &Link,
        ask: &Ask<'_>,
        id: u64,
    ) -> Result<(Era, HeaderMap, Option<InFlight>), UpstreamError> {
        let mut headers = wire::headers(target.upstream, target.caller)?;
        match link {
            Link::Modern => {
                stand_alone(&mut headers, ask);
                Ok((Era::Modern, headers, None))
            }
            Link::Legacy(session) => {
                session.mark(&mut headers);
                if let Some(level) = ask.log_level {
                    session.set_level(level, self.id(), &headers).await;
                }
                let flight = InFlight::begin(session, id, headers.clone());
                Ok((Era::Legacy, headers, Some(flight)))
            }
        }
    }

    /// One POST, until the kind of its answer is known.
    pub(super) async fn post(
        &self,
        target: &Target<'_>,
        headers: HeaderMap,
        body: Bytes,
        patience: Patience,
    ) -> Result<Answer, UpstreamError> {
        let uri = &target.peer.uri;
        let sent = self.http.send(Method::POST, uri, headers, body, patience);
        Answer::read(
            sent.await?,
            target.upstream.max_response_bytes,
            target.until,
        )
        .await
    }
}

/// Whatever went wrong with a handshake, the request itself was not sent.
fn beforehand(error: UpstreamError) -> UpstreamError {
    match error {
        UpstreamError::TimedOut => {
            UpstreamError::unreachable("it did not answer a handshake in time")
        }
        UpstreamError::Unavailable {
            why, retry_after, ..
        } => UpstreamError::Unavailable {
            why,
            sent: false,
            retry_after,
        },
        error => error,
    }
}

/// The headers by which a modern request stands alone.
fn stand_alone(headers: &mut HeaderMap, ask: &Ask<'_>) {
    for (name, value) in ask.mirrored {
        headers.insert(name.clone(), value.clone());
    }
    headers.insert(mirrored::VERSION, HeaderValue::from_static(body::MODERN));
    headers.insert(mirrored::METHOD, HeaderValue::from_static(ask.method));
    if let Some(name) = ask.name {
        headers.insert(mirrored::NAME, encode(name));
    }
}

fn answered(outcome: Outcome, era: Era, reply: Reply) -> Attempt {
    let code = outcome.code();
    let reply = reply.ready(outcome);
    if era == Era::Modern && code == Some(code::UNSUPPORTED_PROTOCOL_VERSION) {
        Attempt::OutOfDate(Doubt::Era, Ok(reply))
    } else {
        Attempt::Answered(reply)
    }
}

fn refused(refusal: Refusal, era: Era, reply: Reply, id: u64) -> Result<Attempt, UpstreamError> {
    let status = refusal.status;
    let said = Outcome::read(&refusal.body, id)
        .ok()
        .filter(|outcome| outcome.code().is_some());
    let code = said.as_ref().and_then(Outcome::code);
    let settled = match said {
        Some(outcome) => Ok(reply.ready(outcome)),
        None => {
            // Only to end what is in flight: the upstream has answered.
            drop(reply.ready(Outcome::none()));
            Err(refusal.into_error())
        }
    };
    match doubt(era, status, code) {
        Some(doubt) => Ok(Attempt::OutOfDate(doubt, settled)),
        None => settled.map(Attempt::Answered),
    }
}

/// What a refusal makes us doubt: nothing, if it is about the request itself.
fn doubt(era: Era, status: StatusCode, code: Option<i64>) -> Option<Doubt> {
    /// What the TypeScript SDK sends when it misses a session.
    const NO_SESSION: i64 = -32000;
    let unclear = matches!(code, None | Some(NO_SESSION | code::INVALID_REQUEST));
    let another_version = code == Some(code::UNSUPPORTED_PROTOCOL_VERSION);
    match (era, status) {
        (Era::Modern, StatusCode::BAD_REQUEST) => {
            (unclear || another_version).then_some(Doubt::Era)
        }
        (Era::Modern, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) => {
            (unclear || another_version || code == Some(code::METHOD_NOT_FOUND))
                .then_some(Doubt::Era)
        }
        (Era::Legacy, StatusCode::NOT_FOUND) => Some(Doubt::Session),
        (Era::Legacy, StatusCode::BAD_REQUEST) if unclear => Some(Doubt::Session),
        // A modern server misses its `_meta` or its headers; a legacy one has something else to say, and keeps its session.
        (Era::Legacy, StatusCode::BAD_REQUEST) => (another_version
            || matches!(code, Some(code::HEADER_MISMATCH | code::INVALID_PARAMS)))
        .then_some(Doubt::Era),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_the_link_are_told_from_refusals_of_the_request() {
        use Era::{Legacy, Modern};
        for (era, status, code, expected) in [
            (Modern, 400, None, Some(Doubt::Era)),
            (
                Modern,
                400,
                Some(code::UNSUPPORTED_PROTOCOL_VERSION),
                Some(Doubt::Era),
            ),
            (Modern, 400, Some(code::HEADER_MISMATCH), None),
            (Modern, 400, Some(code::INVALID_PARAMS), None),
            (Modern, 400, Some(code::METHOD_NOT_FOUND), None),
            (Modern, 404, Some(code::METHOD_NOT_FOUND), Some(Doubt::Era)),
            (Modern, 405, None, Some(Doubt::Era)),
            (Modern, 500, None, None),
            (Legacy, 404, Some(-32001), Some(Doubt::Session)),
            (Legacy, 400, Some(-32000), Some(Doubt::Session)),
            (Legacy, 400, Some(code::INVALID_PARAMS), Some(Doubt::Era)),
            (Legacy, 400, Some(code::INTERNAL_ERROR), None),
            (Legacy, 429, None, None),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(
                doubt(era, status, code),
                expected,
                "{era:?} {status} {code:?}"
            );
        }
    }
}
