//! Sealing: authenticated encryption bound to a purpose and an owner.
//!
//! What must be given back later is sealed with associated data that names where it belongs (table, key, owner), so that
//! a row copied to another user does not open. What passes through a client is sealed too, with an expiry inside.
//!
//! Keys are derived once, at start: root key × [`Purpose`] through HKDF-SHA-256. Sealing costs one XChaCha20-Poly1305 and
//! nothing else; its 192-bit nonces are random, so no counter has to be kept.

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use hkdf::Hkdf;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::Sha256;
use zeroize::Zeroizing;

pub use super::purpose::Purpose;
use super::{clock::Timestamp, entropy::Entropy};

/// The version of the layout below; the first byte of everything sealed.
const LAYOUT: u8 = 1;
const NONCE: usize = 24;

/// One root key: 256 bits and the id under which sealed things remember it.
pub struct RootKey {
    /// Up to 255 bytes; shown in `anteroom keys rotate` and in errors.
    pub id: String,
    /// The key itself.
    pub key: Zeroizing<[u8; 32]>,
}

/// Seals with the first key of the ring and opens with any.
#[derive(Clone)]
pub struct Sealer {
    ring: Arc<[DerivedKeys]>,
    entropy: Arc<dyn Entropy>,
}

/// Sealed bytes: layout, key id, nonce, ciphertext. Safe to store, to log and to show.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

/// Why something sealed does not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Not the layout of a sealed thing.
    #[error("this was never sealed by Anteroom, or was cut short")]
    Malformed,
    /// The key that sealed it is no longer in the ring.
    #[error("it was sealed with the root key `{0}`, which is not configured")]
    UnknownKey(String),
    /// Changed, moved to another owner, or made for another purpose.
    #[error("it was changed, or belongs to someone or something else")]
    Refused,
    /// Opened, but its time has passed.
    #[error("it has expired")]
    Expired,
}

struct DerivedKeys {
    id: String,
    ciphers: [XChaCha20Poly1305; Purpose::ALL.len()],
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RootKey({:?}, …)", self.id)
    }
}

impl Sealer {
    /// A sealer over a ring of root keys: the first seals, all open.
    ///
    /// # Panics
    /// When the ring is empty or an id is longer than 255 bytes; configuration checks both.
    pub fn new(ring: &[RootKey], entropy: Arc<dyn Entropy>) -> Self {
        assert!(!ring.is_empty(), "the root key ring has at least one key");
        let ring = ring.iter().map(DerivedKeys::new).collect();
        Self { ring, entropy }
    }

    /// Seals `plaintext` for `purpose`. `owner` names where it belongs; opening needs the same parts in the same order.
    pub fn seal(&self, purpose: Purpose, owner: &[&str], plaintext: &[u8]) -> Sealed {
        let keys = &self.ring[0];
        let mut nonce = [0; NONCE];
        self.entropy.fill(&mut nonce);
        let ciphertext = keys.ciphers[purpose as usize]
            .encrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: plaintext,
                    aad: &associated_data(owner),
                },
            )
            .expect("XChaCha20-Poly1305 seals anything below 256 GiB");
        let mut sealed = Vec::with_capacity(2 + keys.id.len() + NONCE + ciphertext.len());
        sealed.push(LAYOUT);
        sealed.push(u8::try_from(keys.id.len()).expect("checked when the ring was made"));
        sealed.extend_from_slice(keys.id.as_bytes());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        Sealed(sealed)
    }

    /// Opens what [`Self::seal`] made with the same purpose and owner.
    ///
    /// # Errors
    /// Any [`OpenError`] but [`OpenError::Expired`].
    pub fn open(
        &self,
        purpose: Purpose,
        owner: &[&str],
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (id, nonce, ciphertext) = sealed.parts().ok_or(OpenError::Malformed)?;
        let keys = self
            .ring
            .iter()
            .find(|keys| keys.id == id)
            .ok_or_else(|| OpenError::UnknownKey(id.to_owned()))?;
        keys.ciphers[purpose as usize]
            .decrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: ciphertext,
                    aad: &associated_data(owner),
                },
            )
            .map(Zeroizing::new)
            .map_err(|_| OpenError::Refused)
    }

    /// Seals something that passes through a client until `expires`; the text is base64url.
    pub fn seal_text(
        &self,
        purpose: Purpose,
        owner: &[&str],
        expires: Timestamp,
        plaintext: &[u8],
    ) -> String {
        let mut body = Zeroizing::new(Vec::with_capacity(8 + plaintext.len()));
        body.extend_from_slice(&expires.as_millisecond().to_be_bytes());
        body.extend_from_slice(plaintext);
        URL_SAFE_NO_PAD.encode(&self.seal(purpose, owner, &body).0)
    }

    /// Opens what [`Self::seal_text`] made, unless its time has passed.
    ///
    /// # Errors
    /// Any [`OpenError`].
    pub fn open_text(
        &self,
        purpose: Purpose,
        owner: &[&str],
        now: Timestamp,
        text: &str,
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let sealed = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| OpenError::Malformed)?;
        let body = self.open(purpose, owner, &Sealed(sealed))?;
        let (expires, plaintext) = body.split_first_chunk().ok_or(OpenError::Malformed)?;
        if now.as_millisecond() >= i64::from_be_bytes(*expires) {
            return Err(OpenError::Expired);
        }
        Ok(Zeroizing::new(plaintext.to_vec()))
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.ring.iter().map(|keys| &keys.id))
            .finish()
    }
}

