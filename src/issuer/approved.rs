//! What a user approved: the thing that a code stands for, and a grant is made from.

use serde::{Deserialize, Serialize};

use crate::{
    base::id::{GatewayName, UserId},
    config::{Config, Gateway},
    protocol::oauth::scope::ScopeSet,
    user_source::Proof,
};

/// A client, let by a user into one endpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Approved {
    /// Who approved it.
    pub user: UserId,
    /// What their sign-in rested on; when it no longer holds, neither does what was approved.
    pub proof: Proof,
    /// The client, by its `client_id`.
    pub client_id: String,
    /// What pages and logs call the client.
    pub client_name: String,
    /// The gateway.
    pub gateway: GatewayName,
    /// The endpoint (RFC 8707 `resource`), as we spell it: the `aud` of access tokens.
    pub resource: String,
    /// What was granted.
    pub scopes: ScopeSet,
}

/// Why what was approved counts no longer, though nobody revoked it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lapsed {
    /// Gone, inactive, or for other users or other ways of access now.
    #[error("the gateway no longer takes this grant; sign in again")]
    Gateway,
    /// The operator took it out of the file.
    #[error("the client is no longer registered; sign in again")]
    Client,
    /// The account is gone, has another password, or its user source changed.
    #[error("the sign-in behind this no longer holds; sign in again")]
    SignIn,
}

impl Approved {
    /// The gateway, if what was approved still counts under `config`.
    ///
    /// # Errors
    /// See [`Lapsed`].
    pub fn standing<'c>(&self, config: &'c Config) -> Result<&'c Gateway, Lapsed> {
        let gateway = config.gateways.get(&self.gateway);
        // Those that registered themselves are looked up where they show themselves, when they refresh.
        let by_operator =
            !self.client_id.starts_with("https://") && !self.client_id.starts_with("dcr_");
        if by_operator && !config.clients.contains_key(&self.client_id) {
            return Err(Lapsed::Client);
        }
        let gateway = gateway
            .filter(|gateway| gateway.oauth_access && gateway.user_source == *self.user.source())
            .ok_or(Lapsed::Gateway)?;
        if self.proof.holds(&self.user, config) {
            Ok(gateway)
        } else {
            Err(Lapsed::SignIn)
        }
    }
}
