//! What an upstream answers to one request, as it comes.

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use http::HeaderValue;
use hyper::body::Incoming;
use serde_json::value::RawValue;
use tokio::time::{Duration, Instant, sleep, timeout, timeout_at};

use super::{error::UpstreamError, http::in_words, session::InFlight};
use crate::protocol::{
    jsonrpc::{self, Message},
    members::Members,
    sse::{Events, Sse, StreamError},
};

/// A legacy upstream may ask us things while it works; more than this within one call is no conversation any more.
const REQUESTS_AT_MOST: usize = 100;
/// How long the end of a stream that has said everything is waited for, so that its connection can be used again.
const DRAIN: Duration = Duration::from_secs(2);
/// Between the end of a legacy stream's connection and the next, unless the upstream says how long (`retry`).
const RETRY: Duration = Duration::from_secs(1);
const RETRY_AT_MOST: Duration = Duration::from_secs(30);
const RETRY_AT_LEAST: Duration = Duration::from_millis(100);
/// Connections in a row that bring nothing.
const RESUMED_IN_VAIN: u32 = 3;

/// The answer to one request. Dropping it before [`Event::Done`] cancels the request in the way of the upstream's era.
pub struct Reply {
    state: State,
    id: u64,
    until: Instant,
    progress: Option<Box<RawValue>>,
    /// Boxed: a modern reply need not carry it about.
    legacy: Option<Box<Legacy>>,
    asked: usize,
    last: Option<LastWord>,
    /// What it makes of the answer, while it does.
    ending: Option<BoxFuture<'static, Outcome>>,
}

/// Looks at an answer before anybody gets it, and says what they get.
pub type LastWord = Box<dyn FnOnce(Outcome) -> BoxFuture<'static, Outcome> + Send>;

/// A request within a session, and where its stream can be taken up again.
struct Legacy {
    flight: InFlight,
    limit: usize,
    last: Option<HeaderValue>,
    retry: Duration,
    in_vain: u32,
}

/// One thing an upstream says.
#[derive(Debug)]
pub enum Event {
    /// Something on the way to the answer.
    Notification {
        /// Such as `notifications/progress`, with the client's own token in it.
        method: String,
        /// As the upstream wrote them; `{}` if it wrote none.
        params: Box<RawValue>,
    },
    /// The answer. Nothing follows.
    Done(Outcome),
}

/// What came of a request at the upstream.
#[derive(Debug)]
pub enum Outcome {
    /// The `result`, an object, as the upstream wrote it.
    Result(Box<RawValue>),
    /// The `error`.
    Error {
        /// Any number; what it means depends on the upstream's era.
        code: i64,
        /// Untrusted words.
        message: String,
        /// As the upstream wrote it.
        data: Option<Box<RawValue>>,
    },
}

enum State {
    Begun,
    Ready(Outcome),
    Stream(Box<Events<Incoming>>),
    Over,
}

impl Reply {
    pub(super) fn new(
        id: u64,
        until: Instant,
        progress: Option<&RawValue>,
        flight: Option<InFlight>,
    ) -> Self {
        Self {
            state: State::Begun,
            id,
            until,
            progress: progress.map(ToOwned::to_owned),
            legacy: flight.map(|flight| Box::new(Legacy::new(flight))),
            asked: 0,
            last: None,
            ending: None,
        }
    }

    /// The whole answer is here.
    pub(super) fn ready(mut self, outcome: Outcome) -> Self {
        self.end();
        self.state = State::Ready(outcome);
        self
    }

    /// The answer comes in `body`.
    pub(super) fn stream(mut self, body: Incoming, limit: usize) -> Self {
        if let Some(legacy) = &mut self.legacy {
            legacy.limit = limit;
        }
        self.state = State::Stream(Box::new(Events::new(body, limit)));
        self
    }

    /// Has `last` look at the answer before it is given out. What comes before it comes at once.
    #[must_use]
    pub fn before_it_ends(self, last: LastWord) -> Self {
        let last = Some(last);
        Self { last, ..self }
    }

