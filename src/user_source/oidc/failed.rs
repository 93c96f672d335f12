//! A provider signed nobody in: one line for the log, one count, and a page.

use super::{OidcError, begin::NotBegun};
use crate::{
    base::id::UserSourceName,
    config::UserSource,
    user_source::{
        counts::{self, Outcome},
        sign_in::SignIn,
    },
    web::{failure::PageFailure, urls::LocalPath},
};

impl SignIn {
    /// What whoever cannot begin is shown.
    pub(in crate::user_source) fn not_begun(
        &self,
        name: &UserSourceName,
        source: &UserSource,
        why: NotBegun,
        return_to: &LocalPath,
    ) -> PageFailure {
        match why {
            NotBegun::Wait(wait) => {
                counts::sign_in(name, Outcome::TooMany);
                tracing::warn!(source = %name, "sign-in refused: too many were begun");
                let retry_after = wait.as_secs() + 1;
                PageFailure::TooMany { retry_after }
            }
            NotBegun::Store(error) => self.fault("beginning a sign-in", &error).into(),
            NotBegun::Provider(error) => self.provider_failed(name, source, &error, return_to),
        }
    }

    /// Notes that a user source's provider signed nobody in; gives what is shown.
    pub(super) fn provider_failed(
        &self,
        name: &UserSourceName,
        source: &UserSource,
        error: &OidcError,
        return_to: &LocalPath,
    ) -> PageFailure {
        let reference = self.faults.reference();
        if error.is_denial() {
            counts::sign_in(name, Outcome::Refused);
            tracing::info!(source = %name, "nobody was signed in: {error}");
        } else {
            counts::sign_in(name, Outcome::Failed);
            counts::idp_failure(name, error.why());
            tracing::warn!(source = %name, reference, why = error.why(), "nobody was signed in: {error}");
        }
        PageFailure::SignIn {
            source: source.title.clone(),
            failure: error.shown(reference),
            again: Some(self.urls.sign_in(name, return_to).into()),
        }
    }
}
