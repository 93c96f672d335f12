//! Who may knock: `Host` and `Origin`, checked before anything else happens.
//!
//! A page in somebody's browser must not reach a gateway on their machine by DNS rebinding, nor any gateway from an origin
//! the operator did not name (streamable HTTP, Security Warning: an invalid `Origin` is answered 403).

use http::{HeaderMap, StatusCode, Uri, header};
use url::Url;

use crate::config::Server;

/// Why a request was turned away at the door; always 403.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TurnedAway {
    /// A loopback listener was addressed by a foreign name.
    #[error("this Host is not served here")]
    ForeignHost,
    /// A browser sent it from a page of an origin that is not allowed.
    #[error("this Origin is not allowed here")]
    ForeignOrigin,
}

impl TurnedAway {
    /// How it is answered.
    pub fn status(self) -> StatusCode {
        StatusCode::FORBIDDEN
    }
}

/// Checks `Host` where we listen on loopback only: nobody else's name can mean us there.
///
/// # Errors
/// [`TurnedAway::ForeignHost`].
pub fn check_host(server: &Server, headers: &HeaderMap, uri: &Uri) -> Result<(), TurnedAway> {
    if !server.listen.ip().is_loopback() {
        return Ok(());
    }
    let host = match headers.get(header::HOST) {
        Some(host) => host.to_str().map_err(|_| TurnedAway::ForeignHost)?,
        None => uri
            .authority()
            .map_or("localhost", |authority| authority.as_str()),
    };
    let name = host_name(host);
    if is_loopback(name) || server.public_url.host_str() == Some(name) {
        Ok(())
    } else {
        Err(TurnedAway::ForeignHost)
    }
}

/// Checks `Origin` where one is sent: our own, one of `allowed_origins`, or, on a loopback listener, another local one.
///
/// # Errors
/// [`TurnedAway::ForeignOrigin`].
pub fn check_origin(server: &Server, headers: &HeaderMap) -> Result<(), TurnedAway> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else {
        return Ok(());
    };
    let allowed = origins.next().is_none()
        && origin
            .to_str()
            .is_ok_and(|origin| origin_is_allowed(server, origin));
    if allowed {
        Ok(())
    } else {
        Err(TurnedAway::ForeignOrigin)
    }
}

/// Whether a browser's page of `origin` may call us.
pub fn origin_is_allowed(server: &Server, origin: &str) -> bool {
    if server.public_url.origin().ascii_serialization() == origin
        || server
            .allowed_origins
            .iter()
            .any(|allowed| allowed == origin)
    {
        return true;
    }
    let local = |url: Url| url.host_str().is_some_and(is_loopback);
    server.listen.ip().is_loopback() && Url::parse(origin).is_ok_and(local)
}

fn host_name(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => &host[..address.len() + 2],
        None => host.split_once(':').map_or(host, |(name, _)| name),
    }
}

fn is_loopback(name: &str) -> bool {
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn server(listen: &str) -> Server {
        Server {
            admin_listen: None,
            listen: listen.parse().unwrap(),
            public_url: "https://gw.example.com".parse().unwrap(),
            max_request_bytes: 1,
            allowed_origins: vec!["https://app.example.com".into()],
            shutdown_grace: Duration::ZERO,
        }
    }

    fn host(listen: &str, host: &str) -> bool {
        let headers = HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]);
        check_host(&server(listen), &headers, &Uri::from_static("/mcp/work")).is_ok()
    }

    fn origin(listen: &str, origin: &str) -> bool {
        let headers = HeaderMap::from_iter([(header::ORIGIN, origin.parse().unwrap())]);
        check_origin(&server(listen), &headers).is_ok()
    }

    #[test]
    fn dns_rebinding_ends_at_the_host() {
        for good in [
            "localhost:8080",
            "127.0.0.1",
            "[::1]:8080",
            "gw.example.com",
        ] {
            assert!(host("127.0.0.1:8080", good), "{good}");
        }
        for bad in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:8080",
            "",
            "[::2]:80",
        ] {
            assert!(!host("127.0.0.1:8080", bad), "{bad}");
        }
        assert!(
            host("0.0.0.0:8080", "whatever.example"),
            "a public listener has no opinion on names"
        );
    }

    #[test]
    fn foreign_pages_are_turned_away() {
        for good in [
            "https://gw.example.com",
            "https://app.example.com",
            "http://localhost:5173",
        ] {
            assert!(origin("127.0.0.1:8080", good), "{good}");
        }
        for bad in [
            "https://evil.example",
            "null",
            "http://gw.example.com",
            "https://app.example.com.evil.example",
            "http://localhost.evil.example",
        ] {
            assert!(!origin("127.0.0.1:8080", bad), "{bad}");
        }
        assert!(!origin("0.0.0.0:8080", "http://localhost:5173"));
    }
}