impl Sealed {
    /// The id of the root key that sealed this; `None` if it is not a sealed thing.
    pub fn key_id(&self) -> Option<&str> {
        self.parts().map(|(id, _, _)| id)
    }

    fn parts(&self) -> Option<(&str, [u8; NONCE], &[u8])> {
        let (&[layout, id_length], rest) = self.0.split_first_chunk()?;
        if layout != LAYOUT {
            return None;
        }
        let (id, rest) = rest.split_at_checked(id_length.into())?;
        let (nonce, ciphertext) = rest.split_first_chunk()?;
        Some((std::str::from_utf8(id).ok()?, *nonce, ciphertext))
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

impl Serialize for Sealed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Sealed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        URL_SAFE_NO_PAD
            .decode(text.as_bytes())
            .map(Self)
            .map_err(de::Error::custom)
    }
}

impl DerivedKeys {
    fn new(root: &RootKey) -> Self {
        assert!(
            root.id.len() <= 255,
            "a root key's id has at most 255 bytes"
        );
        let hkdf = Hkdf::<Sha256>::new(Some(b"anteroom/seal/1"), root.key.as_slice());
        let ciphers = Purpose::ALL.map(|purpose| {
            let mut key = Zeroizing::new([0; 32]);
            hkdf.expand(purpose.label().as_bytes(), key.as_mut_slice())
                .expect("HKDF-SHA-256 gives 32 bytes");
            XChaCha20Poly1305::new(key.as_slice().try_into().expect("the key has 32 bytes"))
        });
        Self {
            id: root.id.clone(),
            ciphers,
        }
    }
}

/// Each part is preceded by its length, so that `("a", "bc")` and `("ab", "c")` are different owners.
fn associated_data(owner: &[&str]) -> Vec<u8> {
    let mut data = Vec::with_capacity(owner.iter().map(|part| part.len() + 8).sum());
    for part in owner {
        data.extend_from_slice(&(part.len() as u64).to_be_bytes());
        data.extend_from_slice(part.as_bytes());
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::SeededEntropy;

    fn sealer(ids: &[&str]) -> Sealer {
        let ring: Vec<_> = ids
            .iter()
            .map(|id| RootKey {
                id: (*id).to_owned(),
                key: Zeroizing::new([u8::try_from(id.len()).unwrap(); 32]),
            })
            .collect();
        Sealer::new(&ring, Arc::new(SeededEntropy::new(1)))
    }

    #[test]
    fn only_the_same_purpose_and_owner_open() {
        let sealer = sealer(&["k"]);
        let sealed = sealer.seal(Purpose::Credential, &["alice", "github"], b"token");
        let open = |purpose, owner: &[&str]| sealer.open(purpose, owner, &sealed);
        assert_eq!(
            *open(Purpose::Credential, &["alice", "github"]).unwrap(),
            b"token"
        );
        for (purpose, owner) in [
            (Purpose::Credential, vec!["bob", "github"]),
            (Purpose::Credential, vec!["alicegithub"]),
            (Purpose::Credential, vec!["aliceg", "ithub"]),
            (Purpose::CodeVerifier, vec!["alice", "github"]),
        ] {
            assert_eq!(
                open(purpose, &owner),
                Err(OpenError::Refused),
                "{purpose:?} {owner:?}"
            );
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let sealer = sealer(&["k"]);
        let sealed = sealer.seal(Purpose::McpSession, &[], b"x");
        for position in 0..sealed.0.len() {
            let mut changed = sealed.clone();
            changed.0[position] ^= 1;
            assert!(
                sealer.open(Purpose::McpSession, &[], &changed).is_err(),
                "byte {position}"
            );
        }
        for length in 0..sealed.0.len() {
            let cut = Sealed(sealed.0[..length].to_vec());
            assert!(
                sealer.open(Purpose::McpSession, &[], &cut).is_err(),
                "cut to {length}"
            );
        }
    }

    #[test]
    fn old_keys_still_open_and_the_first_one_seals() {
        let old = sealer(&["old"]).seal(Purpose::Credential, &[], b"x");
        let both = sealer(&["newer", "old"]);
        assert!(both.open(Purpose::Credential, &[], &old).is_ok());
        assert_eq!(
            both.seal(Purpose::Credential, &[], b"x").key_id(),
            Some("newer")
        );
        assert_eq!(
            sealer(&["newer"]).open(Purpose::Credential, &[], &old),
            Err(OpenError::UnknownKey("old".into()))
        );
    }

    #[test]
    fn texts_expire() {
        let sealer = sealer(&["k"]);
        let at = |second| Timestamp::from_second(second).unwrap();
        let text = sealer.seal_text(Purpose::RequestState, &["alice"], at(100), b"state");
        let open = |now, text: &str| sealer.open_text(Purpose::RequestState, &["alice"], now, text);
        assert_eq!(*open(at(99), &text).unwrap(), b"state");
        assert_eq!(open(at(100), &text), Err(OpenError::Expired));
        assert_eq!(open(at(99), "no base64!"), Err(OpenError::Malformed));
    }
}
