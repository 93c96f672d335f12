//! What of the vault goes into the audit log: tokens renewed or not, connections that need their user, connections that ended.

use super::{
    Inner,
    connection::{Disconnected, Revocation},
    credential::NeedsUser,
    refresh::{Ground, Wanted},
};
use crate::{
    audit::{
        Entry, Event, Through,
        event::{By, Cause},
    },
    provider::{Account, TokenError},
};

impl Inner {
    /// Tells the log what came of a refresh, or of its want.
    pub(super) async fn tell(&self, wanted: &Wanted, event: Event) {
        let wallet = &wanted.key.wallet;
        let through = match wanted.ground {
            Ground::Operator => Through::Operator,
            Ground::NearEnd | Ground::Refused => Through::Itself,
        };
        let entry = Entry::new(&wallet.user, &wallet.provider, event)
            .connection(wanted.key.id.as_str())
            .account(wanted.account.clone())
            .through(through);
        self.trail.note_done(entry).await;
    }

    /// Tells the log that a connection is no more. Durable when this returns.
    pub(super) async fn tell_ended(&self, ended: &Disconnected, by: By) {
        let connection = &ended.connection;
        let event = Event::Disconnected {
            by,
            revoked: ended.revoked.word(),
        };
        let account = connection.account.as_ref().map(Account::shown);
        let entry = Entry::new(&connection.user, &connection.provider, event)
            .connection(connection.id.as_str())
            .account(account.map(str::to_owned))
            .through(match by {
                By::User => Through::Page,
                By::Operator => Through::Operator,
            });
        self.trail.record_done(entry).await;
    }
}

impl Wanted {
    pub(super) fn refreshed(&self) -> Event {
        Event::Refreshed {
            cause: match self.ground {
                Ground::NearEnd => Cause::Expiry,
                Ground::Refused => Cause::Refused,
                Ground::Operator => Cause::Operator,
            },
        }
    }
}

/// What it means that a provider gave no fresh tokens.
pub(super) fn failed(error: &TokenError) -> Event {
    match error {
        TokenError::Refused { .. } => NeedsUser::RefreshRefused.event(),
        TokenError::Misconfigured { error } => Event::RefreshFailed {
            why: error.as_str(),
        },
        TokenError::Unavailable { .. } => Event::RefreshFailed { why: "unavailable" },
        TokenError::Unreadable { .. } => Event::RefreshFailed { why: "unreadable" },
    }
}

impl NeedsUser {
    pub(super) fn event(self) -> Event {
        let why = match self {
            Self::RefreshRefused => "refresh_refused",
            Self::TokenRefused => "token_refused",
        };
        Event::NeedsUser { why }
    }
}

impl Revocation {
    /// One word for it, for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NotOffered => "not_offered",
            Self::AlreadyGone => "already_gone",
            Self::Failed(_) => "failed",
        }
    }
}
