//! What tools need, and whether it is there. No token is touched, and nobody is asked.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    api::{
        ApiFace,
        asking::{self, Accounts, Word},
        caller::Caller,
        error::ApiError,
    },
    config::{Config, Provider},
    gateway::{
        access::Principal,
        admit::AdmitError,
        required::{self, Needed},
        view::Tool,
    },
    protocol::arcade::definition::AuthRequirement,
};

/// What must be there for a tool to run, and whether it is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ToolRequirements)]
pub(super) struct Requirements {
    /// Whether all of it is there; for the user, if one is named.
    pub met: bool,
    /// An account of the user's. Of several, the first that is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub authorization: Option<AccountRequirement>,
    /// Secrets of the operator's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub secrets: Option<Vec<SecretRequirement>>,
}

/// An account that a tool needs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AccountRequirement {
    /// The provider's name at this gateway.
    pub id: String,
    /// What the tool, or the preset, calls it.
    pub provider_id: String,
    /// `oauth2` or `api_key`.
    pub provider_type: String,
    /// More of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub oauth2: Option<Scopes>,
    /// Whether the gateway knows the provider.
    pub status: Activity,
    /// Why it is inactive.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub status_reason: Option<String>,
    /// How the user's account stands; absent where no user is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub token_status: Option<Word>,
}

/// What an OAuth 2.0 token must be good for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Scopes {
    pub scopes: Vec<String>,
}

/// Whether a provider is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ProviderStatus)]
#[serde(rename_all = "snake_case")]
pub(super) enum Activity {
    /// It is.
    Active,
    /// It is not.
    Inactive,
}

/// A secret that a tool needs.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct SecretRequirement {
    /// Its name.
    pub key: String,
    /// Whether it is set.
    pub met: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub status_reason: Option<String>,
}

/// What is there, for one principal, looked up once.
pub(super) struct Standing<'a> {
    config: &'a Config,
    principal: &'a Principal,
    accounts: Option<Accounts>,
    secrets: BTreeMap<String, bool>,
}

impl<'a> Standing<'a> {
    /// As far as `tools` are concerned.
    pub async fn of(
        face: &ApiFace,
        caller: &'a Caller,
        principal: &'a Principal,
        tools: &[Arc<Tool>],
    ) -> Result<Self, ApiError> {
        let config = &caller.config;
        let accounts = match principal.is_program() {
            true => None,
            false => Some(Accounts::of(face, principal.user()).await?),
        };
        let mut secrets = BTreeMap::new();
        for tool in tools {
            let Some(definition) = tool.definition() else {
                continue;
            };
            for name in definition.secrets() {
                if secrets.contains_key(name) || !required::is_secret_for(config, tool, name) {
                    continue;
                }
                let found = face.secrets.find(config, name).await;
                let found = found.map_err(|error| {
                    ApiError::fault(&face.faults, "looking up a secret", &error)
                })?;
                secrets.insert(name.to_owned(), found.is_some());
            }
        }
        Ok(Self {
            config,
            principal,
            accounts,
            secrets,
        })
    }

    /// What `tool` needs.
    pub fn requirements(&self, tool: &Tool) -> Requirements {
        let accounts: Vec<_> = match required::accounts(self.config, self.principal, tool) {
            Ok(needed) => needed
                .iter()
                .map(|needed| self.account(tool, needed))
                .collect(),
            Err(error) => vec![unknown_provider(tool, &error)],
        };
        let secrets = self.secrets(tool);
        let there = |account: &AccountRequirement| {
            let connected = account
                .token_status
                .is_none_or(|word| word == Word::Completed);
            account.status == Activity::Active && connected
        };
        let met = accounts.iter().all(there) && secrets.iter().all(|secret| secret.met);
        let missing = accounts.iter().position(|account| !there(account));
        Requirements {
            met,
            authorization: accounts.into_iter().nth(missing.unwrap_or_default()),
            secrets: (!secrets.is_empty()).then_some(secrets),
        }
    }

    /// How the user's account stands; `None` without a user.
    pub fn token_status(&self, needed: &Needed<'_>) -> Option<Word> {
        let provider = &self.config.providers[needed.provider];
        let accounts = self.accounts.as_ref()?;
        let found = accounts.find(needed.provider, provider, &needed.slot);
        Some(asking::status(found, &needed.scopes))
    }

    /// The secrets that `tool` needs.
    pub fn secrets(&self, tool: &Tool) -> Vec<SecretRequirement> {
        let names = tool.definition().into_iter();
        let names = names.flat_map(|definition| definition.secrets());
        let secret = |name: &str| {
            let set = self.secrets.get(name).copied().unwrap_or_default();
            let given = required::is_secret_for(self.config, tool, name);
            let why_not = match (given, set) {
                (true, true) => None,
                (true, false) => Some("it is not set: ask the gateway's operator"),
                (false, _) => {
                    Some("the tool's server is not to have it: ask the gateway's operator")
                }
            };
            SecretRequirement {
                key: name.to_owned(),
                met: why_not.is_none(),
                status_reason: why_not.map(str::to_owned),
            }
        };
        names.map(secret).collect()
    }

    fn account(&self, tool: &Tool, needed: &Needed<'_>) -> AccountRequirement {
        let provider = &self.config.providers[needed.provider];
        let (provider_type, preset) = match provider {
            Provider::OAuth(oauth) => ("oauth2", oauth.preset.as_deref()),
            Provider::ApiKey(_) => ("api_key", None),
        };
        let wanted = tool.definition().and_then(|tool| tool.authorization());
        let said = wanted.and_then(|wanted| wanted.provider_id.as_deref());
        let provider_id = said.or(preset).unwrap_or(needed.provider.as_str());
        AccountRequirement {
            id: needed.provider.to_string(),
            provider_id: provider_id.to_owned(),
            provider_type: provider_type.to_owned(),
            oauth2: provider.oauth().map(|_| Scopes {
                scopes: asking::list(&needed.scopes),
            }),
            status: Activity::Active,
            status_reason: None,
            token_status: self.token_status(needed),
        }
    }
}

/// What a tool wants that this gateway does not have.
pub(super) fn unknown_provider(tool: &Tool, error: &AdmitError) -> AccountRequirement {
    let nothing = AuthRequirement::default();
    let wanted = tool.definition().and_then(|tool| tool.authorization());
    let wanted = wanted.unwrap_or(&nothing);
    let scopes = wanted.scopes().to_vec();
    AccountRequirement {
        id: wanted.id.clone().unwrap_or_default(),
        provider_id: wanted.provider_id.clone().unwrap_or_default(),
        provider_type: wanted.provider_type.clone().unwrap_or_default(),
        oauth2: (!scopes.is_empty()).then_some(Scopes { scopes }),
        status: Activity::Inactive,
        status_reason: Some(error.public()),
        token_status: None,
    }
}
