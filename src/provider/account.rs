//! Requests about a token: whose account it is, ending the grant, what it is good for.

use serde_json::Value;
use serde_json_path::JsonPath;

use super::{
    AccessToken, Account, OAuthClient, RefreshToken, Revoked, TokenError, TokenSet,
    exchange::effective,
    judge,
    request::{self, Values},
};
use crate::{
    base::text::is_invisible,
    config::{
        OAuthProvider,
        provider::{AccountSource, Request, WhichToken},
    },
    protocol::oauth::token_response::{moment, scopes},
};

/// No name or address of an account is longer. Characters.
const LONGEST: usize = 200;

impl OAuthClient {
    /// Whose account at the provider these tokens are for; `None` if this provider does not tell. The connection is good
    /// without it, so a failure is to be logged and no more.
    ///
    /// # Errors
    /// Any [`TokenError`].
    pub async fn user_info(
        &self,
        provider: &OAuthProvider,
        tokens: &TokenSet,
    ) -> Result<Option<Account>, TokenError> {
        let Some(source) = &provider.account else {
            return Ok(None);
        };
        let Some(request) = &source.request else {
            return Ok(tokens.account.clone());
        };
        let token = tokens.access_token.expose();
        let answer = self.told(provider, request, token, token).await?;
        let account = read(source, &answer).ok_or(TokenError::Unreadable {
            why: "the account is not where it should be",
        })?;
        Ok(Some(account))
    }

    /// Ends a grant at the provider. Tokens that are no good there any more are an error
    /// ([`TokenError::Refused`]): then somebody else has ended it.
    ///
    /// # Errors
    /// Any [`TokenError`]; the grant may go on.
    pub async fn revoke(
        &self,
        provider: &OAuthProvider,
        access_token: &AccessToken,
        refresh_token: Option<&RefreshToken>,
    ) -> Result<Revoked, TokenError> {
        let Some(revocation) = &provider.revocation else {
            return Ok(Revoked::NotOffered);
        };
        let token = match (revocation.token, refresh_token) {
            (WhichToken::Refresh, Some(token)) => token.expose(),
            (WhichToken::Refresh, None) | (WhichToken::Access, _) => access_token.expose(),
        };
        let values = Values {
            access_token: access_token.expose(),
            token,
            ..Values::default()
        };
        let request = request::about_a_token(Some(provider), &revocation.request, values)?;
        let answer = self.send(request).await?;
        let auth = revocation.request.auth;
        judge::about_a_token(&answer, &provider.answer, auth, self.clock.now())?;
        Ok(Revoked::Done)
    }

    /// Adds what the token answer left out, if the provider can be asked for it. Without an answer the tokens stay as they
    /// are: they work.
    pub(super) async fn complete(&self, provider: &OAuthProvider, tokens: &mut TokenSet) {
        let Some(introspection) = &provider.introspection else {
            return;
        };
        let token = tokens.access_token.expose();
        let told = self
            .told(provider, &introspection.request, token, token)
            .await;
        let answer = match told {
            Ok(answer) => answer,
            Err(error) => {
                tracing::warn!(%error, "a provider did not tell what a token is good for");
                return;
            }
        };
        let granted = first(&introspection.scope, &answer).map(scopes);
        let granted = granted.filter(|granted| !granted.is_empty());
        tokens.scopes = tokens
            .scopes
            .take()
            .or_else(|| granted.map(|granted| effective(provider, &granted)));
        let expires = first(&introspection.expires_at, &answer).and_then(moment);
        tokens.expires = tokens.expires.or(expires);
    }

    async fn told(
        &self,
        provider: &OAuthProvider,
        request: &Request,
        access_token: &str,
        token: &str,
    ) -> Result<Value, TokenError> {
        let values = Values {
            access_token,
            token,
            ..Values::default()
        };
        let outgoing = request::about_a_token(Some(provider), request, values)?;
        let answer = self.send(outgoing).await?;
        judge::about_a_token(&answer, &provider.answer, request.auth, self.clock.now())?;
        serde_json::from_slice(&answer.body).map_err(|_| TokenError::Unreadable {
            why: "it is not JSON",
        })
    }
}

/// The account that an answer tells of.
pub(super) fn read(source: &AccountSource, answer: &Value) -> Option<Account> {
    let all = |paths: &[JsonPath]| -> Vec<String> {
        let texts = paths.iter().filter_map(|path| text(first(path, answer)?));
        texts.collect()
    };
    let id = all(&source.id);
    // With a part missing, two accounts could look the same.
    if id.is_empty() || id.len() < source.id.len() {
        return None;
    }
    let name = all(&source.name).join(" ");
    Some(Account {
        id: id.join(":"),
        name: (!name.is_empty()).then_some(name),
        email: source
            .email
            .as_ref()
            .and_then(|path| text(first(path, answer)?)),
    })
}

fn first<'a>(path: &JsonPath, answer: &'a Value) -> Option<&'a Value> {
    // `$['mail','other']`: the first that says something.
    let found = path.query(answer).all();
    found.into_iter().find(|value| !value.is_null())
}

/// What may be shown and kept: somebody else chose it.
fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let visible = text.chars().filter(|c| !is_invisible(*c)).take(LONGEST);
    let visible = visible.collect::<String>().trim().to_owned();
    (!visible.is_empty()).then_some(visible)
}
