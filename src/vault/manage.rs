//! What a user does to their connections, and an operator for them: which is the default, what they are called, an end.

use std::sync::Arc;

use super::{
    Inner, Vault, VaultError,
    connection::{Connection, Disconnected, Revocation},
    credential::{Credential, CredentialKey, WalletKey},
    refresh::Ground,
    wallet::Wallet,
};
use crate::{
    audit::event::By,
    base::{
        clock::Timestamp,
        id::{ConnectionId, Label, ProviderName, UserId},
    },
    config::Provider,
    protocol::oauth::error::ErrorCode,
    provider::{Revoked, TokenError},
    store::table::Change,
};

impl Vault {
    /// Ends a connection: tells the provider, then forgets it; `None` if there is none. A provider that fails does not keep it
    /// alive, the answer says so. Nobody refreshes it meanwhile, and a caller who goes away does not stop it.
    ///
    /// # Errors
    /// Any [`VaultError`]; the connection is there still.
    pub async fn disconnect(
        &self,
        user: &UserId,
        name: &ProviderName,
        id: &ConnectionId,
        provider: Option<&Provider>,
        by: By,
    ) -> Result<Option<Disconnected>, VaultError> {
        let key = WalletKey::new(user, name).of(id);
        let (inner, provider) = (Arc::clone(&self.inner), provider.cloned());
        let busy = VaultError::busy(&key.wallet);
        let ending = self.inner.flights.spawn(async move {
            let name = key.name();
            let lease = inner.turn(&name).await?;
            let lease = lease.ok_or_else(|| VaultError::busy(&key.wallet))?;
            let ended = inner.end(&key, provider.as_ref()).await;
            inner.give_back(lease, &name).await;
            if let Ok(Some(ended)) = &ended {
                inner.tell_ended(ended, by).await;
            }
            ended
        });
        // It crashed: there is a line in the log.
        ending.await.unwrap_or(Err(busy))
    }

    /// Has calls that name no label use this connection; `None` if there is none.
    ///
    /// # Errors
    /// [`VaultError::Store`].
    pub async fn make_default(
        &self,
        user: &UserId,
        name: &ProviderName,
        id: &ConnectionId,
    ) -> Result<Option<Connection>, VaultError> {
        let turned = |wallet: Wallet| wallet.with_default(id);
        self.point(user, name, id, turned).await
    }

    /// Gives this connection this label and no other, taking it from whichever had it; `None` if there is no connection.
    ///
    /// # Errors
    /// [`VaultError::Store`].
    pub async fn label(
        &self,
        user: &UserId,
        name: &ProviderName,
        id: &ConnectionId,
        label: Option<&Label>,
    ) -> Result<Option<Connection>, VaultError> {
        let labelled = |wallet: Wallet| wallet.labelled(id, label);
        self.point(user, name, id, labelled).await
    }

    /// Renews the access token now, however good it is and whatever failed before; `None` if there is no connection. Where
    /// there is nothing to renew it with, it stays as it is. How it went is in the state and `renewed`.
    ///
    /// # Errors
    /// Any [`VaultError`].
    pub async fn refresh_now(
        &self,
        user: &UserId,
        name: &ProviderName,
        id: &ConnectionId,
        provider: &Provider,
    ) -> Result<Option<Connection>, VaultError> {
        let key = WalletKey::new(user, name);
        let Some(entry) = self.inner.table.get(key.record()).await? else {
            return Ok(None);
        };
        let Some(credential) = entry.value.get(id) else {
            return Ok(None);
        };
        let wanted = credential.wanted(&key, Ground::Operator);
        self.inner.refresh(wanted, provider).await?;
        let entry = self.inner.table.get(key.record()).await?;
        Ok(entry.and_then(|entry| entry.value.view(name, id, self.inner.clock.now())))
    }

