//! `GET /v1/formatted_tools` and `/v1/formatted_tools/{name}`: tools as APIs of models take them.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::{
    listing::{self, Chosen, ForWhom},
    shown::Own,
    standing::Standing,
    strict,
};
use crate::{
    api::{
        ApiFace,
        body::{Named, Parameters},
        caller::Caller,
        error::{ApiError, ErrorBody},
        page::{Page, Paging},
    },
    gateway::view::Tool,
};

/// Whose words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Format {
    /// As in `/v1/tools`.
    #[default]
    Arcade,
    /// OpenAI's function calling.
    Openai,
    /// Anthropic's tool use.
    Anthropic,
    /// MCP's `tools/list`.
    Mcp,
}

/// In which format.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct InFormat {
    /// The format; `arcade`, if nothing is said.
    #[param(value_type = Option<Format>, inline)]
    format: Option<String>,
    /// `openai` only: in strict mode, in which models keep to the schema. All parameters are required then, and those that are
    /// not really may be null. A tool whose schema cannot be said so comes with `strict: false`.
    strict: Option<bool>,
}

impl Format {
    /// # Errors
    /// 400.
    pub fn read(word: &str) -> Result<Self, ApiError> {
        Ok(match word.to_lowercase().as_str() {
            "arcade" => Self::Arcade,
            "openai" => Self::Openai,
            "anthropic" => Self::Anthropic,
            "mcp" => Self::Mcp,
            _ => {
                let message = "the formats are `arcade`, `openai`, `anthropic` and `mcp`";
                return Err(ApiError::bad("unknown_format", message));
            }
        })
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Arcade => "arcade",
            Self::Openai => "openai",
            Self::Anthropic => "anthropic",
            Self::Mcp => "mcp",
        }
    }

    /// The tool as a model's API takes it; `None` for [`Self::Arcade`], which is for programs.
    pub fn of_model(self, tool: &Tool, be_strict: bool) -> Option<Value> {
        let own = Own::of(tool);
        let (name, description) = (&tool.qualified.function, &own.description);
        let plain = || plain(own.input_schema.clone());
        Some(match self {
            Self::Arcade => return None,
            Self::Openai => {
                let strict = be_strict.then(|| strict::parameters(&own.input_schema));
                let mut function = json!({ "name": name, "description": description });
                match strict {
                    Some(Some(parameters)) => {
                        function["parameters"] = parameters;
                        function["strict"] = true.into();
                    }
                    Some(None) => {
                        function["parameters"] = plain();
                        function["strict"] = false.into();
                    }
                    None => function["parameters"] = plain(),
                }
                json!({ "type": "function", "function": function })
            }
            Self::Anthropic => {
                json!({ "name": name, "description": description, "input_schema": plain() })
            }
            Self::Mcp => {
                json!({ "name": name, "description": description, "inputSchema": plain() })
            }
        })
    }
}

/// The schema of an object that says all of `type`, `properties` and `required`: agents look for them.
fn plain(mut schema: Value) -> Value {
    if !schema.is_object() {
        schema = json!({});
    }
    if let Some(object) = schema.as_object_mut() {
        object.remove("$schema");
        object.insert("type".to_owned(), "object".into());
        object.entry("properties").or_insert_with(|| json!({}));
        object.entry("required").or_insert_with(|| json!([]));
    }
    schema
}

/// Lists tools in the format of a model's API.
#[utoipa::path(
    get,
    path = "/v1/formatted_tools",
    operation_id = "formatted_tools_list",
    tag = "tools",
    params(InFormat, Chosen, Paging),
    responses(
        (status = OK, description = "A page of tools", body = Page<Object>),
        (status = FORBIDDEN, description = "The key, or the user, has no tools here", body = ErrorBody),
    ),
)]
pub(super) async fn list(
    State(face): State<ApiFace>,
    caller: Caller,
    Parameters(format): Parameters<InFormat>,
    Parameters(chosen): Parameters<Chosen>,
    Parameters(paging): Parameters<Paging>,
) -> Result<Json<Page<Value>>, ApiError> {
    let page = page(&face, &caller, &format, &chosen, paging).await;
    page.map(Json).map_err(|error| error.by(&caller))
}

async fn page(
    face: &ApiFace,
    caller: &Caller,
    format: &InFormat,
    chosen: &Chosen,
    paging: Paging,
) -> Result<Page<Value>, ApiError> {
    let style = format.style()?;
    let principal = caller.principal(face, chosen.user_id.as_deref()).await?;
    let tools = chosen.tools(face, caller, &principal).await?;
    let page = paging.of(tools, |tool| tool)?;
    let standing = Standing::of(face, caller, &principal, page.items()).await?;
    Ok(page.map(|tool| style.shown(face, caller, &tool, &standing)))
}

/// Describes one tool in the format of a model's API.
#[utoipa::path(
    get,
    path = "/v1/formatted_tools/{name}",
    operation_id = "formatted_tools_get",
    tag = "tools",
    params(
        ("name" = String, Path, description = "In any of the forms that `execute` takes"),
        InFormat,
        ForWhom,
    ),
    responses(
        (status = OK, description = "The tool", body = Object),
        (status = FORBIDDEN, description = "The key, or the user, has no tools here", body = ErrorBody),
        (status = NOT_FOUND, description = "There is no such tool, or not in that version", body = ErrorBody),
    ),
)]
pub(super) async fn get(
    State(face): State<ApiFace>,
    caller: Caller,
    Named(name): Named<String>,
    Parameters(format): Parameters<InFormat>,
    Parameters(whom): Parameters<ForWhom>,
) -> Result<Json<Value>, ApiError> {
    let one = one(&face, &caller, &name, &format, &whom).await;
    one.map(Json).map_err(|error| error.by(&caller))
}

async fn one(
    face: &ApiFace,
    caller: &Caller,
    name: &str,
    format: &InFormat,
    whom: &ForWhom,
) -> Result<Value, ApiError> {
    let style = format.style()?;
    let principal = caller.principal(face, whom.user_id.as_deref()).await?;
    let tool = listing::named(face, caller, &principal, name).await?;
    let tools = std::slice::from_ref(&tool);
    let standing = Standing::of(face, caller, &principal, tools).await?;
    Ok(style.shown(face, caller, &tool, &standing))
}

/// A format with what is said of it.
#[derive(Clone, Copy)]
struct Style {
    format: Format,
    strict: bool,
}

impl InFormat {
    fn style(&self) -> Result<Style, ApiError> {
        let format = self.format.as_deref().filter(|word| !word.is_empty());
        let format = format.map(Format::read).transpose()?.unwrap_or_default();
        let strict = self.strict.unwrap_or_default();
        Ok(Style { format, strict })
    }
}

impl Style {
    fn shown(self, face: &ApiFace, caller: &Caller, tool: &Tool, standing: &Standing<'_>) -> Value {
        let of_model = self.format.of_model(tool, self.strict);
        of_model.unwrap_or_else(|| {
            let shown = listing::shown(face, caller, tool, standing, &[]);
            serde_json::to_value(shown).expect("it has nothing but texts for keys")
        })
    }
}
