//! All connections of one user at one provider: one record, so that one compare-and-swap keeps accounts unique, labels unique
//! and the default right.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    connection::{Connection, ConnectionState, KeptAs, Slot},
    credential::{Condition, Credential, Kind},
    verdict::rests,
};
use crate::{
    base::{
        clock::Timestamp,
        id::{ConnectionId, Label, ProviderName, UserId},
    },
    protocol::oauth::error::ErrorCode,
    provider::Account,
};

/// The most accounts of one user at one provider.
pub(super) const ROOM: usize = 20;
/// The most labels: a label may be made by a call, and the record must not grow without end.
const LABELS: usize = 40;

/// The record `credentials/{user key}/{provider}`. Without connections it is over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Wallet {
    /// Whose: the key has only a hash of it.
    pub(super) user: UserId,
    pub(super) connections: Vec<Credential>,
    labels: BTreeMap<Label, ConnectionId>,
    default: ConnectionId,
}

/// Where a grant goes.
pub(super) struct Place {
    /// Over this one; `None`: beside those that are there.
    pub(super) over: Option<ConnectionId>,
    pub(super) change: KeptAs,
    /// What the slot means until then.
    pub(super) meant: Option<ConnectionId>,
}

impl Wallet {
    /// One with a single connection.
    pub(super) fn first(user: &UserId, credential: Credential) -> Self {
        Self {
            user: user.clone(),
            labels: BTreeMap::new(),
            default: credential.id.clone(),
            connections: vec![credential],
        }
    }

    pub(super) fn get(&self, id: &ConnectionId) -> Option<&Credential> {
        self.connections.get(self.position(id)?)
    }

    /// Which connection a slot means.
    pub(super) fn meant(&self, slot: &Slot) -> Option<usize> {
        let id = match slot {
            Slot::Default => &self.default,
            Slot::Label(label) => self.labels.get(label)?,
            Slot::Again(id) => id,
            Slot::Beside => return None,
        };
        self.position(id)
    }

    fn position(&self, id: &ConnectionId) -> Option<usize> {
        self.connections.iter().position(|known| known.id == *id)
    }

    /// The count that the next grant's revision is beyond.
    pub(super) fn counted(&self) -> u64 {
        let revisions = self.connections.iter().map(|known| known.revision);
        revisions.max().unwrap_or_default()
    }

    /// Where a grant for `account` goes: over the same account; else over what the slot means, if either is unknown.
    pub(super) fn place(&self, slot: &Slot, account: Option<&Account>) -> Place {
        let meant = self.meant(slot).map(|index| &self.connections[index]);
        let same = account.and_then(|account| {
            let known = |known: &&Credential| {
                let known = known.account.as_ref();
                known.is_some_and(|known| known.id == account.id)
            };
            self.connections.iter().find(known)
        });
        let unknown = || meant.filter(|meant| meant.account.is_none() || account.is_none());
        let (over, change) = match (same, unknown()) {
            (Some(same), _) => (Some(same), KeptAs::Updated),
            (None, Some(unknown)) => (Some(unknown), KeptAs::Replaced),
            (None, None) => (None, KeptAs::New),
        };
        Place {
            over: over.map(|over| over.id.clone()),
            change,
            meant: meant.map(|meant| meant.id.clone()),
        }
    }

    /// Puts a credential over the one with its id, or beside the others; `None` if there is no room.
    #[must_use]
    pub(super) fn put(mut self, credential: Credential) -> Option<Self> {
        match self.position(&credential.id) {
            Some(index) => self.connections[index] = credential,
            None if self.connections.len() < ROOM => self.connections.push(credential),
            None => return None,
        }
        Some(self)
    }

    /// Has `slot` mean `id` from now on, as far as it can be turned; `None` if there is no room for its label: a connection
    /// that the label does not mean would be asked for again at once.
    pub(super) fn turned(mut self, slot: &Slot, id: &ConnectionId) -> Option<Self> {
        match slot {
            Slot::Default => self.default = id.clone(),
            Slot::Label(label) if self.labels.len() < LABELS || self.labels.contains_key(label) => {
                self.labels.insert(label.clone(), id.clone());
            }
            Slot::Label(_) => return None,
            Slot::Again(_) | Slot::Beside => {}
        }
        Some(self)
    }

