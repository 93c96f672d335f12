//! Accounts kept in the file: a name, a password, and argon2id between them.
//!
//! A guess costs an attempt of the account it aims at and of the address it comes from, before anything is computed. A name
//! that does not exist costs the same attempts and the same time.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::Duration};

use argon2::{Argon2, PasswordHash, PasswordVerifier};
use tokio::sync::Semaphore;

use super::{
    Proof,
    throttle::{Attempt, Rule, Throttle},
};
use crate::{
    base::{
        clock::{Clock, Span},
        id::{UserId, UserSourceName},
        secret::{ExposeSecret, Secret},
    },
    config::Account,
    store::{Store, StoreError},
};

/// Five guesses at an account, then one a minute: 1,440 a day, from the whole world together.
const PER_ACCOUNT: Rule = Rule {
    burst: 5,
    every: Span::from_secs(60),
};
/// Thirty wrong guesses from an address, then one every ten seconds; an office behind one address signs in without noticing.
const PER_ADDRESS: Rule = Rule {
    burst: 30,
    every: Span::from_secs(10),
};
/// Each hashing takes a core and, with usual parameters, 19 MiB for some tens of milliseconds.
const HASHINGS_AT_ONCE: usize = 2;
/// Who would have to wait longer for their turn is told to come back.
const LONGEST_QUEUE: Duration = Duration::from_secs(10);
/// Costs as much as what `anteroom accounts hash` makes, and belongs to no password. For user sources without any account.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdA$U3SThgpFEBk1FlGIyRzGY5pXkl+0WMfTDSpTfTBXYZQ";

/// Checks passwords. Cheap to clone; clones share the bound on concurrent hashing.
#[derive(Clone)]
pub struct Accounts {
    throttle: Throttle,
    hashing: Arc<Semaphore>,
}

/// What came of a sign-in attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is this user.
    Known(UserId, Proof),
    /// Name or password are wrong.
    Wrong,
    /// Too many attempts; the password was not looked at.
    Wait(Duration),
}

/// Why a password could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// Too many are signing in at this moment.
    #[error("too many passwords are being checked")]
    Busy,
    /// The attempt could not be counted, so it was not made.
    #[error("the attempt could not be counted")]
    Store(#[from] StoreError),
    /// The file has a hash that is none; `anteroom check` finds it.
    #[error("the password hash of an account cannot be read: {0}")]
    Hash(argon2::password_hash::phc::Error),
}

impl Accounts {
    /// Counts attempts in `store`.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            throttle: Throttle::new(store, "sign_in_attempts", clock),
            hashing: Arc::new(Semaphore::new(HASHINGS_AT_ONCE)),
        }
    }

    /// Whether `name` has this password among `accounts`, which are those of `source`; `from` is who asks.
    ///
    /// # Errors
    /// Any [`AccountsError`]; the caller must let nobody in.
    pub async fn verify(
        &self,
        source: &UserSourceName,
        accounts: &BTreeMap<String, Account>,
        name: &str,
        password: Secret,
        from: IpAddr,
    ) -> Result<Verdict, AccountsError> {
        let user = UserId::new(source.clone(), name);
        let buckets = [
            (format!("address/{}", address_key(from)), PER_ADDRESS),
            (format!("account/{}", user.key()), PER_ACCOUNT),
        ];
        for (bucket, rule) in &buckets {
            if let Attempt::Wait(wait) = self.throttle.spend(bucket, *rule).await? {
                return Ok(Verdict::Wait(wait));
            }
        }
        let account = accounts.get(name);
        let phc = account.map_or_else(|| decoy(accounts, &user), |account| &account.password_hash);
        let matches = self.matches(phc.to_owned(), password).await?;
        let Some(account) = account.filter(|_| matches) else {
            return Ok(Verdict::Wrong);
        };
        for (bucket, rule) in &buckets {
            self.throttle.give_back(bucket, *rule).await?;
        }
        Ok(Verdict::Known(user, Proof::by_password(account)))
    }

    async fn matches(&self, phc: String, password: Secret) -> Result<bool, AccountsError> {
        let turn = tokio::time::timeout(LONGEST_QUEUE, self.hashing.clone().acquire_owned())
            .await
            .map_err(|_| AccountsError::Busy)?
            .expect("the semaphore is never closed");
        tokio::task::spawn_blocking(move || {
            // Held until the hashing is done, even if whoever asked has gone.
            let _turn = turn;
            let hash = PasswordHash::new(&phc).map_err(AccountsError::Hash)?;
            let password = password.expose_secret().as_bytes();
            Ok(Argon2::default().verify_password(password, &hash).is_ok())
        })
        .await
        .expect("hashing does not panic")
    }
}

/// A hash to work on for a name that does not exist: some account's, always the same one for the same name, so that neither the
/// time of one guess nor the spread over many tells such names from others, whatever parameters the accounts have.
fn decoy<'a>(accounts: &'a BTreeMap<String, Account>, user: &UserId) -> &'a str {
    let pick = user.key().bytes().fold(0, |sum, digit| {
        (sum * 31 + usize::from(digit)) % accounts.len().max(1)
    });
    accounts
        .values()
        .nth(pick)
        .map_or(NOBODY, |account| &account.password_hash)
}

/// One customer of an IPv6 provider has a /64 at least, so that is one address.
pub(super) fn address_key(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}")
        }
    }
}
