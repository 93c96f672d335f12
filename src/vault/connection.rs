//! Connections as others see them: what there is, which one is meant, what became of one. Nothing here holds a secret but
//! [`Grant`], which brings it.

use serde::{Deserialize, Serialize};

use crate::{
    base::{
        clock::Timestamp,
        id::{ConnectionId, Label, ProviderName, UserId},
        secret::Secret,
    },
    config::Provider,
    protocol::oauth::{error::ErrorCode, scope::ScopeSet},
    provider::{Account, TokenError, TokenSet},
};

/// One account of a user at one provider.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Which one; the same for as long as it is there.
    pub id: ConnectionId,
    /// Whose.
    pub user: UserId,
    /// Where.
    pub provider: ProviderName,
    /// The labels that mean it.
    pub labels: Vec<Label>,
    /// Calls that name no label use it.
    pub is_default: bool,
    /// Whose account it is there, if the provider told. Somebody else chose these texts: shown, never trusted.
    pub account: Option<Account>,
    /// Whether it is a key that its user typed, which is good for nobody knows what; else it is tokens.
    pub by_key: bool,
    /// What the provider granted.
    pub scopes: ScopeSet,
    /// What was asked for when it was connected and not granted.
    pub withheld: ScopeSet,
    /// When the user connected it, or did so again.
    pub connected: Timestamp,
    /// When its access token was obtained.
    pub renewed: Timestamp,
    /// When its access token ends; `None` if the provider did not say.
    pub expires: Option<Timestamp>,
    /// When a call last used it, give or take ten minutes; `None` if none did.
    pub used: Option<Timestamp>,
    /// Whether calls can use it.
    pub state: ConnectionState,
}

/// Whether calls can use a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// Yes.
    Active,
    /// Not before the user has connected it again.
    NeedsUser,
    /// Its token could not be renewed; that is tried again. The token serves until its end.
    Resting {
        /// Not before then.
        until: Timestamp,
        /// `None`: the provider was not available. Else its word for what the operator has to mend.
        operator: Option<ErrorCode>,
    },
}

/// Which of a user's connections at a provider is meant, and where a new one goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slot {
    /// The one that is used where nobody says which.
    #[default]
    Default,
    /// The one with this label.
    Label(Label),
    /// Just this one.
    Again(ConnectionId),
    /// None that is there: one more.
    Beside,
}

/// What a call wants of the vault. Cheap to copy.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// Whose.
    pub user: &'a UserId,
    /// Where.
    pub name: &'a ProviderName,
    /// That provider's configuration.
    pub provider: &'a Provider,
    /// Which of their accounts there.
    pub slot: &'a Slot,
    /// What it has to be good for.
    pub required: &'a ScopeSet,
}

/// What a user obtained for us.
#[derive(Debug)]
pub enum Grant {
    /// What a code was exchanged for.
    Tokens {
        /// The tokens.
        tokens: TokenSet,
        /// What was asked for: granted, if the tokens do not say what was.
        asked: ScopeSet,
        /// Whose account it is, if the provider told.
        account: Option<Account>,
    },
    /// A key that the user typed.
    Key {
        /// The key.
        key: Secret,
        /// Whose account it is, if the provider told.
        account: Option<Account>,
    },
}

/// What became of a grant.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The connection it is kept as.
    pub connection: Connection,
    /// Whether that was there before.
    pub change: KeptAs,
    /// What the slot meant before, if that is another connection; it is still there.
    pub instead_of: Option<Connection>,
}

/// Whether a connection was there before a grant was kept as it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptAs {
    /// It was not.
    New,
    /// It was, and is the same account at the provider.
    Updated,
    /// It was; whether it is the same account, the provider does not tell.
    Replaced,
}

/// A connection that is no more.
#[derive(Clone, Debug)]
pub struct Disconnected {
    /// As it was.
    pub connection: Connection,
    /// Whether the provider knows.
    pub revoked: Revocation,
    /// The connection that is the default now in its place, if it was and there is another.
    pub default_now: Option<Connection>,
}

/// Whether a provider ended a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// It did.
    Done,
    /// It offers no way: the user can end it in the settings of the account.
    NotOffered,
    /// It had ended already.
    AlreadyGone,
    /// It could not be told: the grant may go on there. The user can end it in the settings of the account.
    Failed(TokenError),
}

/// Which connections to list; all, by default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter<'a> {
    /// Those of this user.
    pub user: Option<&'a UserId>,
    /// Those at this provider.
    pub provider: Option<&'a ProviderName>,
}

/// Some connections of a longer list.
#[derive(Clone, Debug)]
pub struct Page {
    /// In no order that means anything, but always the same.
    pub connections: Vec<Connection>,
    /// Where the next page begins; `None` if this is the last.
    pub next: Option<String>,
}

impl Connection {
    /// Whether it is what users give this provider now.
    pub fn fits(&self, provider: &Provider) -> bool {
        self.by_key == matches!(provider, Provider::ApiKey(_))
    }

    /// What its owner calls the account, as pages show it: its name or address at the provider, else a label.
    pub fn shown(&self) -> Option<&str> {
        let account = self.account.as_ref();
        account
            .map(Account::shown)
            .or_else(|| self.labels.first().map(Label::as_str))
    }
}
