//! The keys that sign access tokens (ES256): made when first needed, a new one every 30 days, sealed in the store.
//!
//! Time is cut into months of 30 days and each has one key, `signing_keys/{month}`: whoever needs it first creates it, and
//! whoever comes second takes that one, so that replicas agree. It signs for its month and verifies for a day more, until
//! every token it signed has expired. What is in memory is asked first; the store only for a key that is not there.

use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header,
    crypto::aws_lc::DEFAULT_PROVIDER,
    errors::Error as JwtError,
    jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash},
};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::{
    base::{
        clock::{Clock, Span, Timestamp},
        seal::{OpenError, Purpose, Sealed, Sealer},
    },
    store::{Store, StoreError, table::Table},
};

/// For how long a key signs. Seconds.
const MONTH: i64 = 30 * 24 * 60 * 60;
/// For how long it verifies after that: longer than any `access_token_lifetime` (a day at most).
const AFTERGLOW: Span = Span::from_hours(25);
/// Key ids that we do not know lead to the store so often at most: anybody can make them up.
const LOOKED_FOR_EVERY: Span = Span::from_secs(1);
/// RFC 9068 §2.1.
const TYP: &str = "at+jwt";

/// The signing keys.
pub struct Keys {
    table: Table<Stored>,
    sealer: Sealer,
    clock: Arc<dyn Clock>,
    ring: ArcSwap<Vec<Arc<Key>>>,
    /// When the ring was read last; held while it is read.
    read: Mutex<Option<Timestamp>>,
}

/// Why nothing can be signed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key in the store was sealed with a root key that is gone, or was tampered with.
    #[error("the signing key cannot be opened: {0}")]
    Sealed(#[source] OpenError),
    /// The library refused.
    #[error("the signing key is of no use: {0}")]
    Unusable(#[source] JwtError),
    /// The library could make none.
    #[error("no signing key could be made")]
    NotMade,
}

/// One key, and its month.
pub struct Key {
    month: i64,
    kid: String,
    private: EncodingKey,
    public: DecodingKey,
    jwk: Jwk,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    /// PKCS#8.
    sealed: Sealed,
}

impl Keys {
    /// The keys in `store`.
    pub fn new(store: Arc<dyn Store>, sealer: Sealer, clock: Arc<dyn Clock>) -> Self {
        // Somebody else in the process may have chosen already; both features of the crate at once would leave it without.
        let _ = DEFAULT_PROVIDER.install_default();
        Self {
            table: Table::new(store, "signing_keys"),
            sealer,
            clock,
            ring: ArcSwap::default(),
            read: Mutex::new(None),
        }
    }

    /// The key that signs now.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub async fn current(&self) -> Result<Arc<Key>, KeyError> {
        let month = self.clock.now().as_second().div_euclid(MONTH);
        let find = || {
            self.ring
                .load()
                .iter()
                .find(|key| key.month == month)
                .cloned()
        };
        if let Some(key) = find() {
            return Ok(key);
        }
        let mut read = self.read.lock().await;
        if let Some(key) = find() {
            return Ok(key);
        }
        if self.table.get(&month.to_string()).await?.is_none() {
            self.make(month).await?;
        }
        self.reload(&mut read).await?;
        if let Some(key) = find() {
            return Ok(key);
        }
        // It is there and was left out: say why.
        let stored = self.table.get(&month.to_string()).await?;
        let stored = stored.ok_or(KeyError::NotMade)?;
        self.open(month, &stored.value).map(Arc::new)
    }

    /// The key called `kid`, if it is ours and may still verify.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn named(&self, kid: &str) -> Result<Option<Arc<Key>>, StoreError> {
        let find = || {
            let now = self.clock.now();
            let ring = self.ring.load();
            let mut good = ring.iter().filter(|key| now < expiry(key.month));
            good.find(|key| key.kid == kid).cloned()
        };
        if let Some(key) = find() {
            return Ok(Some(key));
        }
        let mut read = self.read.lock().await;
        let recent = |read: Timestamp| self.clock.now().duration_since(read) < LOOKED_FOR_EVERY;
        if !read.is_some_and(recent) {
            self.reload(&mut read).await?;
        }
        Ok(find())
    }

    /// The public halves (RFC 7517), for whoever wants to verify tokens.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub async fn public(&self) -> Result<JwkSet, KeyError> {
        self.current().await?;
        let now = self.clock.now();
        let ring = self.ring.load();
        let alive = ring.iter().filter(|key| now < expiry(key.month));
        Ok(JwkSet {
            keys: alive.map(|key| key.jwk.clone()).collect(),
        })
    }

    async fn make(&self, month: i64) -> Result<(), KeyError> {
        // The library draws from its own generator and offers no other way.
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
        let pair = pair.map_err(|_| KeyError::NotMade)?;
        let pkcs8 = pair.to_pkcs8v1().map_err(|_| KeyError::NotMade)?;
        let name = month.to_string();
        let sealed = self
            .sealer
            .seal(Purpose::SigningKey, &owner(&name), pkcs8.as_ref());
        let stored = Stored { sealed };
        let created = self.table.create(&name, &stored, Some(expiry(month)));
        if created.await? {
            tracing::info!("made a new key to sign access tokens with");
        }
        Ok(())
    }

    async fn reload(&self, read: &mut Option<Timestamp>) -> Result<(), StoreError> {
        *read = Some(self.clock.now());
        let stored = self.table.list("", None, 100).await?;
        let keys = stored.iter().filter_map(|(month, stored)| {
            let month = month.parse().ok()?;
            let held = self.ring.load();
            let held = held.iter().find(|key| key.month == month).cloned();
            // One that does not open is missed when it is needed.
            held.or_else(|| self.open(month, stored).ok().map(Arc::new))
        });
        self.ring.store(Arc::new(keys.collect()));
        Ok(())
    }

    fn open(&self, month: i64, stored: &Stored) -> Result<Key, KeyError> {
        let name = month.to_string();
        let pkcs8 = self
            .sealer
            .open(Purpose::SigningKey, &owner(&name), &stored.sealed)
            .map_err(KeyError::Sealed)?;
        Key::new(month, &pkcs8).map_err(KeyError::Unusable)
    }
}

