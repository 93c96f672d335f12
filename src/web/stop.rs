//! How a page ends that is not what was asked for.

use axum::{
    http::header,
    response::{IntoResponse, Redirect, Response},
};
use url::Url;

use super::failure::PageFailure;

/// Why a page goes no further.
pub enum Stop {
    /// Somewhere else first.
    SeeOther(Url),
    /// Nowhere; it says why.
    Page(Box<PageFailure>),
}

/// 303: whatever the request was, the next one is a GET (RFC 9110 §15.4.4).
pub fn see_other(url: &Url) -> Response {
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    (no_store, Redirect::to(url.as_str())).into_response()
}

impl IntoResponse for Stop {
    fn into_response(self) -> Response {
        match self {
            Self::SeeOther(url) => see_other(&url),
            Self::Page(failure) => failure.into_response(),
        }
    }
}

impl<T: Into<PageFailure>> From<T> for Stop {
    fn from(failure: T) -> Self {
        Self::Page(Box::new(failure.into()))
    }
}
