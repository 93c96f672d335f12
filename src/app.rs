//! The composition root: configuration → parts → a server. What depends on what is to be read in [`App::build`].

use std::{future::Future, path::Path, sync::Arc};

use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{
    admin::Operators,
    api::{Answers, ApiFace},
    audit::{
        Archive, Trail,
        trail::{Queue, Writer},
    },
    base::{clock::Clock, entropy::Entropy, seal::Sealer},
    config::{Config, RootKeyError, live::Live},
    connect::{Connect, ConnectPages},
    connections::{self, ConnectionsPages},
    execution::Executor,
    gateway::{Gateways, access::AccessControl, admit::Admitting, catalog::Catalog},
    hooks::Hooks,
    issuer::{self, Issuer},
    mcp::{self, McpFace},
    provider::OAuthClient,
    reload::Reloader,
    routes::{self, Faces},
    schedule::{self, Runner, Schedule},
    secrets::Secrets,
    server,
    store::{self, Store, StoreError, lease::Leases, signal::Signals},
    tasks,
    upstream::Upstreams,
    user_source::{
        accounts::Accounts, oidc::OidcProviders, profile::Profiles, session::BrowserSessions,
        sign_in::SignIn,
    },
    vault::{self, Vault},
    web::{failure::Faults, fetch::Fetcher, urls::Urls},
};

/// Everything that runs, ready to serve.
pub struct App {
    live: Live,
    store: Arc<dyn Store>,
    upstreams: Upstreams,
    vault: Vault,
    secrets: Secrets,
    trail: Trail,
    audit: Queue,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    faces: Faces,
    runner: Runner,
    stopping: CancellationToken,
}

/// Why there is nothing to serve.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be opened or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The first start could not make its root key.
    #[error(transparent)]
    RootKey(#[from] RootKeyError),
}

impl App {
    /// Builds all parts. Opens the store; contacts nobody.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn build(
        config: Config,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, StartError> {
        let ring = config.store.root_keys.ring(entropy.as_ref())?;
        let sealer = Sealer::new(&ring, Arc::clone(&entropy));
        let store = store::open(&config.store.engine, Arc::clone(&clock))?;
        let urls = Urls::new(&config.server.public_url);
        let live = Live::new(config);
        let signals = Signals::new();
        let (trail, audit) = Trail::new(Arc::clone(&clock));
        let faults = Faults::new(Arc::clone(&entropy));
        let stopping = CancellationToken::new();

        let sessions = BrowserSessions::new(
            Arc::clone(&store),
            live.clone(),
            urls.clone(),
            Arc::clone(&clock),
            Arc::clone(&entropy),
        );
        let profiles = Profiles::new(Arc::clone(&store));
        let oidc = OidcProviders::new(
            &store,
            profiles.clone(),
            sealer.clone(),
            urls.clone(),
            Arc::clone(&clock),
            Arc::clone(&entropy),
        );
        let sign_in = SignIn {
            live: live.clone(),
            urls: urls.clone(),
            sessions: sessions.clone(),
            accounts: Accounts::new(Arc::clone(&store), Arc::clone(&clock)),
            oidc: oidc.clone(),
            faults: faults.clone(),
            entropy: Arc::clone(&entropy),
        };

        let oauth = OAuthClient::new(Arc::clone(&clock));
        let leases = Leases::new(Arc::clone(&store), Arc::clone(&clock));
        let vault = Vault::new(vault::Parts {
            store: Arc::clone(&store),
            sealer: sealer.clone(),
            leases,
            client: oauth.clone(),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            signals: signals.clone(),
            trail: trail.clone(),
        });
        let connect = Connect::new(
            &store,
            live.clone(),
            urls.clone(),
            signals.clone(),
            trail.clone(),
            Arc::clone(&clock),
            Arc::clone(&entropy),
        );
        let connect_pages = ConnectPages::new(
            connect.clone(),
            sessions.clone(),
            oauth,
            vault.clone(),
            sealer.clone(),
            faults.clone(),
        );

        let issuer = Issuer::new(issuer::Parts {
            live: live.clone(),
            urls: urls.clone(),
            store: Arc::clone(&store),
            sealer: sealer.clone(),
            signals: signals.clone(),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            sessions: sessions.clone(),
            profiles: profiles.clone(),
            assertions: Arc::new(oidc),
            faults: faults.clone(),
            fetcher: Fetcher::new(),
        });
        let connections = ConnectionsPages::new(connections::Parts {
            live: live.clone(),
            urls: urls.clone(),
            sessions,
            profiles: profiles.clone(),
            vault: vault.clone(),
            connect: connect.clone(),
            issuer: issuer.clone(),
            clock: Arc::clone(&clock),
            faults: faults.clone(),
        });
        let access = AccessControl::new(issuer.clone(), profiles, urls.clone());

        let upstreams = Upstreams::new(Arc::clone(&clock));
        let secrets = Secrets::new(&store, sealer.clone(), Arc::clone(&clock));
        let admitting = Admitting::new(vault.clone(), secrets.clone(), urls.clone());
        let hooks = Hooks::new(Arc::clone(&clock));
        let catalog = Catalog::new(
            upstreams.clone(),
            admitting.clone(),
            Arc::clone(&clock),
            signals.clone(),
            trail.clone(),
            hooks.clone(),
        );
        let gateways = Gateways::new(
            catalog,
            admitting,
            upstreams.clone(),
            hooks,
            trail.clone(),
            Arc::clone(&entropy),
        );
        let mcp = McpFace::new(mcp::Parts {
            config: live.clone(),
            access: access.clone(),
            gateways: gateways.clone(),
            connect: connect.clone(),
            signals: signals.clone(),
            store: Arc::clone(&store),
            sealer: sealer.clone(),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            stopping: stopping.clone(),
        });
        mcp.load().await?;
        let executor = Executor::new(gateways.clone(), Arc::clone(&clock), Arc::clone(&entropy));
        let answers = Answers::new(
            &store,
            sealer.clone(),
            signals.clone(),
            Arc::clone(&clock),
            entropy.as_ref(),
        );
        let schedule = Schedule::new(schedule::Parts {
            store: Arc::clone(&store),
            sealer,
            signals: signals.clone(),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
        });
        let runner = schedule.runner(
            live.clone(),
            access.clone(),
            executor.clone(),
            Arc::clone(&clock),
        );
        let api = ApiFace {
            live: live.clone(),
            connect,
            pages: connect_pages.clone(),
            vault: vault.clone(),
            access,
            executor,
            schedule,
            answers,
            gateways,
            trail: trail.clone(),
            upstreams: upstreams.clone(),
            secrets: secrets.clone(),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            signals,
            faults,
            stopping: stopping.clone(),
        };
        let faces = Faces {
            api,
            mcp,
            sign_in,
            connect: connect_pages,
            connections,
            issuer,
        };
        Ok(Self {
            live,
            store,
            upstreams,
            vault,
            secrets,
            trail,
            audit,
            clock,
            entropy,
            faces,
            runner,
            stopping,
        })
    }

