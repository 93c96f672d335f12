//! A tool as programs see it: a worker's in its own words, any other translated into them.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Serialize;
use serde_json::{Value, value::RawValue};
use utoipa::ToSchema;

use super::{
    formatted::Format,
    standing::{Requirements, Standing},
};
use crate::{
    gateway::view::{Tool, What},
    protocol::{
        arcade::{
            definition::{Behavior, Input, Metadata, Output, ToolDefinition, Toolkit},
            schema,
        },
        members::Members,
    },
    upstream::ServerFacts,
};

/// One tool.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Tool)]
pub(super) struct Shown {
    /// Its name in its toolkit.
    name: String,
    /// `Kit.Tool`
    qualified_name: String,
    /// `Kit.Tool@1.2.3`, if there is a version.
    fully_qualified_name: String,
    /// For models and people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    description: Option<String>,
    /// What it belongs to.
    toolkit: Toolkit,
    /// What it takes.
    input: Input,
    /// What it gives.
    output: Output,
    /// What must be there for it to run, and whether it is.
    requirements: Requirements,
    /// What it is about, and what it does to the world.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    metadata: Option<Metadata>,
    /// That it is not to be used any more, and what instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    deprecation_message: Option<String>,
    /// In the formats that were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    formatted_schema: Option<BTreeMap<&'static str, Value>>,
}

impl Shown {
    /// `tool`, whose server introduced itself so, and how it stands.
    pub fn new(
        tool: &Tool,
        server: Option<&ServerFacts>,
        standing: &Standing<'_>,
        formats: &[Format],
    ) -> Self {
        let ToolDefinition {
            description,
            toolkit,
            input,
            output,
            metadata,
            deprecation_message,
            ..
        } = definition(tool, server).into_owned();
        let toolkit = Toolkit {
            name: tool.qualified.toolkit.clone(),
            ..toolkit
        };
        let qualified_name = tool.qualified.dotted();
        let version = toolkit.version.as_deref().filter(|it| !it.is_empty());
        let fully = version.map(|version| format!("{qualified_name}@{version}"));
        let formats = formats
            .iter()
            .filter_map(|format| Some((format.word(), format.of_model(tool, false)?)));
        let formats: BTreeMap<_, _> = formats.collect();
        Self {
            name: tool.qualified.name.clone(),
            fully_qualified_name: fully.unwrap_or_else(|| qualified_name.clone()),
            qualified_name,
            description,
            toolkit,
            input,
            output,
            requirements: standing.requirements(tool),
            metadata,
            deprecation_message,
            formatted_schema: (!formats.is_empty()).then_some(formats),
        }
    }
}

/// What is known of a tool, in the worker protocol's words.
pub(super) fn definition<'t>(
    tool: &'t Tool,
    server: Option<&ServerFacts>,
) -> Cow<'t, ToolDefinition> {
    if let Some(definition) = tool.definition() {
        return Cow::Borrowed(definition);
    }
    let own = Own::of(tool);
    Cow::Owned(ToolDefinition {
        name: tool.qualified.name.clone(),
        description: Some(own.description),
        toolkit: Toolkit {
            name: tool.qualified.toolkit.clone(),
            description: server.and_then(|server| server.name.clone()),
            version: server.and_then(|server| server.version.clone()),
        },
        input: Input {
            parameters: schema::parameters(&own.input_schema),
        },
        output: schema::output(own.output_schema.as_ref()),
        metadata: own.behavior.map(|behavior| Metadata {
            behavior: Some(behavior),
            ..Metadata::default()
        }),
        ..ToolDefinition::default()
    })
}

/// Metadata, to choose tools by.
pub(super) fn metadata(tool: &Tool) -> Option<Cow<'_, Metadata>> {
    match tool.definition() {
        Some(definition) => definition.metadata.as_ref().map(Cow::Borrowed),
        None => {
            let behavior = Some(Own::of(tool).behavior?);
            Some(Cow::Owned(Metadata {
                behavior,
                ..Metadata::default()
            }))
        }
    }
}

/// A tool in MCP's words, as far as models are concerned.
pub(super) struct Own {
    pub description: String,
    pub input_schema: Value,
    pub output_schema: Option<Value>,
    behavior: Option<Behavior>,
}

impl Own {
    pub fn of(tool: &Tool) -> Self {
        match &tool.what {
            What::Native(native) => Self::read(&native.raw),
            What::Connect => Self {
                description: format!(
                    "Asks for the account with which {} shows its tools.",
                    tool.upstream
                ),
                input_schema: serde_json::json!({ "type": "object", "properties": {} }),
                output_schema: None,
                behavior: None,
            },
        }
    }

    fn read(raw: &RawValue) -> Self {
        let members = Members::of(raw).unwrap_or_default();
        let text = |name| members.text(name).map(Cow::into_owned);
        let hints = members.get("annotations");
        let hints = hints.and_then(|hints| Members::of(hints).ok());
        let hint = |name| hints.as_ref().and_then(|hints| hints.read::<bool>(name));
        let behavior = Behavior {
            operations: None,
            read_only: hint("readOnlyHint"),
            destructive: hint("destructiveHint"),
            idempotent: hint("idempotentHint"),
            open_world: hint("openWorldHint"),
        };
        let input_schema = members.read::<Value>("inputSchema");
        Self {
            description: text("description").or(text("title")).unwrap_or_default(),
            input_schema: input_schema.unwrap_or_else(|| serde_json::json!({ "type": "object" })),
            output_schema: members.read::<Value>("outputSchema"),
            behavior: hints.is_some().then_some(behavior),
        }
    }
}
