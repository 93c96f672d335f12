//! What is counted of sign-ins, for whoever watches.

use metrics::counter;

use crate::base::id::UserSourceName;

/// How an attempt to sign in ended.
#[derive(Clone, Copy)]
pub(super) enum Outcome {
    /// Somebody is signed in.
    SignedIn,
    /// Somebody said no: we to a password, or the provider or the person to the sign-in.
    Refused,
    /// Too many attempts.
    TooMany,
    /// It broke on the way.
    Failed,
}

pub(super) fn sign_in(source: &UserSourceName, outcome: Outcome) {
    let outcome = match outcome {
        Outcome::SignedIn => "signed_in",
        Outcome::Refused => "refused",
        Outcome::TooMany => "too_many",
        Outcome::Failed => "failed",
    };
    counter!("anteroom_sign_ins_total", "user_source" => source.to_string(), "outcome" => outcome)
        .increment(1);
}

/// A user source's provider is at fault, or how it is configured.
pub(super) fn idp_failure(source: &UserSourceName, why: &'static str) {
    counter!("anteroom_idp_failures_total", "user_source" => source.to_string(), "why" => why)
        .increment(1);
}
