//! The configuration in force, swapped whole when a new file was found good.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{Config, Server};

/// A handle to the configuration in force. Cheap to clone; every clone sees the same one.
///
/// A request asks once and finishes on what it got.
#[derive(Clone, Debug)]
pub struct Live(Arc<ArcSwap<Config>>);

impl Live {
    /// Begins with `config`.
    pub fn new(config: Config) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(config)))
    }

    /// The configuration in force now.
    pub fn now(&self) -> Arc<Config> {
        self.0.load_full()
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
        self.0.store(Arc::new(Config {
            server,
            store: old.store.clone(),
            edition: old.edition + 1,
            ..config
        }));
        kept
    }
}
