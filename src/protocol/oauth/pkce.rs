//! Proof Key for Code Exchange (RFC 7636), method S256 only.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::base::{
    entropy::Entropy,
    secret::{ExposeSecret, Secret},
};

/// The secret half: 43 characters of base64url, made per authorization request (RFC 7636 §4.1).
#[derive(Clone, Debug)]
pub struct CodeVerifier(Secret);

/// The public half: BASE64URL(SHA-256(verifier)) (RFC 7636 §4.2). May stand in URLs and logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeChallenge(String);

impl CodeVerifier {
    /// A fresh verifier of 256 random bits.
    pub fn new(entropy: &dyn Entropy) -> Self {
        Self(entropy.token().into())
    }

    /// The challenge that belongs to it.
    pub fn challenge(&self) -> CodeChallenge {
        CodeChallenge(URL_SAFE_NO_PAD.encode(Sha256::digest(self.expose().as_bytes())))
    }

    /// The verifier itself: for the token endpoint and for sealing, nothing else.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Takes back one that was kept sealed.
impl<T: Into<Secret>> From<T> for CodeVerifier {
    fn from(verifier: T) -> Self {
        Self(verifier.into())
    }
}

impl CodeChallenge {
    /// The value of `code_challenge`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::SeededEntropy;

    #[test]
    fn rfc_7636_appendix_b() {
        let verifier = CodeVerifier::from("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(
            verifier.challenge().as_str(),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn a_verifier_is_long_enough_and_never_twice_the_same() {
        let entropy = SeededEntropy::new(1);
        let (first, second) = (CodeVerifier::new(&entropy), CodeVerifier::new(&entropy));
        assert_eq!(first.expose().len(), 43);
        assert_ne!(first.expose(), second.expose());
    }

    #[test]
    fn a_verifier_prints_nothing() {
        let shown = format!("{:?}", CodeVerifier::from("dBjftJeZ4CVP"));
        assert!(!shown.contains("dBjft"), "{shown}");
    }
}
