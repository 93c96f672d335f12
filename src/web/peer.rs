//! Who is at the other end, when what is at the other end is a proxy.
//!
//! We do not speak TLS. So if our address is https, connections come from the proxy that does, and all people would share one
//! address: one of them could use up everybody's attempts.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;

use super::urls::Urls;

/// The address a request came from: `peer`, or whom the proxy in front had as its peer.
///
/// Of `X-Forwarded-For` only the last entry counts, which the proxy itself wrote; those before it anybody may have written. It
/// is believed only of a peer in our own network: from elsewhere nobody but a stranger sends it.
pub fn address(headers: &HeaderMap, urls: &Urls, peer: IpAddr) -> IpAddr {
    if !urls.is_https() || !is_near(peer) {
        return peer;
    }
    let last = headers.get_all("x-forwarded-for").into_iter().next_back();
    last.and_then(|line| line.to_str().ok()?.rsplit(',').next())
        .and_then(|entry| parse(entry.trim()))
        .unwrap_or(peer)
}

fn is_near(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
    }
}

/// Some proxies write the port too.
fn parse(entry: &str) -> Option<IpAddr> {
    let with_port = || entry.parse().map(|address: SocketAddr| address.ip());
    entry.parse().or_else(|_| with_port()).ok()
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    fn seen(public_url: &str, peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        let urls = Urls::new(&Url::parse(public_url).unwrap());
        address(&headers, &urls, peer.parse().unwrap()).to_string()
    }

    #[test]
    fn behind_a_proxy_people_have_addresses_of_their_own() {
        let https = |peer, forwarded: &[&str]| seen("https://gw.example.com", peer, forwarded);
        assert_eq!(https("127.0.0.1", &["203.0.113.7"]), "203.0.113.7");
        assert_eq!(https("10.0.0.2", &["2001:db8::7"]), "2001:db8::7");
        assert_eq!(https("::1", &["203.0.113.7:4711"]), "203.0.113.7");
        assert_eq!(https("127.0.0.1", &["1.1.1.1, 203.0.113.7"]), "203.0.113.7");
        assert_eq!(
            https("127.0.0.1", &["1.1.1.1", "203.0.113.7"]),
            "203.0.113.7"
        );
        for none in [&[][..], &["unknown"], &[""], &["203.0.113.7,"]] {
            assert_eq!(https("127.0.0.1", none), "127.0.0.1", "{none:?}");
        }
    }

    #[test]
    fn strangers_do_not_choose_their_address() {
        let forwarded = &["203.0.113.7"];
        let direct = seen("https://gw.example.com", "198.51.100.1", forwarded);
        assert_eq!(direct, "198.51.100.1");
        let plain = seen("http://localhost:8080", "127.0.0.1", forwarded);
        assert_eq!(plain, "127.0.0.1");
    }
}
