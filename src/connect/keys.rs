//! Under which keys things are kept.

use super::{
    Ending,
    flow::{Asker, Verification},
};
use crate::{
    base::{
        id::{ProviderName, UserId},
        secret::TokenHash,
    },
    config::Provider,
    vault::Slot,
};

/// What is asked for once while it is open.
pub(super) fn open_key(
    user: &UserId,
    asker: &Asker,
    (provider, slot): (&ProviderName, &Slot),
    ending: &Ending,
) -> String {
    let by_link = match &ending.verification {
        Verification::ByLink {
            user_verify_url,
            state,
        } => Some((user_verify_url, state)),
        Verification::AtBrowser | Verification::ByApp => None,
    };
    let what = (provider, slot, by_link, &ending.next_uri, &asker.key);
    let what = serde_json::to_string(&what).expect("names and addresses serialise");
    let what = TokenHash::of(&what);
    format!("{}/{}", user.key(), what.to_hex())
}

/// The flows that a legacy MCP session waits for.
pub(super) fn session_key(session: &str) -> String {
    TokenHash::of(session).to_hex()
}

/// What people are told of where it goes: the provider, and the label if there is one.
pub(super) fn titled(provider: &Provider, slot: &Slot) -> String {
    match slot {
        Slot::Label(label) => format!("{} ({label})", provider.title()),
        Slot::Default | Slot::Again(_) | Slot::Beside => provider.title().to_owned(),
    }
}
