//! Which of a user's accounts a call uses: the one that the gateway fixes, else the one that the call names, else the user's
//! default.

use std::collections::BTreeMap;

use super::{access::Principal, admit::AdmitError};
use crate::{
    base::id::{Label, ProviderName},
    config::Config,
    vault::Slot,
};

/// What a call says of the accounts it is to use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Accounts {
    /// Nothing.
    #[default]
    Unsaid,
    /// Those with this label, at whichever providers the tool needs.
    All(Label),
    /// At these providers those with these labels.
    Each(BTreeMap<ProviderName, Label>),
}

impl Accounts {
    fn at(&self, provider: &ProviderName) -> Option<&Label> {
        match self {
            Self::Unsaid => None,
            Self::All(label) => Some(label),
            Self::Each(labels) => labels.get(provider),
        }
    }

    /// The account at `provider` that a call of `principal` uses.
    ///
    /// # Errors
    /// [`AdmitError::Fixed`] when the call names another than the gateway: it would run with an account nobody expects.
    pub(super) fn slot(
        &self,
        config: &Config,
        principal: &Principal,
        provider: &ProviderName,
    ) -> Result<Slot, AdmitError> {
        let gateway = config.gateways.get(principal.gateway());
        let fixed = gateway.and_then(|gateway| gateway.accounts.get(provider));
        match (fixed, self.at(provider)) {
            (Some(fixed), Some(named)) if fixed != named => Err(AdmitError::Fixed {
                provider: provider.clone(),
                label: fixed.clone(),
            }),
            (Some(label), _) | (None, Some(label)) => Ok(Slot::Label(label.clone())),
            (None, None) => Ok(Slot::Default),
        }
    }
}
