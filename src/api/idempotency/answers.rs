//! The records of requests that came with a key, and of what they were answered.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    body::{Bytes, to_bytes},
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use tokio::{task::JoinError, time::Instant};
use tokio_util::task::TaskTracker;

use super::{lost, not_kept, still_under_way};
use crate::{
    api::{
        ApiFace,
        error::{ApiError, SHOULD_RETRY},
    },
    base::{
        clock::{Clock, Span, Timestamp},
        entropy::Entropy,
        seal::{Purpose, Sealer},
    },
    store::{
        Store, StoreError,
        pieces::{Pieces, PiecesError},
        signal::Signals,
        table::{Change, Table},
    },
};

/// Says that an answer is an old one.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Larger answers are not kept. Bytes.
const LARGEST_ANSWER: usize = 1024 * 1024;
const KEPT: Span = Span::from_hours(1);
/// A run that has said nothing for so long is one of a process that is gone.
const LEASE: Span = Span::from_secs(60);
const BEAT: Duration = Duration::from_secs(20);
/// How long the first one is waited for: less than the minute after which programs give up.
const PATIENCE: Duration = Duration::from_secs(45);
/// How often another replica's run is looked at meanwhile.
const LOOK: Duration = Duration::from_secs(1);
/// How often an answer is offered to a store that fails.
const OFFERS: u64 = 5;

/// Answers that are given again. Cheap to clone.
#[derive(Clone)]
pub struct Answers {
    records: Table<Record>,
    bodies: Pieces,
    signals: Signals,
    clock: Arc<dyn Clock>,
    /// This process's word for itself; another at each start.
    by: Arc<str>,
    runs: TaskTracker,
}

/// One key that was used.
#[derive(Clone, Serialize, Deserialize)]
struct Record {
    /// SHA-256 of what was asked.
    asked: String,
    stage: Stage,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
enum Stage {
    UnderWay {
        by: String,
        until: Timestamp,
    },
    Answered {
        status: u16,
        headers: Vec<(String, String)>,
    },
    /// Answered, and the answer was too large.
    NotKept,
    /// The process that ran it is gone.
    Lost,
}

/// One request with a key.
pub(super) struct Asked {
    /// Of its record: a hash of the API key's name and of the key.
    pub place: String,
    /// SHA-256 of the body.
    pub hash: String,
}

/// What is to be done with it.
pub(super) enum Turn {
    /// It is the first.
    Run,
    Replay(Response),
}

impl Answers {
    /// Kept in `store`, sealed.
    pub fn new(
        store: &Arc<dyn Store>,
        sealer: Sealer,
        signals: Signals,
        clock: Arc<dyn Clock>,
        entropy: &dyn Entropy,
    ) -> Self {
        let bodies = Arc::clone(store);
        Self {
            records: Table::new(Arc::clone(store), "idempotency"),
            bodies: Pieces::new(bodies, "idempotency_answer", sealer, Purpose::KeptAnswer),
            signals,
            clock,
            by: entropy.handle().into(),
            runs: TaskTracker::new(),
        }
    }

    /// Works on in a task of its own: a program that hangs up finds the answer when it asks again.
    pub(super) async fn see_through(
        &self,
        run: impl Future<Output = Response> + Send + 'static,
    ) -> Result<Response, JoinError> {
        self.runs.spawn(run).await
    }

    /// Notes that nobody will hear of a run of ours any more, if there was one.
    pub(super) async fn lose(&self, place: &str) {
        let lost = self.change(place, |stage| match stage {
            Stage::UnderWay { by, .. } if **by == *self.by => Some(Stage::Lost),
            _ => None,
        });
        if let Err(error) = lost.await {
            tracing::warn!(%error, "a run that broke off could not be given up");
        }
    }

