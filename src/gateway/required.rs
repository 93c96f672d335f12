//! What a tool needs of its user and of the operator: by the file, or, if it is a worker's, by its own words.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue};

use super::{
    access::Principal,
    account::Accounts,
    admit::AdmitError,
    view::{Tool, What},
};
use crate::{
    base::id::{ProviderName, UpstreamName},
    config::{ArcadeWorker, Config, Provider, Requirement, Upstream, UpstreamKind},
    protocol::{
        arcade::definition::{AuthRequirement, ToolDefinition},
        oauth::scope::ScopeSet,
    },
    provider::AccessToken,
    upstream::{RawTool, ToolList},
    vault::Slot,
};

/// One account that a tool needs.
#[derive(Clone, Debug)]
pub(super) struct Required<'c> {
    pub provider: &'c ProviderName,
    pub scopes: Cow<'c, ScopeSet>,
    pub carrier: Carrier<'c>,
}

/// How its token gets to the tool.
#[derive(Clone, Copy, Debug)]
pub(super) enum Carrier<'c> {
    /// In this requirement's header.
    Header(&'c Requirement),
    /// In the context of a worker's call.
    Context,
}

/// An account that a tool needs of its user.
#[derive(Clone, Debug)]
pub struct Needed<'c> {
    /// Where.
    pub provider: &'c ProviderName,
    /// What it must be good for.
    pub scopes: ScopeSet,
    /// Which of the user's accounts there.
    pub slot: Slot,
}

/// The accounts that a call of `tool` by `principal` needs, each once. Whether they are there is the vault's to say.
///
/// # Errors
/// As [`of_tool`]; [`AdmitError::Gone`].
pub fn accounts<'c>(
    config: &'c Config,
    principal: &Principal,
    tool: &Tool,
) -> Result<Vec<Needed<'c>>, AdmitError> {
    let mut accounts: Vec<Needed<'c>> = Vec::new();
    for required in of(config, tool)? {
        let slot = Accounts::Unsaid.slot(config, principal, required.provider)?;
        let known = accounts.iter_mut();
        let mut known = known.filter(|it| it.provider == required.provider && it.slot == slot);
        match known.next() {
            Some(known) => known.scopes = known.scopes.union(&required.scopes),
            None => accounts.push(Needed {
                provider: required.provider,
                scopes: required.scopes.into_owned(),
                slot,
            }),
        }
    }
    Ok(accounts)
}

/// What a tool at a gateway needs.
///
/// # Errors
/// As [`of_tool`]; [`AdmitError::Gone`].
pub(super) fn of<'c>(config: &'c Config, tool: &Tool) -> Result<Vec<Required<'c>>, AdmitError> {
    let upstream = config.upstreams.get(&tool.upstream);
    let upstream = upstream.ok_or_else(|| AdmitError::Gone(tool.upstream.clone()))?;
    match &tool.what {
        What::Native(native) => of_tool(config, upstream, native),
        What::Connect => Ok(of_all(upstream)),
    }
}

/// Everything that any tool of an MCP upstream needs.
pub(super) fn of_all(upstream: &Upstream) -> Vec<Required<'_>> {
    upstream.requirements.iter().map(by_file).collect()
}

/// What one tool needs.
///
/// # Errors
/// [`AdmitError::NoProvider`] when a worker's tool wants an account at a provider that the file does not have;
/// [`AdmitError::NotGiven`] when the file does not mean its users' accounts there for that worker.
fn of_tool<'c>(
    config: &'c Config,
    upstream: &'c Upstream,
    tool: &RawTool,
) -> Result<Vec<Required<'c>>, AdmitError> {
    match (&upstream.kind, &tool.worker) {
        (UpstreamKind::Arcade(worker), Some(definition)) => {
            let wanted = definition.authorization().into_iter();
            wanted
                .map(|wanted| by_worker(config, worker, definition, wanted))
                .collect()
        }
        _ => {
            let of_file = upstream.requirements.iter();
            let meant = of_file.filter(|requirement| requirement.tools.allows(&tool.name));
            Ok(meant.map(by_file).collect())
        }
    }
}

