//! `GET /v1/tools` and `/v1/tools/{name}`.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    filter::Filter,
    formatted::Format,
    refused::refusal,
    shown::{self, Shown},
    standing::Standing,
};
use crate::{
    api::{
        ApiFace,
        body::{Named, Parameters},
        caller::Caller,
        error::{ApiError, ErrorBody},
        page::{Page, Paging},
    },
    gateway::{access::Principal, view::Tool},
};

/// Which tools are asked for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Chosen {
    /// Those of this toolkit; in any case.
    toolkit: Option<String>,
    /// Those that this user has, and how their accounts stand.
    pub user_id: Option<String>,
    /// All are listed anyhow: there is one version of each tool.
    #[expect(dead_code, reason = "it makes no difference")]
    include_all_versions: Option<bool>,
    /// Those whose metadata are so: a JSON object of `service_domains`, `operations` (a list, or an object of `any_of`, `all_of`,
    /// `none_of`), `read_only`, `destructive`, `idempotent`, `open_world`, `extras`.
    filter: Option<String>,
}

/// In which other formats, and for whom.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Formats {
    /// Formats that come along, with commas between them.
    #[param(value_type = Option<Vec<Format>>, inline, style = Form, explode = false)]
    include_format: Option<String>,
}

/// For whom.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ForWhom {
    /// How the accounts of this user stand.
    pub user_id: Option<String>,
}

/// Lists tools.
///
/// Those of the gateway that the key is for; and, if a user is named, those that this user has.
#[utoipa::path(
    get,
    path = "/v1/tools",
    operation_id = "tools_list",
    tag = "tools",
    params(Chosen, Formats, Paging),
    responses(
        (status = OK, description = "A page of tools", body = Page<Shown>),
        (status = FORBIDDEN, description = "The key, or the user, has no tools here", body = ErrorBody),
    ),
)]
pub(super) async fn list(
    State(face): State<ApiFace>,
    caller: Caller,
    Parameters(chosen): Parameters<Chosen>,
    Parameters(formats): Parameters<Formats>,
    Parameters(paging): Parameters<Paging>,
) -> Result<Json<Page<Shown>>, ApiError> {
    let page = page(&face, &caller, &chosen, &formats, paging).await;
    page.map(Json).map_err(|error| error.by(&caller))
}

async fn page(
    face: &ApiFace,
    caller: &Caller,
    chosen: &Chosen,
    formats: &Formats,
    paging: Paging,
) -> Result<Page<Shown>, ApiError> {
    let formats = formats.read()?;
    let principal = caller.principal(face, chosen.user_id.as_deref()).await?;
    let tools = chosen.tools(face, caller, &principal).await?;
    let page = paging.of(tools, |tool| tool)?;
    let standing = Standing::of(face, caller, &principal, page.items()).await?;
    Ok(page.map(|tool| shown(face, caller, &tool, &standing, &formats)))
}

/// Describes one tool.
#[utoipa::path(
    get,
    path = "/v1/tools/{name}",
    operation_id = "tools_get",
    tag = "tools",
    params(
        ("name" = String, Path, description = "In any of the forms that `execute` takes"),
        ForWhom,
        Formats,
    ),
    responses(
        (status = OK, description = "The tool", body = Shown),
        (status = FORBIDDEN, description = "The key, or the user, has no tools here", body = ErrorBody),
        (status = NOT_FOUND, description = "There is no such tool, or not in that version", body = ErrorBody),
    ),
)]
pub(super) async fn get(
    State(face): State<ApiFace>,
    caller: Caller,
    Named(name): Named<String>,
    Parameters(whom): Parameters<ForWhom>,
    Parameters(formats): Parameters<Formats>,
) -> Result<Json<Shown>, ApiError> {
    let one = one(&face, &caller, &name, &whom, &formats).await;
    one.map(Json).map_err(|error| error.by(&caller))
}

async fn one(
    face: &ApiFace,
    caller: &Caller,
    name: &str,
    whom: &ForWhom,
    formats: &Formats,
) -> Result<Shown, ApiError> {
    let formats = formats.read()?;
    let principal = caller.principal(face, whom.user_id.as_deref()).await?;
    let tool = named(face, caller, &principal, name).await?;
    let tools = std::slice::from_ref(&tool);
    let standing = Standing::of(face, caller, &principal, tools).await?;
    Ok(shown(face, caller, &tool, &standing, &formats))
}

/// The tool of that name.
pub(super) async fn named(
    face: &ApiFace,
    caller: &Caller,
    principal: &Principal,
    name: &str,
) -> Result<Arc<Tool>, ApiError> {
    let found = face.executor.resolve(&caller.config, principal, name, None);
    found.await.map_err(|not| refusal(&not))
}

/// As programs see it.
pub(super) fn shown(
    face: &ApiFace,
    caller: &Caller,
    tool: &Tool,
    standing: &Standing<'_>,
    formats: &[Format],
) -> Shown {
    let server = face.gateways.server_of(&caller.config, tool);
    Shown::new(tool, server.as_deref(), standing, formats)
}

impl Chosen {
    /// The tools that are meant, in the order of the gateway.
    pub async fn tools(
        &self,
        face: &ApiFace,
        caller: &Caller,
        principal: &Principal,
    ) -> Result<Vec<Arc<Tool>>, ApiError> {
        let filter = self.filter.as_deref().map(Filter::read).transpose()?;
        let toolkit = self.toolkit.as_deref().map(str::to_lowercase);
        let meant = |tool: &&Arc<Tool>| {
            let kit = &tool.qualified.toolkit;
            let of_kit = toolkit
                .as_ref()
                .is_none_or(|meant| kit.to_lowercase() == *meant);
            let fits = |filter: &Filter| filter.means(shown::metadata(tool).as_deref());
            of_kit && filter.as_ref().is_none_or(fits)
        };
        let view = face.gateways.list(&caller.config, principal).await;
        let tools = view.iter().flat_map(|view| view.tools());
        Ok(tools.filter(meant).cloned().collect())
    }
}

impl Formats {
    fn read(&self) -> Result<Vec<Format>, ApiError> {
        let words = self.include_format.iter().flat_map(|list| list.split(','));
        let words = words.map(str::trim).filter(|word| !word.is_empty());
        words.map(Format::read).collect()
    }
}
