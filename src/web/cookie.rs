//! Cookies: names, flags and the key that tells one browser from another.
//!
//! | cookie | holds | lives |
//! |---|---|---|
//! | `browser` | [`BrowserKey`]: 256 random bits, known to nobody but this browser | until the browser closes, or its session ends |

use axum::http::{HeaderMap, HeaderValue, header};
use cookie::{Cookie, SameSite, time::Duration};

use super::urls::Urls;
use crate::base::{
    entropy::Entropy,
    secret::{ExposeSecret, Secret, TokenHash},
};

/// The cookie that tells browsers apart.
const BROWSER: &str = "browser";
/// Length of what [`Entropy::token`] makes.
const KEY_LENGTH: usize = 43;

/// What tells one browser from another: a random token in a cookie that scripts cannot read.
///
/// Form tokens are derived from it, and a browser session is kept under its hash. By itself it says nothing of who is
/// there: a browser that never signed in has one too.
#[derive(Clone, Debug)]
pub struct BrowserKey(Secret);

impl BrowserKey {
    /// A key nobody has had.
    pub fn fresh(entropy: &dyn Entropy) -> Self {
        Self(entropy.token().into())
    }

    /// The key this browser sent; `None` if it sent none that we could have made, or two.
    pub fn of(headers: &HeaderMap, urls: &Urls) -> Option<Self> {
        let value = read(headers, urls, BROWSER)?;
        let legal = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
        (value.len() == KEY_LENGTH && value.bytes().all(legal)).then(|| Self(value.into()))
    }

    /// What a store may keep of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.0.expose_secret())
    }

    /// The header that makes the browser keep it, until the browser closes.
    pub fn set(&self, urls: &Urls) -> HeaderValue {
        set(urls, BROWSER, self.0.expose_secret(), None)
    }

    /// The header that makes the browser forget it.
    pub fn clear(urls: &Urls) -> HeaderValue {
        clear(urls, BROWSER)
    }

    /// The token itself, for deriving form tokens.
    pub(super) fn secret(&self) -> &str {
        self.0.expose_secret()
    }
}

/// The value of our cookie `name`. `None` if it is absent or was sent more than once: then a neighbour planted one.
pub fn read(headers: &HeaderMap, urls: &Urls, name: &str) -> Option<String> {
    let name = full_name(urls, name);
    let mut found = headers
        .get_all(header::COOKIE)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(Cookie::split_parse)
        .filter_map(Result::ok)
        .filter(|cookie| cookie.name() == name);
    let first = found.next()?;
    found.next().is_none().then(|| first.value().to_owned())
}

/// The `Set-Cookie` header for our cookie `name`; without `lifetime` it goes when the browser closes.
///
/// Not readable by scripts, not sent along by other sites except when a person follows a link (`SameSite=Lax`), and over https
/// held to this very host (`__Host-`, RFC 6265bis §4.1.3.2).
///
/// # Panics
/// When the value has characters a cookie cannot hold; ours are base64url.
pub fn set(
    urls: &Urls,
    name: &str,
    value: &str,
    lifetime: Option<std::time::Duration>,
) -> HeaderValue {
    let mut cookie = bare(urls, name, value);
    if let Some(lifetime) = lifetime {
        cookie.set_max_age(Duration::seconds(
            i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX),
        ));
    }
    header_value(&cookie)
}

/// The `Set-Cookie` header that removes our cookie `name`.
pub fn clear(urls: &Urls, name: &str) -> HeaderValue {
    let mut cookie = bare(urls, name, "");
    cookie.set_max_age(Duration::ZERO);
    header_value(&cookie)
}

fn bare(urls: &Urls, name: &str, value: &str) -> Cookie<'static> {
    Cookie::build((full_name(urls, name), value.to_owned()))
        .path("/")
        .http_only(true)
        .secure(urls.is_https())
        .same_site(SameSite::Lax)
        .build()
}

fn header_value(cookie: &Cookie<'_>) -> HeaderValue {
    let mut value = HeaderValue::try_from(cookie.to_string())
        .expect("cookie names and values of ours are visible ASCII");
    value.set_sensitive(true);
    value
}

/// Over plain http, browsers share cookies between all ports of a host, so the port is part of the name there.
fn full_name(urls: &Urls, name: &str) -> String {
    if urls.is_https() {
        format!("__Host-anteroom-{name}")
    } else {
        format!("anteroom-{}-{name}", urls.port())
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::base::entropy::SeededEntropy;

    fn urls(base: &str) -> Urls {
        Urls::new(&Url::parse(base).unwrap())
    }

    #[test]
    fn cookie_flags_on_https_and_http() {
        let key = BrowserKey::fresh(&SeededEntropy::new(1));
        let shown = |base| key.set(&urls(base)).to_str().unwrap().to_owned();
        let token = key.secret();
        assert_eq!(
            shown("https://gw.example.com"),
            format!("__Host-anteroom-browser={token}; HttpOnly; SameSite=Lax; Secure; Path=/")
        );
        assert_eq!(
            shown("http://localhost:8080"),
            format!("anteroom-8080-browser={token}; HttpOnly; SameSite=Lax; Path=/")
        );
        assert_eq!(
            BrowserKey::clear(&urls("https://gw.example.com"))
                .to_str()
                .unwrap(),
            "__Host-anteroom-browser=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0"
        );
    }

    #[test]
    fn a_key_is_read_back_and_a_planted_one_is_noticed() {
        let urls = urls("http://localhost:8080");
        let key = BrowserKey::fresh(&SeededEntropy::new(1));
        let with = |cookies: String| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, cookies.parse().unwrap());
            BrowserKey::of(&headers, &urls)
        };
        let ours = format!("anteroom-8080-browser={}", key.secret());
        assert_eq!(with(format!("a=b; {ours}")).unwrap().hash(), key.hash());
        assert!(with(format!("{ours}; anteroom-8080-browser=planted")).is_none());
        assert!(with("anteroom-8080-browser=short".to_owned()).is_none());
        assert!(with(format!("anteroom-9090-browser={}", key.secret())).is_none());
        assert!(BrowserKey::of(&HeaderMap::new(), &urls).is_none());
    }

    #[test]
    fn nothing_of_a_key_is_printed() {
        let key = BrowserKey::fresh(&SeededEntropy::new(1));
        assert!(!format!("{key:?}").contains(key.secret()));
        let header = key.set(&urls("http://localhost"));
        assert!(!format!("{header:?}").contains(key.secret()));
    }
}
