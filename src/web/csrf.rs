//! Forms are taken only from our own pages, in the browser that was shown them.
//!
//! Two checks, each enough by itself where it works: the browser says that the request comes from our origin
//! (`Sec-Fetch-Site`, else `Origin`), and the form carries a token derived from the browser's key and the form's purpose.
//! The token is HKDF-SHA-256 of the [`BrowserKey`], so there is nothing to keep, and it changes whenever the key does.

use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hkdf::Hkdf;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::{cookie::BrowserKey, urls::Urls};
use crate::base::{
    id::{FlowId, UserSourceName},
    secret::TokenHash,
};

/// What a form does. A token for one is none for another.
#[derive(Clone, Copy, Debug)]
pub enum Form<'a> {
    /// Sign in through this user source.
    SignIn(&'a UserSourceName),
    /// Sign out.
    SignOut,
    /// Answer the consent page of this flow.
    Connect(&'a FlowId),
    /// Answer the page on which this client asks to be let in; the whole of its request is meant, by its hash.
    Authorize(&'a TokenHash),
    /// Change what is connected in the user's name: what is done and to what, by the path it is posted to.
    Connections(&'a str),
}

/// The form did not come from a page of ours in this browser, or that page is out of date. Nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forged {
    /// Another site sent it.
    #[error("the form was sent from another origin")]
    OtherOrigin,
    /// The browser sent no key: cookies are refused, or were deleted.
    #[error("the browser sent no key with the form")]
    NoKey,
    /// The token belongs to another browser, another sign-in or another form.
    #[error("the form's token is not of this browser and this form")]
    WrongToken,
}

/// The token to put into a form.
pub fn token(key: &BrowserKey, form: Form<'_>) -> String {
    URL_SAFE_NO_PAD.encode(derive(key, form))
}

/// Checks a posted form; gives back the key of the browser it came from.
///
/// # Errors
/// [`Forged`], and the handler must do nothing but say so.
pub fn check(
    headers: &HeaderMap,
    urls: &Urls,
    form: Form<'_>,
    presented: &str,
) -> Result<BrowserKey, Forged> {
    if !from_our_origin(headers, urls) {
        return Err(Forged::OtherOrigin);
    }
    let key = BrowserKey::of(headers, urls).ok_or(Forged::NoKey)?;
    let presented = URL_SAFE_NO_PAD
        .decode(presented)
        .map_err(|_| Forged::WrongToken)?;
    if derive(&key, form).as_slice().ct_eq(&presented).into() {
        Ok(key)
    } else {
        Err(Forged::WrongToken)
    }
}

/// `Sec-Fetch-Site` cannot be set by scripts and is sent to https and localhost; older browsers and plain http send `Origin`.
/// A request with neither is no browser's: it cannot be forged by another site, and the token still has to be right.
fn from_our_origin(headers: &HeaderMap, urls: &Urls) -> bool {
    let site = headers.get("sec-fetch-site");
    let origin = headers.get(header::ORIGIN);
    match (site, origin) {
        (Some(site), _) => site == "same-origin" || site == "none",
        (None, Some(origin)) => origin.as_bytes() == urls.origin().as_bytes(),
        (None, None) => true,
    }
}

fn derive(key: &BrowserKey, form: Form<'_>) -> [u8; 32] {
    let hkdf = Hkdf::<Sha256>::new(Some(b"anteroom/csrf/1"), key.secret().as_bytes());
    let mut token = [0; 32];
    let digest;
    let (kind, of) = match form {
        Form::SignIn(source) => ("sign-in/", source.as_str()),
        Form::SignOut => ("sign-out/", ""),
        Form::Connect(flow) => ("connect/", flow.as_str()),
        Form::Authorize(request) => {
            digest = request.to_hex();
            ("authorize/", digest.as_str())
        }
        Form::Connections(path) => ("connections/", path),
    };
    hkdf.expand_multi_info(&[kind.as_bytes(), of.as_bytes()], &mut token)
        .expect("HKDF-SHA-256 gives 32 bytes");
    token
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::base::entropy::SeededEntropy;

    struct Fixture {
        urls: Urls,
        key: BrowserKey,
        flow: FlowId,
    }

    fn fixture() -> Fixture {
        Fixture {
            urls: Urls::new(&Url::parse("http://localhost:8080").unwrap()),
            key: BrowserKey::fresh(&SeededEntropy::new(1)),
            flow: FlowId::parse(&"f".repeat(27)).unwrap(),
        }
    }

    impl Fixture {
        fn headers(&self, more: &[(&'static str, &str)]) -> HeaderMap {
            let mut headers = HeaderMap::new();
            let cookie = format!("anteroom-8080-browser={}", self.key.secret());
            headers.insert(header::COOKIE, cookie.parse().unwrap());
            for (name, value) in more {
                headers.insert(*name, value.parse().unwrap());
            }
            headers
        }

        fn post(&self, more: &[(&'static str, &str)], token: &str) -> Option<Forged> {
            let headers = self.headers(more);
            check(&headers, &self.urls, Form::Connect(&self.flow), token).err()
        }
    }

    #[test]
    fn a_form_of_ours_is_taken() {
        let f = fixture();
        let token = token(&f.key, Form::Connect(&f.flow));
        assert_eq!(f.post(&[], &token), None);
        assert_eq!(f.post(&[("origin", "http://localhost:8080")], &token), None);
        assert_eq!(f.post(&[("sec-fetch-site", "same-origin")], &token), None);
    }

    #[test]
    fn a_form_of_another_site_is_not() {
        let f = fixture();
        let token = token(&f.key, Form::Connect(&f.flow));
        for header in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://evil.example"),
            ("origin", "http://localhost:8081"),
            ("origin", "null"),
        ] {
            assert_eq!(
                f.post(&[header], &token),
                Some(Forged::OtherOrigin),
                "{header:?}"
            );
        }
    }

    #[test]
    fn a_token_is_good_for_one_browser_and_one_form() {
        let f = fixture();
        let stranger = BrowserKey::fresh(&SeededEntropy::new(2));
        let other_flow = FlowId::parse(&"g".repeat(27)).unwrap();
        for token in [
            token(&stranger, Form::Connect(&f.flow)),
            token(&f.key, Form::Connect(&other_flow)),
            token(&f.key, Form::SignOut),
            String::new(),
            "not base64url!".to_owned(),
        ] {
            assert_eq!(f.post(&[], &token), Some(Forged::WrongToken), "{token}");
        }
        let good = token(&f.key, Form::Connect(&f.flow));
        let bare = HeaderMap::new();
        let answer = check(&bare, &f.urls, Form::Connect(&f.flow), &good);
        assert_eq!(answer.err(), Some(Forged::NoKey));
    }
}
