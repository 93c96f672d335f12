//! One question to one hook, and its answer within bounds.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use moka::future::Cache;
use serde::Serialize;

use super::{Asker, Point, count};
use crate::{
    base::{id::HookName, secret::ExposeSecret},
    config::{FailureMode, HookPoint, HookServer},
    protocol::arcade::hook_answer::Malformed,
    web::outbound::{self, Unanswered},
};

/// Larger verdicts are given up. Bytes.
const LARGEST: usize = 1 << 20;
/// Of `post`, which may have all of an answer in it. Bytes.
const LARGEST_POST: usize = 16 << 20;
/// Connections are kept: a hook is asked with every call.
const IDLE_PER_HOST: usize = 16;
/// Shorter than servers keep theirs (Node: five seconds), so that we seldom write into one that is just being closed.
const IDLE: Duration = Duration::from_secs(4);

/// One client for each hook of each edition of the configuration.
#[derive(Clone)]
pub(super) struct Clients(Cache<(u64, HookName), reqwest::Client>);

/// Why a hook has not said anything.
#[derive(Debug, thiserror::Error)]
pub(super) enum Silence {
    #[error("{0}")]
    Gone(String),
    #[error("it answered {0} where the contract has 200")]
    Status(StatusCode),
    #[error("its answer is larger than {0} bytes")]
    TooLarge(usize),
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl Clients {
    pub fn new() -> Self {
        let cache = Cache::builder().max_capacity(1000);
        Self(cache.time_to_idle(Duration::from_secs(15 * 60)).build())
    }

    /// The answer of a hook, read. `None` if there is none and its failure mode lets that pass.
    ///
    /// # Errors
    /// There is none, and that counts as a no. It has been logged.
    pub async fn ask<T>(
        &self,
        asker: Asker<'_>,
        (point, hook): (Point, &HookPoint),
        question: &impl Serialize,
        read: impl FnOnce(&[u8]) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Silent> {
        let answer = self.send(asker, point, hook, question).await;
        let why = match answer.and_then(|body| Ok(read(&body)?)) {
            Ok(answer) => return Ok(Some(answer)),
            Err(why) => why,
        };
        let (name, user) = (&hook.server.name, asker.user);
        let gateway = asker.gateway;
        let point_word = point.word();
        count(hook, point, "failed");
        match hook.failure_mode {
            FailureMode::Closed => {
                tracing::warn!(hook = %name, point = point_word, %gateway, ?user, %why, "a hook did not answer: that counts as a no");
                Err(Silent)
            }
            FailureMode::Open => {
                tracing::warn!(hook = %name, point = point_word, %gateway, ?user, %why, "a hook did not answer: that is let pass, as it is configured");
                Ok(None)
            }
        }
    }

    async fn send(
        &self,
        asker: Asker<'_>,
        point: Point,
        hook: &HookPoint,
        question: &impl Serialize,
    ) -> Result<Bytes, Silence> {
        let question = serde_json::to_vec(question).expect("text and raw JSON serialise");
        let client = self.client(asker.config.edition, &hook.server).await?;
        let request = client
            .post(hook.url.clone())
            .timeout(hook.timeout)
            .headers(headers(asker, &hook.server))
            .body(question);
        let mut response = request.send().await.map_err(|error| gone(&error))?;
        if response.status() != StatusCode::OK {
            return Err(Silence::Status(response.status()));
        }
        let largest = match point {
            Point::Access | Point::Pre => LARGEST,
            Point::Post => LARGEST_POST,
        };
        let body = outbound::body(&mut response, largest).await;
        body.map_err(|error| match error {
            Unanswered::Silent(error) => gone(&error),
            Unanswered::TooLarge => Silence::TooLarge(largest),
        })
    }

    async fn client(&self, edition: u64, server: &HookServer) -> Result<reqwest::Client, Silence> {
        let key = (edition, server.name.clone());
        let made = self.0.try_get_with(key, async { build(server) }).await;
        made.map_err(|error| Silence::Gone(error.to_string()))
    }
}

/// A hook has not answered, and that counts as a no.
#[derive(Clone, Copy, Debug)]
pub(super) struct Silent;

fn build(server: &HookServer) -> Result<reqwest::Client, reqwest::Error> {
    let mut client = outbound::client()
        .pool_max_idle_per_host(IDLE_PER_HOST)
        .pool_idle_timeout(IDLE);
    if let Some(authorities) = &server.authorities {
        let authorities = reqwest::Certificate::from_pem_bundle(authorities.as_bytes())?;
        client = client.tls_certs_only(authorities);
    }
    if let Some(identity) = &server.identity {
        let pem = identity.expose_secret().as_bytes();
        client = client.identity(reqwest::Identity::from_pem(pem)?);
    }
    client.build()
}

/// The contract knows users by one word; whose word that is, and where they are, stands in headers of ours.
fn headers(asker: Asker<'_>, server: &HookServer) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json.clone());
    headers.insert(header::ACCEPT, json);
    let token = server.token.as_ref().and_then(|token| {
        let bearer = format!("Bearer {}", token.expose_secret());
        HeaderValue::try_from(bearer).ok()
    });
    if let Some(mut token) = token {
        token.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, token);
    }
    let ours = [
        ("anteroom-gateway", asker.gateway.as_str()),
        ("anteroom-user-source", asker.user.source().as_str()),
    ];
    for (name, value) in ours {
        let value = HeaderValue::try_from(value).expect("names are ASCII");
        headers.insert(name, value);
    }
    headers
}

/// What happened, with its causes but without the address, which may have a secret in it.
fn gone(error: &reqwest::Error) -> Silence {
    let mut words = outbound::silence(error).to_owned();
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push_str(": ");
        words.push_str(&error.to_string());
        cause = error.source();
    }
    Silence::Gone(words)
}
