//! Clients that registered themselves (RFC 7591).
//!
//! | record | key | lives |
//! |---|---|---|
//! | registration | `clients/{client_id}` | 30 days after it was made; once used, 30 days longer than its refresh tokens may |

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    Client, ClientAuth, Origin,
    metadata::{Application, AuthMethod},
};
use crate::{
    base::{
        clock::{Clock, Span, Timestamp},
        entropy::Entropy,
        secret::{ExposeSecret, Secret, TokenHash},
    },
    store::{
        Store, StoreError,
        table::{Change, Table},
    },
};

/// How every id of this kind begins.
const PREFIX: &str = "dcr_";
/// How long a registration that is not used is remembered.
const UNUSED: Span = Span::from_hours(30 * 24);
/// A use that would lengthen a registration's life by less is not noted: most uses write nothing.
const NOTED_EVERY: Span = Span::from_hours(24);

/// Whether an id may be one of ours.
pub(super) fn is_id(id: &str) -> bool {
    id.starts_with(PREFIX) && id.len() <= 64
}

#[derive(Clone)]
pub(super) struct Registry {
    table: Table<Registration>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// What a registration came to.
#[derive(Debug)]
pub struct Registered {
    /// The id.
    pub client_id: String,
    /// The secret, for those who asked for one. Shown this once.
    pub client_secret: Option<Secret>,
    /// When.
    pub issued_at: Timestamp,
}

#[derive(Debug, Serialize, Deserialize)]
struct Registration {
    name: String,
    redirect_uris: Vec<String>,
    auth: ClientAuth,
    issued_at: Timestamp,
    expires: Timestamp,
}

/// What two registrations must have in common to be one.
#[derive(Serialize)]
struct Canonical<'a> {
    name: &'a str,
    redirect_uris: Vec<String>,
    auth: &'a ClientAuth,
}

impl Registry {
    pub(super) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            table: Table::new(store, "clients"),
            clock,
            entropy,
        }
    }

    /// Registers. Who says the same as somebody before them, and gets no secret, is the same client: programs that register at
    /// each start, each time with another port of this machine, make one record.
    pub(super) async fn register(&self, asked: &Application) -> Result<Registered, StoreError> {
        let now = self.clock.now();
        let secret = match asked.auth {
            AuthMethod::Secret(_) => Some(Secret::from(self.entropy.token())),
            AuthMethod::None | AuthMethod::PrivateKey(_) => None,
        };
        let auth = match (&asked.auth, &secret) {
            (AuthMethod::PrivateKey(keys), _) => ClientAuth::PrivateKey(keys.clone()),
            (_, Some(secret)) => ClientAuth::Secret(TokenHash::of(secret.expose_secret())),
            (_, None) => ClientAuth::None,
        };
        let client_id = match secret {
            Some(_) => format!("{PREFIX}{}", self.entropy.handle()),
            None => id_of(asked, &auth),
        };
        let uris = asked.redirect_uris.iter();
        let registration = Registration {
            name: asked.name.clone(),
            redirect_uris: uris.map(|uri| uri.as_str().to_owned()).collect(),
            auth,
            issued_at: now,
            expires: later(now, UNUSED),
        };
        loop {
            let expires = registration.expires;
            let created = self.table.create(&client_id, &registration, Some(expires));
            let issued_at = if created.await? {
                Some(now)
            } else {
                self.live_until(&client_id, expires).await?
            };
            if let Some(issued_at) = issued_at {
                return Ok(Registered {
                    client_id,
                    client_secret: secret,
                    issued_at,
                });
            }
        }
    }

    pub(super) async fn find(&self, id: &str) -> Result<Option<Client>, StoreError> {
        let entry = self.table.get(id).await?;
        Ok(entry.map(|entry| entry.value.client(id)))
    }

    /// Notes that a client came for tokens, which may be renewed for `refresh` from now.
    pub(super) async fn used(&self, id: &str, refresh: Duration) -> Result<(), StoreError> {
        let refresh = Span::try_from(refresh).unwrap_or(Span::MAX);
        let until = later(later(self.clock.now(), refresh), UNUSED);
        self.live_until(id, until).await.map(drop)
    }

    /// Lengthens a registration's life; says when it was made, if there is one.
    async fn live_until(
        &self,
        id: &str,
        until: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let kept = self
            .table
            .update(id, |mut registration| {
                if until.duration_since(registration.expires) < NOTED_EVERY {
                    return Ok::<_, StoreError>(Change::Leave(registration));
                }
                registration.expires = until;
                Ok(Change::Expire(registration, Some(until)))
            })
            .await?;
        Ok(kept.map(|registration| registration.issued_at))
    }
}

impl Registration {
    fn client(self, id: &str) -> Client {
        let uris = self.redirect_uris.iter();
        Client {
            id: id.to_owned(),
            name: self.name,
            origin: Origin::Dynamic,
            redirect_uris: uris.filter_map(|uri| uri.parse().ok()).collect(),
            auth: self.auth,
        }
    }
}

fn id_of(asked: &Application, auth: &ClientAuth) -> String {
    let mut redirect_uris: Vec<_> = asked
        .redirect_uris
        .iter()
        .map(|uri| uri.any_port())
        .collect();
    redirect_uris.sort_unstable();
    redirect_uris.dedup();
    let canonical = Canonical {
        name: &asked.name,
        redirect_uris,
        auth,
    };
    let canonical = serde_json::to_vec(&canonical).expect("texts are written to memory");
    let hash = Sha256::digest(canonical);
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(hash))
}

fn later(time: Timestamp, by: Span) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}
