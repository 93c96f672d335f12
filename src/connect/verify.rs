//! Who is at the browser? The one place that says, at both ends of the way: the user the flow is for, or nobody. Where an
//! application vouches for its users, nobody signs in with us: then it says only that it is the same browser at both ends.

use axum::http::{HeaderMap, HeaderValue};

use super::{
    flow::{Flow, Verification},
    pages::{ConnectPages, Stop},
};
use crate::{
    base::secret::TokenHash,
    config::Config,
    user_source::session::Browser,
    web::{
        cookie::BrowserKey,
        csrf,
        failure::PageFailure,
        page::{Person, SwitchForm},
        urls::{LocalPath, Urls},
    },
};

/// A flow at whose browser its next step may be taken: the proof that each step of it needs. Only [`ConnectPages::verify`]
/// makes one, and changes nothing doing so.
pub(super) struct Verified {
    flow: Flow,
    browser: AtBrowser,
}

enum AtBrowser {
    /// The flow's user, signed in.
    Them(Browser),
    /// Somebody. The application is asked who, later.
    Somebody {
        key: BrowserKey,
        /// It had none that it sent.
        fresh: bool,
    },
}

impl ConnectPages {
    /// Lets the flow's user pass. Whoever is not signed in is sent to do so, and comes back to the flow's page; anyone else is
    /// refused, and the flow is untouched. Of a flow that an application verifies, anybody passes.
    pub(super) async fn verify(&self, headers: &HeaderMap, flow: Flow) -> Result<Verified, Stop> {
        match flow.verification {
            Verification::AtBrowser => self.signed_in(headers, flow).await,
            Verification::ByApp | Verification::ByLink { .. } => {
                let sent = BrowserKey::of(headers, &self.connect.urls);
                let browser = AtBrowser::Somebody {
                    fresh: sent.is_none(),
                    key: sent.unwrap_or_else(|| BrowserKey::fresh(&*self.connect.entropy)),
                };
                Ok(Verified { flow, browser })
            }
        }
    }

    async fn signed_in(&self, headers: &HeaderMap, flow: Flow) -> Result<Verified, Stop> {
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
            self.connect.tell_mismatch(&flow, &user).await;
            let failure = PageFailure::OtherPerson {
                person: browser.person(&self.connect.live.now(), &user),
                switch: browser.switch_form(source, &LocalPath::connect(&flow.id)),
            };
            return Err(failure.into());
        }
        let browser = AtBrowser::Them(browser);
        Ok(Verified { flow, browser })
    }
}

impl Verified {
    pub(super) fn flow(&self) -> &Flow {
        &self.flow
    }

    pub(super) fn into_flow(self) -> Flow {
        self.flow
    }

    /// What a store may keep of the browser's key: for binding other records to this browser.
    pub(super) fn browser(&self) -> TokenHash {
        match &self.browser {
            AtBrowser::Them(browser) => browser.id(),
            AtBrowser::Somebody { key, .. } => key.hash(),
        }
    }

    /// The flow's user as pages show them, if they are signed in here.
    pub(super) fn person(&self, config: &Config) -> Option<Person> {
        match &self.browser {
            AtBrowser::Them(browser) => Some(browser.person(config, &self.flow.user)),
            AtBrowser::Somebody { .. } => None,
        }
    }

    /// "Not you?", if somebody is signed in here.
    pub(super) fn switch_form(&self) -> Option<SwitchForm> {
        match &self.browser {
            AtBrowser::Them(browser) => {
                let here = LocalPath::connect(&self.flow.id);
                Some(browser.switch_form(self.flow.user.source(), &here))
            }
            AtBrowser::Somebody { .. } => None,
        }
    }

    /// The token for a form shown to this browser.
    pub(super) fn form_token(&self, form: csrf::Form<'_>) -> String {
        match &self.browser {
            AtBrowser::Them(browser) => browser.form_token(form),
            AtBrowser::Somebody { key, .. } => csrf::token(key, form),
        }
    }

    /// The `Set-Cookie` header for a browser that has no key yet.
    pub(super) fn cookie(&self, urls: &Urls) -> Option<HeaderValue> {
        match &self.browser {
            AtBrowser::Somebody { key, fresh: true } => Some(key.set(urls)),
            AtBrowser::Somebody { fresh: false, .. } | AtBrowser::Them(_) => None,
        }
    }
}
