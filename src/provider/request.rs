//! One request to a provider, made of its template and the values of the moment.

use std::collections::BTreeMap;

use ::http::{HeaderName, HeaderValue, Method, header};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};
use url::{Url, form_urlencoded};

use super::TokenError;
use crate::{
    base::secret::{ExposeSecret, Secret},
    config::{
        self, ClientAuth, OAuthProvider,
        provider::{Body, Request, RequestAuth, Template, Word},
    },
    protocol::oauth::error::ErrorCode,
};

/// What is sent.
pub(super) struct Outgoing {
    pub method: Method,
    /// May hold a token: not to be logged.
    pub url: Url,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// `None`: no body, and no type of one.
    pub body: Option<(&'static str, String)>,
}

/// The values of the moment, for templates and for the fields that every provider has.
#[derive(Clone, Copy, Default)]
pub(super) struct Values<'a> {
    pub redirect_uri: &'a str,
    pub refresh_token: &'a str,
    pub access_token: &'a str,
    pub token: &'a str,
}

/// Parameters of a request: fields before templates, no name twice.
pub(super) type Fields<'a> = Vec<(&'a str, String)>;

impl<'a> Values<'a> {
    /// `client` is where we have one.
    fn of(self, client: Option<&'a OAuthProvider>) -> impl Fn(Word) -> &'a str {
        let secret = client.and_then(|client| client.client_secret.as_ref());
        move |word| match word {
            Word::ClientId => client.map_or("", |client| &client.client_id),
            Word::ClientSecret => secret.map_or("", ExposeSecret::expose_secret),
            Word::RedirectUri => self.redirect_uri,
            // Only authorization requests carry them.
            Word::Scopes => "",
            Word::AccessToken => self.access_token,
            Word::RefreshToken => self.refresh_token,
            Word::Token => self.token,
        }
    }
}

/// A request to the token endpoint (RFC 6749 §4.1.3 and §6) with these fields.
pub(super) fn to_token_endpoint(
    provider: &OAuthProvider,
    url: &Url,
    fields: Fields<'_>,
    parameters: &BTreeMap<String, Template>,
    values: Values<'_>,
) -> Result<Outgoing, TokenError> {
    let mut fields = fields;
    let mut headers = Vec::new();
    show_client(provider, provider.client_auth, &mut fields, &mut headers);
    fill(Some(provider), parameters, values, &mut fields);
    add_headers(
        Some(provider),
        &provider.token_headers,
        values,
        &mut headers,
    )?;
    let mut outgoing = Outgoing {
        method: Method::POST,
        url: url.clone(),
        headers,
        body: None,
    };
    outgoing.write(provider.token_body, &fields);
    Ok(outgoing)
}

/// A request about a token, shown by our client at that provider; or about a key, where we have none.
pub(super) fn about_a_token(
    client: Option<&OAuthProvider>,
    request: &Request,
    values: Values<'_>,
) -> Result<Outgoing, TokenError> {
    let url = request.url.fill_encoded(values.of(client));
    let url = Url::parse(&url).map_err(|_| WRONG)?;
    let (mut fields, mut headers) = (Vec::new(), Vec::new());
    match (request.auth, client) {
        (RequestAuth::Client, Some(client)) => {
            show_client(client, client.client_auth, &mut fields, &mut headers);
        }
        (RequestAuth::ClientBasic, Some(client)) => {
            show_client(client, ClientAuth::Basic, &mut fields, &mut headers);
        }
        (RequestAuth::Bearer, _) => {
            let bearer = format!("Bearer {}", values.access_token);
            headers.push((header::AUTHORIZATION, secret_value(&bearer)?));
        }
        (RequestAuth::Client | RequestAuth::ClientBasic, None) | (RequestAuth::None, _) => {}
    }
    fill(client, &request.parameters, values, &mut fields);
    add_headers(client, &request.headers, values, &mut headers)?;
    let mut outgoing = Outgoing {
        method: match request.method {
            config::provider::Method::Get => Method::GET,
            config::provider::Method::Post => Method::POST,
            config::provider::Method::Delete => Method::DELETE,
        },
        url,
        headers,
        body: None,
    };
    let body = match outgoing.method {
        Method::GET => Body::Query,
        _ => request.body,
    };
    outgoing.write(body, &fields);
    Ok(outgoing)
}

/// What a value was that fits into no request.
const WRONG: TokenError = TokenError::Misconfigured {
    error: ErrorCode::InvalidRequest,
};

/// RFC 6749 §2.3.1: in one way, never in two.
fn show_client<'a>(
    provider: &'a OAuthProvider,
    auth: ClientAuth,
    fields: &mut Fields<'a>,
    headers: &mut Vec<(HeaderName, HeaderValue)>,
) {
    let names = &provider.client_parameters;
    match (auth, &provider.client_secret) {
        (ClientAuth::Basic, Some(secret)) => {
            headers.push((header::AUTHORIZATION, basic(&provider.client_id, secret)));
        }
        (ClientAuth::Post, Some(secret)) => {
            fields.push((&names.id, provider.client_id.clone()));
            fields.push((&names.secret, secret.expose_secret().to_owned()));
        }
        (ClientAuth::None, _) | (ClientAuth::Basic | ClientAuth::Post, None) => {
            fields.push((&names.id, provider.client_id.clone()));
        }
    }
}

/// Both parts are form-encoded before they are joined, which many forget and colons and per cents need.
fn basic(client_id: &str, secret: &Secret) -> HeaderValue {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let joined = format!("{}:{}", encode(client_id), encode(secret.expose_secret()));
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(joined)))
        .expect("base64 is visible ASCII");
    value.set_sensitive(true);
    value
}

/// Adds what was configured; it stands in for nothing of ours.
fn fill<'a>(
    client: Option<&OAuthProvider>,
    parameters: &'a BTreeMap<String, Template>,
    values: Values<'_>,
    fields: &mut Fields<'a>,
) {
    for (name, template) in parameters {
        if fields.iter().all(|(taken, _)| *taken != name) {
            fields.push((name, template.fill(values.of(client))));
        }
    }
}

fn add_headers(
    client: Option<&OAuthProvider>,
    templates: &[(HeaderName, Template)],
    values: Values<'_>,
    headers: &mut Vec<(HeaderName, HeaderValue)>,
) -> Result<(), TokenError> {
    for (name, template) in templates {
        let value = secret_value(&template.fill(values.of(client)))?;
        headers.retain(|(taken, _)| taken != name || *taken == header::AUTHORIZATION);
        if headers.iter().all(|(taken, _)| taken != name) {
            headers.push((name.clone(), value));
        }
    }
    Ok(())
}

fn secret_value(text: &str) -> Result<HeaderValue, TokenError> {
    let mut value = HeaderValue::try_from(text).map_err(|_| WRONG)?;
    value.set_sensitive(true);
    Ok(value)
}

impl Outgoing {
    fn write(&mut self, body: Body, fields: &[(&str, String)]) {
        // An empty body with a type is refused by some (Dropbox).
        if fields.is_empty() {
            return;
        }
        match body {
            Body::Query => {
                self.url.query_pairs_mut().extend_pairs(fields);
            }
            Body::Form => {
                let form = form_urlencoded::Serializer::new(String::new())
                    .extend_pairs(fields)
                    .finish();
                self.body = Some(("application/x-www-form-urlencoded", form));
            }
            Body::Json => {
                let members = fields
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), Value::from(value.clone())));
                let object = Value::Object(members.collect::<Map<_, _>>());
                self.body = Some(("application/json", object.to_string()));
            }
        }
    }
}

#[cfg(test)]
#[path = "tests_request.rs"]
mod tests;
