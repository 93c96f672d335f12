//! May this call go ahead for this user? Requirements × vault → [`Permit`] or what is missing.

use futures_util::future::try_join_all;
use serde_json::{Map, Value};
use std::{fmt::Write, sync::Arc};
use url::Url;

use crate::{
    base::id::{Label, ProviderName, UpstreamName},
    config::{Config, Provider, Upstream},
    protocol::{arcade::definition::ToolDefinition, oauth::scope::ScopeSet},
    secrets::Secrets,
    upstream::{Caller, RawTool, WorkerContext},
    vault::{HeldToken, Lack, Slot, TokenLookup, Vault, VaultError, Wish},
    web::urls::Urls,
};

use super::{
    access::Principal,
    account::Accounts,
    required::{self, Carrier, Required},
    view::{Tool, What},
};

/// Admits calls.
#[derive(Clone)]
pub struct Admitting {
    vault: Vault,
    secrets: Secrets,
    urls: Urls,
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

/// Neither yes nor "ask the user".
#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    /// The vault could not say.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The user was just asked for it, and the provider would not grant it: asking again is of no use for now.
    #[error("{title} did not grant {missing}, which the tool needs")]
    Withheld {
        /// What pages call the provider.
        title: String,
        /// What it did not grant.
        missing: ScopeSet,
        /// Where the user can try again.
        connections: Box<Url>,
    },
    /// The call names another account than the gateway does.
    #[error(
        "the call names another account at `{provider}` than `{label}`, which the gateway uses"
    )]
    Fixed {
        /// Where.
        provider: ProviderName,
        /// The label that the gateway names.
        label: Label,
    },
    /// This configuration has no such upstream.
    #[error("there is no upstream `{0}` any more")]
    Gone(UpstreamName),
    /// A worker's tool needs an account at a provider that this configuration does not have.
    #[error(
        "the tool `{tool}` needs an account at `{wanted}`, and no provider is called so or made from that preset"
    )]
    NoProvider {
        /// `Kit.Tool`
        tool: String,
        /// Its word for the provider.
        wanted: String,
    },
    /// A worker's tool needs secrets that the operator has not given.
    #[error("the tool `{tool}` needs secrets that are not set: {missing}")]
    NoSecret {
        /// `Kit.Tool`
        tool: String,
        /// Their names, for a sentence.
        missing: String,
    },
    /// A program runs a tool for nobody, and the tool needs somebody's account.
    #[error("the tool needs an account of a user's, and the call names no user")]
    NoUser,
    /// The provider's token cannot stand in a header.
    #[error("the token of the provider `{0}` cannot be sent in a header")]
    Unsendable(ProviderName),
}

impl AdmitError {
    /// One sentence without internals, for clients and people.
    pub fn public(&self) -> String {
        match self {
            Self::Vault(VaultError::Operator { provider, .. }) => {
                format!("{provider} does not accept this gateway; its operator has to look at the provider's configuration. The connected account is kept.")
            }
            Self::Vault(VaultError::Unavailable { provider, retry_after }) => {
                let seconds = retry_after.as_secs().max(1);
                format!("{provider} does not answer right now, so the account cannot be used; try again in {seconds} seconds.")
            }
            Self::Withheld { title, missing, connections } => {
                format!("{title} was connected but did not grant everything this tool needs; missing: {missing}. The user, or whoever manages the account, has to allow it there; then connect it again at {connections} and call the tool again.")
            }
            Self::Vault(VaultError::Store(_) | VaultError::Sealed { .. } | VaultError::Full { .. }) => {
                "The account this tool needs cannot be read right now; try again later, or ask the gateway's operator.".to_owned()
            }
            Self::Fixed { provider, label } => format!("At this gateway tools use the {provider} account labelled “{label}” and no other; call the tool without naming an account."),
            Self::NoProvider { tool, wanted } => format!("{tool} needs an account at “{wanted:.100}”, which this gateway does not know; its operator has to add that provider to the configuration."),
            Self::NoSecret { tool, missing } => format!("{tool} needs secrets that this gateway does not have: {missing:.500}; its operator has to set them."),
            Self::NoUser => "This tool needs an account of a user's: say in `user_id` for whom it is to run.".to_owned(),
            Self::Gone(_) => "There is no such tool any more; list the tools again.".to_owned(),
            Self::Unsendable(provider) => format!("The token of {provider} cannot be sent to the tool's server; ask the operator."),
        }
    }
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
        let upstream = upstream(config, &tool.upstream)?;
        let required = match &tool.what {
            What::Native(native) => required::of_tool(config, upstream, native)?,
            What::Connect => required::of_all(upstream),
        };
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
            self.inform(config, principal, definition, &held, &mut caller.context)
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
            TokenLookup::Ready(_) => Ok(need(config, wish.name, wish.slot, scopes.clone())),
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

    /// Puts into `context` what a worker's tool is told beside its inputs.
    async fn inform(
        &self,
        config: &Config,
        principal: &Principal,
        definition: &ToolDefinition,
        held: &[Held],
        context: &mut WorkerContext,
    ) -> Result<(), AdmitError> {
        let mut missing = Vec::new();
        for name in definition.secrets() {
            let found = self.secrets.find(config, name).await;
            match found.map_err(VaultError::from)? {
                Some(secret) => context.secrets.push((name.to_owned(), secret)),
                None => missing.push(name),
            }
        }
        if !missing.is_empty() {
            return Err(AdmitError::NoSecret {
                tool: definition.qualified_name(),
                missing: missing.join(", "),
            });
        }
        context.user_id = principal.program_user().map(str::to_owned);
        if let Some(held) = held.first() {
            context.token = Some(held.token.token.expose().into());
            context.user_info = user_info(held);
            let provider = config.providers.get(&held.provider);
            let client = provider.and_then(Provider::oauth).map(|it| &it.client_id);
            let asked = definition.metadata_keys();
            context.metadata.extend(asked.filter_map(|key| match key {
                "client_id" => Some((key.to_owned(), client?.clone())),
                "coordinator_url" => Some((key.to_owned(), self.urls.origin().to_owned())),
                _ => None,
            }));
        }
        Ok(())
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
        Ok(need(config, wish.name, wish.slot, scopes))
    }
}

/// What tools look for in the user info, by OpenID Connect's names (Core §5.1).
fn user_info(held: &Held) -> Map<String, Value> {
    let Some(account) = &held.token.info else {
        return Map::new();
    };
    let known = [
        ("sub", Some(&account.id)),
        ("name", account.name.as_ref()),
        ("email", account.email.as_ref()),
    ];
    let known = known.into_iter();
    let known = known.filter_map(|(name, value)| Some((name.to_owned(), value?.as_str().into())));
    known.collect()
}

fn need(config: &Config, provider: &ProviderName, slot: &Slot, scopes: ScopeSet) -> Need {
    let title = config.providers[provider].title().to_owned();
    Need {
        provider: provider.clone(),
        title,
        slot: slot.clone(),
        scopes,
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
            Some(known) => known.scopes = known.scopes.union(&need.scopes),
            None => merged.push(need),
        }
    }
    merged
}
