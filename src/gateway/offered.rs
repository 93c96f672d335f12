//! Which tools hooks let a user see, after policy has had its word. A tool that only connects is ours, and nobody is asked about it.

use std::sync::Arc;

use serde::Deserialize;

use super::{
    access::Principal,
    view::{Tool, View, What},
};
use crate::{
    config::{Config, Provider, Upstream},
    hooks::{Asker, Hooks, Offered},
    protocol::arcade::{
        definition::{AuthRequirement, Behavior, Metadata, OAuth2Requirement},
        hook::{OfferedRequirements, SecretName},
    },
};

/// On whose behalf hooks are asked about what `principal` does.
pub(super) fn asker<'a>(config: &'a Config, principal: &'a Principal) -> Asker<'a> {
    Asker {
        config,
        gateway: principal.gateway(),
        user: principal.user(),
        user_key: principal.user_key(),
        user_id: principal.program_user(),
    }
}

/// What of `view` is to be seen.
pub(super) async fn seen(
    hooks: &Hooks,
    config: &Config,
    principal: &Principal,
    view: Arc<View>,
) -> Arc<View> {
    if config.hooks.access.is_empty() {
        return view;
    }
    let asked = view.tools().iter().filter(|tool| is_asked_about(tool));
    let offered: Vec<_> = asked.map(|tool| offered(config, tool)).collect();
    let mut verdicts = hooks
        .access(asker(config, principal), &offered)
        .await
        .into_iter();
    let stays = |tool: &Tool| !is_asked_about(tool) || verdicts.next().unwrap_or(false);
    view.with_only(stays).map_or(view, Arc::new)
}

/// Whether one tool is to be seen.
pub(super) async fn is_seen(
    hooks: &Hooks,
    config: &Config,
    principal: &Principal,
    tool: &Tool,
) -> bool {
    if config.hooks.access.is_empty() || !is_asked_about(tool) {
        return true;
    }
    let offered = [offered(config, tool)];
    let verdicts = hooks.access(asker(config, principal), &offered).await;
    verdicts == [true]
}

/// Whether hooks have a say about it.
pub(super) fn is_asked_about(tool: &Tool) -> bool {
    matches!(tool.what, What::Native(_))
}

fn offered(config: &Config, tool: &Tool) -> Offered {
    Offered {
        written: written(tool),
        toolkit: tool.qualified.toolkit.clone(),
        name: tool.qualified.name.clone(),
        version: tool.version().unwrap_or_default().to_owned(),
        requirements: requirements(config, tool),
        metadata: metadata(tool),
    }
}

/// As in `gateway.toml`.
pub(super) fn written(tool: &Tool) -> String {
    format!("{}.{}", tool.upstream, tool.what.native_name())
}

/// What the tool says it needs; of an MCP server's, what the file says.
fn requirements(config: &Config, tool: &Tool) -> OfferedRequirements {
    if let Some(definition) = tool.definition() {
        let secrets = definition.secrets().map(|name| SecretName {
            name: name.to_owned(),
        });
        return OfferedRequirements {
            authorization: definition.authorization().into_iter().cloned().collect(),
            secrets: secrets.collect(),
        };
    }
    let of_upstream = config.upstreams.get(&tool.upstream);
    let of_upstream = of_upstream.map_or(&[][..], |it: &Upstream| &it.requirements);
    let native = tool.what.native_name();
    let meant = of_upstream
        .iter()
        .filter(|requirement| requirement.tools.allows(native));
    let authorization = meant.map(|requirement| {
        let kind = match config.providers.get(&requirement.provider) {
            Some(Provider::ApiKey(_)) => "api_key",
            _ => "oauth2",
        };
        AuthRequirement {
            provider_id: Some(requirement.provider.to_string()),
            provider_type: Some(kind.to_owned()),
            oauth2: Some(OAuth2Requirement {
                scopes: Some(requirement.scopes.iter().map(str::to_owned).collect()),
            }),
            ..AuthRequirement::default()
        }
    });
    OfferedRequirements {
        authorization: authorization.collect(),
        secrets: Vec::new(),
    }
}

/// What a worker's tool says of itself; of an MCP server's, the same from its annotations.
pub(super) fn metadata(tool: &Tool) -> Option<Metadata> {
    #[derive(Deserialize)]
    struct Annotated {
        annotations: Option<Annotations>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Annotations {
        read_only_hint: Option<bool>,
        destructive_hint: Option<bool>,
        idempotent_hint: Option<bool>,
        open_world_hint: Option<bool>,
    }
    let What::Native(native) = &tool.what else {
        return None;
    };
    if let Some(definition) = &native.worker {
        return definition.metadata.clone();
    }
    let said: Annotated = serde_json::from_str(native.raw.get()).ok()?;
    let said = said.annotations?;
    Some(Metadata {
        behavior: Some(Behavior {
            operations: None,
            read_only: said.read_only_hint,
            destructive: said.destructive_hint,
            idempotent: said.idempotent_hint,
            open_world: said.open_world_hint,
        }),
        ..Metadata::default()
    })
}
