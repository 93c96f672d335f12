//! One signed request to a worker, and its answer read whole.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use tokio::time::Instant;
use url::Url;

use super::{
    Caller, Health, Patience, UpstreamError, Workers,
    http::headers,
    incoming::{media_type, retry_after, whole},
};
use crate::{
    base::{clock::Timestamp, secret::ExposeSecret},
    config::{ArcadeWorker, Upstream},
};

/// How long a signature is good. Seconds: enough for a worker whose clock is a little ahead.
const GOOD_FOR: i64 = 300;
/// What explains a refusal is short.
const REFUSAL_AT_MOST: usize = 64 * 1024;

/// The addresses of one worker, and whether it can be reached.
#[derive(Debug)]
pub(super) struct Line {
    pub tools: Uri,
    pub invoke: Uri,
    pub health: Health,
}

/// Who is asked, and until when the answer must be there.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub line: &'a Line,
    pub upstream: &'a Upstream,
    pub worker: &'a ArcadeWorker,
    pub until: Instant,
}

/// What a worker answers.
pub(super) enum Answer {
    /// 2xx, with JSON.
    Json(Bytes),
    /// 500: it has no such tool, or it is broken. It does not say which.
    Broke,
}

/// `iat` is left out: a worker refuses one that is in its future.
#[derive(Serialize)]
struct Claims {
    aud: &'static str,
    ver: &'static str,
    exp: i64,
}

impl Line {
    /// To the worker below `base`, which may name its `/worker` or not.
    pub fn to(base: &Url) -> Result<Self, UpstreamError> {
        let path = base.path().trim_end_matches('/');
        let path = path.strip_suffix("/worker").unwrap_or(path);
        let below = |rest: &str| {
            let mut url = base.clone();
            url.set_path(&format!("{path}/worker/{rest}"));
            let uri = url.as_str().parse();
            uri.map_err(|_| UpstreamError::unreachable("its URL cannot be sent"))
        };
        Ok(Self {
            tools: below("tools")?,
            invoke: below("tools/invoke")?,
            health: Health::default(),
        })
    }
}

impl Workers {
    /// Asks for the catalogue. A worker shows it without working, so it may not take long.
    pub(super) async fn get_tools(&self, asked: &Asked<'_>) -> Result<Answer, UpstreamError> {
        let patience = Patience::control(asked.upstream, asked.until);
        let (uri, nothing) = (&asked.line.tools, Bytes::new());
        self.ask(asked, Method::GET, uri, nothing, patience).await
    }

    /// Asks for a tool to be run. The head of the answer comes when the tool is done.
    pub(super) async fn post_invoke(
        &self,
        asked: &Asked<'_>,
        body: Bytes,
    ) -> Result<Answer, UpstreamError> {
        let patience = Patience {
            connect: asked.upstream.connect_timeout,
            head: asked.until,
        };
        let uri = &asked.line.invoke;
        self.ask(asked, Method::POST, uri, body, patience).await
    }

    async fn ask(
        &self,
        asked: &Asked<'_>,
        method: Method,
        uri: &Uri,
        body: Bytes,
        patience: Patience,
    ) -> Result<Answer, UpstreamError> {
        let headers = signed(asked, self.clock.now())?;
        let sent = self.http.send(method, uri, headers, body, patience);
        let (head, body) = sent.await?.into_parts();
        let limit = asked.upstream.max_response_bytes;
        match head.status {
            status if status.is_success() => match media_type(&head.headers).as_deref() {
                Some("application/json") => whole(body, limit, asked.until).await.map(Answer::Json),
                other => Err(UpstreamError::protocol(format!(
                    "it answered {:.60?} where JSON belongs",
                    other.unwrap_or("a body without a type")
                ))),
            },
            StatusCode::UNAUTHORIZED => Err(UpstreamError::NotTrusted {
                setting: format!("upstreams.{}.secret", asked.worker.name),
            }),
            StatusCode::INTERNAL_SERVER_ERROR => Ok(Answer::Broke),
            status if status.is_redirection() || status.is_informational() => {
                Err(UpstreamError::protocol(format!(
                    "it answered {status}; redirects are not followed, configure the address it has now"
                )))
            }
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(UpstreamError::Unavailable {
                    why: format!("it answered {status}"),
                    sent: true,
                    retry_after: retry_after(&head.headers),
                })
            }
            status => {
                // Read, so that the connection can be used again; what it says is about our own request.
                let _ = whole(body, REFUSAL_AT_MOST, asked.until.min(soon())).await;
                Err(UpstreamError::Refused {
                    status: status.as_u16(),
                })
            }
        }
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(1)
}

/// The operator's headers, and our signature: it is made anew for every request.
fn signed(asked: &Asked<'_>, now: Timestamp) -> Result<HeaderMap, UpstreamError> {
    let mut headers = headers(asked.upstream, &Caller::default())?;
    let claims = Claims {
        aud: "worker",
        ver: "1",
        exp: now.as_second() + GOOD_FOR,
    };
    let key = EncodingKey::from_secret(asked.worker.secret.expose_secret().as_bytes());
    let signed = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)
        .map_err(|_| UpstreamError::unreachable("nothing can be signed with its secret"))?;
    let mut value = HeaderValue::try_from(format!("Bearer {signed}"))
        .map_err(|_| UpstreamError::unreachable("its signature cannot be sent"))?;
    value.set_sensitive(true);
    headers.insert(header::AUTHORIZATION, value);
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worker_is_below_its_address_however_that_is_written() {
        for (base, expected) in [
            (
                "http://127.0.0.1:8002",
                "http://127.0.0.1:8002/worker/tools",
            ),
            (
                "http://127.0.0.1:8002/",
                "http://127.0.0.1:8002/worker/tools",
            ),
            (
                "http://127.0.0.1:8002/worker/",
                "http://127.0.0.1:8002/worker/tools",
            ),
            (
                "https://x.example/kit",
                "https://x.example/kit/worker/tools",
            ),
        ] {
            let line = Line::to(&base.parse().unwrap()).unwrap();
            assert_eq!(line.tools.to_string(), expected);
            assert_eq!(line.invoke.to_string(), format!("{expected}/invoke"));
        }
    }
}
