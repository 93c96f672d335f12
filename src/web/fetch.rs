//! GET of addresses that came from outside, which must not become a way into our own network (SSRF).
//!
//! The address that was checked is the address that is connected to: the check is the resolver of the HTTP client, so there is
//! no moment between the two in which a name could come to mean another machine.

use std::{error::Error, net::IpAddr, net::SocketAddr, sync::Arc, time::Duration};

use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::{
    address::is_public,
    outbound::{self, Unanswered},
};

/// From asking for the name to the last byte of the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Fetches what strangers point at. Cheap to clone.
#[derive(Clone)]
pub struct Fetcher {
    public: reqwest::Client,
    anywhere: reqwest::Client,
    patience: Duration,
}

/// What may be fetched, and how much of it.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Larger bodies are given up. Bytes.
    pub largest: usize,
    /// Whether addresses of private networks and of this machine are fetched from, too. TLS is asked for all the same.
    pub private: bool,
}

/// An answer, whatever its status. Redirects are not followed.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, whole.
    pub body: Bytes,
}

/// Why there is no answer. Says nothing of what is at the address: whoever gave it to us may be asking just that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Not `https`.
    #[error("the address is not https")]
    NotHttps,
    /// The host is, or its name leads to, an address that is not public.
    #[error("the host has an address that is not public")]
    NotPublic,
    /// Over five seconds.
    #[error("it did not answer in time")]
    Slow,
    /// More than was allowed.
    #[error("the answer is too large")]
    TooLarge,
    /// No such host, nobody there, no valid certificate, or the connection broke.
    #[error("it cannot be reached over https")]
    Unreachable,
}

impl Fetcher {
    /// Names are resolved by the machine, certificates checked against those it trusts.
    pub fn new() -> Self {
        Self::made_of(&(Arc::new(System) as Arc<dyn Resolve>), |client| client)
    }

    /// With another resolver and another certificate authority.
    #[cfg(test)]
    pub(crate) fn for_tests(resolver: Arc<impl Resolve + 'static>, authority: &[u8]) -> Self {
        let resolver: Arc<dyn Resolve> = resolver;
        let authority = reqwest::Certificate::from_der(authority).unwrap();
        Self::made_of(&resolver, |client| {
            client.tls_certs_only([authority.clone()])
        })
    }

    /// With less patience.
    #[cfg(test)]
    pub(crate) fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    fn made_of(
        resolver: &Arc<dyn Resolve>,
        dress: impl Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
    ) -> Self {
        let client = |private| {
            let guarded = Guarded {
                resolver: Arc::clone(resolver),
                private,
            };
            // That it keeps no connection matters here, too: a kept one was checked under yesterday's answer.
            let client = outbound::client()
                .dns_resolver(guarded)
                .https_only(true)
                // A proxy of the environment would resolve names by itself.
                .no_proxy()
                .referer(false);
            dress(client)
                .build()
                .expect("the client is made of constants")
        };
        Self {
            public: client(false),
            anywhere: client(true),
            patience: PATIENCE,
        }
    }

    /// Asks `url` for JSON.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn get_json(&self, url: &Url, limits: Limits) -> Result<Fetched, FetchError> {
        if url.scheme() != "https" {
            return Err(FetchError::NotHttps);
        }
        // An address needs no resolver. `url` has read octal, hexadecimal and short forms already (WHATWG URL §3.5).
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) => None,
            None => return Err(FetchError::Unreachable),
        };
        if !limits.private && literal.is_some_and(|address| !is_public(address)) {
            return Err(FetchError::NotPublic);
        }
        let client = if limits.private {
            &self.anywhere
        } else {
            &self.public
        };
        let request = client
            .get(url.clone())
            .timeout(self.patience)
            .header(header::ACCEPT, "application/json");
        let mut response = request.send().await.map_err(Unanswered::Silent)?;
        let announced = response.content_length();
        if announced.is_some_and(|length| length > limits.largest as u64) {
            return Err(FetchError::TooLarge);
        }
        let body = outbound::body(&mut response, limits.largest).await?;
        Ok(Fetched {
            status: response.status(),
            headers: response.headers().clone(),
            body,
        })
    }
}

impl Default for Fetcher {
    fn default() -> Self {
        Self::new()
    }
}

/// The machine's resolver.
struct System;

/// A resolver whose answers were checked: one address that is not public spoils them all, for the client takes which it likes.
struct Guarded {
    resolver: Arc<dyn Resolve>,
    private: bool,
}

/// How the guard says no through layers that only know of errors.
#[derive(Debug, thiserror::Error)]
#[error("not a public address")]
struct NotPublic;

impl Resolve for System {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(Box::new(found.collect::<Vec<_>>().into_iter()) as Addrs)
        })
    }
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let found = self.resolver.resolve(name);
        let private = self.private;
        Box::pin(async move {
            let found: Vec<SocketAddr> = found.await?.collect();
            if private || found.iter().all(|address| is_public(address.ip())) {
                Ok(Box::new(found.into_iter()) as Addrs)
            } else {
                Err(NotPublic.into())
            }
        })
    }
}

impl From<Unanswered> for FetchError {
    fn from(why: Unanswered) -> Self {
        match why {
            Unanswered::Silent(error) => of(&error),
            Unanswered::TooLarge => Self::TooLarge,
        }
    }
}

fn of(error: &reqwest::Error) -> FetchError {
    let mut source = error.source();
    while let Some(inner) = source {
        if inner.is::<NotPublic>() {
            return FetchError::NotPublic;
        }
        source = inner.source();
    }
    if error.is_timeout() {
        FetchError::Slow
    } else {
        FetchError::Unreachable
    }
}
