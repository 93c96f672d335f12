//! The webhook contract of Arcade's contextual access: what a hook is asked. Facts:
//! `logic_extensions/http/1.0` of `ArcadeAI/schemas` (MIT), and `content` of its newer revision.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};

use super::definition::{AuthRequirement, Metadata};

/// Which of these tools may the user see?
#[derive(Debug, Serialize)]
pub struct AccessQuestion<'a> {
    /// Empty where a program acts for nobody.
    pub user_id: &'a str,
    /// By name.
    pub toolkits: BTreeMap<&'a str, OfferedKit<'a>>,
}

/// The tools of one kit.
#[derive(Debug, Default, Serialize)]
pub struct OfferedKit<'a> {
    /// By name; of each its versions.
    pub tools: BTreeMap<&'a str, Vec<OfferedVersion<'a>>>,
}

/// One version of a tool.
#[derive(Debug, Serialize)]
pub struct OfferedVersion<'a> {
    /// Empty where the tool has none.
    pub version: &'a str,
    /// What must be there for it to run.
    pub requirements: &'a OfferedRequirements,
    /// What it is about and what it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<&'a Metadata>,
}

/// What must be there for a tool to run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct OfferedRequirements {
    /// Accounts of the user's.
    pub authorization: Vec<AuthRequirement>,
    /// Secrets of the operator's.
    pub secrets: Vec<SecretName>,
}

/// A secret, by name.
#[derive(Clone, Debug, Serialize)]
pub struct SecretName {
    /// Never its value.
    pub name: String,
}

/// May this call go ahead? The rest of the same call is asked about with [`PostQuestion`].
#[derive(Debug, Serialize)]
pub struct PreQuestion<'a> {
    /// `te_…`: the same in both questions about a call.
    pub execution_id: &'a str,
    /// What is called.
    pub tool: ToolInfo<'a>,
    /// An object, as the client wrote it, or as an earlier hook did.
    pub inputs: &'a RawValue,
    /// For whom, and with what.
    pub context: &'a CallContext,
}

/// A tool, by name.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ToolInfo<'a> {
    /// Without its kit.
    pub name: &'a str,
    /// What it belongs to.
    pub toolkit: &'a str,
    /// Empty where the tool has none.
    pub version: &'a str,
    /// What it is about and what it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<&'a Metadata>,
}

/// For whom a tool is called, and with what. No token, no value of a secret.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CallContext {
    /// The accounts it is called with.
    pub authorization: Vec<CallAuthorization>,
    /// The secrets it gets, by name.
    pub secrets: Vec<String>,
    /// The facts about the gateway it gets.
    pub metadata: Map<String, Value>,
    /// `None` where a program acts for nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
}

/// One account.
#[derive(Clone, Debug, Serialize)]
pub struct CallAuthorization {
    /// Where.
    pub provider_id: String,
    /// What is known of it.
    pub oauth2: CallOAuth2,
}

/// What is known of an account.
#[derive(Clone, Debug, Serialize)]
pub struct CallOAuth2 {
    /// What was granted.
    pub scopes: Vec<String>,
    /// Whose it is, if that is known.
    pub user_info: Map<String, Value>,
}

/// May this answer go on?
#[derive(Debug, Serialize)]
pub struct PostQuestion<'a> {
    /// As in [`PreQuestion`].
    pub execution_id: &'a str,
    /// What was called.
    pub tool: ToolInfo<'a>,
    /// What the tool got.
    pub inputs: &'a RawValue,
    /// Whether it did what it was asked.
    pub success: bool,
    /// What it said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<&'a RawValue>,
    /// The content blocks that an MCP server sent; `output` is the same in short.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<&'a RawValue>,
    /// A word or number for the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_code: Option<&'a str>,
    /// Words for the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_error: Option<&'a str>,
    /// For whom, and with what.
    pub context: &'a CallContext,
}
