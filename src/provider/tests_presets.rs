//! Every preset, driven as far as to what would be sent.

use std::collections::BTreeSet;

use url::Url;

use super::{
    authorization_url,
    request::{Values, about_a_token, to_token_endpoint},
};
use crate::{
    base::secret::Secret,
    config::provider::catalog,
    protocol::oauth::{pkce::CodeVerifier, scope::ScopeSet},
};

#[test]
fn every_preset_forms_a_valid_authorization_url() {
    let redirect_uri = Url::parse("https://gw.example.com/oauth2/intermediate_callback/x").unwrap();
    let challenge = CodeVerifier::from("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").challenge();
    for preset in catalog() {
        let (name, provider) = (&preset.name, &preset.provider);
        let url = authorization_url(
            provider,
            &redirect_uri,
            &ScopeSet::parse("one two"),
            &Secret::from("state"),
            provider.pkce.then_some(&challenge),
        );
        let pairs: Vec<_> = url.query_pairs().into_owned().collect();
        let names: BTreeSet<_> = pairs.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), pairs.len(), "{name}: nothing comes twice");
        let value = |wanted: &str| {
            let found = pairs.iter().find(|(name, _)| name == wanted);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(value("response_type"), Some("code"), "{name}");
        assert_eq!(value(&provider.client_parameters.id), Some("id"), "{name}");
        assert_eq!(value("redirect_uri"), Some(redirect_uri.as_str()), "{name}");
        assert_eq!(value("state"), Some("state"), "{name}");
        assert_eq!(value("code_challenge").is_some(), provider.pkce, "{name}");
        let scopes = value(&provider.scope_parameter).unwrap();
        assert!(
            scopes
                .split(provider.scope_delimiter.as_str())
                .any(|scope| scope == "two"),
            "{name}: {scopes}"
        );
        assert!(!url.as_str().contains("%7B%7B"), "{name}: {url}");
        assert!(
            url.fragment().is_none() && url.scheme() == "https",
            "{name}"
        );
    }
}

#[test]
fn every_preset_forms_requests_that_can_be_sent() {
    let values = Values {
        redirect_uri: "https://gw.example.com/back",
        refresh_token: "rt",
        access_token: "an-access-token",
        token: "this-token",
    };
    for preset in catalog() {
        let (name, provider) = (&preset.name, &preset.provider);
        let fields = vec![("grant_type", "authorization_code".to_owned())];
        let (url, parameters) = (&provider.token_url, &provider.token_parameters);
        let mut all = vec![to_token_endpoint(provider, url, fields, parameters, values).unwrap()];
        let shown_in_body = all[0].body.as_ref().unwrap().1.contains("client_secret");
        let shown_in_header = all[0]
            .headers
            .iter()
            .any(|(name, _)| name == "authorization");
        assert!(
            shown_in_body != shown_in_header,
            "{name}: the client shows itself once"
        );
        let account = provider
            .account
            .as_ref()
            .and_then(|source| source.request.as_ref());
        let revocation = provider
            .revocation
            .as_ref()
            .map(|revocation| &revocation.request);
        for request in account.into_iter().chain(revocation) {
            let sent = about_a_token(Some(provider), request, values).unwrap();
            let headers = sent
                .headers
                .iter()
                .map(|(_, value)| value.to_str().unwrap());
            let body = sent.body.as_ref().map_or("", |(_, body)| body);
            let everything = headers.chain([sent.url.as_str(), body]).collect::<String>();
            assert!(!everything.contains("{{"), "{name}: {everything}");
            let shown = ["an-access-token", "this-token"];
            assert!(
                shown.iter().any(|token| everything.contains(token)),
                "{name}: {everything}"
            );
            all.push(sent);
        }
        for sent in all {
            assert!(
                sent.url.scheme() == "https" && sent.url.host().is_some(),
                "{name}"
            );
        }
    }
}
