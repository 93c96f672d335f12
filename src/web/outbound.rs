//! Requests of ours to other people's servers: one client that does nothing by itself, and answers read within bounds.

use bytes::{Bytes, BytesMut};

/// Why there is no answer, or none that could be read to its end.
#[derive(Debug)]
pub enum Unanswered {
    /// Nobody there, too slow, or the connection broke. [`silence`] has words for it.
    Silent(reqwest::Error),
    /// More than was allowed.
    TooLarge,
}

/// A client that follows no redirect, tries nothing twice, and keeps no connection: a kept one may have died unnoticed, and
/// there are codes that cannot be sent twice.
pub fn client() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .pool_max_idle_per_host(0)
        .user_agent(concat!("anteroom/", env!("CARGO_PKG_VERSION")))
}

/// The whole body of an answer, if it has at most `largest` bytes.
///
/// # Errors
/// See [`Unanswered`].
pub async fn body(response: &mut reqwest::Response, largest: usize) -> Result<Bytes, Unanswered> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(Unanswered::Silent)? {
        if body.len() + chunk.len() > largest {
            return Err(Unanswered::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// What to call a failed request: fixed words, without the address.
pub fn silence(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "it did not answer in time"
    } else if error.is_connect() {
        "it cannot be reached"
    } else {
        "the connection broke"
    }
}
