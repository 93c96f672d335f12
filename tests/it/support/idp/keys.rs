//! The stand-in's signing keys, and tokens that no library would make.

use ::base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use aws_lc_rs::{
    encoding::AsDer,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use axum::body::Bytes;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use serde_json::{Map, Value, json};

/// A key pair with a name.
pub struct Key {
    pub id: String,
    algorithm: Algorithm,
    private: EncodingKey,
    public: Value,
}

impl Key {
    pub fn es256(id: &str) -> Self {
        let pair =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let private = EncodingKey::from_ec_der(pair.unwrap().as_ref());
        Self::new(id, Algorithm::ES256, private)
    }

    pub fn rs256(id: &str) -> Self {
        Self::rsa(id, Algorithm::RS256)
    }

    pub fn ps256(id: &str) -> Self {
        Self::rsa(id, Algorithm::PS256)
    }

    fn rsa(id: &str, algorithm: Algorithm) -> Self {
        let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
        // PKCS #1, which the library wants, is what PKCS #8 wraps in 26 bytes at this size.
        let inner = &der.as_ref()[26..];
        Self::new(id, algorithm, EncodingKey::from_rsa_der(inner))
    }

    pub fn ed25519(id: &str) -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let x = base64(pair.public_key().as_ref());
        Self {
            id: id.to_owned(),
            algorithm: Algorithm::EdDSA,
            private: EncodingKey::from_ed_der(der.as_ref()),
            public: json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": id, "x": x }),
        }
    }

    fn new(id: &str, algorithm: Algorithm, private: EncodingKey) -> Self {
        let jwk = Jwk::from_encoding_key(&private, algorithm).unwrap();
        let mut public = serde_json::to_value(jwk).unwrap();
        public["kid"] = id.into();
        public["use"] = "sig".into();
        Self {
            id: id.to_owned(),
            algorithm,
            private,
            public,
        }
    }

    /// The public half, as a JWK.
    pub fn public(&self) -> Value {
        self.public.clone()
    }

    pub fn sign(&self, claims: &Map<String, Value>, typ: &str) -> String {
        let mut header = Header::new(self.algorithm);
        header.typ = Some(typ.to_owned());
        header.kid = Some(self.id.clone());
        encode(&header, claims, &self.private).unwrap()
    }
}

/// HS256 over any bytes at all.
pub fn hs256(secret: &[u8], id: &str, claims: &Map<String, Value>) -> String {
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some(id.to_owned());
    encode(&header, claims, &EncodingKey::from_secret(secret)).unwrap()
}

/// Any header over any claims with any signature.
pub fn by_hand(header: &Value, claims: &Map<String, Value>, signature: &[u8]) -> String {
    let part = |json: String| base64(json.as_bytes());
    let claims = part(serde_json::to_string(claims).unwrap());
    let signature = Bytes::copy_from_slice(signature);
    format!(
        "{}.{claims}.{}",
        part(header.to_string()),
        base64(&signature)
    )
}

pub fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
