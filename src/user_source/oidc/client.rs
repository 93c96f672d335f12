//! The types of `openidconnect` as we use them, and how a client of that crate is made of a provider and our configuration.

use openidconnect::{
    AdditionalClaims, AuthType, ClientId, ClientSecret, EmptyExtraTokenFields, EndpointMaybeSet,
    EndpointNotSet, EndpointSet, IdTokenFields, RedirectUrl, StandardErrorResponse,
    StandardTokenResponse,
    core::{
        CoreAuthDisplay, CoreAuthPrompt, CoreClientAuthMethod, CoreErrorResponseType,
        CoreGenderClaim, CoreJsonWebKey, CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm, CoreRevocableToken, CoreRevocationErrorResponse,
        CoreTokenIntrospectionResponse, CoreTokenType,
    },
};
use serde::{Deserialize, Serialize};

use super::provider::Metadata;
use crate::{
    base::secret::ExposeSecret,
    config::{ClientAuth, Oidc},
    web::urls::Urls,
};

/// The claims that OpenID Connect Core has no word for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct More(serde_json::Map<String, serde_json::Value>);

impl AdditionalClaims for More {}

pub(super) type IdToken = openidconnect::IdToken<
    More,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
pub(super) type IdTokenClaims = openidconnect::IdTokenClaims<More, CoreGenderClaim>;
pub(super) type UserInfoClaims = openidconnect::UserInfoClaims<More, CoreGenderClaim>;
type Fields = IdTokenFields<
    More,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
pub(super) type ErrorAnswer = StandardErrorResponse<CoreErrorResponseType>;
pub(super) type Tokens = StandardTokenResponse<Fields, CoreTokenType>;
pub(super) type Client = openidconnect::Client<
    More,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    ErrorAnswer,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Our client at this provider, as the configuration in force has it: a secret that was changed is used from now on.
pub(super) fn of(metadata: &Metadata, oidc: &Oidc, urls: &Urls, keys: CoreJsonWebKeySet) -> Client {
    let secret = oidc.client_secret.as_ref();
    let secret = secret.map(|secret| ClientSecret::new(secret.expose_secret().to_owned()));
    let id = ClientId::new(oidc.client_id.clone());
    Client::from_provider_metadata(metadata.clone().set_jwks(keys), id, secret)
        .set_auth_type(auth_type(metadata, oidc))
        .set_redirect_uri(RedirectUrl::from_url(urls.sign_in_callback()))
}

/// As configured; else as the provider says, which says `client_secret_basic` by saying nothing (OpenID Connect Discovery §3).
fn auth_type(metadata: &Metadata, oidc: &Oidc) -> AuthType {
    match oidc.client_auth {
        Some(ClientAuth::Post | ClientAuth::None) => AuthType::RequestBody,
        Some(ClientAuth::Basic) => AuthType::BasicAuth,
        None => {
            let methods = metadata.token_endpoint_auth_methods_supported();
            let takes = |method| methods.is_some_and(|methods| methods.contains(&method));
            if takes(CoreClientAuthMethod::ClientSecretPost)
                && !takes(CoreClientAuthMethod::ClientSecretBasic)
            {
                AuthType::RequestBody
            } else {
                AuthType::BasicAuth
            }
        }
    }
}
