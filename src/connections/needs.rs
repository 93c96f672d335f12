//! What a user's tools need of providers, as the configuration says it: only at gateways that are theirs to use.

use std::collections::BTreeMap;

use crate::{
    base::id::{GatewayName, Label, ProviderName, UpstreamName, UserId},
    config::{Config, Gateway, Requirement},
    gateway::policy::Rights,
    protocol::oauth::scope::ScopeSet,
    store::StoreError,
    user_source::profile::Profiles,
    vault::Connection,
    web::page_connections::Use,
};

/// Stands for whatever a pattern's `*` may stand for: no tool is called so.
const ANYTHING: &str = "~";

/// What the tools of one user need, by provider.
pub struct Needs<'c>(BTreeMap<&'c ProviderName, Vec<Need<'c>>>);

/// What the tools of one gateway need of one provider.
#[derive(Clone, Debug)]
pub struct Need<'c> {
    /// The gateway.
    pub gateway: &'c GatewayName,
    /// What pages call it.
    pub title: &'c str,
    /// The label of the account that its tools use; `None` for the default one.
    pub label: Option<&'c Label>,
    /// With which scopes at least.
    pub scopes: ScopeSet,
    tools: BTreeMap<&'c UpstreamName, Vec<&'c str>>,
}

impl<'c> Needs<'c> {
    /// Those of `user`.
    ///
    /// # Errors
    /// When what is known of the user cannot be read.
    pub async fn of(
        config: &'c Config,
        profiles: &Profiles,
        user: &UserId,
    ) -> Result<Self, StoreError> {
        let theirs = || {
            let gateways = config.gateways.iter();
            gateways.filter(|(_, gateway)| gateway.user_source == *user.source())
        };
        let claims = if theirs().any(|(_, gateway)| Rights::depend_on_claims(gateway)) {
            profiles.of(config, user).await?
        } else {
            Default::default()
        };
        let mut needs = Self(BTreeMap::new());
        for (name, gateway) in theirs() {
            if let Some(rights) = Rights::of(gateway, &claims) {
                needs.note(config, name, gateway, &rights);
            }
        }
        Ok(needs)
    }

    /// The providers that are needed.
    pub fn providers(&self) -> impl Iterator<Item = &'c ProviderName> {
        self.0.keys().copied()
    }

    /// What is needed of `provider`, by gateway.
    pub fn at(&self, provider: &ProviderName) -> &[Need<'c>] {
        self.0.get(provider).map_or(&[], Vec::as_slice)
    }

    /// What is needed of the accounts at `provider` that have this label, or of the default one.
    pub fn labelled(&self, provider: &ProviderName, label: Option<&Label>) -> Vec<&Need<'c>> {
        let needs = self.at(provider).iter();
        needs.filter(|need| need.label == label).collect()
    }

    /// What is needed of just this connection.
    pub fn of_connection(&self, connection: &Connection) -> Vec<&Need<'c>> {
        let is_meant = |need: &&Need<'c>| match need.label {
            Some(label) => connection.labels.contains(label),
            None => connection.is_default,
        };
        self.at(&connection.provider)
            .iter()
            .filter(is_meant)
            .collect()
    }

    fn note(
        &mut self,
        config: &'c Config,
        name: &'c GatewayName,
        gateway: &'c Gateway,
        rights: &Rights,
    ) {
        for (upstream, requirement) in requirements(config, gateway) {
            if !reaches(gateway, rights, upstream, requirement) {
                continue;
            }
            let needs = self.0.entry(&requirement.provider).or_default();
            let need = match needs.iter_mut().position(|need| need.gateway == name) {
                Some(known) => &mut needs[known],
                None => {
                    needs.push(Need {
                        gateway: name,
                        title: &gateway.title,
                        label: gateway.accounts.get(&requirement.provider),
                        scopes: ScopeSet::default(),
                        tools: BTreeMap::new(),
                    });
                    needs.last_mut().expect("it was pushed just now")
                }
            };
            need.scopes = need.scopes.union(&requirement.scopes);
            let patterns = requirement.tools.written().iter().map(String::as_str);
            need.tools.entry(upstream).or_default().extend(patterns);
        }
    }
}

impl<'c> Need<'c> {
    /// As pages say it.
    pub fn shown(&self) -> Use<'c> {
        let tools = self.tools.iter().map(|(upstream, patterns)| {
            if patterns.contains(&"*") {
                upstream.to_string()
            } else {
                format!("{upstream} ({})", patterns.join(", "))
            }
        });
        Use {
            gateway: self.title,
            tools: tools.collect(),
        }
    }
}

/// Every scope that any of these needs.
pub fn scopes(needs: &[&Need<'_>]) -> ScopeSet {
    needs
        .iter()
        .fold(ScopeSet::default(), |all, need| all.union(&need.scopes))
}

/// As pages say it.
pub fn shown<'c>(needs: &[&Need<'c>]) -> Vec<Use<'c>> {
    needs.iter().map(|need| need.shown()).collect()
}

fn requirements<'c>(
    config: &'c Config,
    gateway: &'c Gateway,
) -> impl Iterator<Item = (&'c UpstreamName, &'c Requirement)> {
    gateway.upstreams.iter().flat_map(|name| {
        let upstream = config.upstreams.get(name);
        let requirements = upstream.into_iter().flat_map(|up| &up.requirements);
        requirements.map(move |requirement| (name, requirement))
    })
}

/// Whether the user may use a tool of `upstream` that has this requirement. What tools there are only the upstream knows, so
/// this tries names that the patterns let in. Errs towards yes.
fn reaches(
    gateway: &Gateway,
    rights: &Rights,
    upstream: &UpstreamName,
    requirement: &Requirement,
) -> bool {
    let prefix = format!("{upstream}.");
    let required = requirement.tools.written().iter();
    let required = required.filter_map(|pattern| sample(pattern));
    let offered = gateway.tools.written().iter();
    let offered = offered.filter_map(|pattern| sample(pattern.strip_prefix(&prefix)?));
    let tools: Vec<_> = required.chain(offered).collect();
    let written = |tool: &str| format!("{prefix}{tool}");
    let fits =
        |tool: &&String| requirement.tools.allows(tool) && gateway.tools.allows(&written(tool));
    let mut fitting: Vec<_> = tools.iter().filter(fits).collect();
    if fitting.is_empty() {
        fitting = tools.iter().collect();
    }
    fitting
        .iter()
        .any(|tool| rights.allow(gateway, &written(tool)))
}

/// A name that `pattern` lets in, unless it takes away.
fn sample(pattern: &str) -> Option<String> {
    let lets_in = !pattern.starts_with('!');
    lets_in.then(|| pattern.replace(['*', '?'], ANYTHING))
}
