//! One request to an OpenID provider, in the shape that `openidconnect` wants of its HTTP client.

use std::{future::Future, time::Duration};

use http::StatusCode;
use openidconnect::{HttpRequest, HttpResponse};

use crate::web::outbound::{self, Unanswered};

/// From the first byte of the connection to the last of the answer: somebody is waiting at a browser.
const PATIENCE: Duration = Duration::from_secs(5);
/// Larger answers are given up. Bytes.
const LARGEST: usize = 1024 * 1024;

/// Talks to providers. Cheap to clone.
#[derive(Clone)]
pub(super) struct Http(reqwest::Client);

/// No answer that anything could be read from. Fixed texts, nothing of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HttpError {
    #[error("{0}")]
    Silent(&'static str),
    #[error("it answers 401")]
    Unauthorized,
    #[error("it redirects, which is not followed")]
    Redirects,
    #[error("it answers with more than 1 MiB")]
    TooLarge,
}

impl Http {
    pub(super) fn new() -> Self {
        let client = outbound::client().build();
        Self(client.expect("the client is made of constants"))
    }

    /// What `openidconnect` calls for each request.
    pub(super) fn caller(&self) -> impl Fn(HttpRequest) -> CallFuture + Send + Sync + use<> {
        let client = self.0.clone();
        move |request| Box::pin(call(client.clone(), request))
    }
}

/// One request under way.
pub(super) type CallFuture =
    std::pin::Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send>>;

async fn call(client: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let mut request = reqwest::Request::try_from(request)
        .map_err(|_| HttpError::Silent("its address cannot be asked"))?;
    *request.timeout_mut() = Some(PATIENCE);
    let response = client.execute(request).await;
    let mut response = response.map_err(Unanswered::Silent)?;
    let status = response.status();
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Err(HttpError::Silent("it answers with an error status"));
    }
    if status == StatusCode::UNAUTHORIZED {
        return Err(HttpError::Unauthorized);
    }
    if status.is_redirection() {
        return Err(HttpError::Redirects);
    }
    let body = outbound::body(&mut response, LARGEST).await?;
    let mut answer = HttpResponse::new(body.into());
    *answer.status_mut() = status;
    std::mem::swap(answer.headers_mut(), response.headers_mut());
    Ok(answer)
}

impl From<Unanswered> for HttpError {
    fn from(why: Unanswered) -> Self {
        match why {
            Unanswered::Silent(error) => Self::Silent(outbound::silence(&error)),
            Unanswered::TooLarge => Self::TooLarge,
        }
    }
}
