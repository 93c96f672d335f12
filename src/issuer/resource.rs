//! Which endpoint a client means (RFC 8707 `resource`): the URL of a gateway that takes access tokens.
//!
//! A gateway is one resource with one or two addresses, for the default one is also served at `/mcp`.

use url::Url;

use crate::{
    base::id::GatewayName,
    config::{Config, Gateway},
    web::urls::Urls,
};

/// An endpoint that takes access tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Which gateway it is.
    pub gateway: GatewayName,
    /// Its address as we spell it: `aud` of tokens and `resource` of metadata.
    pub uri: String,
}

/// No endpoint that takes access tokens has this address (`invalid_target`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTarget {
    /// Something else was named.
    #[error("resource is not an endpoint of this server that takes access tokens")]
    Unknown,
    /// Nothing was named, and there is no default.
    #[error("name the endpoint with the parameter resource; this server has several")]
    Missing,
}

/// The endpoint that `resource` names. Case of scheme and host, the default port and a last slash do not matter.
///
/// Clients of 2025-03-26 name none: they mean `/mcp`, or the only endpoint that takes access tokens.
///
/// # Errors
/// See [`InvalidTarget`].
pub fn find(
    config: &Config,
    urls: &Urls,
    resource: Option<&str>,
) -> Result<Resource, InvalidTarget> {
    let Some(resource) = resource else {
        return default(config, urls).ok_or(InvalidTarget::Missing);
    };
    let mut asked = Url::parse(resource).map_err(|_| InvalidTarget::Unknown)?;
    if let Some(path) = asked.path().strip_suffix('/').map(str::to_owned) {
        asked.set_path(&path);
    }
    let (gateway, _) = served_at(config, urls, asked.as_str()).ok_or(InvalidTarget::Unknown)?;
    Ok(Resource {
        gateway: gateway.clone(),
        uri: asked.into(),
    })
}

/// The gateway at an address as we spell it, if it takes access tokens.
pub fn served_at<'c>(
    config: &'c Config,
    urls: &Urls,
    uri: &str,
) -> Option<(&'c GatewayName, &'c Gateway)> {
    let path = uri.strip_prefix(urls.origin())?.strip_prefix("/mcp")?;
    let found = match path.strip_prefix('/') {
        Some(name) => config.gateways.get_key_value(name),
        None if path.is_empty() => config.gateways.iter().find(|(_, gateway)| gateway.default),
        None => None,
    };
    found.filter(|(_, gateway)| gateway.oauth_access)
}

/// Every endpoint that takes access tokens.
pub fn all<'a>(config: &'a Config, urls: &'a Urls) -> impl Iterator<Item = Resource> + 'a {
    oauth_gateways(config).flat_map(move |(name, gateway)| {
        let at = |path| Resource {
            gateway: name.clone(),
            uri: urls.resource(path),
        };
        let plain = gateway.default.then(|| at(None));
        [at(Some(name))].into_iter().chain(plain)
    })
}

fn default(config: &Config, urls: &Urls) -> Option<Resource> {
    let at = |gateway: &GatewayName, path| Resource {
        gateway: gateway.clone(),
        uri: urls.resource(path),
    };
    let mut gateways = oauth_gateways(config);
    let marked = oauth_gateways(config).find(|(_, gateway)| gateway.default);
    match (marked, gateways.next(), gateways.next()) {
        (Some((name, _)), _, _) => Some(at(name, None)),
        (None, Some((only, _)), None) => Some(at(only, Some(only))),
        _ => None,
    }
}

fn oauth_gateways(config: &Config) -> impl Iterator<Item = (&GatewayName, &Gateway)> {
    let gateways = config.gateways.iter();
    gateways.filter(|(_, gateway)| gateway.oauth_access)
}
