//! The token endpoint (RFC 6749 §4.1.3 and §6): code or refresh token in, tokens out.

use std::{sync::Arc, time::Duration};

use url::Url;

use super::{
    AuthorizationCode, CodeVerifier, RefreshToken, TokenError, TokenSet, account,
    http::{Answer, Http, Silence},
    judge,
    request::{self, Fields, Outgoing, Values},
};
use crate::{
    base::clock::{Clock, Span, Timestamp},
    config::OAuthProvider,
    protocol::oauth::{
        error::ErrorCode,
        scope::ScopeSet,
        token_response::{Life, TokenAnswer},
    },
};

/// Our side of the talk with providers. Cheap to clone.
#[derive(Clone)]
pub struct OAuthClient {
    pub(super) http: Http,
    pub(super) clock: Arc<dyn Clock>,
}

impl OAuthClient {
    /// A client that counts lives of tokens by `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            http: Http::new(),
            clock,
        }
    }

    /// Waits no longer than this for a whole answer, instead of ten seconds.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        let http = self.http.patience(patience);
        Self { http, ..self }
    }

    /// Changes an authorization code for tokens. Sent once: a code is used up by the first attempt, whatever came of it.
    ///
    /// # Errors
    /// Any [`TokenError`].
    pub async fn exchange(
        &self,
        provider: &OAuthProvider,
        redirect_uri: &Url,
        code: &AuthorizationCode,
        verifier: Option<&CodeVerifier>,
    ) -> Result<TokenSet, TokenError> {
        let mut fields = vec![
            ("grant_type", "authorization_code".to_owned()),
            ("code", code.expose().to_owned()),
            ("redirect_uri", redirect_uri.to_string()),
        ];
        if let Some(verifier) = verifier {
            fields.push(("code_verifier", verifier.expose().to_owned()));
        }
        let values = Values {
            redirect_uri: redirect_uri.as_str(),
            ..Values::default()
        };
        let (url, parameters) = (&provider.token_url, &provider.token_parameters);
        let request = request::to_token_endpoint(provider, url, fields, parameters, values)?;
        let mut tokens = self.ask(provider, request).await?;
        self.complete(provider, &mut tokens).await;
        Ok(tokens)
    }

    /// Changes a refresh token for fresh tokens. Sent once: rotating providers take a second use for theft.
    ///
    /// # Errors
    /// Any [`TokenError`]; [`TokenError::Refused`] without a request if tokens of this provider are not renewed.
    pub async fn refresh(
        &self,
        provider: &OAuthProvider,
        refresh_token: &RefreshToken,
    ) -> Result<TokenSet, TokenError> {
        let Some(refresh) = &provider.refresh else {
            let error = ErrorCode::UnsupportedGrantType;
            return Err(TokenError::Refused { error });
        };
        let fields: Fields<'_> = vec![
            ("grant_type", "refresh_token".to_owned()),
            ("refresh_token", refresh_token.expose().to_owned()),
        ];
        let values = Values {
            refresh_token: refresh_token.expose(),
            ..Values::default()
        };
        let url = refresh.url.as_ref().unwrap_or(&provider.token_url);
        let own = refresh.parameters.as_ref();
        let parameters = own.unwrap_or(&provider.token_parameters);
        let request = request::to_token_endpoint(provider, url, fields, parameters, values)?;
        self.ask(provider, request).await
    }

    async fn ask(
        &self,
        provider: &OAuthProvider,
        request: Outgoing,
    ) -> Result<TokenSet, TokenError> {
        // Lives count from before the request: a slow answer makes a token older, not younger.
        let asked = self.clock.now();
        let answer = self.send(request).await?;
        let answer = judge::tokens(&answer, &provider.answer, asked)?;
        Ok(TokenSet::new(answer, provider, asked))
    }

    pub(super) async fn send(&self, request: Outgoing) -> Result<Answer, TokenError> {
        let answer = self.http.send(request).await;
        answer.map_err(|silence| match silence {
            Silence::Gone(why) => TokenError::Unavailable {
                retry_after: None,
                why,
            },
            Silence::TooLarge => TokenError::Unreadable {
                why: "it is too large",
            },
        })
    }
}

impl std::fmt::Debug for OAuthClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OAuthClient")
    }
}

impl TokenSet {
    fn new(answer: TokenAnswer, provider: &OAuthProvider, asked: Timestamp) -> Self {
        let after = |life| {
            let life = Span::try_from(life).unwrap_or(Span::MAX);
            asked.checked_add(life).unwrap_or(Timestamp::MAX)
        };
        let told_here = provider
            .account
            .as_ref()
            .filter(|account| account.request.is_none());
        Self {
            account: told_here.and_then(|source| account::read(source, &answer.rest)),
            access_token: answer.access_token,
            refresh_token: answer.refresh_token.filter(|_| provider.refresh.is_some()),
            expires: answer.life.map(|life| match life {
                Life::For(life) => after(life),
                Life::Until(end) => end,
            }),
            scopes: answer.scopes.map(|granted| effective(provider, &granted)),
            token_type: answer.token_type,
        }
    }
}

/// What was granted, with what it includes and what this provider never names.
pub(super) fn effective(provider: &OAuthProvider, granted: &ScopeSet) -> ScopeSet {
    let prefix = provider.scope_prefix.as_deref();
    let short = granted
        .iter()
        .filter_map(|scope| scope.strip_prefix(prefix?))
        .map(str::to_owned);
    let long = granted
        .iter()
        .filter_map(|scope| Some(format!("{}{scope}", prefix?)));
    let mut all = granted.union(&provider.scopes_unlisted);
    if prefix.is_some() {
        all = all.union(&short.chain(long).collect());
    }
    // What is included may include more.
    loop {
        let included = all
            .iter()
            .filter_map(|scope| provider.scope_includes.get(scope));
        let more = included.fold(all.clone(), |all, included| all.union(included));
        if more == all {
            return all;
        }
        all = more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::example;

    #[test]
    fn a_granted_scope_counts_with_what_it_includes() {
        let mut provider = example("https://acme.example/token");
        provider.scope_includes = [
            (
                "repo".to_owned(),
                ScopeSet::parse("public_repo repo:status"),
            ),
            ("public_repo".to_owned(), ScopeSet::parse("stars repo")),
        ]
        .into();
        provider.scopes_unlisted = ScopeSet::parse("offline_access");
        let all = effective(&provider, &ScopeSet::parse("repo gist"));
        let expected = "gist offline_access public_repo repo repo:status stars";
        assert_eq!(all.to_string(), expected);
    }

    #[test]
    fn a_scope_is_known_by_its_short_and_its_long_name() {
        let mut provider = example("https://acme.example/token");
        provider.scope_prefix = Some("https://g.example/".into());
        let all = effective(
            &provider,
            &ScopeSet::parse("https://g.example/Mail.Read User.Read"),
        );
        assert!(
            ScopeSet::parse("Mail.Read https://g.example/User.Read")
                .missing_from(&all)
                .is_empty()
        );
    }
}
