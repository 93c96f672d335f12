//! One form sent to a token endpoint.

use std::time::Duration;

use ::http::{HeaderMap, HeaderValue, StatusCode, header};
use bytes::{Bytes, BytesMut};
use url::Url;

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

    pub(super) async fn post_form(
        &self,
        url: &Url,
        authorization: Option<HeaderValue>,
        body: String,
    ) -> Result<Answer, Silence> {
        let mut request = self
            .client
            .post(url.clone())
            .timeout(self.patience)
            // GitHub answers with a form unless asked.
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body);
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
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
