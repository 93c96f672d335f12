//! Every address we publish, made from `server.public_url` and never from the Host header.

use std::sync::Arc;

use url::Url;

use crate::base::id::{FlowId, GatewayName, ProviderName, UserSourceName};

/// The longest local path we carry around. Bytes.
const LONGEST_PATH: usize = 1024;

/// Makes addresses. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Urls {
    base: Arc<Url>,
    origin: Arc<str>,
}

/// A path on our own origin, with its query: the only thing a browser is ever sent back to.
///
/// Holding one is the proof that following it does not leave Anteroom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalPath(String);

impl Urls {
    /// Addresses below `public_url`, an origin without path, query or fragment.
    pub fn new(public_url: &Url) -> Self {
        Self {
            base: Arc::new(public_url.clone()),
            origin: public_url.origin().ascii_serialization().into(),
        }
    }

    /// Whether browsers reach us over https.
    pub fn is_https(&self) -> bool {
        self.base.scheme() == "https"
    }

    /// Our origin as browsers write it in the `Origin` header (RFC 6454 §6.2).
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The port browsers connect to.
    pub fn port(&self) -> u16 {
        self.base.port_or_known_default().unwrap_or(0)
    }

    /// The MCP endpoint of a gateway.
    pub fn mcp(&self, gateway: &GatewayName) -> Url {
        self.at(&["mcp", gateway.as_str()])
    }

    /// The MCP endpoint of a gateway as text, or `/mcp` without one: the `resource` of RFC 8707 and the `aud` of access tokens.
    pub fn resource(&self, gateway: Option<&GatewayName>) -> String {
        match gateway {
            Some(gateway) => format!("{}/mcp/{gateway}", self.origin),
            None => format!("{}/mcp", self.origin),
        }
    }

    /// Where the metadata of such an endpoint is (RFC 9728 §3.1).
    pub fn resource_metadata(&self, gateway: Option<&GatewayName>) -> String {
        let path = "/.well-known/oauth-protected-resource/mcp";
        match gateway {
            Some(gateway) => format!("{}{path}/{gateway}", self.origin),
            None => format!("{}{path}", self.origin),
        }
    }

    /// An endpoint of our authorization server, such as `token`.
    pub fn oauth(&self, endpoint: &str) -> Url {
        self.at(&["oauth2", endpoint])
    }

    /// The page of a flow.
    pub fn connect(&self, flow: &FlowId) -> Url {
        self.at(&["connect", flow.as_str()])
    }

    /// The page where users see to their connections.
    pub fn connections(&self) -> Url {
        self.at(&["connections"])
    }

    /// The redirect URI that a provider knows us by.
    pub fn callback(&self, provider: &ProviderName) -> Url {
        self.at(&["oauth2", "intermediate_callback", provider.as_str()])
    }

    /// The redirect URI that the OpenID providers of all user sources know us by.
    pub fn sign_in_callback(&self) -> Url {
        self.at(&["oauth2", "intermediate_callback"])
    }

    /// As [`Self::sign_in`], for a person other than the one whom the user source's provider may remember in this browser.
    pub fn sign_in_as_someone_else(&self, source: &UserSourceName, return_to: &LocalPath) -> Url {
        let mut url = self.sign_in(source, return_to);
        url.query_pairs_mut().append_pair("as", "someone-else");
        url
    }

    /// The sign-in page of a user source, which sends the browser on to `return_to`.
    pub fn sign_in(&self, source: &UserSourceName, return_to: &LocalPath) -> Url {
        let mut url = self.at(&["sign-in", source.as_str()]);
        url.query_pairs_mut()
            .append_pair("return_to", return_to.as_str());
        url
    }

    /// The absolute address of a path of ours.
    pub fn local(&self, path: &LocalPath) -> Url {
        let mut url = self.base.as_ref().clone();
        match path.0.split_once('?') {
            Some((path, query)) => {
                url.set_path(path);
                url.set_query(Some(query));
            }
            None => url.set_path(&path.0),
        }
        url
    }