fn by_file(requirement: &Requirement) -> Required<'_> {
    Required {
        provider: &requirement.provider,
        scopes: Cow::Borrowed(&requirement.scopes),
        carrier: Carrier::Header(requirement),
    }
}

fn by_worker<'c>(
    config: &'c Config,
    worker: &'c ArcadeWorker,
    definition: &ToolDefinition,
    wanted: &AuthRequirement,
) -> Result<Required<'c>, AdmitError> {
    let no_provider = || AdmitError::NoProvider {
        tool: definition.qualified_name(),
        wanted: said(wanted.id.as_deref())
            .or(said(wanted.provider_id.as_deref()))
            .unwrap_or_default()
            .to_owned(),
    };
    let provider = provider_of(config, worker, wanted).ok_or_else(no_provider)?;
    if !worker.accounts.allows(provider.as_str()) {
        return Err(AdmitError::NotGiven {
            tool: definition.qualified_name(),
            what: format!("an account at {provider}"),
            setting: format!("upstreams.{}.accounts", worker.name),
        });
    }
    let scopes = match config.providers[provider] {
        Provider::OAuth(_) => wanted.scopes().iter().cloned().collect(),
        // A key is good for what its issuer says.
        Provider::ApiKey(_) => ScopeSet::default(),
    };
    Ok(Required {
        provider,
        scopes: Cow::Owned(scopes),
        carrier: Carrier::Context,
    })
}

/// Whether the operator means a secret for the server of `tool`.
pub fn is_secret_for(config: &Config, tool: &Tool, name: &str) -> bool {
    let upstream = config.upstreams.get(&tool.upstream);
    match upstream.map(|upstream| &upstream.kind) {
        Some(UpstreamKind::Arcade(worker)) => worker.secrets.allows(name),
        _ => false,
    }
}

/// One line for the operator, if tools of a worker need accounts at providers that the file does not have: they are shown, and
/// cannot be called.
pub(super) fn note_unknown(config: &Config, name: &UpstreamName, list: &ToolList) {
    let Some(upstream) = config.upstreams.get(name) else {
        return;
    };
    let needy = list.tools.iter();
    let needy = needy.filter_map(|tool| match of_tool(config, upstream, tool) {
        Err(error @ (AdmitError::NoProvider { .. } | AdmitError::NotGiven { .. })) => {
            Some(error.to_string())
        }
        _ => None,
    });
    let needy: Vec<_> = needy.collect();
    if let Some(first) = needy.first() {
        tracing::warn!(
            upstream = %name,
            count = needy.len(),
            first,
            "tools need accounts at providers that are not configured, or not for them: add the providers, say in the upstream's `providers` which are meant, or in its `accounts` which it may have"
        );
    }
}

/// The provider that a worker's tool means: by its `id`, else by its `provider_id`; each is what the upstream says it is, or a
/// provider's name, or the preset of the only provider that is made from it.
pub fn provider_of<'c>(
    config: &'c Config,
    worker: &'c ArcadeWorker,
    wanted: &AuthRequirement,
) -> Option<&'c ProviderName> {
    let meant = |word: &str| {
        if let Some(told) = worker.providers.get(word) {
            return config.providers.get_key_value(told).map(|(name, _)| name);
        }
        config.provider_called(word).map(|(name, _)| name)
    };
    match said(wanted.id.as_deref()) {
        Some(id) => meant(id),
        None => meant(said(wanted.provider_id.as_deref())?),
    }
}

/// Old tool kits write the absence of a name as a name.
fn said(word: Option<&str>) -> Option<&str> {
    let absent =
        |word: &&str| word.is_empty() || ["none", "null"].contains(&word.to_lowercase().as_str());
    word.map(str::trim).filter(|word| !absent(word))
}

/// The header that carries a token.
///
/// # Errors
/// [`AdmitError::Unsendable`] when it cannot.
pub(super) fn header(
    requirement: &Requirement,
    token: &AccessToken,
) -> Result<(HeaderName, HeaderValue), AdmitError> {
    let value = format!("{}{}", requirement.prefix, token.expose());
    let mut value = HeaderValue::try_from(value)
        .map_err(|_| AdmitError::Unsendable(requirement.provider.clone()))?;
    value.set_sensitive(true);
    Ok((requirement.header.clone(), value))
}
