//! Who may ask a hook, and who may say that he is one.

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;

use super::{PREFIX, world_with};
use crate::support::{
    client::Answer,
    hook::{Hook, Identity},
    log::Log,
};

/// An authority, and what it signed.
struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        let issuer = Issuer::new(params, key);
        Self {
            certificate,
            issuer,
        }
    }

    fn signs(&self, name: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        (
            certificate,
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
    }
}

fn pem(kind: &str, der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN {kind}-----\n{text}\n-----END {kind}-----\n")
}

/// Calls a tool that a hook behind TLS is asked about, with this in its section; and whether it was asked.
async fn called(hook: &Hook, more: &str) -> (Answer, bool) {
    let world = world_with(&hook.section("guard", &["pre"], more)).await;
    let answer = world.client("alice").call("plain_echo", json!({})).await;
    (answer, !hook.points().is_empty())
}

fn toml(key: &str, pem: &str) -> String {
    format!("{key} = \"\"\"\n{pem}\"\"\"\n")
}

#[tokio::test]
async fn a_hook_is_believed_with_a_certificate_of_the_named_authority_only() {
    let log = Log::listen();
    let authority = Authority::new();
    let ca = toml("ca_cert", &pem("CERTIFICATE", &authority.certificate));
    let (certificate, key) = authority.signs("localhost");
    let identity = Identity {
        certificate,
        key,
        wants: None,
    };
    let hook = Hook::behind_tls(identity).await;
    let (answer, asked) = called(&hook, &ca).await;
    assert!(
        asked && answer.result()["isError"].is_null(),
        "{}",
        answer.text
    );

    hook.forget();
    let (answer, asked) = called(&hook, "").await;
    assert!(
        !asked && answer.words().starts_with(PREFIX),
        "{}",
        answer.text
    );
    let why = log.lines("a hook did not answer").pop().unwrap();
    assert!(why.contains("certificate"), "{why}");
}

#[tokio::test]
async fn attack_a_certificate_for_another_name_or_of_another_authority_is_refused() {
    let (authority, other) = (Authority::new(), Authority::new());
    let ca = toml("ca_cert", &pem("CERTIFICATE", &authority.certificate));
    for (certificate, key) in [
        authority.signs("elsewhere.example"),
        other.signs("localhost"),
    ] {
        let identity = Identity {
            certificate,
            key,
            wants: None,
        };
        let hook = Hook::behind_tls(identity).await;
        let (answer, asked) = called(&hook, &ca).await;
        assert!(
            !asked && answer.words().starts_with(PREFIX),
            "{}",
            answer.text
        );
    }
}

#[tokio::test]
async fn a_hook_that_wants_to_see_a_certificate_sees_ours() {
    let authority = Authority::new();
    let ca = toml("ca_cert", &pem("CERTIFICATE", &authority.certificate));
    let (certificate, key) = authority.signs("localhost");
    let wants = Some(authority.certificate.clone());
    let identity = Identity {
        certificate,
        key,
        wants,
    };
    let hook = Hook::behind_tls(identity).await;
    let (answer, asked) = called(&hook, &ca).await;
    assert!(
        !asked && answer.words().starts_with(PREFIX),
        "without one: {}",
        answer.text
    );

    let (mine, key) = authority.signs("gateway");
    let mine = toml("client_cert", &pem("CERTIFICATE", &mine));
    let key = toml("client_key", &pem("PRIVATE KEY", key.secret_der()));
    let (answer, asked) = called(&hook, &format!("{ca}{mine}{key}")).await;
    assert!(
        asked && answer.result()["isError"].is_null(),
        "{}",
        answer.text
    );
}
