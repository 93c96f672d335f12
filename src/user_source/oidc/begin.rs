//! The first half of a sign-in: the browser is sent to the provider (OpenID Connect Core §3.1.2.1), and what has to be
//! remembered until it is back.

use std::net::IpAddr;

use openidconnect::{
    AuthenticationFlow, CsrfToken, Nonce, PkceCodeChallenge, PkceCodeVerifier, Scope,
    core::{CoreAuthPrompt, CoreJsonWebKeySet, CoreResponseType},
};
use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::Zeroizing;

use super::{OidcError, OidcProviders, client};
use crate::{
    base::{
        clock::{Span, Timestamp},
        id::UserSourceName,
        seal::{OpenError, Purpose, Sealed, Sealer},
        secret::TokenHash,
    },
    config::Oidc,
    store::StoreError,
    web::{cookie::BrowserKey, urls::LocalPath},
};

/// So long a person may take at the provider.
const LIFETIME: Span = Span::from_mins(10);

/// A sign-in that somebody is about to begin.
#[derive(Clone, Copy)]
pub(in crate::user_source) struct Beginning<'a> {
    /// At which user source.
    pub source: &'a UserSourceName,
    /// Its configuration.
    pub oidc: &'a Oidc,
    /// In which browser.
    pub browser: &'a BrowserKey,
    /// From where.
    pub from: IpAddr,
    /// Where to go on afterwards.
    pub return_to: &'a LocalPath,
    /// Whether the provider is to ask who it is, even if it knows this browser.
    pub someone_else: bool,
}

/// Why nobody was sent to the provider.
pub(in crate::user_source) enum NotBegun {
    /// Too many sign-ins were begun from this address.
    Wait(std::time::Duration),
    /// The provider is at fault.
    Provider(OidcError),
    /// The store is.
    Store(StoreError),
}

/// What waits for a `state`, under its hash.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Pending {
    pub source: UserSourceName,
    pub return_to: String,
    /// At whom and as whom: when either changed meanwhile, nobody waits for the answer any more.
    pub issuer: String,
    pub client_id: String,
    pub browser: TokenHash,
    secrets: Sealed,
}

/// What only the answer's own sign-in may use.
pub(super) struct Secrets {
    pub nonce: Nonce,
    pub verifier: PkceCodeVerifier,
}

impl Pending {
    /// The nonce and the PKCE verifier of the sign-in with this state.
    pub(super) fn secrets(&self, state: TokenHash, sealer: &Sealer) -> Result<Secrets, OpenError> {
        let owner = ["sign_ins", &state.to_hex()];
        let opened = sealer.open(Purpose::SignIn, &owner, &self.secrets)?;
        let text = std::str::from_utf8(&opened).map_err(|_| OpenError::Malformed)?;
        let (nonce, verifier) = text.split_once('.').ok_or(OpenError::Malformed)?;
        Ok(Secrets {
            nonce: Nonce::new(nonce.to_owned()),
            verifier: PkceCodeVerifier::new(verifier.to_owned()),
        })
    }
}

impl OidcProviders {
    /// Where to send the browser.
    pub(in crate::user_source) async fn begin(
        &self,
        beginning: Beginning<'_>,
    ) -> Result<Url, NotBegun> {
        let wait = self.wait_for(beginning.from).await;
        if let Some(wait) = wait.map_err(NotBegun::Store)? {
            return Err(NotBegun::Wait(wait));
        }
        let oidc = beginning.oidc;
        let metadata = self.library.metadata(&oidc.issuer).await;
        let metadata = metadata.map_err(NotBegun::Provider)?;
        let (state, nonce, verifier) = (
            self.entropy.token(),
            self.entropy.token(),
            self.entropy.token(),
        );
        let hash = TokenHash::of(&state);
        let secrets = Zeroizing::new(format!("{nonce}.{verifier}"));
        let pending = Pending {
            source: beginning.source.clone(),
            return_to: beginning.return_to.to_string(),
            issuer: oidc.issuer.clone(),
            client_id: oidc.client_id.clone(),
            browser: beginning.browser.hash(),
            secrets: self.sealer.seal(
                Purpose::SignIn,
                &["sign_ins", &hash.to_hex()],
                secrets.as_bytes(),
            ),
        };
        let now = self.clock.now();
        let expires = now.saturating_add(LIFETIME).unwrap_or(Timestamp::MAX);
        self.pending
            .create(&hash.to_hex(), &pending, Some(expires))
            .await
            .map_err(NotBegun::Store)?;
        let client = client::of(&metadata, oidc, &self.urls, CoreJsonWebKeySet::default());
        let verifier = PkceCodeVerifier::new(verifier);
        let (state, nonce) = (CsrfToken::new(state), Nonce::new(nonce));
        let scopes = oidc.scopes.iter().filter(|scope| *scope != "openid");
        let mut request = client
            .authorize_url(
                AuthenticationFlow::<CoreResponseType>::AuthorizationCode,
                move || state,
                move || nonce,
            )
            .add_scopes(scopes.map(|scope| Scope::new(scope.to_owned())))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        if beginning.someone_else {
            request = request.add_prompt(CoreAuthPrompt::Login);
        }
        let (url, ..) = request.url();
        Ok(url)
    }
}
