//! Who is at the browser? The one place that says, at both ends of the way: the user the flow is for, or nobody.

use axum::http::HeaderMap;

use super::{
    flow::Flow,
    pages::{ConnectPages, Stop},
};
use crate::{
    user_source::session::Browser,
    web::{failure::PageFailure, urls::LocalPath},
};

/// A flow at whose browser its own user is signed in: the proof that each step of it needs. Only [`ConnectPages::verify`]
/// makes one, and changes nothing doing so.
pub(super) struct Verified {
    flow: Flow,
    browser: Browser,
}

impl ConnectPages {
    /// Lets the flow's user pass. Whoever is not signed in is sent to do so, and comes back to the flow's page; anyone else is
    /// refused, and the flow is untouched.
    pub(super) async fn verify(&self, headers: &HeaderMap, flow: Flow) -> Result<Verified, Stop> {
        let browser = self.sessions.from_headers(headers).await;
        let browser = self.stored(browser, "reading a browser session")?;
        let source = flow.user.source();
        let here = browser.and_then(|browser| Some((browser.user(source)?.clone(), browser)));
        let Some((user, browser)) = here else {
            let back = LocalPath::connect(&flow.id);
            return Err(Stop::SeeOther(self.connect.urls.sign_in(source, &back)));
        };
        if user != flow.user {
            tracing::warn!(
                user = ?flow.user, other = ?user, flow = ?flow.id,
                "somebody else opened a user's link and was refused"
            );
            let failure = PageFailure::OtherPerson {
                person: browser.person(&self.connect.live.now(), &user),
                switch: browser.switch_form(source, &LocalPath::connect(&flow.id)),
            };
            return Err(failure.into());
        }
        Ok(Verified { flow, browser })
    }
}

impl Verified {
    pub(super) fn flow(&self) -> &Flow {
        &self.flow
    }

    pub(super) fn browser(&self) -> &Browser {
        &self.browser
    }
}
