//! What a worker's tool is told beside its inputs: the user's token and the operator's secrets, and only what it asked for.

use super::{
    access::Principal,
    admit::{AdmitError, Admitting, Held},
    required::is_secret_for,
    view::Tool,
};
use crate::{
    config::{Config, Provider},
    protocol::arcade::definition::ToolDefinition,
    provider::Account,
    upstream::WorkerContext,
};

impl Admitting {
    /// Puts into `context` what a worker's tool is told beside its inputs.
    pub(super) async fn inform(
        &self,
        config: &Config,
        principal: &Principal,
        (tool, definition): (&Tool, &ToolDefinition),
        held: &[Held],
        context: &mut WorkerContext,
    ) -> Result<(), AdmitError> {
        let others = definition.secrets();
        let others: Vec<_> = others
            .filter(|name| !is_secret_for(config, tool, name))
            .collect();
        if !others.is_empty() {
            return Err(AdmitError::NotGiven {
                tool: definition.qualified_name(),
                what: format!("the secrets {}", others.join(", ")),
                setting: format!("upstreams.{}.secrets", tool.upstream),
            });
        }
        let mut missing = Vec::new();
        for name in definition.secrets() {
            let found = self.secrets.find(config, name).await;
            match found.map_err(AdmitError::Secret)? {
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
            let account = held.token.info.as_deref();
            context.user_info = account.map(Account::claims).unwrap_or_default();
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
}
