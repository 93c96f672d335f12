//! `/v1/admin/auth_providers`: the providers of `gateway.toml`. They are changed there: who asks for a change here gets the lines
//! that would make it.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use toml::Table;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    super::{
        ApiFace,
        body::{Body, Named, Parameters},
        caller::{Admin, Caller},
        error::{ApiError, ErrorBody},
        file,
        page::{Page, Part},
    },
    Binding, HiddenSecret,
};
use crate::{
    base::id::ProviderName,
    config::{
        ClientAuth, OAuthProvider, Provider,
        engine::{self, Node},
        provider,
    },
    web::urls::Urls,
};

/// Somebody whose credentials tools need of their users.
#[derive(Serialize, ToSchema)]
struct AuthProvider {
    /// Its name in gateway.toml.
    #[schema(value_type = String)]
    id: ProviderName,
    /// What pages call it.
    description: String,
    /// The preset it is made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    provider_id: Option<String>,
    /// `oauth2` or `api_key`
    #[serde(rename = "type")]
    kind: &'static str,
    /// `active`: others are not listed.
    status: &'static str,
    binding: Binding,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = OAuth2Provider, required = false)]
    oauth2: Option<OAuth2Provider>,
}

#[derive(Serialize, ToSchema)]
struct OAuth2Provider {
    client_id: String,
    client_secret: HiddenSecret,
    /// To be registered at the provider.
    #[schema(format = "uri")]
    redirect_uri: String,
    scope_delimiter: String,
    pkce: Pkce,
    authorize_request: ProviderRequest,
    token_request: ProviderRequest,
    /// Absent if tokens are not renewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ProviderRequest, required = false)]
    refresh_request: Option<ProviderRequest>,
}

#[derive(Serialize, ToSchema)]
struct Pkce {
    enabled: bool,
    code_challenge_method: &'static str,
}

#[derive(Serialize, ToSchema)]
struct ProviderRequest {
    /// Without its query, in which a secret may be.
    #[schema(format = "uri")]
    endpoint: String,
    method: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    auth_method: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    request_content_type: Option<&'static str>,
}

/// A provider as Arcade's engine describes it. What is here beside these members is carried as far as it is known.
#[derive(Deserialize, Serialize, ToSchema)]
struct AuthProviderWish {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// A preset's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_id: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    oauth2: Option<Map<String, Value>>,
    #[serde(flatten)]
    #[schema(ignore)]
    rest: Map<String, Value>,
}

/// What is to be different.
#[derive(Deserialize, ToSchema)]
struct AuthProviderChange {
    description: Option<String>,
    /// A preset's name.
    provider_id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    status: Option<String>,
    #[schema(value_type = Option<Object>)]
    oauth2: Option<Map<String, Value>>,
}

pub(super) fn routes() -> OpenApiRouter<ApiFace> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, patch, remove))
}

/// Lists the providers.
#[utoipa::path(
    get,
    path = "/v1/admin/auth_providers",
    operation_id = "admin_auth_providers_list",
    tag = "admin",
    params(Part),
    responses((status = OK, description = "A page of providers", body = Page<AuthProvider>)),
)]
async fn list(
    State(face): State<ApiFace>,
    Admin(caller): Admin,
    Parameters(part): Parameters<Part>,
) -> Result<Json<Page<AuthProvider>>, ApiError> {
    let urls = face.access.urls();
    let page = part.of(&caller.config.providers, |known| shown(known, urls));
    page.map(Json).map_err(|error| error.by(&caller))
}

/// Describes a provider.
#[utoipa::path(
    get,
    path = "/v1/admin/auth_providers/{id}",
    operation_id = "admin_auth_providers_get",
    tag = "admin",
    params(("id" = String, Path, description = "The provider's name")),
    responses((status = OK, description = "The provider", body = AuthProvider)),
)]
async fn get(
    State(face): State<ApiFace>,
    Admin(caller): Admin,
    Named(id): Named<String>,
) -> Result<Json<AuthProvider>, ApiError> {
    let found = known(&caller, &id).map(|known| shown(known, face.access.urls()));
    found.map(Json).map_err(|error| error.by(&caller))
}

/// Says how a provider is added: in gateway.toml.
#[utoipa::path(
    post,
    path = "/v1/admin/auth_providers",
    operation_id = "admin_auth_providers_create",
    tag = "admin",
    request_body = AuthProviderWish,
    responses((status = CONFLICT, description = "Providers are decided in gateway.toml; `toml` says how", body = ErrorBody)),
)]
async fn create(Admin(caller): Admin, Body(wish): Body<AuthProviderWish>) -> ApiError {
    let refused = section(&wish).map(|(name, table, notes)| {
        let toml = file::section("providers", &name, table, &notes);
        ApiError::by_file(toml)
    });
    refused.unwrap_or_else(|bad| bad).by(&caller)
}

