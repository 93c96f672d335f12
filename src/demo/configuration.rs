//! The demo's `gateway.toml`, as an operator would have written it.

use std::net::SocketAddr;

use argon2::{
    Argon2,
    password_hash::{self, PasswordHasher, phc::PasswordHash},
};
use askama::Template;

use super::{handout::Handout, keepsakes::Keepsakes};
use crate::base::{entropy::Entropy, secret::TokenHash};

/// The id of the gateway's client at Acme.
pub(super) const CLIENT_ID: &str = "anteroom-demo";
/// The file with that client's secret, beside `gateway.toml`.
pub(super) const SECRET_FILE: &str = "acme-client.secret";

/// The file. What is put into it needs no escaping: addresses, hashes, names of ours.
#[derive(Template)]
#[template(path = "demo_gateway.toml", escape = "none", whitespace = "preserve")]
struct File<'a> {
    listen: SocketAddr,
    public_url: &'a str,
    acme_url: &'a str,
    upstream_url: &'a str,
    alice: String,
    bob: String,
    key: String,
    client_id: &'static str,
    secret_file: &'static str,
}

/// The text of the file. Passwords and the key are in it as hashes, the client secret as a reference.
///
/// # Errors
/// When a password cannot be hashed.
pub(super) fn text(
    listen: SocketAddr,
    handout: &Handout,
    keepsakes: &Keepsakes,
    entropy: &dyn Entropy,
) -> Result<String, password_hash::Error> {
    let file = File {
        listen,
        public_url: &handout.public_url,
        acme_url: &handout.acme_url,
        upstream_url: &handout.upstream_url,
        alice: hash(&keepsakes.alice, entropy)?,
        bob: hash(&keepsakes.bob, entropy)?,
        key: TokenHash::of(&keepsakes.api_key).into(),
        client_id: CLIENT_ID,
        secret_file: SECRET_FILE,
    };
    Ok(file
        .render()
        .expect("a text is written to memory, by a template that cannot fail"))
}

fn hash(password: &str, entropy: &dyn Entropy) -> Result<String, password_hash::Error> {
    let mut salt = [0; 16];
    entropy.fill(&mut salt);
    let hash: PasswordHash =
        Argon2::default().hash_password_with_salt(password.as_bytes(), &salt)?;
    Ok(hash.to_string())
}
