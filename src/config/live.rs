//! The configuration in force, swapped whole when a new file was found good.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::{Config, Server};

/// A handle to the configuration in force. Cheap to clone; every clone sees the same one.
///
/// A request asks once and finishes on what it got.
#[derive(Clone, Debug)]
pub struct Live {
    current: Arc<ArcSwap<Config>>,
    /// The edition in force, for those who wait for another.
    edition: watch::Sender<u64>,
}

impl Live {
    /// Begins with `config`.
    pub fn new(config: Config) -> Self {
        Self {
            edition: watch::Sender::new(config.edition),
            current: Arc::new(ArcSwap::from_pointee(config)),
        }
    }

    /// The configuration in force now.
    pub fn now(&self) -> Arc<Config> {
        self.current.load_full()
    }

    /// Returns once a later edition than this is in force: for what goes on longer than a request.
    pub async fn replaced(&self, edition: u64) {
        let mut editions = self.edition.subscribe();
        // The sender lives in `self`, so there is no other end to this.
        let _ = editions.wait_for(|now| *now > edition).await;
    }

    /// Puts `config` in force under the next edition; requests in flight keep the one they started with.
    ///
    /// Where we listen, who we say we are and where records live is fixed at the start: those parts stay as they were, and the
    /// names of those that the file would have changed come back.
    pub fn replace(&self, config: Config) -> Vec<&'static str> {
        let old = self.now();
        let mut kept = Vec::new();
        let mut keep = |name, differs: bool| {
            if differs {
                kept.push(name);
            }
        };
        let (was, is) = (&old.server, &config.server);
        keep("server.listen", was.listen != is.listen);
        keep("server.admin_listen", was.admin_listen != is.admin_listen);
        keep("server.public_url", was.public_url != is.public_url);
        keep("store.url", old.store.engine != config.store.engine);
        keep(
            "store.root_keys",
            old.store.root_keys.differ_from(&config.store.root_keys),
        );
        let server = Server {
            listen: was.listen,
            admin_listen: was.admin_listen,
            public_url: was.public_url.clone(),
            ..config.server
        };
        let edition = old.edition + 1;
        self.current.store(Arc::new(Config {
            server,
            store: old.store.clone(),
            edition,
            ..config
        }));
        self.edition.send_replace(edition);
        kept
    }
}