    /// Waits for the runs that are under way.
    pub async fn drain(&self) {
        self.runs.close();
        self.runs.wait().await;
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn later(&self, by: Span) -> Timestamp {
        self.now().checked_add(by).unwrap_or(Timestamp::MAX)
    }

    fn under_way(&self) -> Stage {
        Stage::UnderWay {
            by: self.by.to_string(),
            until: self.later(LEASE),
        }
    }

    /// Takes the key, or says what came of the request that did.
    pub(super) async fn turn(&self, face: &ApiFace, asked: &Asked) -> Result<Turn, ApiError> {
        let fault = |error: &dyn std::error::Error| {
            let fault = ApiError::fault(&face.faults, "looking up an Idempotency-Key", error);
            fault.should_retry(true)
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut news = self.signals.subscribe(&topic(&asked.place));
            let first = Record {
                asked: asked.hash.clone(),
                stage: self.under_way(),
            };
            let expires = Some(self.later(KEPT));
            let created = self.records.create(&asked.place, &first, expires).await;
            if created.map_err(|error| fault(&error))? {
                return Ok(Turn::Run);
            }
            let found = self.records.get(&asked.place).await;
            let Some(found) = found.map_err(|error| fault(&error))? else {
                continue;
            };
            if found.value.asked != asked.hash {
                let message =
                    "this `Idempotency-Key` was used for another request; use a new one for each";
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                return Err(ApiError::new(status, "idempotency_key_reused", message));
            }
            match found.value.stage {
                Stage::Answered { status, headers } => {
                    let body = self.bodies.get(&asked.place).await;
                    let body = match body {
                        Ok(Some(body)) => body,
                        Ok(None) => return Err(not_kept()),
                        Err(PiecesError::Store(error)) => return Err(fault(&error)),
                        Err(error) => {
                            tracing::error!(%error, "a kept answer is lost");
                            return Err(not_kept());
                        }
                    };
                    return Ok(Turn::Replay(replay(status, &headers, body)));
                }
                Stage::NotKept => return Err(not_kept()),
                Stage::Lost => return Err(lost()),
                Stage::UnderWay { by, until } => {
                    // Time that passes says nothing of a run of our own.
                    if *by != *self.by && until <= self.now() {
                        self.give_up(asked, &by)
                            .await
                            .map_err(|error| fault(&error))?;
                        continue;
                    }
                }
            }
            tokio::select! {
                () = news.wait() => {}
                () = tokio::time::sleep(LOOK) => {}
                () = tokio::time::sleep_until(deadline) => return Err(still_under_way()),
                () = face.stopping.cancelled() => return Err(still_under_way()),
            }
        }
    }

    /// Notes that the run of `by` is lost, unless it has been heard of meanwhile.
    async fn give_up(&self, asked: &Asked, by: &str) -> Result<(), StoreError> {
        let now = self.now();
        self.change(&asked.place, |stage| match stage {
            Stage::UnderWay { by: its, until } if its == by && *until <= now => Some(Stage::Lost),
            _ => None,
        })
        .await
    }

    async fn change(
        &self,
        place: &str,
        change: impl Fn(&Stage) -> Option<Stage> + Send + Sync,
    ) -> Result<(), StoreError> {
        let expires = Some(self.later(KEPT));
        let changed = self.records.update(place, |record| {
            Ok::<_, StoreError>(match change(&record.stage) {
                Some(stage) => Change::Expire(Record { stage, ..record }, expires),
                None => Change::Leave(record),
            })
        });
        changed.await.map(drop)
    }

    /// Runs it, and keeps what came of it.
    pub(super) async fn run(&self, asked: &Asked, request: Request, next: Next) -> Response {
        let response = tokio::select! {
            response = next.run(request) => response,
            never = self.keep_alive(asked) => match never {},
        };
        let (head, body) = response.into_parts();
        let Ok(body) = to_bytes(body, usize::MAX).await else {
            let _ = self.offer(asked, || self.set(asked, Stage::Lost)).await;
            return lost().into_response();
        };
        let settled = self.offer(asked, || {
            self.settle(asked, &head.headers, head.status, &body)
        });
        if let Err(error) = settled.await {
            tracing::error!(%error, "an answer was not kept: when the same request comes again, it is not answered");
        }
        self.signals.raise(&topic(&asked.place));
        Response::from_parts(head, body.into())
    }

    async fn keep_alive(&self, asked: &Asked) -> Infallible {
        loop {
            tokio::time::sleep(BEAT).await;
            let stage = self.under_way();
            let kept = self.change(&asked.place, |known| match known {
                Stage::UnderWay { .. } => Some(stage.clone()),
                _ => None,
            });
            if let Err(error) = kept.await {
                tracing::warn!(%error, "a run could not say that it is under way");
            }
        }
    }

    /// What is done must be told to the store, though it fails for a moment.
    async fn offer<F: Future<Output = Result<(), StoreError>>>(
        &self,
        asked: &Asked,
        offer: impl Fn() -> F,
    ) -> Result<(), StoreError> {
        let mut offers = 1;
        loop {
            match offer().await {
                Ok(()) => return Ok(()),
                Err(error) if offers == OFFERS => return Err(error),
                Err(error) => {
                    tracing::debug!(key = asked.place, %error, "an answer is offered again");
                    tokio::time::sleep(Duration::from_millis(100 * offers)).await;
                }
            }
            offers += 1;
        }
    }

    /// The answer first, and that there is one after.
    async fn settle(
        &self,
        asked: &Asked,
        headers: &HeaderMap,
        status: StatusCode,
        body: &Bytes,
    ) -> Result<(), StoreError> {
        if !may_have_run(status, headers) {
            return self.records.take(&asked.place).await.map(drop);
        }
        if body.len() > LARGEST_ANSWER {
            return self.set(asked, Stage::NotKept).await;
        }
        let expires = Some(self.later(KEPT));
        self.bodies.put(&asked.place, body, expires).await?;
        let shown = [header::CONTENT_TYPE, SHOULD_RETRY];
        let kept = shown.iter().filter_map(|name| {
            let value = headers.get(name)?.to_str().ok()?;
            Some((name.to_string(), value.to_owned()))
        });
        let headers = kept.collect();
        let status = status.as_u16();
        self.set(asked, Stage::Answered { status, headers }).await
    }

    async fn set(&self, asked: &Asked, stage: Stage) -> Result<(), StoreError> {
        self.change(&asked.place, |_| Some(stage.clone())).await
    }
}

/// Refusals come before anything is executed; of a fault that is so if the client is not told to keep away.
fn may_have_run(status: StatusCode, headers: &HeaderMap) -> bool {
    let keep_away = headers
        .get(SHOULD_RETRY)
        .is_some_and(|said| said == "false");
    status.is_success() || (status.is_server_error() && keep_away)
}

fn replay(status: u16, headers: &[(String, String)], body: Vec<u8>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) {
            response.headers_mut().insert(name, value);
        }
    }
    let is = HeaderValue::from_static("true");
    response.headers_mut().insert(REPLAYED, is);
    response
}

fn topic(place: &str) -> String {
    format!("idempotency/{place}")
}