impl Key {
    fn new(month: i64, pkcs8: &[u8]) -> Result<Self, JwtError> {
        let private = EncodingKey::from_ec_der(pkcs8);
        let mut jwk = Jwk::from_encoding_key(&private, Algorithm::ES256)?;
        let kid = jwk.thumbprint(ThumbprintHash::SHA256)?;
        jwk.common.key_id = Some(kid.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(Self {
            month,
            kid,
            public: DecodingKey::from_jwk(&jwk)?,
            private,
            jwk,
        })
    }

    /// Its public half.
    pub(super) fn public(&self) -> &DecodingKey {
        &self.public
    }

    /// Its private half, to sign what only tests sign.
    #[cfg(test)]
    pub(super) fn private(&self) -> &EncodingKey {
        &self.private
    }

    /// A JWT that says `claims`.
    ///
    /// # Errors
    /// What the library says.
    pub(super) fn sign<C: Serialize>(&self, claims: &C) -> Result<String, KeyError> {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(TYP.to_owned());
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.private).map_err(KeyError::Unusable)
    }
}

/// Whether `header` is one of an access token of ours, by its own words.
pub(super) fn is_ours(header: &Header) -> bool {
    header.alg == Algorithm::ES256 && header.typ.as_deref() == Some(TYP)
}

fn owner(name: &str) -> [&str; 2] {
    ["signing_keys", name]
}

fn expiry(month: i64) -> Timestamp {
    let end = Timestamp::from_second((month + 1) * MONTH).unwrap_or(Timestamp::MAX);
    end.saturating_add(AFTERGLOW).unwrap_or(Timestamp::MAX)
}
