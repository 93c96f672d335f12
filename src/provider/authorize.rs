//! The authorization request (RFC 6749 §4.1.1): the address the browser is sent to.

use url::Url;

use crate::{
    base::secret::{ExposeSecret, Secret},
    config::{OAuthProvider, provider::Word},
    protocol::oauth::{pkce::CodeChallenge, scope::ScopeSet},
};

/// The address that asks `provider` for `scopes`, beside those it is always asked for.
///
/// The query that the endpoint's own address has is kept (RFC 6749 §3.1). It holds the `state`: not to be logged.
pub fn authorization_url(
    provider: &OAuthProvider,
    redirect_uri: &Url,
    scopes: &ScopeSet,
    state: &Secret,
    challenge: Option<&CodeChallenge>,
) -> Url {
    let mut ours = vec![
        ("response_type", "code"),
        (&provider.client_parameters.id, provider.client_id.as_str()),
        ("redirect_uri", redirect_uri.as_str()),
        ("state", state.expose_secret()),
    ];
    if let Some(challenge) = challenge {
        ours.push(("code_challenge", challenge.as_str()));
        ours.push(("code_challenge_method", "S256"));
    }
    let scopes = provider
        .scopes
        .union(scopes)
        .join(&provider.scope_delimiter);
    if !scopes.is_empty() {
        ours.push((&provider.scope_parameter, &scopes));
    }
    let value = |word| match word {
        Word::ClientId => provider.client_id.as_str(),
        Word::RedirectUri => redirect_uri.as_str(),
        Word::Scopes => &scopes,
        Word::ClientSecret | Word::AccessToken | Word::RefreshToken | Word::Token => "",
    };
    // A parameter must not come twice (RFC 6749 §3.1), and nothing that was configured may stand in for ours.
    let extra = provider
        .authorize_parameters
        .iter()
        .filter(|(name, _)| ours.iter().all(|(taken, _)| taken != name))
        .map(|(name, template)| (name.as_str(), template.fill(value)));
    let mut url = provider.authorize_url.clone();
    url.query_pairs_mut()
        .extend_pairs(&ours)
        .extend_pairs(extra);
    url.set_fragment(None);
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::provider::Template, protocol::oauth::pkce::CodeVerifier, provider::example,
    };

    fn url_of(provider: &OAuthProvider, scopes: &str) -> String {
        let redirect = Url::parse("https://gw.example.com/oauth2/intermediate_callback/acme");
        let challenge =
            CodeVerifier::from("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").challenge();
        authorization_url(
            provider,
            &redirect.unwrap(),
            &ScopeSet::parse(scopes),
            &"s".into(),
            provider.pkce.then_some(&challenge),
        )
        .into()
    }

    #[test]
    fn the_whole_request() {
        assert_eq!(
            url_of(&example("https://acme.example/token"), "notes profile"),
            "https://acme.example/authorize?response_type=code&client_id=us&redirect_uri=https%3A%2F%2Fgw.example.com%2Foauth2\
             %2Fintermediate_callback%2Facme&state=s&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM\
             &code_challenge_method=S256&scope=notes+profile"
        );
    }

    #[test]
    fn quirks_are_data() {
        let mut provider = example("https://acme.example/token");
        provider.authorize_url = Url::parse("https://acme.example/authorize?tenant=7#x").unwrap();
        provider.pkce = false;
        provider.scopes = ScopeSet::parse("openid");
        provider.scope_parameter = "user_scope".into();
        provider.scope_delimiter = ",".into();
        provider.authorize_parameters = [("access_type", "offline"), ("state", "theirs")]
            .map(|(name, value)| (name.into(), Template::from(value)))
            .into();
        assert_eq!(
            url_of(&provider, "a:b"),
            "https://acme.example/authorize?tenant=7&response_type=code&client_id=us&redirect_uri=https%3A%2F%2Fgw.example.com%2F\
             oauth2%2Fintermediate_callback%2Facme&state=s&user_scope=a%3Ab%2Copenid&access_type=offline"
        );
    }

    #[test]
    fn without_scopes_there_is_no_scope_parameter() {
        assert!(!url_of(&example("https://acme.example/token"), "").contains("scope="));
    }
}
