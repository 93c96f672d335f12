//! A browser: a cookie jar, redirects followed one at a time, forms filled in as they stand on the page.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::http::{HeaderMap, Method, StatusCode, header};
use cookie::Cookie;
use url::Url;

/// A person's browser. Clones share the cookies: they are tabs.
#[derive(Clone)]
pub struct Browser {
    http: reqwest::Client,
    /// By host and name: cookies know no ports.
    jar: Arc<Mutex<BTreeMap<(String, String), String>>>,
}

/// What a browser shows, or is told to do next.
#[derive(Debug)]
pub struct Page {
    pub url: Url,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
    /// The addresses that led here, the first one first, this one last.
    pub trail: Vec<Url>,
}

/// A form as it stands on a page, with its button pressed.
#[derive(Clone, Debug)]
pub struct Form {
    pub action: Url,
    pub fields: Vec<(String, String)>,
    page: Url,
}

impl Browser {
    /// One that has never been anywhere.
    pub fn new() -> Self {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self {
            http,
            jar: Arc::default(),
        }
    }

    /// One request, no redirect followed.
    pub async fn get(&self, url: impl AsRef<str>) -> Page {
        self.request(Method::GET, url.as_ref(), None, &[]).await
    }

    /// One request with another method than a link has.
    pub async fn head(&self, url: impl AsRef<str>) -> Page {
        self.request(Method::HEAD, url.as_ref(), None, &[]).await
    }

    /// Opens an address and follows wherever it leads.
    pub async fn open(&self, url: impl AsRef<str>) -> Page {
        let page = self.get(url).await;
        self.follow(page).await
    }

    /// Presses a button, without following the answer.
    pub async fn press(&self, form: &Form) -> Page {
        let origin = form.page.origin().ascii_serialization();
        let same = form.page.origin() == form.action.origin();
        let site = if same { "same-origin" } else { "cross-site" };
        self.post(form, &[("origin", &origin), ("sec-fetch-site", site)])
            .await
    }

    /// Presses a button and follows wherever it leads.
    pub async fn submit(&self, form: &Form) -> Page {
        let page = self.press(form).await;
        self.follow(page).await
    }

    /// Sends a form with these headers instead of a browser's own.
    pub async fn post(&self, form: &Form, headers: &[(&str, &str)]) -> Page {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&form.fields)
            .finish();
        self.request(Method::POST, form.action.as_str(), Some(body), headers)
            .await
    }

    /// Follows redirects until there is a page.
    pub async fn follow(&self, mut page: Page) -> Page {
        for _ in 0..20 {
            let Some(next) = page.location() else {
                return page;
            };
            let mut trail = page.trail;
            page = self.get(next).await;
            trail.append(&mut page.trail);
            page.trail = trail;
        }
        panic!("redirects without end: {:?}", page.trail);
    }

    /// A cookie that was set before the story begins.
    pub fn set_cookie(&self, at: &Url, name: &str, value: &str) {
        let key = (at.host_str().unwrap().to_owned(), name.to_owned());
        self.jar.lock().unwrap().insert(key, value.to_owned());
    }

    /// The cookies, as `name=value`.
    pub fn cookies(&self) -> Vec<String> {
        let jar = self.jar.lock().unwrap();
        jar.iter()
            .map(|((_, name), value)| format!("{name}={value}"))
            .collect()
    }

    async fn request(
        &self,
        method: Method,
        url: &str,
        form: Option<String>,
        headers: &[(&str, &str)],
    ) -> Page {
        let url = Url::parse(url).unwrap();
        let host = url.host_str().unwrap().to_owned();
        let mut request = self.http.request(method, url.clone());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let cookies = self.cookies_for(&host);
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies);
        }
        if let Some(form) = form {
            request = request
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        self.remember(&host, &headers);
        Page {
            trail: vec![url.clone()],
            text: response.text().await.unwrap(),
            url,
            status,
            headers,
        }
    }

    fn cookies_for(&self, host: &str) -> String {
        let jar = self.jar.lock().unwrap();
        let cookies: Vec<_> = jar
            .iter()
            .filter(|((of, _), _)| of == host)
            .map(|((_, name), value)| format!("{name}={value}"))
            .collect();
        cookies.join("; ")
    }

    fn remember(&self, host: &str, headers: &HeaderMap) {
        for value in headers.get_all(header::SET_COOKIE) {
            let cookie = Cookie::parse(value.to_str().unwrap().to_owned()).unwrap();
            let key = (host.to_owned(), cookie.name().to_owned());
            let mut jar = self.jar.lock().unwrap();
            if cookie.max_age().is_some_and(|age| age.is_zero()) {
                jar.remove(&key);
            } else {
                jar.insert(key, cookie.value().to_owned());
            }
        }
    }
}

