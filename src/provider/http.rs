//! One request sent to a provider, and its answer within bounds.

use std::time::Duration;

use ::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use bytes::{Bytes, BytesMut};

use super::request::Outgoing;

/// From the first byte of the connection to the last of the answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Larger answers are given up.
const LARGEST: usize = 1024 * 1024;

#[derive(Clone)]
pub(super) struct Http {
    client: reqwest::Client,
    patience: Duration,
}

pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// No answer, or none that could be read to its end.
pub(super) enum Silence {
    Gone(&'static str),
    TooLarge,
}

impl Http {
    pub(super) fn new() -> Self {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            // A kept connection may have died unnoticed, and a code cannot be sent twice.
            .pool_max_idle_per_host(0)
            .user_agent(concat!("anteroom/", env!("CARGO_PKG_VERSION")))
            .build()
            .expect("the client is made of constants");
        Self {
            client,
            patience: PATIENCE,
        }
    }

    pub(super) fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    pub(super) async fn send(&self, outgoing: Outgoing) -> Result<Answer, Silence> {
        let mut request = self
            .client
            .request(outgoing.method.clone(), outgoing.url)
            .timeout(self.patience);
        // GitHub answers with a form unless asked.
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        for (name, value) in outgoing.headers {
            headers.insert(name, value);
        }
        match outgoing.body {
            Some((kind, body)) => {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
                request = request.body(body);
            }
            // Some want to be told that nothing comes (RFC 9110 §8.6).
            None if outgoing.method == Method::POST => {
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
            }
            None => {}
        }
        let request = request.headers(headers);
        let mut response = request.send().await.map_err(|error| silence(&error))?;
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| silence(&error))? {
            if body.len() + chunk.len() > LARGEST {
                return Err(Silence::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status: response.status(),
            headers: response.headers().clone(),
            body: body.freeze(),
        })
    }
}

fn silence(error: &reqwest::Error) -> Silence {
    Silence::Gone(if error.is_timeout() {
        "it did not answer in time"
    } else if error.is_connect() {
        "it cannot be reached"
    } else {
        "the connection broke"
    })
}