    /// Where the configuration in force is, and what takes a changed file over. Nobody looks at the file yet.
    pub fn reloader(&self, path: &Path) -> Reloader {
        Reloader::new(path, self.live.clone(), self.upstreams.clone())
    }

    /// What operators may look at and take away while it serves.
    pub fn operators(&self) -> Operators {
        Operators {
            trail: self.trail.clone(),
            archive: Archive::new(Arc::clone(&self.store)),
            vault: self.vault.clone(),
            secrets: self.secrets.clone(),
            live: self.live.clone(),
            clock: Arc::clone(&self.clock),
        }
    }

    /// Cancelled when a stop was asked for.
    pub fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// Serves on `listener` until `shutdown` resolves and requests in flight have had their grace.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) {
        let live = self.live.clone();
        let stopping = self.stopping.clone();
        let writer = Writer {
            store: Arc::clone(&self.store),
            live: live.clone(),
            entropy: self.entropy,
        };
        let (trail, audit) = (self.trail, tokio::spawn(self.audit.write(writer)));
        let chores = tokio::spawn(tasks::run(self.store, self.upstreams, stopping.clone()));
        // Ends with us: what it was at is then taken up by whoever comes next.
        let runner = AbortOnDropHandle::new(tokio::spawn(self.runner.run(stopping.clone())));
        let (pages, vault) = (self.faces.connect.clone(), self.vault);
        let answers = self.faces.api.answers.clone();
        let stop = async {
            shutdown.await;
            tracing::info!("stopping; requests in flight may finish");
            stopping.cancel();
            live.now().server.shutdown_grace
        };
        let router = routes::all(self.faces, self.live);
        // Runs that are under way may end, as requests may; none begins any more.
        let (asked, in_force) = (self.stopping, live.clone());
        let ended = async {
            asked.cancelled().await;
            let grace = in_force.now().server.shutdown_grace;
            // Of those whose caller hung up, no connection tells.
            let runs = async { tokio::join!(runner, answers.drain()) };
            tokio::time::timeout(grace, runs).await.is_ok()
        };
        let serving = server::serve(listener, router, server::HEADERS, stop);
        let (in_time, ended) = tokio::join!(serving, ended);
        let grace = live.now().server.shutdown_grace;
        if !in_time {
            tracing::warn!(
                ?grace,
                "requests were still in flight when the grace period ended"
            );
        }
        if !ended {
            tracing::warn!(
                ?grace,
                "runs that nobody waits for were still under way when the grace period ended"
            );
        }
        // A code or a refresh token that is being exchanged is worth waiting for: it cannot be exchanged again. Codes first,
        // so that nobody is left who could begin a refresh.
        let drained = async {
            pages.drain().await;
            vault.drain().await;
        };
        let _ = tokio::time::timeout(grace, drained).await;
        // Last, since what was waited for is told there.
        trail.close();
        if tokio::time::timeout(grace, audit).await.is_err() {
            tracing::error!("events are missing in the audit log: the store did not take them");
        }
        drop(chores.await);
    }
}
