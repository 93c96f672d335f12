//! Signing out at the provider too (OpenID Connect RP-Initiated Logout 1.0).

use openidconnect::{ClientId, EndSessionUrl, LogoutRequest, PostLogoutRedirectUrl};
use url::Url;

use super::{OidcProviders, client::IdToken};
use crate::{
    base::{
        id::UserId,
        seal::{Purpose, Sealed},
    },
    config::Oidc,
    web::urls::LocalPath,
};

/// A longer ID token does not fit into an address, so it is not kept. Bytes.
const LONGEST_HINT: usize = 4096;

impl OidcProviders {
    /// The ID token as a browser session may keep it.
    pub(super) fn hint(&self, user: &UserId, id_token: &str) -> Option<Sealed> {
        let owner = ["browser_sessions", &user.key()];
        let short = id_token.len() <= LONGEST_HINT;
        short.then(|| {
            self.sealer
                .seal(Purpose::IdToken, &owner, id_token.as_bytes())
        })
    }

    /// Where a browser goes to sign `user` out at the provider; `None` if the provider has no such address, or does not
    /// answer. It leads back to our `/signed-out`. It holds personal data: not to be logged.
    pub(in crate::user_source) async fn logout_url(
        &self,
        oidc: &Oidc,
        user: &UserId,
        hint: Option<&Sealed>,
    ) -> Option<Url> {
        let metadata = self.library.metadata(&oidc.issuer).await.ok()?;
        let endpoint = metadata
            .additional_metadata()
            .end_session_endpoint
            .clone()?;
        let endpoint = EndSessionUrl::new(endpoint).ok()?;
        let secure = endpoint.url().scheme() == "https"
            || (endpoint.url().scheme() == "http" && metadata.issuer().url().scheme() == "http");
        if !secure {
            return None;
        }
        let back = self.urls.local(&LocalPath::signed_out());
        let mut request = LogoutRequest::from(endpoint)
            .set_client_id(ClientId::new(oidc.client_id.clone()))
            .set_post_logout_redirect_uri(PostLogoutRedirectUrl::from_url(back));
        let owner = ["browser_sessions", &user.key()];
        let opened = hint.and_then(|hint| self.sealer.open(Purpose::IdToken, &owner, hint).ok());
        let id_token = opened.and_then(|text| std::str::from_utf8(&text).ok()?.parse().ok());
        if let Some(id_token) = &id_token {
            let id_token: &IdToken = id_token;
            request = request.set_id_token_hint(id_token);
        }
        Some(request.http_get_url())
    }
}