    /// Has what names no label mean `id` from now on.
    #[must_use]
    pub(super) fn with_default(self, id: &ConnectionId) -> Self {
        let default = id.clone();
        Self { default, ..self }
    }

    /// Has `id` no label but this.
    #[must_use]
    pub(super) fn labelled(mut self, id: &ConnectionId, label: Option<&Label>) -> Self {
        self.labels.retain(|_, labelled| labelled != id);
        if let Some(label) = label {
            // As it is written now: another case is the same label.
            self.labels.remove(label);
            self.labels.insert(label.clone(), id.clone());
        }
        self
    }

    /// Takes one out, and its labels. If it was the default, the one connected first takes its place.
    pub(super) fn without(mut self, id: &ConnectionId) -> (Self, Option<Credential>) {
        let index = self.position(id);
        let removed = index.map(|index| self.connections.remove(index));
        self.labels.retain(|_, labelled| labelled != id);
        let first = self.connections.iter().min_by_key(|known| known.connected);
        if let Some(first) = first
            && self.default == *id
        {
            self.default = first.id.clone();
        }
        (self, removed)
    }

    /// Changes the credential with this id and revision, if it is there.
    pub(super) fn change(
        &mut self,
        id: &ConnectionId,
        revision: u64,
        change: impl FnOnce(Credential) -> Credential,
    ) -> bool {
        let index = self.position(id);
        let known = index.map(|index| &mut self.connections[index]);
        let Some(known) = known.filter(|known| known.revision == revision) else {
            return false;
        };
        *known = change(known.clone());
        true
    }

    /// Notes when a connection was used; `false` if that changes nothing.
    pub(super) fn used(&mut self, id: &ConnectionId, now: Timestamp) -> bool {
        let index = self.position(id);
        let known = index.map(|index| &mut self.connections[index]);
        let known = known.filter(|known| known.used.is_none_or(|used| used < now));
        known.map(|known| known.used = Some(now)).is_some()
    }

    /// As others see it.
    pub(super) fn view(
        &self,
        provider: &ProviderName,
        id: &ConnectionId,
        now: Timestamp,
    ) -> Option<Connection> {
        let credential = self.get(id)?;
        let labels = self.labels.iter().filter(|(_, labelled)| *labelled == id);
        Some(Connection {
            id: id.clone(),
            user: self.user.clone(),
            provider: provider.clone(),
            labels: labels.map(|(label, _)| label.clone()).collect(),
            is_default: self.default == *id,
            account: credential.account.clone(),
            by_key: credential.kind == Kind::Key,
            scopes: credential.scopes.clone(),
            withheld: credential.withheld.missing_from(&credential.scopes),
            connected: credential.connected,
            renewed: credential.obtained,
            expires: credential.expires,
            used: credential.used,
            state: state(credential, now),
        })
    }

    /// The default, as others see it.
    pub(super) fn default_view(
        &self,
        provider: &ProviderName,
        now: Timestamp,
    ) -> Option<Connection> {
        self.view(provider, &self.default, now)
    }

    /// All, as others see them.
    pub(super) fn views(
        &self,
        provider: &ProviderName,
        now: Timestamp,
    ) -> impl Iterator<Item = Connection> {
        let ids = self.connections.iter().map(|known| &known.id);
        ids.filter_map(move |id| self.view(provider, id, now))
    }
}

fn state(credential: &Credential, now: Timestamp) -> ConnectionState {
    let over = credential.expires.is_some_and(|expires| expires <= now);
    match &credential.condition {
        Condition::NeedsUser { .. } => ConnectionState::NeedsUser,
        _ if over && credential.refresh_token.is_none() => ConnectionState::NeedsUser,
        Condition::Resting {
            until, operator, ..
        } if rests(*until, now) => ConnectionState::Resting {
            until: *until,
            operator: operator.as_deref().map(ErrorCode::parse),
        },
        Condition::Good { .. } | Condition::Resting { .. } => ConnectionState::Active,
    }
}
