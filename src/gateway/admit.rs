//! May this call go ahead for this user? Requirements × vault → [`Permit`] or what is missing.

use futures_util::future::try_join_all;
use std::{fmt::Write, sync::Arc};

use crate::{
    base::id::{ProviderName, UpstreamName},
    config::{Config, Upstream},
    protocol::oauth::scope::ScopeSet,
    secrets::Secrets,
    upstream::{Caller, RawTool, WorkerContext},
    vault::{HeldToken, Lack, Slot, TokenLookup, Vault, Wish},
    web::urls::Urls,
};

use super::{
    access::Principal,
    account::Accounts,
    required::{self, Carrier, Required},
    view::{Tool, What},
};

pub use super::not_admitted::AdmitError;

/// Admits calls.
#[derive(Clone)]
pub struct Admitting {
    vault: Vault,
    pub(super) secrets: Secrets,
    pub(super) urls: Urls,
}

/// The verdict: go on with `P`, or ask the user first.
#[derive(Debug)]
pub enum Admission<P> {
    /// Everything is there.
    Permit(P),
    /// These are missing, all of them at once.
    NeedsUser(Vec<Need>),
}

/// One connection the user has to make or widen.
#[derive(Clone, Debug)]
pub struct Need {
    /// Where.
    pub provider: ProviderName,
    /// What pages call it.
    pub title: String,
    /// Which of the user's accounts there.
    pub slot: Slot,
    /// What to ask for: everything granted already and everything required.
    pub scopes: ScopeSet,
    /// There was a connection, and it is of no use any more.
    pub expired: bool,
}

/// Proof that a call was admitted: only [`Admitting::to_call`] makes one.
#[derive(Debug)]
pub struct Permit {
    pub(super) tool: Arc<Tool>,
    pub(super) accounts: Accounts,
    pub(super) caller: Caller,
    pub(super) held: Vec<Held>,
}

/// Proof that an upstream's tools may be listed with the user's own tokens.
#[derive(Debug)]
pub struct Listing {
    pub(super) caller: Caller,
    pub(super) held: Vec<Held>,
}

/// A token on its way to an upstream.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) provider: ProviderName,
    pub(super) slot: Slot,
    pub(super) scopes: ScopeSet,
    pub(super) token: HeldToken,
}

impl Admitting {
    /// Admission by what `vault` holds.
    pub fn new(vault: Vault, secrets: Secrets, urls: Urls) -> Self {
        Self {
            vault,
            secrets,
            urls,
        }
    }

    /// Admits a call of `tool`.
    ///
    /// # Errors
    /// When it cannot be known, or only the operator can help.
    pub async fn to_call(
        &self,
        config: &Arc<Config>,
        principal: &Principal,
        tool: &Arc<Tool>,
        accounts: &Accounts,
    ) -> Result<Admission<Permit>, AdmitError> {
        let required = required::of(config, tool)?;
        if principal.is_program() && !required.is_empty() {
            return Err(AdmitError::NoUser);
        }
        let held = self.hold(config, principal, &required, accounts);
        let (mut caller, held) = match held.await? {
            Admission::Permit(held) => held,
            Admission::NeedsUser(needs) => return Ok(Admission::NeedsUser(needs)),
        };
        if let What::Native(RawTool {
            worker: Some(definition),
            ..
        }) = &tool.what
        {
            let informed = &mut caller.context;
            self.inform(config, principal, (tool, definition), &held, informed)
                .await?;
        }
        Ok(Admission::Permit(Permit {
            tool: Arc::clone(tool),
            accounts: accounts.clone(),
            caller,
            held,
        }))
    }

    /// Admits the listing of an upstream's tools with the user's own token.
    ///
    /// # Errors
    /// As [`Self::to_call`].
    pub async fn to_list(
        &self,
        config: &Arc<Config>,
        principal: &Principal,
        upstream: &UpstreamName,
    ) -> Result<Admission<Listing>, AdmitError> {
        let required = required::of_all(self::upstream(config, upstream)?);
        let held = self.hold(config, principal, &required, &Accounts::Unsaid);
        Ok(match held.await? {
            Admission::Permit((caller, held)) => Admission::Permit(Listing { caller, held }),
            Admission::NeedsUser(needs) => Admission::NeedsUser(needs),
        })
    }

    /// The upstream refused a token: another one, or what to ask the user for.
    ///
    /// # Errors
    /// As [`Self::to_call`].
    pub(super) async fn refused(
        &self,
        config: &Arc<Config>,
        principal: &Principal,
        held: &[Held],
    ) -> Result<Vec<Need>, AdmitError> {
        let mut needs = Vec::new();
        for held in held {
            let provider = &config.providers[&held.provider];
            let wish = Wish {
                user: principal.user(),
                name: &held.provider,
                provider,
                slot: &held.slot,
                required: &held.scopes,
            };
            if let TokenLookup::Missing(lack) = self.vault.refused(wish, &held.token).await? {
                needs.push(self.need(config, wish, lack)?);
            }
        }
        Ok(merged(needs))
    }

