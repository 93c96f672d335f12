//! What clients discover: protected-resource metadata of each endpoint (RFC 9728), the server's own (RFC 8414 and OpenID
//! Connect Discovery), and its public keys (RFC 7517).
//!
//! A gateway without `oauth` access has none, and no server is to be found where no gateway has it: clients that find one
//! would ignore the headers they were configured with.

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use jsonwebtoken::Algorithm;
use serde::Serialize;
use url::Url;

use super::{
    Issuer,
    client::ASSERTION_ALGORITHMS,
    id_jag, open_to_pages,
    refusal::Refusal,
    resource::{self, Resource},
    scope,
};
use crate::config::Config;

/// How long a document may be kept: short enough for a change of configuration to be noticed.
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=300");
const CLIENT_AUTH: [&str; 4] = [
    "none",
    "client_secret_basic",
    "client_secret_post",
    "private_key_jwt",
];

/// RFC 9728 §2.
#[derive(Serialize)]
struct ProtectedResource<'a> {
    resource: &'a str,
    authorization_servers: [&'a str; 1],
    scopes_supported: [&'static str; 1],
    bearer_methods_supported: [&'static str; 1],
    resource_name: &'a str,
}

/// RFC 8414 §2.
#[derive(Serialize)]
struct Server<'a> {
    issuer: &'a str,
    authorization_endpoint: Url,
    token_endpoint: Url,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_endpoint: Option<Url>,
    revocation_endpoint: Url,
    jwks_uri: Url,
    scopes_supported: [&'static str; 2],
    response_types_supported: [&'static str; 1],
    response_modes_supported: [&'static str; 1],
    grant_types_supported: Vec<&'static str>,
    code_challenge_methods_supported: [&'static str; 1],
    token_endpoint_auth_methods_supported: [&'static str; 4],
    token_endpoint_auth_signing_alg_values_supported: [Algorithm; 5],
    revocation_endpoint_auth_methods_supported: [&'static str; 4],
    revocation_endpoint_auth_signing_alg_values_supported: [Algorithm; 5],
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization_grant_profiles_supported: Option<[&'static str; 1]>,
    authorization_response_iss_parameter_supported: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    client_id_metadata_document_supported: bool,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    openid: Option<OpenId>,
}

/// What OpenID Connect Discovery §3 requires besides. We issue no ID tokens, but some clients insist on reading these.
#[derive(Serialize)]
struct OpenId {
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: [&'static str; 1],
}

/// All documents.
pub(super) fn routes(issuer: Issuer) -> Router {
    const RESOURCE: &str = "/.well-known/oauth-protected-resource";
    Router::new()
        .route(RESOURCE, get(any_resource))
        .route(&format!("{RESOURCE}/mcp"), get(default_resource))
        .route(&format!("{RESOURCE}/mcp/{{gateway}}"), get(one_resource))
        .route("/.well-known/oauth-authorization-server", get(server))
        .route("/.well-known/openid-configuration", get(openid))
        .route("/oauth2/jwks", get(jwks))
        .layer(open_to_pages())
        .with_state(issuer)
}

/// Where clients look that got no challenge: the endpoint that is meant when none is named.
async fn any_resource(State(issuer): State<Issuer>) -> Response {
    let config = issuer.0.parts.live.now();
    let meant = resource::find(&config, &issuer.0.parts.urls, None).ok();
    issuer.resource(&config, meant)
}

async fn default_resource(State(issuer): State<Issuer>) -> Response {
    issuer.resource_at(&issuer.0.parts.urls.resource(None))
}

async fn one_resource(State(issuer): State<Issuer>, Path(gateway): Path<String>) -> Response {
    match gateway.parse() {
        Ok(gateway) => issuer.resource_at(&issuer.0.parts.urls.resource(Some(&gateway))),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn server(State(issuer): State<Issuer>) -> Response {
    issuer.server(None)
}

async fn openid(State(issuer): State<Issuer>) -> Response {
    issuer.server(Some(OpenId {
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: ["ES256"],
    }))
}

async fn jwks(State(issuer): State<Issuer>) -> Response {
    match issuer.0.keys.public().await {
        Ok(keys) => document(&keys),
        Err(error) => {
            Refusal::from(error).answer(&issuer.0.parts.faults, "reading the public keys", None)
        }
    }
}

impl Issuer {
    fn resource_at(&self, uri: &str) -> Response {
        let config = self.0.parts.live.now();
        let mut all = resource::all(&config, &self.0.parts.urls);
        let found = all.find(|resource| resource.uri == uri);
        self.resource(&config, found)
    }

    fn resource(&self, config: &Config, resource: Option<Resource>) -> Response {
        let found = resource.and_then(|resource| {
            let gateway = config.gateways.get(&resource.gateway)?;
            Some((resource, gateway))
        });
        let Some((resource, gateway)) = found else {
            return StatusCode::NOT_FOUND.into_response();
        };
        document(&ProtectedResource {
            resource: &resource.uri,
            authorization_servers: [self.id()],
            scopes_supported: [scope::TOOLS],
            bearer_methods_supported: ["header"],
            resource_name: &gateway.title,
        })
    }

    fn server(&self, openid: Option<OpenId>) -> Response {
        let config = self.0.parts.live.now();
        let urls = &self.0.parts.urls;
        if resource::all(&config, urls).next().is_none() {
            return StatusCode::NOT_FOUND.into_response();
        }
        let registers = config.oauth.dynamic_registration;
        let assertions = id_jag::is_offered(&config);
        let mut grant_types = vec!["authorization_code", "refresh_token"];
        grant_types.extend(assertions.then_some(id_jag::GRANT_TYPE));
        document(&Server {
            issuer: self.id(),
            authorization_endpoint: urls.oauth("authorize"),
            token_endpoint: urls.oauth("token"),
            registration_endpoint: registers.then(|| urls.oauth("register")),
            revocation_endpoint: urls.oauth("revoke"),
            jwks_uri: urls.oauth("jwks"),
            // Not `offline_access`: clients that see it ask for `prompt=consent`, and nobody's consent would be remembered.
            scopes_supported: [scope::TOOLS, scope::ALL],
            response_types_supported: ["code"],
            response_modes_supported: ["query"],
            grant_types_supported: grant_types,
            code_challenge_methods_supported: ["S256"],
            token_endpoint_auth_methods_supported: CLIENT_AUTH,
            token_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
            revocation_endpoint_auth_methods_supported: CLIENT_AUTH,
            revocation_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
            authorization_grant_profiles_supported: assertions.then_some([id_jag::PROFILE]),
            authorization_response_iss_parameter_supported: true,
            client_id_metadata_document_supported: config.oauth.metadata_documents,
            openid,
        })
    }
}

fn document<T: Serialize>(body: &T) -> Response {
    ([(header::CACHE_CONTROL, CACHED)], Json(body)).into_response()
}