    fn at(&self, segments: &[&str]) -> Url {
        let mut url = self.base.as_ref().clone();
        url.path_segments_mut()
            .expect("a public URL is http or https, which have paths")
            .clear()
            .extend(segments);
        url
    }
}

impl LocalPath {
    /// The page of a flow.
    pub fn connect(flow: &FlowId) -> Self {
        Self(format!("/connect/{flow}"))
    }

    /// The home page.
    pub fn home() -> Self {
        Self("/".to_owned())
    }

    /// What is connected in the user's name.
    pub fn connections() -> Self {
        Self("/connections".to_owned())
    }

    /// The page that says "you are signed out".
    pub fn signed_out() -> Self {
        Self("/signed-out".to_owned())
    }

    /// Takes a path that came from outside; `None` if any browser could read it as leading elsewhere.
    ///
    /// Browsers drop tabs and newlines inside URLs and read `\` as `/` (WHATWG URL §4.4), so `/\evil.example` and
    /// `/<tab>/evil.example` are other hosts. Only what needs none of that is taken.
    pub fn parse(text: &str) -> Option<Self> {
        let legal = |c: u8| c.is_ascii_graphic() && !matches!(c, b'\\' | b'#' | b'"' | b'<' | b'>');
        let path = text.split_once('?').map_or(text, |(path, _)| path);
        let straight =
            !path.contains("//") && !path.split('/').any(|part| matches!(part, "." | ".."));
        (text.len() <= LONGEST_PATH && text.starts_with('/') && straight && text.bytes().all(legal))
            .then(|| Self(text.to_owned()))
    }

    /// The path as text, beginning with `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for LocalPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls() -> Urls {
        Urls::new(&Url::parse("https://gw.example.com").unwrap())
    }

    #[test]
    fn addresses_are_below_the_public_url() {
        let urls = urls();
        assert_eq!(
            urls.mcp(&"work".parse().unwrap()).as_str(),
            "https://gw.example.com/mcp/work"
        );
        assert_eq!(
            urls.callback(&"acme".parse().unwrap()).as_str(),
            "https://gw.example.com/oauth2/intermediate_callback/acme"
        );
        let back = LocalPath::parse("/connect/x?a=b&c=d").unwrap();
        assert_eq!(
            urls.sign_in(&"team".parse().unwrap(), &back).as_str(),
            "https://gw.example.com/sign-in/team?return_to=%2Fconnect%2Fx%3Fa%3Db%26c%3Dd"
        );
        assert_eq!(
            urls.local(&back).as_str(),
            "https://gw.example.com/connect/x?a=b&c=d"
        );
        assert_eq!(urls.origin(), "https://gw.example.com");
    }

    #[test]
    fn only_local_paths_are_local() {
        for good in ["/", "/connect/abc", "/a?b=https://x.example/", "/a%2f%2fb"] {
            assert!(LocalPath::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "connect",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/a\r\nSet-Cookie: x=y",
            "https://evil.example/",
            "javascript:alert(1)",
            "/a/../..//evil.example",
            "/./a",
            " /a",
            "/ä",
            "/a#b",
            &format!("/{}", "a".repeat(LONGEST_PATH)),
        ] {
            assert!(LocalPath::parse(bad).is_none(), "{bad:?}");
        }
    }

    /// Every text of up to six hostile characters: whatever is taken stays with us, for us and for a browser that joins it.
    #[test]
    fn no_local_path_leads_elsewhere() {
        let urls = urls();
        let mut texts = vec![String::new()];
        for _ in 0..6 {
            let longer = texts.iter().flat_map(|text| {
                ['/', '\\', '.', '@', ':', '?', '\t'].map(|c| format!("{text}{c}"))
            });
            texts = longer.collect();
            for path in texts.iter().filter_map(|text| LocalPath::parse(text)) {
                let ours = urls.local(&path);
                let joined = urls.base.join(path.as_str()).unwrap();
                assert_eq!(ours.origin(), urls.base.origin(), "{path}");
                assert_eq!(joined.origin(), urls.base.origin(), "{path}");
            }
        }
    }
}
