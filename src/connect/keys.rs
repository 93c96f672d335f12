//! What flows are found by, and what they are called.

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

/// Under which the open flow for all that is asked alike is found.
pub(super) fn open_key(
    user: &UserId,
    asker: &Asker,
    provider: &ProviderName,
    slot: &Slot,
    ending: &Ending,
) -> String {
    // Neither a provider's name nor a URL has a blank, so the parts cannot be confused.
    let mut what = format!("{provider} ");
    if let Verification::ByLink {
        user_verify_url,
        state,
    } = &ending.verification
    {
        let state = TokenHash::of(state.as_deref().unwrap_or_default()).to_hex();
        what.push_str(&format!("{user_verify_url} {state} "));
    }
    if let Some(next) = &ending.next_uri {
        what.push_str(&format!("{next} "));
    }
    what.push_str(&serde_json::to_string(slot).expect("a slot serialises"));
    what.push_str(&asker.key);
    let what = TokenHash::of(&what);
    format!("{}/{}", user.key(), what.to_hex())
}

/// What to call an account that is asked for.
pub(super) fn titled(provider: &Provider, slot: &Slot) -> String {
    match slot {
        Slot::Label(label) => format!("{} ({label})", provider.title()),
        Slot::Default | Slot::Again(_) | Slot::Beside => provider.title().to_owned(),
    }
}

/// The part of keys that stands for an MCP session.
pub(super) fn session_key(session: &str) -> String {
    TokenHash::of(session).to_hex()
}
