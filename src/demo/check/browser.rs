//! A small browser: cookies, forms, redirects, and the three rules of real browsers that break sign-in flows unnoticed.
//!
//! It sends `Origin` and `Sec-Fetch-Site` as browsers do (`Origin: null` from pages with `Referrer-Policy: no-referrer`), it
//! holds a page's `form-action` over every redirect of a submission as Chromium does, and its cookies do not know ports.

use std::{net::SocketAddr, time::Duration};

use cookie::Cookie;
use reqwest::{
    Method, RequestBuilder, StatusCode,
    header::{self, HeaderMap},
    redirect,
};
use url::Url;

use super::html::{self, Button, Form};

const MOST_REDIRECTS: usize = 10;

/// One person's browser.
#[derive(Debug)]
pub struct Browser {
    http: reqwest::Client,
    jar: Vec<(String, Cookie<'static>)>,
}

/// A page that is shown.
#[derive(Clone, Debug)]
pub struct Page {
    /// What the address bar says.
    pub url: Url,
    /// The status it came with.
    pub status: StatusCode,
    /// Its forms in order.
    pub forms: Vec<Form>,
    /// Its words.
    pub words: String,
    /// As it came.
    pub html: String,
    headers: HeaderMap,
}

/// Why the browser shows no page.
#[derive(Debug, thiserror::Error)]
pub enum BrowserError {
    /// Nobody answered.
    #[error("no answer from {0}")]
    Silent(String, #[source] reqwest::Error),
    /// An address that cannot be followed.
    #[error("a redirect or form leads to an address that cannot be read: {0}")]
    Address(#[from] url::ParseError),
    /// Round and round.
    #[error("more than {MOST_REDIRECTS} redirects, the last one from {0}")]
    Redirects(String),
    /// The page's policy does not let its form lead there; a real browser would stop silently.
    #[error("the page's Content-Security-Policy ({policy}) forbids its form to lead to {target}")]
    FormAction {
        /// The `form-action` directive.
        policy: String,
        /// The origin it led to.
        target: String,
    },
    /// The page is not the one that was expected.
    #[error("no button `{button}` on the page at {path}, which says: {words}")]
    NoButton {
        /// The words looked for.
        button: String,
        /// Where we are (no query: it may hold secrets).
        path: String,
        /// What the page says.
        words: String,
    },
}

impl Browser {
    /// A browser that has been nowhere yet.
    pub fn new() -> Self {
        // `localhost` is this machine, whatever the machine's files say; port 0 keeps the port of each address.
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let http = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .resolve("localhost", loopback)
            .timeout(Duration::from_secs(30))
            .build()
            .expect("a client without proxies and own certificates can be built");
        Self {
            http,
            jar: Vec::new(),
        }
    }

    /// Opens an address that came from outside, such as a link in a chat.
    pub async fn open(&mut self, address: &Url) -> Result<Page, BrowserError> {
        self.go(Method::GET, address.clone(), None, None).await
    }

    /// Fills in the form that has the button with these words, and presses it.
    pub async fn press(
        &mut self,
        page: &Page,
        button: &str,
        fill: &[(&str, &str)],
    ) -> Result<Page, BrowserError> {
        let (form, pressed) = page.find(button)?;
        let mut fields = form.fields.clone();
        for (name, value) in fields.iter_mut() {
            if let Some((_, given)) = fill.iter().find(|(wanted, _)| wanted == name) {
                *value = (*given).to_owned();
            }
        }
        fields.extend(pressed.field.clone());
        let mut target = page.url.join(&form.action)?;
        if form.post {
            self.go(Method::POST, target, Some(&fields), Some(page))
                .await
        } else {
            target.query_pairs_mut().clear().extend_pairs(&fields);
            self.go(Method::GET, target, None, Some(page)).await
        }
    }

    async fn go(
        &mut self,
        mut method: Method,
        mut url: Url,
        mut form: Option<&[(String, String)]>,
        mut from: Option<&Page>,
    ) -> Result<Page, BrowserError> {
        let mut site = site(from.map(|page| &page.url), &url);
        for _ in 0..MOST_REDIRECTS {
            if let Some(page) = from {
                page.may_lead_to(&url)?;
            }
            let mut request = self.request(method.clone(), &url, site);
            if let (Some(fields), Some(page)) = (form, from) {
                request = request.header(header::ORIGIN, page.origin()).form(fields);
            }
            let response = request
                .send()
                .await
                .map_err(|error| BrowserError::Silent(at(&url), error.without_url()))?;
            self.remember(&url, response.headers());
            match next(&url, &response)? {
                None => match refresh(&url, &response)? {
                    // A page that goes on by itself: nobody's form leads there any more.
                    Some(target) => (method, form, from, url) = (Method::GET, None, None, target),
                    None => return show(url, response).await,
                },
                Some(target) => {
                    // A redirect chain that once left its site stays cross-site.
                    if site != "none" && target.origin() != url.origin() {
                        site = "cross-site";
                    }
                    (method, form, url) = (Method::GET, None, target);
                }
            }
        }
        Err(BrowserError::Redirects(at(&url)))
    }

    fn request(&self, method: Method, url: &Url, site: &str) -> RequestBuilder {
        let request = self
            .http
            .request(method, url.clone())
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document")
            .header("sec-fetch-site", site)
            .header(header::ACCEPT, "text/html,*/*;q=0.8");
        match self.cookies(url) {
            Some(cookies) => request.header(header::COOKIE, cookies),
            None => request,
        }
    }

    fn cookies(&self, url: &Url) -> Option<String> {
        let host = url.host_str()?;
        let fits = |cookie: &Cookie<'_>| {
            url.path().starts_with(cookie.path().unwrap_or("/"))
                && (url.scheme() == "https" || cookie.secure() != Some(true))
        };
        let cookies: Vec<_> = self
            .jar
            .iter()
            .filter(|(set_by, cookie)| set_by == host && fits(cookie))
            .map(|(_, cookie)| cookie.stripped().to_string())
            .collect();
        (!cookies.is_empty()).then(|| cookies.join("; "))
    }

    fn remember(&mut self, url: &Url, headers: &HeaderMap) {
        let host = url.host_str().unwrap_or_default();
        for value in headers.get_all(header::SET_COOKIE) {
            let Some(cookie) = value
                .to_str()
                .ok()
                .and_then(|text| Cookie::parse(text).ok())
            else {
                continue;
            };
            self.jar
                .retain(|(set_by, old)| !(set_by == host && old.name() == cookie.name()));
            let gone = cookie.max_age().is_some_and(|age| !age.is_positive());
            if !gone {
                self.jar.push((host.to_owned(), cookie.into_owned()));
            }
        }
    }
}

impl Default for Browser {
    fn default() -> Self {
        Self::new()
    }
}

impl Page {
    fn find(&self, button: &str) -> Result<(&Form, &Button), BrowserError> {
        let found = self.forms.iter().find_map(|form| {
            let pressed = form.buttons.iter().find(|b| b.words.contains(button))?;
            Some((form, pressed))
        });
        found.ok_or_else(|| BrowserError::NoButton {
            button: button.to_owned(),
            path: at(&self.url),
            words: self.words.clone(),
        })
    }

