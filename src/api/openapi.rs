//! `/v1/openapi.json`: the document of this face, made from what stands at each handler.
//!
//! A handler says `#[utoipa::path(…)]` what is its own: `operation_id`, `tag`, parameters, body, its good answer, and refusals
//! with a meaning of their own (`(status = 404, description = "…", body = ErrorBody)`). What holds for all is added here: the key
//! and the refusals that every path has in common. Paths for everybody say `security(())`.

use axum::{
    Extension,
    body::Bytes,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use utoipa::{
    OpenApi, ToSchema,
    openapi::{
        self, Content, Info, PathItem, Ref, RefOr, Server,
        path::Operation,
        security::{
            ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
        },
        tag::TagBuilder,
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{ApiFace, error::ErrorBody};
use crate::web::urls::Urls;

const ABOUT: &str = "What programs ask of Anteroom, with an API key. Every path is under \
    `/v1/orgs/{organisation}/projects/{project}/` as well; which organisation and project are named makes no difference. \
    Members that this document does not know are passed over in requests, and answers may have more of them in time.";

/// Other addresses of the same: (address, the one it stands for).
const ALIASES: [(&str, &str); 2] = [
    ("/v1/oauth/confirm_user", "/v1/auth/confirm_user"),
    ("/api/v1/oauth/confirm_user", "/v1/auth/confirm_user"),
];

const TAGS: [(&str, &str); 6] = [
    ("auth", "Connections are asked for, and waited for"),
    (
        "connections",
        "Connections that are verified at an address of their own",
    ),
    ("tools", "Tools: listed, described, authorized and executed"),
    ("workers", "Upstreams; for keys with `admin`"),
    ("admin", "What is the operator's; for keys with `admin`"),
    ("gateway", "The gateway itself"),
];

/// What all members of the document have in common.
#[derive(OpenApi)]
#[openapi(components(schemas(ErrorBody)))]
struct Common;

/// The document as it is sent.
#[derive(Clone)]
pub(super) struct Document(Bytes);

pub(super) fn routes() -> OpenApiRouter<ApiFace> {
    OpenApiRouter::with_openapi(Common::openapi()).routes(routes!(openapi_json))
}

/// This document.
#[utoipa::path(
    get,
    path = "/v1/openapi.json",
    operation_id = "openapi",
    tag = "gateway",
    security(()),
    responses((status = OK, description = "An OpenAPI 3.1 document", body = Object)),
)]
async fn openapi_json(Extension(document): Extension<Document>) -> Response {
    let kind = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, kind)], document.0).into_response()
}

/// Completes what the handlers say.
pub(super) fn complete(mut document: openapi::OpenApi, urls: &Urls) -> Document {
    let mut info = Info::new("Anteroom", env!("CARGO_PKG_VERSION"));
    info.description = Some(ABOUT.to_owned());
    document.info = info;
    document.servers = Some(vec![Server::new(urls.origin())]);
    document.tags = Some(tags());
    document.security = Some(keys(document.components.get_or_insert_default()));
    for (path, item) in &mut document.paths.paths {
        for operation in operations(item) {
            refusals(path, operation);
        }
    }
    for (alias, path) in ALIASES {
        if let Some(mut item) = document.paths.paths.get(path).cloned() {
            for operation in operations(&mut item) {
                let id = operation.operation_id.get_or_insert_default();
                id.push_str(if alias.starts_with("/api") {
                    "_api"
                } else {
                    "_oauth"
                });
            }
            document.paths.paths.insert(alias.to_owned(), item);
        }
    }
    let json = serde_json::to_vec(&document).expect("a document has nothing but texts for keys");
    Document(json.into())
}

fn tags() -> Vec<openapi::Tag> {
    let tag = |(name, about)| {
        TagBuilder::new()
            .name(name)
            .description(Some(about))
            .build()
    };
    TAGS.into_iter().map(tag).collect()
}

/// How a key is sent: with `Bearer` before it, or bare.
fn keys(components: &mut openapi::Components) -> Vec<SecurityRequirement> {
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.description = Some("An API key: `Authorization: Bearer arc_…`".to_owned());
    let bare = ApiKeyValue::with_description(
        "Authorization",
        "The same key without a scheme, as Arcade's SDKs send it: `Authorization: arc_…`",
    );
    components.add_security_scheme("key", SecurityScheme::Http(bearer));
    components.add_security_scheme("bare_key", SecurityScheme::ApiKey(ApiKey::Header(bare)));
    let key = |name: &str| SecurityRequirement::new(name, Vec::<String>::new());
    vec![key("key"), key("bare_key")]
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem {
        get,
        put,
        post,
        delete,
        patch,
        ..
    } = item;
    [get, put, post, delete, patch].into_iter().flatten()
}

/// Adds the refusals that `operation` has in common with others, and to all of its refusals their body.
fn refusals(path: &str, operation: &mut Operation) {
    let mut common = vec![(500, "Something broke; the gateway's log says more")];
    if operation.security.is_none() {
        common.push((401, "The API key is missing or not valid"));
    }
    if operation.request_body.is_some() {
        common.push((413, "The body is too large"));
        common.push((415, "The body does not say that it is JSON"));
    }
    if operation.request_body.is_some() || operation.parameters.is_some() {
        common.push((400, "What was sent cannot be meant"));
    }
    if path.contains("{") {
        common.push((404, "There is no such thing"));
    }
    if is_for_operators(path) {
        common.push((403, "The key has no `admin`"));
    }
    let responses = &mut operation.responses.responses;
    for (status, description) in common {
        let response = openapi::Response::new(description);
        let slot = responses.entry(status.to_string());
        slot.or_insert(RefOr::T(response));
    }
    for (status, response) in responses {
        let RefOr::T(response) = response else {
            continue;
        };
        if status.as_str() >= "4" && response.content.is_empty() {
            let body = Content::new(Some(Ref::from_schema_name(ErrorBody::name())));
            let kind = "application/json".to_owned();
            response.content.insert(kind, RefOr::T(body));
        }
    }
}

/// Whether only keys with `admin` are taken there.
fn is_for_operators(path: &str) -> bool {
    let first = path.split('/').nth(2);
    matches!(first, Some("admin" | "workers"))
}
