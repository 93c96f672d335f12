//! What a user approved: the thing that a code stands for, and a grant is made from.

use serde::{Deserialize, Serialize};

use crate::{
    base::id::{GatewayName, UserId},
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