    /// Whether the user was asked for this token a moment ago: to ask for the same again would be no help.
    pub(super) fn just_connected(&self, held: &Held) -> bool {
        self.vault.just_connected(&held.token)
    }

    /// The upstream wants a token that is good for `scopes`, whatever the file says the tool needs.
    pub(super) async fn wider(
        &self,
        config: &Config,
        principal: &Principal,
        held: &Held,
        scopes: ScopeSet,
    ) -> Result<Need, AdmitError> {
        let wish = Wish {
            user: principal.user(),
            name: &held.provider,
            provider: &config.providers[&held.provider],
            slot: &held.slot,
            required: &scopes,
        };
        match self.vault.find(wish).await? {
            TokenLookup::Missing(lack) => self.need(config, wish, lack),
            TokenLookup::Ready(_) => Ok(need(config, wish, scopes.clone())),
        }
    }

    async fn hold(
        &self,
        config: &Arc<Config>,
        principal: &Principal,
        required: &[Required<'_>],
        accounts: &Accounts,
    ) -> Result<Admission<(Caller, Vec<Held>)>, AdmitError> {
        let slots = required
            .iter()
            .map(|required| accounts.slot(config, principal, required.provider));
        let slots = slots.collect::<Result<Vec<_>, _>>()?;
        let wishes = required.iter().zip(&slots).map(|(required, slot)| Wish {
            user: principal.user(),
            name: required.provider,
            provider: &config.providers[required.provider],
            slot,
            required: &required.scopes,
        });
        let lookups = try_join_all(wishes.clone().map(|wish| self.vault.find(wish))).await?;
        let (mut held, mut needs, mut credentials) = (Vec::new(), Vec::new(), Vec::new());
        for ((required, wish), lookup) in required.iter().zip(wishes).zip(lookups) {
            match lookup {
                TokenLookup::Ready(token) => {
                    if let Carrier::Header(requirement) = required.carrier {
                        credentials.push(required::header(requirement, &token.token)?);
                    }
                    held.push(Held {
                        provider: required.provider.clone(),
                        slot: wish.slot.clone(),
                        scopes: required.scopes.clone().into_owned(),
                        token,
                    });
                }
                TokenLookup::Missing(lack) => needs.push(self.need(config, wish, lack)?),
            }
        }
        if needs.is_empty() {
            let caller = Caller {
                user: principal.user_key().to_string(),
                credentials,
                credential: credential(&held),
                context: WorkerContext::default(),
            };
            Ok(Admission::Permit((caller, held)))
        } else {
            Ok(Admission::NeedsUser(merged(needs)))
        }
    }

    /// What to ask the user for; an error if they were just asked for it, and the provider would not.
    fn need(&self, config: &Config, wish: Wish<'_>, lack: Lack) -> Result<Need, AdmitError> {
        if let Lack::Withheld { missing, .. } = lack {
            return Err(AdmitError::Withheld {
                title: wish.provider.title().to_owned(),
                missing,
                connections: Box::new(self.urls.connections()),
            });
        }
        let scopes = lack.to_ask_for(wish.required);
        Ok(Need {
            expired: matches!(lack, Lack::Reconnect { .. }),
            ..need(config, wish, scopes)
        })
    }
}

fn need(config: &Config, wish: Wish<'_>, scopes: ScopeSet) -> Need {
    Need {
        provider: wish.name.clone(),
        title: config.providers[wish.name].title().to_owned(),
        slot: wish.slot.clone(),
        scopes,
        expired: false,
    }
}

/// Which connections something at the upstream belongs to, a legacy session or a list of tools: it survives their refresh,
/// not their replacement.
fn credential(held: &[Held]) -> String {
    held.iter().fold(String::new(), |mut text, held| {
        let token = &held.token;
        let _ = write!(
            text,
            "{} {} {:x} ",
            held.provider, token.account, token.connection
        );
        text
    })
}

fn upstream<'a>(config: &'a Config, name: &UpstreamName) -> Result<&'a Upstream, AdmitError> {
    let upstream = config.upstreams.get(name);
    upstream.ok_or_else(|| AdmitError::Gone(name.clone()))
}

/// Two requirements of one provider are one question.
fn merged(needs: Vec<Need>) -> Vec<Need> {
    let mut merged: Vec<Need> = Vec::new();
    for need in needs {
        match merged
            .iter_mut()
            .find(|known| known.provider == need.provider && known.slot == need.slot)
        {
            Some(known) => {
                known.scopes = known.scopes.union(&need.scopes);
                known.expired |= need.expired;
            }
            None => merged.push(need),
        }
    }
    merged
}
