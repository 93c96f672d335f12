//! What each [`PageFailure`] says: what happened, and what to do next, in words for people who never heard of OAuth.

use axum::http::StatusCode;

use super::{
    csrf::Forged,
    failure::{LinkFailure, PageFailure, ProviderFailure},
    page::{Tone, waiting},
};

/// How a failure is answered.
pub(super) struct Words {
    pub status: StatusCode,
    pub tone: Tone,
    pub title: String,
    /// What happened.
    pub what: String,
    /// What to do now.
    pub next: String,
}

const AGAIN: &str =
    "Go back to your client and call the tool again. It will show you a fresh link.";
const TELL: &str = "If it happens again, give the people who run this gateway the reference below.";

impl Words {
    pub(super) fn new(
        status: StatusCode,
        tone: Tone,
        title: &str,
        [what, next]: [&str; 2],
    ) -> Self {
        Self {
            status,
            tone,
            title: title.to_owned(),
            what: what.to_owned(),
            next: next.to_owned(),
        }
    }

    /// The words for `failure`.
    pub(super) fn of(failure: &PageFailure) -> Self {
        match failure {
            PageFailure::NotFound => not_found(),
            PageFailure::Unreadable => unreadable(),
            PageFailure::TooLarge => too_large(),
            PageFailure::Link(failure) => of_a_link(*failure),
            PageFailure::OtherPerson { .. } => other_person(),
            PageFailure::Forged(forged) => of_a_form(*forged),
            PageFailure::Provider { provider, failure } => of_a_provider(provider, failure),
            PageFailure::Authorize(failure) => failure.words(),
            PageFailure::Connection(failure) => failure.words(),
            PageFailure::SignIn {
                source, failure, ..
            } => failure.words(source),
            PageFailure::SignInClosed { source } => sign_in_closed(source),
            PageFailure::TooMany { retry_after } => too_many(*retry_after),
            PageFailure::Busy => busy(),
            PageFailure::Fault(_) => fault(),
        }
    }
}

fn of_a_link(failure: LinkFailure) -> Words {
    let words = |status, title, what| Words::new(status, Tone::Warning, title, [what, AGAIN]);
    match failure {
        LinkFailure::Unknown => words(
            StatusCode::NOT_FOUND,
            "We do not know this link",
            "No request belongs to it. Perhaps a part of it was lost in copying, or it is an old one.",
        ),
        LinkFailure::Expired => words(
            StatusCode::GONE,
            "This link has expired",
            "Links like this are good for a few minutes only. Nothing was connected.",
        ),
        LinkFailure::Settling => Words::new(
            StatusCode::OK,
            Tone::Calm,
            "Almost done",
            [
                "Your account is being connected at this moment.",
                "Reload this page in a few seconds to see that it is done.",
            ],
        ),
        LinkFailure::Used => words(
            StatusCode::GONE,
            "This address works only once",
            "It was used before, or belongs to another browser. Opening it again changes nothing: an account that was connected stays connected.",
        ),
    }
}

fn of_a_form(forged: Forged) -> Words {
    let words = |title, text| Words::new(StatusCode::FORBIDDEN, Tone::Warning, title, text);
    match forged {
        Forged::OtherOrigin => words(
            "This did not come from our own page",
            [
                "Another site sent this request in your name, or you reached this gateway under another address than its own. Nothing was done.",
                "If you did not mean to do anything here, just close this page. Otherwise open the link from your client again.",
            ],
        ),
        Forged::NoKey => words(
            "Your browser sent no cookie",
            [
                "This site needs one cookie to know that it is still you. Your browser blocks it, or it was deleted meanwhile. Nothing was done.",
                "Allow cookies for this site, go back, reload the page and try again.",
            ],
        ),
        Forged::WrongToken => words(
            "That page was out of date",
            [
                "You signed in or out after it was opened, perhaps in another tab. Nothing was done.",
                "Go back, reload the page and try again.",
            ],
        ),
    }
}

