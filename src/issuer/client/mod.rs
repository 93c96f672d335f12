//! Who a client is: registered by the operator, by itself, or known by the URL of its metadata document.

use crate::{base::secret::TokenHash, protocol::oauth::redirect::RedirectUri};

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
#[derive(Clone, Debug)]
pub enum ClientAuth {
    /// `none`: a public client; PKCE has to do.
    None,
    /// `client_secret_basic` or `client_secret_post`: whichever it uses.
    Secret(TokenHash),
    /// `private_key_jwt` (RFC 7523 §2.2), by one of these keys.
    PrivateKey(Keys),
}

/// Where the public keys of a client are.
#[derive(Clone, Debug)]
pub enum Keys {
    /// In its metadata: a JWK set as JSON.
    Inline(String),
    /// At this `https` address.
    At(url::Url),
}

impl Client {
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
