//! What became of the user's connections when a flow completed, for the page that tells them.

use serde::{Deserialize, Serialize};

use crate::vault::{Connection, Kept, KeptAs};

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

impl Landed {
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
