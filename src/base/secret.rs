//! Secrets as types: what we hold prints nothing, what we issued is kept only as a hash.

use std::fmt;

pub use secrecy::ExposeSecret;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A string nobody may print: no `Display`, no `Serialize`, no comparison; wiped when dropped.
///
/// [`ExposeSecret::expose_secret`] is the word to search for to find every place where one leaves.
pub type Secret = SecretString;

/// What is stored of anything we issue (API keys, browser sessions, states): its SHA-256.
///
/// The originals have 160 bits of entropy or more, so a fast hash is enough and no salt is needed.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenHash([u8; 32]);

/// Why a text is not a [`TokenHash`].
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("expected `sha256:` and 64 hexadecimal digits")]
pub struct NotATokenHash;

impl TokenHash {
    /// The hash of an issued token.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// 64 hexadecimal digits: for keys of records.
    pub fn to_hex(self) -> String {
        base16ct::lower::encode_string(&self.0)
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenHash {}

impl std::hash::Hash for TokenHash {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

impl From<TokenHash> for String {
    fn from(hash: TokenHash) -> Self {
        format!("sha256:{}", hash.to_hex())
    }
}

impl std::str::FromStr for TokenHash {
    type Err = NotATokenHash;

    fn from_str(text: &str) -> Result<Self, NotATokenHash> {
        let digits = text.strip_prefix("sha256:").ok_or(NotATokenHash)?;
        if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(NotATokenHash);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| NotATokenHash)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| NotATokenHash)?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for TokenHash {
    type Error = NotATokenHash;

    fn try_from(text: String) -> Result<Self, NotATokenHash> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_survives_its_own_text() {
        let hash = TokenHash::of("arc_example");
        let text = String::from(hash);
        assert_eq!(text.parse::<TokenHash>().unwrap(), hash);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "sha256:",
            "sha256:zz",
            "md5:00",
            &format!("sha256:{}", "+1".repeat(32)),
        ] {
            assert!(text.parse::<TokenHash>().is_err(), "{text}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", TokenHash::of("x")), "TokenHash(…)");
        assert!(!format!("{:?}", Secret::from("hunter2")).contains("hunter2"));
    }
}