impl Page {
    /// Where a redirect leads, or a page that goes on by itself.
    pub fn location(&self) -> Option<Url> {
        let location = self.headers.get(header::LOCATION);
        let refresh = || self.headers.get(header::REFRESH);
        let next = location.or_else(refresh)?.to_str().unwrap();
        let next = next.strip_prefix("0; url=").unwrap_or(next);
        Some(self.url.join(next).unwrap())
    }

    /// The text between `<h1>` and `</h1>`, without tags.
    pub fn title(&self) -> String {
        let inside = self
            .text
            .split_once("<h1>")
            .and_then(|(_, rest)| rest.split_once("</h1>"))
            .map_or("", |(title, _)| title);
        plain(inside)
    }

    /// All text of the page, without tags.
    pub fn words(&self) -> String {
        let body = self.text.split_once("<body>").map_or("", |(_, body)| body);
        plain(body)
    }

    /// The form with a button of this text, that button pressed.
    pub fn form(&self, button: &str) -> Form {
        self.find_form(button)
            .unwrap_or_else(|| panic!("no button `{button}` at {}:\n{}", self.url, self.text))
    }

    /// Whether there is such a button.
    pub fn has_button(&self, button: &str) -> bool {
        self.find_form(button).is_some()
    }

    fn find_form(&self, button: &str) -> Option<Form> {
        self.text.split("<form").skip(1).find_map(|rest| {
            let (tag, inside) = rest.split_once("</form>")?.0.split_once('>')?;
            let mut fields: Vec<_> = tags(inside, "<input")
                .filter_map(|(tag, _)| {
                    Some((
                        attribute(tag, "name")?,
                        attribute(tag, "value").unwrap_or_default(),
                    ))
                })
                .collect();
            let (pressed, _) = tags(inside, "<button").find(|(_, rest)| {
                plain(rest.split("</button>").next().unwrap_or_default()) == button
            })?;
            fields.extend(attribute(pressed, "name").zip(attribute(pressed, "value")));
            let action = attribute(tag, "action").unwrap_or_default();
            Some(Form {
                action: self.url.join(&action).unwrap(),
                fields,
                page: self.url.clone(),
            })
        })
    }
}

impl Form {
    /// Fills a field in, or adds it.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(field, _)| field != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(field, _)| field == name)?;
        Some(&found.1)
    }
}

/// Each tag that begins so: the inside of the tag, and what follows it.
fn tags<'a>(html: &'a str, begin: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    html.split(begin)
        .skip(1)
        .filter_map(|rest| rest.split_once('>'))
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    Some(unescape(rest.split('"').next()?))
}

fn plain(html: &str) -> String {
    let mut text = String::new();
    for part in html.split('<') {
        text.push(' ');
        text.push_str(part.split_once('>').map_or(part, |(_, text)| text));
    }
    let text = unescape(&text);
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ")
}

fn unescape(text: &str) -> String {
    [
        ("&lt;", "<"),
        ("&#60;", "<"),
        ("&gt;", ">"),
        ("&#62;", ">"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#38;", "&"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (written, meant)| {
        text.replace(written, meant)
    })
}
