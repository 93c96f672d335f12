//! A button of the page that was pressed: the one way to a change.

use axum::{
    Form,
    extract::{FromRequest, FromRequestParts, Path, Request, rejection::FormRejection},
    http::StatusCode,
};
use serde::{Deserialize, de::DeserializeOwned};

use super::{ConnectionsPages, Stop, Visitor};
use crate::{
    base::id::{ConnectionId, ProviderName, UserSourceName},
    web::{csrf, failure::PageFailure, urls::LocalPath},
};

/// The proof that a signed-in user sent a form of ours, what it is about, and what was filled in.
pub(super) struct Posted<P, F = Nothing> {
    pub visitor: Visitor,
    pub place: P,
    pub form: F,
}

/// Which connection an address names.
pub(super) type Place = (UserSourceName, ProviderName, ConnectionId);

/// What the address of a change names: always the user source of whoever may make it.
pub(super) trait OfSource {
    fn source(&self) -> &UserSourceName;
}

impl<T> OfSource for (UserSourceName, T) {
    fn source(&self) -> &UserSourceName {
        &self.0
    }
}

impl OfSource for Place {
    fn source(&self) -> &UserSourceName {
        &self.0
    }
}

/// The form of a change that needs no words.
#[derive(Deserialize)]
pub(super) struct Nothing {}

#[derive(Deserialize)]
struct Signed<F> {
    csrf: String,
    #[serde(flatten)]
    fields: F,
}

impl<P, F> FromRequest<ConnectionsPages> for Posted<P, F>
where
    P: DeserializeOwned + OfSource + Send + Sync,
    F: DeserializeOwned + Send,
{
    type Rejection = Stop;

    async fn from_request(request: Request, pages: &ConnectionsPages) -> Result<Self, Stop> {
        let (mut parts, body) = request.into_parts();
        let place = Path::<P>::from_request_parts(&mut parts, pages).await;
        let Path(place) = place.map_err(|_| PageFailure::NotFound)?;
        let (headers, uri) = (parts.headers.clone(), parts.uri.clone());
        let request = Request::from_parts(parts, body);
        let form = Form::<Signed<F>>::from_request(request, pages).await;
        let Form(form) = form.map_err(|refused| unread(&refused))?;
        let back = LocalPath::connections();
        let visitor = pages.visitor(&headers, place.source(), &back).await?;
        let expected = csrf::Form::Connections(uri.path());
        csrf::check(&headers, &pages.0.urls, expected, &form.csrf).inspect_err(|forged| {
            tracing::warn!(user = ?visitor.user, "a change of connections was refused: {forged}");
        })?;
        Ok(Self {
            visitor,
            place,
            form: form.fields,
        })
    }
}

fn unread(refused: &FormRejection) -> Stop {
    if refused.status() == StatusCode::PAYLOAD_TOO_LARGE {
        PageFailure::TooLarge.into()
    } else {
        PageFailure::Unreadable.into()
    }
}
