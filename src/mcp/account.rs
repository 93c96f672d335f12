//! Which of the user's accounts a call is for, as clients say it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{answer::Refusal, serve::Request};
use crate::{
    base::id::{Label, ProviderName},
    gateway::account::Accounts,
};

/// The `_meta` key of a `tools/call` that names the label of an account: a string for every provider the tool needs, or an
/// object of one for each. For us: it does not go on to the upstream.
pub const KEY: &str = "dev.anteroom/account";

#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    All(Label),
    Each(BTreeMap<ProviderName, Label>),
}

/// What the call says.
///
/// # Errors
/// `-32602` for what is no label, or a provider that is not there: the call would use an account that nobody meant.
pub fn said(request: &Request<'_>) -> Result<Accounts, Refusal> {
    let Some(said) = request.meta.get(KEY).map(RawValue::get) else {
        return Ok(Accounts::Unsaid);
    };
    match serde_json::from_str(said) {
        Ok(Said::All(label)) => Ok(Accounts::All(label)),
        Ok(Said::Each(labels)) => {
            let known = |name: &&ProviderName| request.config.providers.contains_key(*name);
            match labels.keys().find(|name| !known(name)) {
                Some(name) => Err(Refusal::invalid_params(format!(
                    "{KEY} names the provider {name}, which this gateway does not know"
                ))),
                None => Ok(Accounts::Each(labels)),
            }
        }
        Err(_) => Err(Refusal::invalid_params(format!(
            "{KEY} must be the label of an account, 1 to 40 visible characters, or an object of such labels by provider"
        ))),
    }
}
