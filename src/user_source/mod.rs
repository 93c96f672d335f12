//! Where users are known: proving who is at a browser, and remembering it.
//!
//! | record | key | lives |
//! |---|---|---|
//! | browser session | `browser_sessions/{hash of the browser's key}` | 12 hours after its last use, 7 days after the sign-in at most |
//! | attempts | `sign_in_attempts/account/{user key}`, `sign_in_attempts/address/{address}`, `sign_in_attempts/begun/{address}` | until as good as never made |
//! | sign-in | `sign_ins/{hash of state}` | see [`oidc`] |
//! | claims | `profiles/{user key}` | for ever; each sign-in replaces them |
//!
//! Users of the kind `app` never sign in with us: nothing here knows more of them than that they may be.

pub mod accounts;
mod counts;
pub mod oidc;
pub mod profile;
pub mod session;
pub mod sign_in;
mod sign_out;
pub mod throttle;

#[cfg(test)]
mod attacks;
#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::{
    base::{id::UserId, secret::TokenHash},
    config::{Account, Config, Oidc, UserSourceKind},
    web::page::Person,
};

/// What a sign-in rested on. When that no longer holds, neither does the sign-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Proof {
    /// The password whose PHC string has this hash: a new password ends the sessions of the old one.
    Password {
        /// The hash of the PHC string (which is itself a hash).
        phc: TokenHash,
    },
    /// The word of an OpenID provider, while we ask the same one as the same client for the same claim.
    Oidc {
        /// [`crate::config::Oidc::issuer`]
        issuer: String,
        /// [`crate::config::Oidc::client_id`]
        client_id: String,
        /// [`crate::config::Oidc::subject_claim`]
        subject_claim: String,
    },
}

impl Proof {
    fn by_oidc(source: &Oidc) -> Self {
        Self::Oidc {
            issuer: source.issuer.clone(),
            client_id: source.client_id.clone(),
            subject_claim: source.subject_claim.clone(),
        }
    }

    fn by_password(account: &Account) -> Self {
        Self::Password {
            phc: TokenHash::of(&account.password_hash),
        }
    }

    /// Whether `user`, who signed in with this proof, would still be let in by `config`.
    pub fn holds(&self, user: &UserId, config: &Config) -> bool {
        let Some(source) = config.user_sources.get(user.source()) else {
            return false;
        };
        source.active
            && match &source.kind {
                UserSourceKind::Oidc(oidc) => *self == Self::by_oidc(oidc),
                UserSourceKind::Accounts(accounts) => accounts
                    .get(user.subject())
                    .is_some_and(|account| *self == Self::by_password(account)),
                UserSourceKind::App(_) => false,
            }
    }
}

/// `user` as pages show them, by what the file says of them. [`session::Browser::person`] knows better whoever is signed in there.
pub fn person(config: &Config, user: &UserId) -> Person {
    let account = config
        .user_sources
        .get(user.source())
        .and_then(|source| match &source.kind {
            UserSourceKind::Accounts(accounts) => accounts.get(user.subject()),
            UserSourceKind::Oidc(_) | UserSourceKind::App(_) => None,
        });
    let subject = || user.subject().to_owned();
    match account {
        Some(Account {
            display_name: Some(name),
            email,
            ..
        }) => Person {
            name: name.clone(),
            detail: Some(email.clone().unwrap_or_else(subject)),
        },
        Some(Account { email, .. }) => Person {
            name: subject(),
            detail: email.clone(),
        },
        None => Person {
            name: subject(),
            detail: None,
        },
    }
}
