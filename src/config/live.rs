//! The configuration in force, swapped whole when a new file was found good.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Config;

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

    /// Puts `config` in force; requests in flight keep the one they started with.
    pub fn replace(&self, config: Config) {
        self.0.store(Arc::new(config));
    }
}
