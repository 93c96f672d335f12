//! What became of the user's connections when a flow completed, for the page that tells them.

use serde::{Deserialize, Serialize};

use crate::{
    vault::{Connection, Kept, KeptAs, Slot},
    web::page::label,
};

/// What became of the user's connections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Landed {
    /// What the account is called there, if the provider told.
    pub account: Option<String>,
    /// Whether it was connected before.
    pub change: Option<KeptAs>,
    /// What the flow's slot meant before, if another account: it is still connected.
    pub instead_of: Option<Before>,
}

/// An account that was meant before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// What it is called there, if the provider told.
    pub account: Option<String>,
}

impl Before {
    /// In brackets, to follow what it is.
    fn named(&self) -> String {
        let account = self.account.as_deref().map(label);
        account.map_or_else(String::new, |account| format!(" ({account})"))
    }
}

impl Landed {
    /// What the person should know besides, at `provider`, where `slot` was to be connected.
    pub(super) fn notes(&self, slot: &Slot, provider: &str) -> Vec<String> {
        let before = self.instead_of.as_ref().map(Before::named);
        let again = self.change == Some(KeptAs::Updated);
        let mut notes = Vec::new();
        match (slot, &before) {
            (Slot::Default, Some(before)) => notes.push(format!(
                "From now on it is used where no other account is named. The account that was used before{before} stays connected."
            )),
            (Slot::Label(label), Some(before)) => notes.push(format!(
                "From now on “{label}” means this account. The account that it meant before{before} stays connected."
            )),
            (Slot::Label(label), None) => {
                notes.push(format!("It is used where the account “{label}” is named."));
            }
            (Slot::Again(_), Some(before)) => notes.push(format!(
                "This is another account than the one that was to be connected again{before}; that one is as it was."
            )),
            (Slot::Default | Slot::Again(_), None) | (Slot::Beside, _) => {}
        }
        if again && *slot == Slot::Beside {
            notes.push(format!(
                "It was connected already, so there is no account more than before. To add another one, sign out at {provider} first."
            ));
        }
        notes
    }

    pub(super) fn of(kept: &Kept) -> Self {
        let account = |connection: &Connection| connection.shown().map(str::to_owned);
        let before = kept.instead_of.as_ref();
        Self {
            account: account(&kept.connection),
            change: Some(kept.change),
            instead_of: before.map(|before| Before {
                account: account(before),
            }),
        }
    }
}