    /// Whether a form of this page could be sent with this button.
    pub fn has_button(&self, button: &str) -> bool {
        self.find(button).is_ok()
    }

    /// Whether somebody is to sign in here.
    pub fn asks_for_a_password(&self) -> bool {
        let mut fields = self.forms.iter().flat_map(|form| &form.fields);
        fields.any(|(name, _)| name == "password")
    }

    /// What browsers send as `Origin` of a form of this page (Fetch, "append a request `Origin` header").
    fn origin(&self) -> String {
        match self.headers.get(header::REFERRER_POLICY) {
            Some(policy) if policy == "no-referrer" => "null".to_owned(),
            Some(_) | None => self.url.origin().ascii_serialization(),
        }
    }

    /// CSP3 §6.4.2 `form-action`, which Chromium applies to redirects too.
    fn may_lead_to(&self, target: &Url) -> Result<(), BrowserError> {
        let directive = self
            .headers
            .get_all(header::CONTENT_SECURITY_POLICY)
            .iter()
            .filter_map(|policy| policy.to_str().ok())
            .flat_map(|policy| policy.split(';'))
            .find_map(|directive| directive.trim().strip_prefix("form-action"));
        let origin = target.origin().ascii_serialization();
        let allows = |source: &str| match source {
            "'self'" => target.origin() == self.url.origin(),
            "*" => true,
            source if source.ends_with(':') => source == format!("{}:", target.scheme()),
            source => source.trim_end_matches('/') == origin,
        };
        match directive {
            Some(sources) if !sources.split_whitespace().any(allows) => {
                Err(BrowserError::FormAction {
                    policy: sources.trim().to_owned(),
                    target: origin,
                })
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// `Sec-Fetch-Site`. Ports do not part sites; hosts do here, for nobody has subdomains.
fn site(from: Option<&Url>, to: &Url) -> &'static str {
    match from {
        None => "none",
        Some(from) if from.origin() == to.origin() => "same-origin",
        Some(from) if from.scheme() == to.scheme() && from.host() == to.host() => "same-site",
        Some(_) => "cross-site",
    }
}

fn next(url: &Url, response: &reqwest::Response) -> Result<Option<Url>, BrowserError> {
    if !response.status().is_redirection() {
        return Ok(None);
    }
    let location = response.headers().get(header::LOCATION);
    match location.and_then(|value| value.to_str().ok()) {
        Some(location) => Ok(Some(url.join(location)?)),
        None => Ok(None),
    }
}

/// Where a page sends a browser at once (HTML §4.2.4.3, `Refresh`).
fn refresh(url: &Url, response: &reqwest::Response) -> Result<Option<Url>, BrowserError> {
    let refresh = response.headers().get(header::REFRESH);
    let target = refresh
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("0; url="));
    Ok(target.map(|target| url.join(target)).transpose()?)
}

async fn show(url: Url, response: reqwest::Response) -> Result<Page, BrowserError> {
    let (status, headers) = (response.status(), response.headers().clone());
    let html = response
        .text()
        .await
        .map_err(|error| BrowserError::Silent(at(&url), error.without_url()))?;
    let (forms, words) = html::read(&html);
    Ok(Page {
        url,
        status,
        forms,
        words,
        html,
        headers,
    })
}

/// Where, without the query: it may hold a code or a state.
fn at(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}
