//! What a user source last said of a user: the claims that policy looks at, and what pages call them.

use std::sync::Arc;

use crate::{
    base::id::UserId,
    config::{Config, UserSourceKind},
    protocol::oauth::claims::Claims,
    store::{
        Store, StoreError,
        table::{Change, Table},
    },
};

/// The claims of users. Cheap to clone.
#[derive(Clone)]
pub struct Profiles(Table<Claims>);

impl Profiles {
    /// Those in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self(Table::new(store, "profiles"))
    }

    /// What is known of `user` now: what the file says, or what the user source said when they last signed in.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn of(&self, config: &Config, user: &UserId) -> Result<Claims, StoreError> {
        let source = config.user_sources.get(user.source());
        match source.map(|source| &source.kind) {
            Some(UserSourceKind::Accounts(accounts)) => Ok(accounts
                .get(user.subject())
                .map(|account| account.claims.clone())
                .unwrap_or_default()),
            Some(UserSourceKind::Oidc(_)) => {
                let entry = self.0.get(&user.key()).await?;
                Ok(entry.map(|entry| entry.value).unwrap_or_default())
            }
            Some(UserSourceKind::App(_)) | None => Ok(Claims::default()),
        }
    }

    /// Remembers what the user source said just now, and nothing of what it said before: a group that it no longer mentions is
    /// one that the user has left.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn replace(&self, user: &UserId, claims: Claims) -> Result<(), StoreError> {
        self.change(user, claims, |_, newer| newer).await
    }

    /// Remembers what the user source said just now. Claims that it did not mention stay as they were.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn learn(&self, user: &UserId, claims: Claims) -> Result<(), StoreError> {
        self.change(user, claims, |mut known, newer| {
            known.update(newer);
            known
        })
        .await
    }

    async fn change(
        &self,
        user: &UserId,
        claims: Claims,
        merge: impl Fn(Claims, Claims) -> Claims + Send + Sync,
    ) -> Result<(), StoreError> {
        let key = user.key();
        loop {
            if self.0.create(&key, &claims, None).await? {
                return Ok(());
            }
            let newer = claims.clone();
            let updated = self
                .0
                .update::<StoreError>(&key, |known| Ok(Change::Keep(merge(known, newer.clone()))))
                .await?;
            if updated.is_some() {
                return Ok(());
            }
        }
    }
}
