//! Redirect URIs: which may be registered, and which one of a request is a registered one.

use std::{fmt, str::FromStr};

use url::{Host, Url};

/// A redirect URI that may be registered (RFC 6749 §3.1.2, RFC 8252 §7): `https`, `http` on this machine, or a private-use scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectUri {
    text: String,
    url: Url,
}

/// Why a text cannot be a redirect URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotARedirectUri {
    /// Not an absolute URL, or longer than 2,048 bytes.
    #[error("a redirect URI is an absolute URL of at most 2048 bytes")]
    NotAUrl,
    /// RFC 6749 §3.1.2.
    #[error("a redirect URI has no fragment (`#…`)")]
    Fragment,
    /// Would show as another host than it is.
    #[error("a redirect URI has neither user name nor password")]
    UserInfo,
    /// Codes would travel in the clear.
    #[error("a redirect URI is https, or http on this machine (127.0.0.1, [::1], localhost)")]
    PlainHttp,
    /// The browser itself would act on it.
    #[error(
        "this scheme is the browser's own; a program's own scheme contains a dot or is its name"
    )]
    Scheme,
}

/// Schemes that browsers or systems act on by themselves, so that a code sent there is a code run or lost.
const FORBIDDEN: [&str; 20] = [
    "javascript",
    "data",
    "vbscript",
    "file",
    "blob",
    "about",
    "ftp",
    "ws",
    "wss",
    "mailto",
    "view-source",
    "filesystem",
    "intent",
    "tel",
    "sms",
    "jar",
    "chrome",
    "edge",
    "search",
    "search-ms",
];

impl RedirectUri {
    /// The URI as it was registered or asked for.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The URI, parsed.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Whether it is `http` on this machine, where any program may listen.
    pub fn is_loopback(&self) -> bool {
        self.url.scheme() == "http"
    }

    /// What tells a person where an answer goes: the host, or the scheme of a program of theirs.
    pub fn shown(&self) -> String {
        match self.url.host_str().filter(|host| !host.is_empty()) {
            Some(host) if matches!(self.url.scheme(), "http" | "https") => host.to_owned(),
            _ => format!("{}:", self.url.scheme()),
        }
    }

    /// Whether an answer may go to `asked` where this one is registered: byte by byte the same, except that the port of a
    /// loopback address is free (RFC 8252 §7.3), for programs take whichever is.
    pub fn admits(&self, asked: &Self) -> bool {
        self.text == asked.text
            || (self.is_loopback() && asked.is_loopback() && self.any_port() == asked.any_port())
    }

    /// What two URIs have in common that differ only in what [`Self::admits`] lets pass.
    pub fn any_port(&self) -> String {
        if !self.is_loopback() {
            return self.text.clone();
        }
        let mut url = self.url.clone();
        url.set_port(None).expect("an http URL may have a port");
        url.into()
    }

    /// Whether the URI itself has a parameter that an answer has (RFC 6749 §4.1.2, RFC 9207): then that would come twice.
    pub fn looks_like_an_answer(&self) -> bool {
        const ANSWERS: [&str; 6] = [
            "code",
            "state",
            "iss",
            "error",
            "error_description",
            "error_uri",
        ];
        let mut names = self.url.query_pairs();
        names.any(|(name, _)| ANSWERS.contains(&name.as_ref()))
    }
}

impl FromStr for RedirectUri {
    type Err = NotARedirectUri;

    fn from_str(text: &str) -> Result<Self, NotARedirectUri> {
        let legal = text.len() <= 2048 && text.bytes().all(|c| c.is_ascii_graphic());
        let url = Url::parse(text).ok().filter(|_| legal);
        let url = url.ok_or(NotARedirectUri::NotAUrl)?;
        if url.fragment().is_some() {
            return Err(NotARedirectUri::Fragment);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(NotARedirectUri::UserInfo);
        }
        match url.scheme() {
            "https" => {}
            "http" if is_this_machine(&url) => {}
            "http" => return Err(NotARedirectUri::PlainHttp),
            scheme if FORBIDDEN.contains(&scheme) || scheme.starts_with("ms-") => {
                return Err(NotARedirectUri::Scheme);
            }
            _ => {}
        }
        let text = text.to_owned();
        Ok(Self { text, url })
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> RedirectUri {
        text.parse().unwrap()
    }

    #[test]
    fn what_may_be_registered() {
        for good in [
            "https://claude.ai/api/mcp/auth_callback",
            "http://127.0.0.1/",
            "http://localhost:33418/callback?a=b",
            "http://[::1]:1/cb",
            "cursor://anysphere.cursor-mcp/oauth/callback",
            "com.example.app:/oauth",
        ] {
            assert!(good.parse::<RedirectUri>().is_ok(), "{good}");
        }
        for (bad, why) in [
            ("", NotARedirectUri::NotAUrl),
            ("/callback", NotARedirectUri::NotAUrl),
            ("https://a b.example/", NotARedirectUri::NotAUrl),
            ("https://app.example/#x", NotARedirectUri::Fragment),
            ("https://claude.ai@evil.example/", NotARedirectUri::UserInfo),
            ("http://app.example/", NotARedirectUri::PlainHttp),
            ("http://127.0.0.1.nip.example/", NotARedirectUri::PlainHttp),
            ("javascript:alert(1)", NotARedirectUri::Scheme),
            ("data:text/html,x", NotARedirectUri::Scheme),
            ("FILE:///etc/passwd", NotARedirectUri::Scheme),
            ("intent://x#Intent;end", NotARedirectUri::Fragment),
            ("intent://x/", NotARedirectUri::Scheme),
            ("ms-settings:privacy", NotARedirectUri::Scheme),
        ] {
            assert_eq!(bad.parse::<RedirectUri>(), Err(why), "{bad}");
        }
    }

    #[test]
    fn only_the_port_of_a_loopback_address_is_free() {
        let admits = |registered: &str, asked: &str| uri(registered).admits(&uri(asked));
        assert!(admits("http://127.0.0.1/", "http://127.0.0.1:49152/"));
        assert!(admits("http://localhost:1/cb", "http://localhost:2/cb"));
        assert!(admits("http://[::1]/cb", "http://[::1]:2/cb"));
        assert!(admits("https://a.example/cb", "https://a.example/cb"));
        for (registered, asked) in [
            ("http://127.0.0.1/cb", "http://127.0.0.1:1/other"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:1/cb?x=y"),
            ("http://127.0.0.1/cb", "http://localhost:1/cb"),
            ("https://a.example/cb", "https://a.example:444/cb"),
            ("https://a.example/cb", "https://a.example/cb/"),
            ("https://a.example/cb", "https://A.example/cb"),
            ("https://a.example/cb", "https://a.example:443/cb"),
            ("https://localhost/cb", "http://localhost:1/cb"),
            ("cursor://x/cb", "cursor://x:1/cb"),
        ] {
            assert!(!admits(registered, asked), "{registered} {asked}");
        }
        assert_eq!(uri("http://[::1]:2/cb").any_port(), "http://[::1]/cb");
        assert_eq!(
            uri("https://a.example:444/").any_port(),
            "https://a.example:444/"
        );
    }

    #[test]
    fn a_redirect_uri_must_not_hold_an_answer_itself() {
        assert!(uri("https://a.example/cb?x=y&state=z").looks_like_an_answer());
        assert!(!uri("https://a.example/cb?x=code").looks_like_an_answer());
    }
}
