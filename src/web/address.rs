//! Which addresses of the internet lead to somebody else, and which lead into our own network or nowhere.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::LazyLock,
};

use ipnet::{Ipv4Net, Ipv6Net};

/// What is not somebody's public IPv4 address (IANA IPv4 Special-Purpose Address Registry, RFC 6890; RFC 5771, RFC 1112).
const NOT_PUBLIC_V4: [&str; 16] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    // Azure answers its machines' questions about themselves here, in the middle of public addresses.
    "168.63.129.16/32",
];

/// All that IANA has given out as global unicast (RFC 4291 §2.4); everything else is loopback, local, multicast or unknown.
const GLOBAL_V6: &str = "2000::/3";

/// What of it is for protocols, tunnels into IPv4 and documents (IANA IPv6 Special-Purpose Address Registry).
const NOT_PUBLIC_V6: [&str; 4] = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];

/// The well-known prefix of NAT64 (RFC 6052 §2.1): the last four bytes are an IPv4 address.
const NAT64: &str = "64:ff9b::/96";

struct Table {
    not_public_v4: Vec<Ipv4Net>,
    global_v6: Ipv6Net,
    not_public_v6: Vec<Ipv6Net>,
    nat64: Ipv6Net,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let v4 = |text: &&str| text.parse().expect("the table has IPv4 networks");
    let v6 = |text: &str| text.parse().expect("the table has IPv6 networks");
    Table {
        not_public_v4: NOT_PUBLIC_V4.iter().map(v4).collect(),
        global_v6: v6(GLOBAL_V6),
        not_public_v6: NOT_PUBLIC_V6.iter().map(|text| v6(text)).collect(),
        nat64: v6(NAT64),
    }
});

/// Whether `address` is a public host's, in whatever clothes an IPv4 address comes.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(inner) => is_public_v4(inner),
            None => {
                let table = &*TABLE;
                let special = table.not_public_v6.iter();
                table.global_v6.contains(&address)
                    && !special.into_iter().any(|net| net.contains(&address))
            }
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !TABLE.not_public_v4.iter().any(|net| net.contains(&address))
}

/// Networks that have IPv6 only reach IPv4 hosts so; what counts is where the packet comes out.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [.., a, b, c, d] = address.octets();
    TABLE
        .nat64
        .contains(&address)
        .then(|| Ipv4Addr::new(a, b, c, d))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(text: &str) -> bool {
        is_public(text.parse().unwrap())
    }

    #[test]
    fn public_hosts_are_public() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "160.79.104.10",
            "2606:4700:4700::1111",
            "2a00:1450:4001:800::200e",
            "64:ff9b::8.8.8.8",
            "::ffff:8.8.8.8",
        ] {
            assert!(public(address), "{address}");
        }
    }

    #[test]
    fn our_own_network_is_not_in_whatever_clothes_it_comes() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!public(address), "{address}");
        }
    }
}