    /// The next thing the upstream says; `None` after [`Event::Done`] and after an error. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<Event, UpstreamError>> {
        if self.ending.is_none() {
            match self.hear().await? {
                Ok(Event::Done(outcome)) if self.last.is_some() => {
                    self.ending = self.last.take().map(|last| last(outcome));
                }
                said => return Some(said),
            }
        }
        let outcome = self.ending.as_mut()?.await;
        self.ending = None;
        Some(Ok(Event::Done(outcome)))
    }

    async fn hear(&mut self) -> Option<Result<Event, UpstreamError>> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Begun | State::Over => None,
            State::Ready(outcome) => Some(Ok(Event::Done(outcome))),
            State::Stream(events) => {
                // Back at once: if this future is dropped while it waits, the stream must still be there.
                self.state = State::Stream(events);
                let said = self.listen().await;
                if let Ok(Event::Notification { .. }) = said {
                    return Some(said);
                }
                if let State::Stream(events) = std::mem::replace(&mut self.state, State::Over)
                    && said.is_ok()
                {
                    self.end();
                    drain(events);
                }
                // After an error what is in flight is dropped with us, which cancels it.
                Some(said)
            }
        }
    }

    /// Reads to the end and leaves out everything on the way.
    pub(super) async fn finish(mut self) -> Result<Outcome, UpstreamError> {
        while let Some(event) = self.next().await {
            if let Event::Done(outcome) = event? {
                return Ok(outcome);
            }
        }
        Err(UpstreamError::protocol("there was no answer"))
    }

    /// Gives the request up. The same as dropping the reply, in a word.
    pub fn cancel(self) {}

    async fn listen(&mut self) -> Result<Event, UpstreamError> {
        loop {
            let State::Stream(events) = &mut self.state else {
                return Err(UpstreamError::protocol("the stream is over"));
            };
            let event = match timeout_at(self.until, events.next()).await {
                Err(_) => return Err(UpstreamError::TimedOut),
                Ok(Some(Ok(event))) => event,
                Ok(None) => {
                    let ended = UpstreamError::broken("the stream ended without an answer");
                    self.resume(ended).await?;
                    continue;
                }
                Ok(Some(Err(error @ StreamError::Body(_)))) => {
                    self.resume(stream_error(&error)).await?;
                    continue;
                }
                Ok(Some(Err(error))) => return Err(stream_error(&error)),
            };
            if let Some(legacy) = &mut self.legacy {
                legacy.note(&event);
            }
            // Priming events and keep-alives have no data.
            let Some(data) = event.data.filter(|data| !data.is_empty()) else {
                continue;
            };
            if let Some(event) = self.understand(data.as_bytes())? {
                return Ok(event);
            }
        }
    }

    /// Takes a legacy stream up again where its connection ended (SEP-1699); gives `lost` back where that cannot be.
    async fn resume(&mut self, lost: UpstreamError) -> Result<(), UpstreamError> {
        let Some(legacy) = self.legacy.as_mut() else {
            return Err(lost);
        };
        let Some(last) = legacy
            .last
            .clone()
            .filter(|_| legacy.in_vain < RESUMED_IN_VAIN)
        else {
            return Err(lost);
        };
        legacy.in_vain += 1;
        let resumed = timeout_at(self.until, async {
            sleep(legacy.retry).await;
            legacy.flight.resume(last, self.until).await
        });
        match resumed.await {
            Ok(Ok(body)) => {
                self.state = State::Stream(Box::new(Events::new(body, legacy.limit)));
                Ok(())
            }
            Ok(Err(_)) => Err(lost),
            Err(_) => Err(UpstreamError::TimedOut),
        }
    }

    /// What one message of the stream means to the caller; `None` if nothing.
    fn understand(&mut self, data: &[u8]) -> Result<Option<Event>, UpstreamError> {
        match Message::parse(data).map_err(not_a_message)? {
            Message::Response { id, outcome } => {
                Ok(Some(Event::Done(Outcome::of(id, outcome, self.id)?)))
            }
            Message::Notification { method, params } => {
                let params = match (method.as_ref(), params) {
                    ("notifications/progress", params) => match self.progress_for_client(params) {
                        Some(params) => params,
                        None => return Ok(None),
                    },
                    (_, Some(params)) => params.to_owned(),
                    (_, None) => Members::default().to_raw(),
                };
                let method = method.into_owned();
                Ok(Some(Event::Notification { method, params }))
            }
            Message::Request { id, method, .. } => {
                self.asked += 1;
                if self.asked > REQUESTS_AT_MOST {
                    return Err(UpstreamError::protocol("it asks without end"));
                }
                // Modern upstreams have nobody to ask; there the words fall into the void.
                if let Some(legacy) = &self.legacy {
                    legacy.flight.answer(id, &method);
                }
                Ok(None)
            }
        }
    }

    /// Progress of this very request, under the token the client knows; progress of anything else is nobody's business.
    fn progress_for_client(&self, params: Option<&RawValue>) -> Option<Box<RawValue>> {
        let token = self.progress.as_deref()?;
        let mut params = Members::of(params?).ok()?;
        if params.read::<u64>("progressToken")? != self.id {
            return None;
        }
        params.set("progressToken", token);
        Some(params.to_raw())
    }

    fn end(&mut self) {
        if let Some(mut legacy) = self.legacy.take() {
            legacy.flight.done();
        }
    }
}

