//! Signing out: `/sign-out` and `/signed-out`. First here, where it always works; then at the provider that vouched.

use axum::{
    Form,
    extract::{State, rejection::FormRejection},
    http::{HeaderMap, StatusCode, header},
    response::{AppendHeaders, IntoResponse, Response},
};
use serde::Deserialize;
use url::Url;

use super::{
    session::Departure,
    sign_in::{SignIn, unread},
};
use crate::{
    base::id::UserSourceName,
    config::UserSourceKind,
    web::{
        csrf,
        failure::PageFailure,
        page::{self, SignedOutPage},
        urls::LocalPath,
    },
};

#[derive(Deserialize)]
pub(super) struct Leave {
    csrf: String,
    source: Option<UserSourceName>,
    return_to: Option<String>,
}

/// `POST /sign-out`: of one user source, or of all.
pub(super) async fn leave(
    State(state): State<SignIn>,
    headers: HeaderMap,
    form: Result<Form<Leave>, FormRejection>,
) -> Result<Response, PageFailure> {
    let Form(leave) = form.map_err(|refused| unread(&refused))?;
    csrf::check(&headers, &state.urls, csrf::Form::SignOut, &leave.csrf)?;
    let mut left = Departure::default();
    if let Some(browser) = state.browser(&headers).await? {
        let leaving = state.sessions.sign_out(&browser, leave.source.as_ref());
        left = leaving.await.map_err(|e| state.fault("signing out", &e))?;
    }
    let next = leave.return_to.as_deref().and_then(LocalPath::parse);
    let elsewhere = match (&leave.source, &next) {
        (Some(source), Some(next)) => state.someone_else(source, next),
        (_, Some(_)) => None,
        (_, None) => state.provider_logout(&left).await,
    };
    let cookie = left.cookie.map(|cookie| (header::SET_COOKIE, cookie));
    let answer = match elsewhere {
        Some(url) => page::leave(&url, "You are signed out here"),
        None => state.go(&next.unwrap_or_else(LocalPath::signed_out)),
    };
    Ok((AppendHeaders(cookie), answer).into_response())
}

/// `GET /signed-out`
pub(super) async fn left() -> Response {
    page::respond(StatusCode::OK, &SignedOutPage)
}

impl SignIn {
    /// Where "sign in as someone else" leads: a provider that remembers the one before has to ask anew.
    fn someone_else(&self, source: &UserSourceName, next: &LocalPath) -> Option<Url> {
        let config = self.live.now();
        let kind = &config.user_sources.get(source)?.kind;
        matches!(kind, UserSourceKind::Oidc(_))
            .then(|| self.urls.sign_in_as_someone_else(source, next))
    }

    /// Where the first of those who left signs out at their provider too.
    async fn provider_logout(&self, left: &Departure) -> Option<Url> {
        let config = self.live.now();
        for (user, id_token) in &left.users {
            let source = config.user_sources.get(user.source());
            if let Some(UserSourceKind::Oidc(oidc)) = source.map(|source| &source.kind) {
                let url = self.oidc.logout_url(oidc, user, id_token.as_ref()).await;
                if url.is_some() {
                    return url;
                }
            }
        }
        None
    }
}
