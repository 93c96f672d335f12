//! Who a client is: registered by the operator, by itself, or known by the URL of its metadata document.

mod assertion;
mod authenticate;
mod budget;
mod document;
mod dynamic;
mod keys;
mod metadata;

#[cfg(test)]
mod tests_document;
#[cfg(test)]
mod tests_proof;

use std::{net::IpAddr, sync::Arc};

use serde::{Deserialize, Serialize};

use self::{
    assertion::Assertions, budget::Budget, document::Documents, dynamic::Registry, keys::KeySets,
    metadata::Metadata,
};
use crate::{
    base::{clock::Clock, entropy::Entropy, secret::TokenHash},
    config::{Config, RegisteredClient},
    protocol::oauth::redirect::RedirectUri,
    store::{Store, StoreError},
    web::{fetch::Fetcher, urls::Urls},
};

pub use self::{
    assertion::ALGORITHMS as ASSERTION_ALGORITHMS,
    authenticate::{ClientAuthError, Presented},
    document::DocumentProblem,
    dynamic::Registered,
    metadata::{Application, Unfit},
};

/// A client that may ask for authorization.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its `client_id`.
    pub id: String,
    /// What it calls itself, or the operator calls it. Untrusted unless `origin` is [`Origin::Registered`].
    pub name: String,
    /// Where we know it from.
    pub origin: Origin,
    /// Where codes may be sent. Ask [`Self::redirect`].
    pub redirect_uris: Vec<RedirectUri>,
    /// How it proves itself at the token endpoint.
    pub auth: ClientAuth,
}

/// Where a client is known from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `[clients.*]` in `gateway.toml`.
    Registered,
    /// It registered itself (RFC 7591).
    Dynamic,
    /// Its id is the URL of its metadata document; the host of that URL vouches for it.
    Document {
        /// The host of the URL.
        host: String,
    },
}

/// How a client proves itself at the token endpoint (RFC 7591 §2 `token_endpoint_auth_method`).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// `none`: a public client; PKCE has to do.
    None,
    /// `client_secret_basic` or `client_secret_post`: whichever it uses.
    Secret(TokenHash),
    /// `private_key_jwt` (RFC 7523 §2.2), by one of these keys.
    PrivateKey(Keys),
}

/// Where the public keys of a client are.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keys {
    /// In its metadata: a JWK set as JSON.
    Inline(String),
    /// At this `https` address.
    At(url::Url),
}

/// Everybody who may ask for authorization. Cheap to clone.
#[derive(Clone)]
pub struct Clients {
    registry: Registry,
    documents: Documents,
    assertions: Assertions,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody has this `client_id`; a registration may have expired.
    #[error("no client has this client_id")]
    Unknown,
    /// It is the address of a metadata document, with which something is the matter.
    #[error("the client's metadata document: {0}")]
    Document(DocumentProblem),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Clients {
    /// Registrations in `store`; documents through `fetcher`.
    pub fn new(
        store: &Arc<dyn Store>,
        urls: &Urls,
        fetcher: &Fetcher,
        clock: &Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let budget = Budget::new(clock);
        let keys = KeySets::new(fetcher.clone(), budget.clone(), Arc::clone(clock));
        Self {
            registry: Registry::new(Arc::clone(store), Arc::clone(clock), entropy),
            documents: Documents::new(fetcher.clone(), budget, Arc::clone(clock)),
            assertions: Assertions::new(Arc::clone(store), urls, keys, Arc::clone(clock)),
        }
    }

    /// The client with this id. `from` is who asks: they may make us fetch documents only so often.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn find(
        &self,
        config: &Config,
        id: &str,
        from: IpAddr,
    ) -> Result<Client, ClientError> {
        if let Some(registered) = config.clients.get(id) {
            return Ok(Client::registered(id, registered));
        }
        if dynamic::is_id(id) {
            let found = self.registry.find(id).await?;
            return found.ok_or(ClientError::Unknown);
        }
        if config.oauth.metadata_documents && document::is_id(id) {
            let found = self.documents.find(&config.oauth, id, from).await;
            return found.map_err(ClientError::Document);
        }
        Err(ClientError::Unknown)
    }

    /// Registers a client that asked for it (RFC 7591 §3).
    ///
    /// # Errors
    /// When the store fails.
    pub async fn register(&self, application: &Application) -> Result<Registered, StoreError> {
        self.registry.register(application).await
    }
}

impl Client {
    fn registered(id: &str, registered: &RegisteredClient) -> Self {
        let uris = registered.redirect_uris.iter();
        Self {
            id: id.to_owned(),
            name: registered.title.clone(),
            origin: Origin::Registered,
            redirect_uris: uris.filter_map(|uri| uri.parse().ok()).collect(),
            auth: registered
                .secret
                .map_or(ClientAuth::None, ClientAuth::Secret),
        }
    }

    /// The redirect URI to answer at, if `asked` is a registered one.
    pub fn redirect(&self, asked: &str) -> Option<RedirectUri> {
        let asked: RedirectUri = asked.parse().ok()?;
        let known = self.redirect_uris.iter().any(|known| known.admits(&asked));
        known.then_some(asked)
    }

    /// Whether all its redirect URIs are on the user's own machine, where any program may pretend to be it.
    pub fn is_local_only(&self) -> bool {
        self.redirect_uris.iter().all(RedirectUri::is_loopback)
    }
}
