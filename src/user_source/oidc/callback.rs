//! `GET /oauth2/intermediate_callback`: the browser is back from a user source's provider.
//!
//! In this order, and each only if the one before went well: the state record is taken, once for all; it was given out to this
//! browser; its user source is still configured so; the provider we sent the browser to is the one that answers (RFC 9207).
//! Only then is the answer looked at. A refusal leaves whoever is signed in as they are.

use axum::{
    extract::{RawQuery, State},
    http::{HeaderMap, header},
    response::{AppendHeaders, IntoResponse, Response},
};

use super::{OidcError, begin::Pending, subject};
use crate::{
    base::{
        id::UserId,
        secret::{ExposeSecret, TokenHash},
    },
    config::{Oidc, UserSource, UserSourceKind},
    protocol::oauth::authorization_response::{Answer, AuthorizationResponse, check_issuer},
    user_source::{
        Proof,
        session::Arrival,
        sign_in::{SignIn, open_source},
    },
    web::{
        cookie::BrowserKey, failure::PageFailure, sign_in_failure::SignInFailure, urls::LocalPath,
    },
};

/// The page.
pub(in crate::user_source) async fn receive(
    State(door): State<SignIn>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, PageFailure> {
    let response = AuthorizationResponse::parse(query.as_deref().unwrap_or_default())
        .map_err(|error| not_expected(&error))?;
    let state = TokenHash::of(response.state.expose_secret());
    let taken = door.oidc.pending.take(&state.to_hex()).await;
    let taken = taken.map_err(|error| door.faults.note("taking a state", &error))?;
    let Some(pending) = taken else {
        return Err(not_expected(
            &"nobody waits for its state: made up, used or expired",
        ));
    };
    let return_to = LocalPath::parse(&pending.return_to).unwrap_or_else(LocalPath::home);
    let here = BrowserKey::of(&headers, &door.urls);
    if here.is_none_or(|key| key.hash() != pending.browser) {
        // Two tabs of one browser: the first to come back has signed both in, and changed the key.
        let browser = door.browser(&headers).await?;
        if browser.is_some_and(|browser| browser.user(&pending.source).is_some()) {
            return Ok(door.go(&return_to));
        }
        return Err(not_expected(
            &"it came to another browser, or a sign-in ago",
        ));
    }
    let config = door.live.now();
    let (_, source) = open_source(&config, pending.source.as_str())?;
    let UserSourceKind::Oidc(oidc) = &source.kind else {
        return Err(not_expected(&"the user source is another now"));
    };
    if oidc.issuer != pending.issuer || oidc.client_id != pending.client_id {
        return Err(not_expected(&"the user source is configured otherwise now"));
    }
    let settling = Settling {
        door: &door,
        source,
        oidc,
        pending: &pending,
        state,
        return_to: &return_to,
    };
    settling.settle(response, &headers).await
}

/// An answer that may be acted upon.
struct Settling<'a> {
    door: &'a SignIn,
    source: &'a UserSource,
    oidc: &'a Oidc,
    pending: &'a Pending,
    state: TokenHash,
    return_to: &'a LocalPath,
}

impl Settling<'_> {
    async fn settle(
        &self,
        response: AuthorizationResponse,
        headers: &HeaderMap,
    ) -> Result<Response, PageFailure> {
        let door = self.door;
        let secrets = self.pending.secrets(self.state, &door.oidc.sealer);
        let secrets =
            secrets.map_err(|error| door.faults.note("opening what a sign-in needs", &error))?;
        let metadata = self.good(door.oidc.library.metadata(&self.oidc.issuer).await)?;
        let more = metadata.additional_metadata();
        let required = more.authorization_response_iss_parameter_supported == Some(true);
        let checked = check_issuer(
            Some(&self.oidc.issuer),
            required,
            response.issuer.as_deref(),
        );
        self.good(checked.map_err(OidcError::from))?;
        let code = self.good(match response.answer {
            Answer::Code(code) => Ok(code),
            Answer::Error(code) => Err(OidcError::Answer(Some(code))),
            Answer::Nothing => Err(OidcError::Answer(None)),
        })?;
        let said = door.oidc.redeem(self.oidc, &metadata, &code, secrets);
        let said = self.good(said.await)?;
        let subject = self.good(subject::subject(self.oidc, &said.claims))?;
        let user = UserId::new(self.pending.source.clone(), subject);
        let arrival = Arrival {
            proof: Proof::by_oidc(self.oidc),
            person: Some(subject::person(user.subject(), &said.claims)),
            id_token: door.oidc.hint(&user, &said.id_token),
            user: user.clone(),
        };
        let learnt = door
            .oidc
            .profiles
            .replace(&user, subject::claims(said.claims));
        let learnt = learnt.await;
        learnt.map_err(|error| door.faults.note("keeping a user's claims", &error))?;
        let cookie = door.remember(headers, arrival).await?;
        let cookie = AppendHeaders([(header::SET_COOKIE, cookie)]);
        Ok((cookie, door.go(self.return_to)).into_response())
    }

    fn good<T>(&self, result: Result<T, OidcError>) -> Result<T, PageFailure> {
        result.map_err(|error| {
            let (door, source) = (self.door, &self.pending.source);
            door.provider_failed(source, self.source, &error, self.return_to)
        })
    }
}

fn not_expected(why: &dyn std::fmt::Display) -> PageFailure {
    tracing::warn!("the answer to a sign-in was refused: {why}");
    PageFailure::SignIn {
        source: String::new(),
        failure: SignInFailure::NotExpected,
        again: None,
    }
}