impl Legacy {
    fn new(flight: InFlight) -> Self {
        Self {
            flight,
            limit: 0,
            last: None,
            retry: RETRY,
            in_vain: 0,
        }
    }

    fn note(&mut self, event: &Sse) {
        self.in_vain = 0;
        if let Some(id) = &event.id {
            self.last = HeaderValue::from_str(id).ok();
        }
        if let Some(milliseconds) = event.retry {
            let retry = Duration::from_millis(milliseconds);
            self.retry = retry.clamp(RETRY_AT_LEAST, RETRY_AT_MOST);
        }
    }
}

impl Outcome {
    /// The answer to the request `id`, from a body that holds nothing else.
    pub(super) fn read(body: &Bytes, id: u64) -> Result<Self, UpstreamError> {
        match Message::parse(body).map_err(not_a_message)? {
            Message::Response { id: of, outcome } => Self::of(of, outcome, id),
            Message::Request { .. } | Message::Notification { .. } => Err(UpstreamError::protocol(
                "it answered with a message that is no response",
            )),
        }
    }

    fn of(
        of: Option<&RawValue>,
        outcome: jsonrpc::Outcome<'_>,
        id: u64,
    ) -> Result<Self, UpstreamError> {
        match (of.map(|of| of.get().parse::<u64>()), outcome) {
            (Some(Ok(of)), outcome) if of == id => match outcome {
                jsonrpc::Outcome::Result(result) if result.get().starts_with('{') => {
                    Ok(Self::Result(result.to_owned()))
                }
                jsonrpc::Outcome::Result(_) => {
                    Err(UpstreamError::protocol("its result is not an object"))
                }
                jsonrpc::Outcome::Error(error) => Ok(Self::from_error(error)),
            },
            // It could not read the id, and there is only this request it can mean.
            (None, jsonrpc::Outcome::Error(error)) => Ok(Self::from_error(error)),
            _ => Err(UpstreamError::protocol("it answered another request")),
        }
    }

    /// The code, if it is an error.
    pub fn code(&self) -> Option<i64> {
        match self {
            Self::Result(_) => None,
            Self::Error { code, .. } => Some(*code),
        }
    }

    pub(super) fn none() -> Self {
        Self::Result(Members::default().to_raw())
    }

    fn from_error(error: jsonrpc::ErrorObject<'_>) -> Self {
        Self::Error {
            code: error.code,
            message: error.message.into_owned(),
            data: error.data.map(ToOwned::to_owned),
        }
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reply to request {}", self.id)
    }
}

fn not_a_message(malformed: jsonrpc::Malformed<'_>) -> UpstreamError {
    UpstreamError::protocol(malformed.to_string())
}

fn stream_error(error: &StreamError) -> UpstreamError {
    match error {
        StreamError::TooLarge { limit } => UpstreamError::TooLarge { limit: *limit },
        StreamError::NotText => UpstreamError::protocol(error.to_string()),
        StreamError::Body(_) => UpstreamError::broken(in_words(error)),
    }
}

/// Reads the end of a stream that has given its answer: only then can its connection be used again.
fn drain(mut events: Box<Events<Incoming>>) {
    match events.next().now_or_never() {
        Some(None | Some(Err(_))) => {}
        _ => {
            tokio::spawn(timeout(DRAIN, async move {
                while let Some(Ok(_)) = events.next().await {}
            }));
        }
    }
}