    async fn point(
        &self,
        user: &UserId,
        name: &ProviderName,
        id: &ConnectionId,
        turn: impl Fn(Wallet) -> Wallet + Send + Sync,
    ) -> Result<Option<Connection>, VaultError> {
        let key = WalletKey::new(user, name);
        let edited = self.inner.edit(&key, |wallet| {
            if wallet.get(id).is_some() {
                Change::Keep(turn(wallet))
            } else {
                Change::Leave(wallet)
            }
        });
        let edited = edited.await?;
        self.inner.tools_changed(user);
        Ok(edited.and_then(|wallet| wallet.view(name, id, self.inner.clock.now())))
    }
}

impl Inner {
    async fn end(
        &self,
        key: &CredentialKey,
        provider: Option<&Provider>,
    ) -> Result<Option<Disconnected>, VaultError> {
        let entry = self.table.get(key.wallet.record()).await?;
        let Some(known) = entry.as_ref().and_then(|entry| entry.value.get(&key.id)) else {
            return Ok(None);
        };
        let mut revoked = self.revoke(key, known, provider).await;
        let Some((removed, mut ended)) = self.remove(key).await? else {
            return Ok(None);
        };
        if removed.revision != known.revision {
            // Connected anew in that moment.
            revoked = self.revoke(key, &removed, provider).await;
        }
        tracing::info!(credential = ?key, ?revoked, "an account was disconnected");
        self.tools_changed(&key.wallet.user);
        ended.revoked = revoked;
        Ok(Some(ended))
    }

    async fn revoke(
        &self,
        key: &CredentialKey,
        credential: &Credential,
        provider: Option<&Provider>,
    ) -> Revocation {
        let provider = provider.filter(|provider| credential.fits(provider));
        let Some(provider) = provider.and_then(Provider::oauth) else {
            return Revocation::NotOffered;
        };
        let opened = credential.tokens(key, &self.sealer);
        let (access, refresh) = match opened {
            Ok(tokens) => tokens,
            Err(error) => {
                tracing::warn!(credential = ?key, %error, "a credential that is to end does not open");
                let why = "its tokens do not open here";
                return Revocation::Failed(TokenError::Unreadable { why });
            }
        };
        match self
            .client
            .revoke(provider, &access, refresh.as_ref())
            .await
        {
            Ok(Revoked::Done) => Revocation::Done,
            Ok(Revoked::NotOffered) => Revocation::NotOffered,
            Err(TokenError::Refused { error }) if gone(error) => Revocation::AlreadyGone,
            Err(error) => {
                tracing::warn!(credential = ?key, %error, "a provider did not end a grant");
                Revocation::Failed(error)
            }
        }
    }

    /// Takes the credential out of its wallet, and the wallet away if it was the last.
    async fn remove(
        &self,
        key: &CredentialKey,
    ) -> Result<Option<(Credential, Disconnected)>, VaultError> {
        let provider = &key.wallet.provider;
        let now = self.clock.now();
        let mut removed = None;
        self.edit(&key.wallet, |wallet| {
            let connection = wallet.view(provider, &key.id, now);
            let (left, taken) = wallet.without(&key.id);
            let next = || left.default_view(provider, now);
            removed = taken.zip(connection).map(|(credential, connection)| {
                let default_now = connection.is_default.then(next).flatten();
                let ended = Disconnected {
                    connection,
                    revoked: Revocation::NotOffered,
                    default_now,
                };
                (credential, ended)
            });
            match removed {
                None => Change::Leave(left),
                Some(_) if left.connections.is_empty() => {
                    Change::Expire(left, Some(Timestamp::UNIX_EPOCH))
                }
                Some(_) => Change::Keep(left),
            }
        })
        .await?;
        Ok(removed)
    }

    /// Those who list tools may have others with another account.
    fn tools_changed(&self, user: &UserId) {
        self.signals.raise(&format!("tools/{}", user.key()));
    }
}

/// Whether the provider says that there is no such grant any more.
fn gone(error: ErrorCode) -> bool {
    error == ErrorCode::InvalidGrant
}
