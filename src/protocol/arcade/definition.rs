//! A tool, as a worker defines it and as the REST face shows it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// One tool. Everything in it is untrusted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ToolDefinition {
    /// PascalCase, as in `SendEmail`.
    pub name: String,
    /// `Kit.Tool`; a worker sends it without a version.
    #[serde(default, skip_serializing)]
    pub fully_qualified_name: Option<String>,
    /// For models and people.
    #[serde(default)]
    pub description: Option<String>,
    /// What it belongs to.
    pub toolkit: Toolkit,
    /// What it takes.
    #[serde(default)]
    pub input: Input,
    /// What it gives.
    #[serde(default)]
    pub output: Output,
    /// What must be there for it to run.
    #[serde(default)]
    pub requirements: Option<Requirements>,
    /// What it does to the world.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// That it is not to be used any more, and what instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecation_message: Option<String>,
}

/// A family of tools.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Toolkit {
    /// PascalCase, as in `Gmail`.
    pub name: String,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// Semantic, as in `1.2.3`.
    #[serde(default)]
    pub version: Option<String>,
}

/// What a tool takes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Input {
    /// In order.
    #[serde(default)]
    pub parameters: Vec<Parameter>,
}

/// One parameter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Parameter {
    /// snake_case.
    pub name: String,
    /// Whether a call without it is refused.
    #[serde(default)]
    pub required: bool,
    /// For models and people.
    #[serde(default)]
    pub description: Option<String>,
    /// Its type.
    pub value_schema: ValueSchema,
    /// Whether models may see and fill it.
    #[serde(default = "yes")]
    pub inferrable: bool,
}

fn yes() -> bool {
    true
}

/// A type, in the words of the worker protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ValueSchema {
    /// `string`, `integer`, `number`, `boolean`, `json` or `array`.
    pub val_type: String,
    /// Of an array's items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inner_val_type: Option<String>,
    /// The values it may have; of an array: its items.
    #[serde(default, rename = "enum", skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Vec<String>>,
    /// Of `json`: its members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion, value_type = Option<BTreeMap<String, ValueSchema>>)]
    pub properties: Option<Properties>,
    /// Of an array of `json`: its items' members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion, value_type = Option<BTreeMap<String, ValueSchema>>)]
    pub inner_properties: Option<Properties>,
    /// For models and people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Of `json`: the members that must be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required_keys: Option<Vec<String>>,
    /// Of an array of `json`: the members of its items that must be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inner_required_keys: Option<Vec<String>>,
    /// Whether it may be null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nullable: Option<bool>,
}

/// Members by name.
pub type Properties = BTreeMap<String, ValueSchema>;

/// What a tool gives.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Output {
    /// For models and people.
    #[serde(default)]
    pub description: Option<String>,
    /// `value`, `error`, `null`, `artifact`, `requires_authorization`.
    #[serde(default)]
    pub available_modes: Vec<String>,
    /// Its type.
    #[serde(default)]
    pub value_schema: Option<ValueSchema>,
}

/// What must be there for a tool to run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Requirements {
    /// An account of the user's.
    #[serde(default)]
    pub authorization: Option<AuthRequirement>,
    /// Secrets of the operator's.
    #[serde(default)]
    pub secrets: Option<Vec<Key>>,
    /// Facts about the gateway.
    #[serde(default)]
    pub metadata: Option<Vec<Key>>,
}

/// An account that a tool needs. `id` wins over `provider_id`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuthRequirement {
    /// A provider of `gateway.toml`, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// A preset, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// `oauth2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_type: Option<String>,
    /// More of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth2: Option<OAuth2Requirement>,
}

/// What an OAuth 2.0 token must be good for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OAuth2Requirement {
    /// RFC 6749 §3.3.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
}

/// Something that is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Key {
    /// Its name.
    pub key: String,
}

/// What a tool is about and what it does to the world.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Metadata {
    /// What it is about.
    #[serde(default)]
    pub classification: Option<Classification>,
    /// What it does.
    #[serde(default)]
    pub behavior: Option<Behavior>,
    /// Whatever else its author says.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub extras: Option<Map<String, Value>>,
}

/// What a tool is about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Classification {
    /// As in `email`.
    #[serde(default)]
    pub service_domains: Option<Vec<String>>,
}

/// What a tool does: hints, as in MCP's annotations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Behavior {
    /// As in `delete`.
    #[serde(default)]
    pub operations: Option<Vec<String>>,
    /// Changes nothing.
    #[serde(default)]
    pub read_only: Option<bool>,
    /// May take something away.
    #[serde(default)]
    pub destructive: Option<bool>,
    /// Twice is as good as once.
    #[serde(default)]
    pub idempotent: Option<bool>,
    /// Meets a world outside.
    #[serde(default)]
    pub open_world: Option<bool>,
}

impl ToolDefinition {
    /// `Kit.Tool`.
    pub fn qualified_name(&self) -> String {
        format!("{}.{}", self.toolkit.name, self.name)
    }

    /// The account it needs, if it needs one.
    pub fn authorization(&self) -> Option<&AuthRequirement> {
        self.requirements.as_ref()?.authorization.as_ref()
    }

    /// The facts about the gateway it asks for.
    pub fn metadata_keys(&self) -> impl Iterator<Item = &str> {
        let keys = self
            .requirements
            .as_ref()
            .and_then(|it| it.metadata.as_ref());
        keys.into_iter().flatten().map(|fact| fact.key.as_str())
    }

    /// The secrets it needs.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let secrets = self
            .requirements
            .as_ref()
            .and_then(|it| it.secrets.as_ref());
        secrets
            .into_iter()
            .flatten()
            .map(|secret| secret.key.as_str())
    }
}

impl ValueSchema {
    /// Says of what every array in it is an array. Where a worker does not say, its items are texts, as Arcade's own servers take
    /// them; clients of the REST face look for the word, and some break without it.
    pub fn name_items(&mut self) {
        if self.val_type == "array" {
            self.inner_val_type
                .get_or_insert_with(|| "string".to_owned());
        }
        let members = [&mut self.properties, &mut self.inner_properties];
        for member in members
            .into_iter()
            .flatten()
            .flat_map(Properties::values_mut)
        {
            member.name_items();
        }
    }
}

impl AuthRequirement {
    /// The scopes a token must have.
    pub fn scopes(&self) -> &[String] {
        let scopes = self.oauth2.as_ref().and_then(|it| it.scopes.as_deref());
        scopes.unwrap_or_default()
    }
}