fn of_a_provider(provider: &str, failure: &ProviderFailure) -> Words {
    match failure {
        ProviderFailure::Cancelled => not_connected(provider, "You cancelled."),
        ProviderFailure::Denied => not_connected(
            provider,
            &format!("The request was declined at {provider}."),
        ),
        ProviderFailure::OtherPerson => Words::new(
            StatusCode::FORBIDDEN,
            Tone::Warning,
            "This link is for someone else",
            [
                &format!(
                    "You were signed in as another person than the one it was made for, so {provider} was not connected. Nothing was kept."
                ),
                "If someone sent you this link, close this page. If it is yours, sign in to the application as the user it was made for, and begin there again.",
            ],
        ),
        ProviderFailure::Interrupted => Words::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Tone::Warning,
            &format!("{provider} was not connected"),
            [
                "You did everything right, but this gateway was restarted in the middle of it. Nothing was connected.",
                AGAIN,
            ],
        ),
        ProviderFailure::TooMany => Words::new(
            StatusCode::CONFLICT,
            Tone::Warning,
            &format!("You have too many {provider} accounts here"),
            [
                "No more of them can be connected, and this one was not. Those you have are as they were.",
                "Disconnect one that you do not need on the page of your connections. Then go back to your client and call the tool again.",
            ],
        ),
        ProviderFailure::Error { code, .. } => provider_error(provider, code.as_deref()),
        ProviderFailure::Silent { .. } => Words::new(
            StatusCode::BAD_GATEWAY,
            Tone::Warning,
            &format!("{provider} does not answer"),
            [
                &format!(
                    "You agreed, but {provider} could not be reached to finish. Nothing was connected."
                ),
                &format!(
                    "Wait a little. Then go back to your client and call the tool again. {TELL}"
                ),
            ],
        ),
        ProviderFailure::TokenRefused { .. } => Words::new(
            StatusCode::BAD_GATEWAY,
            Tone::Trouble,
            &format!("{provider} is not set up right here"),
            [
                &format!(
                    "You did everything right, but {provider} does not accept this gateway. Nothing was connected."
                ),
                "Trying again will not help. Give the people who run this gateway the reference below; once they have fixed it, call the tool again in your client.",
            ],
        ),
    }
}

fn not_connected(provider: &str, why: &str) -> Words {
    Words::new(
        StatusCode::OK,
        Tone::Calm,
        &format!("{provider} was not connected"),
        [
            &format!("{why} Nothing was shared."),
            "You can close this window. Should you change your mind, call the tool again in your client.",
        ],
    )
}

fn provider_error(provider: &str, code: Option<&str>) -> Words {
    let what = match code {
        Some(code) => format!("{provider} answered with the error “{code}”."),
        None => format!("{provider} sent an answer that makes no sense."),
    };
    Words::new(
        StatusCode::BAD_GATEWAY,
        Tone::Trouble,
        &format!("{provider} could not connect you"),
        [
            &format!("{what} Nothing was connected."),
            &format!("{AGAIN} {TELL}"),
        ],
    )
}

fn not_found() -> Words {
    Words::new(
        StatusCode::NOT_FOUND,
        Tone::Warning,
        "Page not found",
        [
            "There is nothing at this address.",
            "Check that it is whole. If a client gave it to you, call the tool there again.",
        ],
    )
}

fn unreadable() -> Words {
    Words::new(
        StatusCode::BAD_REQUEST,
        Tone::Warning,
        "We could not read that",
        [
            "What your browser sent was incomplete. Nothing was done.",
            "Go back, reload the page and try again.",
        ],
    )
}

fn too_large() -> Words {
    Words::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        Tone::Warning,
        "That was too much",
        [
            "Your browser sent more than any form here holds. Nothing was done.",
            "Go back, shorten what you typed and try again.",
        ],
    )
}

fn other_person() -> Words {
    Words::new(
        StatusCode::FORBIDDEN,
        Tone::Warning,
        "This link is for someone else",
        [
            "It was made for another person than the one signed in here, and only that person can use it. Nothing was done.",
            "If someone sent you this link, close this page. If it is yours, sign in as the user your client works for.",
        ],
    )
}

fn sign_in_closed(source: &str) -> Words {
    Words::new(
        StatusCode::FORBIDDEN,
        Tone::Warning,
        "Sign-in is closed",
        [
            &format!("At present nobody can sign in with {source}."),
            "Ask the people who run this gateway.",
        ],
    )
}

fn too_many(seconds: u64) -> Words {
    Words::new(
        StatusCode::TOO_MANY_REQUESTS,
        Tone::Warning,
        "Too many attempts",
        [
            "There were more attempts than a person makes.",
            &format!("Wait {}, then try again.", waiting(&seconds)),
        ],
    )
}

fn busy() -> Words {
    Words::new(
        StatusCode::SERVICE_UNAVAILABLE,
        Tone::Warning,
        "Too busy just now",
        [
            "More people are signing in than we can serve at once. Nothing is lost.",
            "Wait a few seconds, then try again.",
        ],
    )
}

fn fault() -> Words {
    Words::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        Tone::Trouble,
        "Something went wrong on our side",
        [
            "It is not your doing, and it has been noted.",
            &format!("Try again in a moment. {TELL}"),
        ],
    )
}
