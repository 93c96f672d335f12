//! One request sent to a provider, and its answer within bounds.

use std::time::Duration;

use ::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use bytes::Bytes;

use super::request::Outgoing;
use crate::web::outbound::{self, Unanswered};

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
        let client = outbound::client().build();
        Self {
            client: client.expect("the client is made of constants"),
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
        let mut response = request.send().await.map_err(Unanswered::Silent)?;
        let body = outbound::body(&mut response, LARGEST).await?;
        Ok(Answer {
            status: response.status(),
            headers: response.headers().clone(),
            body,
        })
    }
}

impl From<Unanswered> for Silence {
    fn from(why: Unanswered) -> Self {
        match why {
            Unanswered::Silent(error) => Self::Gone(outbound::silence(&error)),
            Unanswered::TooLarge => Self::TooLarge,
        }
    }
}