/// Says how a provider is changed: in gateway.toml.
#[utoipa::path(
    patch,
    path = "/v1/admin/auth_providers/{id}",
    operation_id = "admin_auth_providers_patch",
    tag = "admin",
    params(("id" = String, Path, description = "The provider's name")),
    request_body = AuthProviderChange,
    responses((status = CONFLICT, description = "Providers are decided in gateway.toml; `toml` says how", body = ErrorBody)),
)]
async fn patch(
    Admin(caller): Admin,
    Named(id): Named<String>,
    Body(change): Body<AuthProviderChange>,
) -> ApiError {
    let refused = known(&caller, &id).and_then(|_| changed(&id, change));
    refused
        .map_or_else(|bad| bad, ApiError::by_file)
        .by(&caller)
}

/// Says how a provider is removed: in gateway.toml.
#[utoipa::path(
    delete,
    path = "/v1/admin/auth_providers/{id}",
    operation_id = "admin_auth_providers_delete",
    tag = "admin",
    params(("id" = String, Path, description = "The provider's name")),
    responses((status = CONFLICT, description = "Providers are decided in gateway.toml; `toml` says how", body = ErrorBody)),
)]
async fn remove(Admin(caller): Admin, Named(id): Named<String>) -> ApiError {
    let refused = known(&caller, &id).map(|_| file::without("providers", &id));
    refused
        .map_or_else(|bad| bad, ApiError::by_file)
        .by(&caller)
}

fn known<'c>(caller: &'c Caller, id: &str) -> Result<(&'c ProviderName, &'c Provider), ApiError> {
    let found = caller.config.providers.get_key_value(id);
    found.ok_or_else(|| ApiError::not_found("there is no such provider"))
}

/// The section for a provider, by its name, with what could not be carried.
fn section(wish: &AuthProviderWish) -> Result<(String, Table, Vec<String>), ApiError> {
    let document = serde_json::to_value(wish).unwrap_or_default();
    let mut notes = Vec::new();
    let carried = engine::provider(&Node::root(&document), &mut notes);
    let (name, table) = carried.ok_or_else(|| {
        let message = "no section of gateway.toml can be made of it: `type` must be oauth2, and `id` 1 to 40 of a-z, 0-9, `-` and `_`";
        ApiError::bad("invalid_provider", message)
    })?;
    Ok((name, table, notes))
}

/// The lines that differ.
fn changed(id: &str, change: AuthProviderChange) -> Result<String, ApiError> {
    let said = |key: &str| {
        let oauth2 = change.oauth2.as_ref();
        oauth2.is_some_and(|oauth2| oauth2.contains_key(key))
    };
    // What is not said is filled in for a whole provider, but stays as it is in one that is there.
    let filled_in = [
        ("client_id", said("client_id")),
        ("pkce", said("pkce")),
        ("refresh", said("refresh_request")),
        ("client_auth", said("token_request")),
        ("preset", change.provider_id.is_some()),
    ];
    let (name, mut table, mut notes) = section(&AuthProviderWish {
        id: id.to_owned(),
        description: change.description,
        provider_id: change.provider_id,
        kind: change.kind,
        status: change.status,
        oauth2: change.oauth2,
        rest: Map::new(),
    })?;
    for (key, said) in filled_in {
        if !said {
            table.remove(key);
        }
    }
    notes.retain(|note| note.contains("not carried"));
    notes.insert(
        0,
        "change these lines of the section, and leave the others:".to_owned(),
    );
    Ok(file::section("providers", &name, table, &notes))
}

fn shown((name, provider): (&ProviderName, &Provider), urls: &Urls) -> AuthProvider {
    let oauth = provider.oauth();
    AuthProvider {
        id: name.clone(),
        description: provider.title().to_owned(),
        provider_id: oauth.and_then(|oauth| oauth.preset.clone()),
        kind: if oauth.is_some() { "oauth2" } else { "api_key" },
        status: "active",
        binding: Binding::FILE,
        oauth2: oauth.map(|oauth| oauth2(oauth, urls.callback(name).into())),
    }
}

fn oauth2(provider: &OAuthProvider, redirect_uri: String) -> OAuth2Provider {
    let token = |url: &url::Url| ProviderRequest {
        method: "POST",
        auth_method: Some(match provider.client_auth {
            ClientAuth::Basic => "client_secret_basic",
            ClientAuth::Post => "client_secret_post",
            ClientAuth::None => "none",
        }),
        request_content_type: Some(match provider.token_body {
            provider::Body::Json => "application/json",
            provider::Body::Form | provider::Body::Query => "application/x-www-form-urlencoded",
        }),
        endpoint: endpoint(url),
    };
    let refresh = provider.refresh.as_ref();
    OAuth2Provider {
        client_id: provider.client_id.clone(),
        client_secret: HiddenSecret::of_file(provider.client_secret.is_some()),
        redirect_uri,
        scope_delimiter: provider.scope_delimiter.clone(),
        pkce: Pkce {
            enabled: provider.pkce,
            code_challenge_method: "S256",
        },
        authorize_request: ProviderRequest {
            endpoint: endpoint(&provider.authorize_url),
            method: "GET",
            auth_method: None,
            request_content_type: None,
        },
        token_request: token(&provider.token_url),
        refresh_request: refresh
            .map(|refresh| token(refresh.url.as_ref().unwrap_or(&provider.token_url))),
    }
}

fn endpoint(url: &url::Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.into()
}
