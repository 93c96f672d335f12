//! Under which keys things are kept.

use super::{
    Ending,
    flow::{Asker, Verification},
};
use crate::base::{
    id::{ProviderName, UserId},
    secret::TokenHash,
};

/// What is asked for once while it is open.
pub(super) fn open_key(
    user: &UserId,
    asker: &Asker,
    provider: &ProviderName,
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
    what.push_str(&asker.key);
    let what = TokenHash::of(&what);
    format!("{}/{}", user.key(), what.to_hex())
}

/// The flows that a legacy MCP session waits for.
pub(super) fn session_key(session: &str) -> String {
    TokenHash::of(session).to_hex()
}
