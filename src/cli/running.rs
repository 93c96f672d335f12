//! Reaching what is kept: through the gateway that runs, or in its store when none does. The store is one process's at a time.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, anyhow, bail};
use serde_json::Value;
use url::Url;

use crate::{
    base::clock::SystemClock,
    config::{Config, Engine},
    store::{self, Store, StoreError},
    web::outbound,
};

/// A gateway that runs on this machine answers sooner, if it is one.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where what is kept is found.
pub(super) enum Reached {
    /// A gateway runs and answers operators.
    Gateway(Gateway),
    /// None does; the store is ours until we end.
    Store(Arc<dyn Store>),
    /// No gateway has ever run with this file.
    Nothing,
}

/// The operators' listener of a gateway that runs.
pub(super) struct Gateway {
    http: reqwest::Client,
    address: SocketAddr,
}

/// Looks for the gateway of this configuration, and for its store if it does not run.
///
/// # Errors
/// When it runs and does not answer operators, or the store cannot be opened: the words say what to do.
pub(super) async fn reach(config: &Config, file: &Path) -> anyhow::Result<Reached> {
    if let Some(address) = config.server.admin_listen {
        let gateway = Gateway::at(address)?;
        if gateway.answers().await? {
            return Ok(Reached::Gateway(gateway));
        }
    }
    let Engine::Sled(folder) = &config.store.engine;
    if !folder.exists() {
        return Ok(Reached::Nothing);
    }
    match store::open(&config.store.engine, Arc::new(SystemClock)) {
        Ok(store) => Ok(Reached::Store(store)),
        Err(StoreError::InUse(_)) => Err(in_use(config, file)),
        Err(error) => Err(error.into()),
    }
}

/// A gateway runs, and there is no way to ask it.
fn in_use(config: &Config, file: &Path) -> anyhow::Error {
    let file = file.display();
    match config.server.admin_listen {
        None => anyhow!(
            "a gateway runs with this store, and {file} gives it no address for operators; do one of these:\n\
             - write `admin_listen = \"127.0.0.1:9090\"` under [server] in {file}, start the gateway again, and then this\n\
             - stop the gateway, and run this again"
        ),
        Some(address) => anyhow!(
            "a gateway runs with this store, but nobody answers at {address}, which {file} says is `server.admin_listen`; \
             the gateway reads that at its start alone: start it again, or stop it, and run this again"
        ),
    }
}

impl Gateway {
    fn at(address: SocketAddr) -> anyhow::Result<Self> {
        let http = outbound::client()
            .no_proxy()
            .connect_timeout(PATIENCE)
            .read_timeout(PATIENCE * 12)
            .build()
            .context("no HTTP client")?;
        // Listening everywhere includes this machine.
        let address = match address {
            SocketAddr::V4(v4) if v4.ip().is_unspecified() => ([127, 0, 0, 1], v4.port()).into(),
            SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
                (std::net::Ipv6Addr::LOCALHOST, v6.port()).into()
            }
            address => address,
        };
        Ok(Self { http, address })
    }

    async fn answers(&self) -> anyhow::Result<bool> {
        let health = self.http.get(self.url("healthz", "")?).timeout(PATIENCE);
        match health.send().await {
            Ok(answer) if answer.status() == 204 => Ok(true),
            Ok(_) => bail!(
                "something answers at {}, which is `server.admin_listen`, but it is no Anteroom",
                self.address
            ),
            Err(error) if error.is_connect() => Ok(false),
            Err(error) => {
                Err(anyhow!(error)
                    .context(format!("the gateway at {} does not answer", self.address)))
            }
        }
    }

    /// `path` has no slash at its beginning; `query` is encoded.
    pub(super) fn url(&self, path: &str, query: &str) -> anyhow::Result<Url> {
        let mut url = Url::parse(&format!("http://{}/{path}", self.address))?;
        url.set_query((!query.is_empty()).then_some(query));
        Ok(url)
    }

    /// Sends a request. An answer that says no is an error with its words.
    pub(super) async fn send(
        &self,
        method: reqwest::Method,
        url: Url,
    ) -> anyhow::Result<reqwest::Response> {
        self.answer(self.http.request(method, url)).await
    }

    /// Sends a request, with a JSON body if there is one; the JSON of the answer. One that says no is an error with its words.
    pub(super) async fn ask(
        &self,
        method: reqwest::Method,
        url: Url,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let mut request = self.http.request(method, url);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = self.answer(request).await?;
        let text = answer.text().await.context("the gateway broke off")?;
        serde_json::from_str(&text).context("the gateway's answer is no JSON")
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> anyhow::Result<reqwest::Response> {
        let sent = request.send().await;
        let answer = sent.with_context(|| format!("the gateway at {} broke off", self.address))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let words = answer.text().await.unwrap_or_default();
        match words.trim() {
            "" => bail!("the gateway answered {status}; is it of this version?"),
            words => bail!("{}", words.chars().take(1000).collect::<String>()),
        }
    }
}
