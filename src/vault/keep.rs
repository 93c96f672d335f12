//! What is written down when the user has connected an account, and when a call has used it.

use std::sync::{Arc, atomic::Ordering};

use super::{
    Inner, LOOKS, Vault, VaultError,
    cache::Opened,
    connection::{Grant, Kept, KeptAs, Slot},
    credential::{Credential, WalletKey},
    wallet::{Place, Wallet},
};
use crate::{
    base::{
        clock::{Span, Timestamp},
        id::{ConnectionId, ProviderName, UserId},
    },
    protocol::oauth::scope::ScopeSet,
    store::{StoreError, table::Change},
};

/// How exactly it is known when a connection was used last: each time it is, that would be a write for each call.
const USED: Span = Span::from_mins(10);

/// What a grant makes of a wallet.
struct Outcome {
    wallet: Wallet,
    id: ConnectionId,
    place: Place,
}

impl Vault {
    /// Keeps what the user obtained: over the connection with the same account; else over the one that `slot` means, if
    /// either's account is unknown; else beside. Then the slot means it. Durable when this returns, in one write.
    ///
    /// # Errors
    /// [`VaultError::Full`] and [`VaultError::Store`].
    pub async fn keep(
        &self,
        user: &UserId,
        name: &ProviderName,
        slot: &Slot,
        grant: Grant,
    ) -> Result<Kept, VaultError> {
        let key = WalletKey::new(user, name);
        let kept = self.inner.keep(&key, slot, &grant).await;
        self.inner.cache.written(key.record()).await;
        kept
    }

    /// What has been granted to the connection that `slot` means, however its tokens are; nothing if there is none.
    ///
    /// # Errors
    /// [`VaultError::Store`].
    pub async fn granted(
        &self,
        user: &UserId,
        name: &ProviderName,
        slot: &Slot,
    ) -> Result<ScopeSet, VaultError> {
        let key = WalletKey::new(user, name);
        let Some(mut entry) = self.inner.table.get(key.record()).await? else {
            return Ok(ScopeSet::default());
        };
        let meant = entry.value.meant(slot);
        let meant = meant.map(|index| entry.value.connections.swap_remove(index).scopes);
        Ok(meant.unwrap_or_default())
    }
}

impl Inner {
    async fn keep(&self, key: &WalletKey, slot: &Slot, grant: &Grant) -> Result<Kept, VaultError> {
        let (record, now) = (key.record(), self.clock.now());
        let fresh = self.entropy.handle().parse();
        let fresh: ConnectionId = fresh.expect("a handle is what ids are made of");
        for _ in 0..LOOKS {
            let (mut before, mut outcome) = (None, None);
            let updated = self.table.update(record, |wallet: Wallet| {
                let landed = self.landed(key, Some(&wallet), slot, grant, &fresh, now);
                let landed = landed.ok_or_else(|| VaultError::full(key))?;
                let changed = landed.wallet.clone();
                (before, outcome) = (Some(wallet), Some(landed));
                Ok::<_, VaultError>(Change::Keep(changed))
            });
            if updated.await?.is_some()
                && let Some(outcome) = outcome
            {
                return Ok(outcome.kept(key, before.as_ref(), now));
            }
            let first = self.landed(key, None, slot, grant, &fresh, now);
            let first = first.ok_or_else(|| VaultError::full(key))?;
            if self.table.create(record, &first.wallet, None).await? {
                return Ok(first.kept(key, None, now));
            }
        }
        Err(StoreError::Contended(record.to_owned()).into())
    }

    /// What `grant` makes of a wallet; `None` if there is no room in it.
    fn landed(
        &self,
        key: &WalletKey,
        wallet: Option<&Wallet>,
        slot: &Slot,
        grant: &Grant,
        fresh: &ConnectionId,
        now: Timestamp,
    ) -> Option<Outcome> {
        let place = wallet.map_or_else(Place::first, |wallet| wallet.place(slot, grant.account()));
        let id = place.over.as_ref().unwrap_or(fresh).clone();
        let before = wallet.and_then(|wallet| wallet.get(&id));
        let counted = wallet.map_or(0, Wallet::counted);
        let sealer = &self.sealer;
        let credential = Credential::granted(&key.of(&id), sealer, grant, now, counted, before);
        let wallet = match wallet {
            Some(wallet) => wallet.clone().put(credential)?,
            None => Wallet::first(&key.user, credential),
        };
        Some(Outcome {
            wallet: wallet.turned(slot, &id)?,
            id,
            place,
        })
    }

    /// Notes that a connection is used now, unless that is known well enough. Nobody waits for it.
    pub(super) fn note_use(
        self: &Arc<Self>,
        key: &WalletKey,
        opened: &Opened,
        index: usize,
        now: Timestamp,
    ) {
        let credential = &opened.wallet.connections[index];
        let known = |used: Timestamp| now.duration_since(used) < USED;
        if credential.used.is_some_and(known) || opened.noted[index].swap(true, Ordering::Relaxed) {
            return;
        }
        let (inner, key, id) = (Arc::clone(self), key.clone(), credential.id.clone());
        self.flights.spawn(async move {
            let noted = inner.edit(&key, |mut wallet| {
                if wallet.used(&id, now) {
                    Change::Keep(wallet)
                } else {
                    Change::Leave(wallet)
                }
            });
            if let Err(error) = noted.await {
                tracing::debug!(credential = ?key, %error, "the use of a connection was not noted");
            }
        });
    }

    /// Changes a wallet by compare-and-swap; `None` if there is none.
    pub(super) async fn edit(
        &self,
        key: &WalletKey,
        mut change: impl FnMut(Wallet) -> Change<Wallet> + Send,
    ) -> Result<Option<Wallet>, StoreError> {
        let edited = self.table.update(key.record(), |wallet| Ok(change(wallet)));
        let edited = edited.await;
        self.cache.written(key.record()).await;
        edited
    }
}

impl Place {
    /// In a wallet that is not there yet.
    fn first() -> Self {
        Self {
            over: None,
            change: KeptAs::New,
            meant: None,
        }
    }
}

impl Outcome {
    fn kept(&self, key: &WalletKey, before: Option<&Wallet>, now: Timestamp) -> Kept {
        let connection = self.wallet.view(&key.provider, &self.id, now);
        let meant = self.place.meant.as_ref().filter(|meant| **meant != self.id);
        Kept {
            connection: connection.expect("it was put there just now"),
            change: self.place.change,
            instead_of: meant.and_then(|meant| before?.view(&key.provider, meant, now)),
        }
    }
}

impl Grant {
    fn account(&self) -> Option<&crate::provider::Account> {
        match self {
            Self::Tokens { account, .. } | Self::Key { account, .. } => account.as_ref(),
        }
    }
}
