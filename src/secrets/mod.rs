//! What workers' tools need of the operator: by reference in `gateway.toml`.

use crate::{base::secret::Secret, config::Config, store::StoreError};

/// Where secrets are. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Secrets;

impl Secrets {
    /// The secret of that name; `None` if there is none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn find(&self, config: &Config, name: &str) -> Result<Option<Secret>, StoreError> {
        Ok(config.secrets.get(name).cloned())
    }
}
