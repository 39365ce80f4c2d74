//! Who is calling, and where may we dial?

use ipnet::{IpNet, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv4 address in IPv6 clothes is that IPv4 address.
pub fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Whether `address` lies in one of `networks`.
pub fn within(address: IpAddr, networks: &[IpNet]) -> bool {
    let address = canonical(address);
    networks.iter().any(|n| n.contains(&address))
}

/// L3: what stands for a caller in counters: an IPv4 address, or the /64 of an IPv6 one.
pub fn counted(address: IpAddr) -> IpAddr {
    match canonical(address) {
        IpAddr::V6(v6) => Ipv6Net::new_assert(v6, 64).network().into(),
        v4 => v4,
    }
}

/// C13: whether `address` may be dialled for a connection that is allowed `networks`. Public addresses always may;
/// everything else only by name of its network.
pub fn may_dial(address: IpAddr, networks: &[IpNet]) -> Result<(), NotPublic> {
    let address = canonical(address);
    if within(address, networks) {
        return Ok(());
    }
    match class(address) {
        None => Ok(()),
        Some(class) => Err(NotPublic { address, class }),
    }
}

/// An address that must be allowed by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{address} is {class}")]
pub struct NotPublic {
    pub address: IpAddr,
    pub class: &'static str,
}

/// What keeps an address from being public; `None` if it is.
fn class(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => class_v4(v4),
        IpAddr::V6(v6) => class_v6(v6),
    }
}

fn class_v4(a: Ipv4Addr) -> Option<&'static str> {
    let [first, second, third, _] = a.octets();
    Some(match (first, second) {
        _ if a == Ipv4Addr::new(169, 254, 169, 254) || a == Ipv4Addr::new(100, 100, 100, 200) => "a metadata service",
        (0, _) => "the unspecified network",
        (127, _) => "loopback",
        (169, 254) => "link-local",
        (10, _) | (172, 16..=31) | (192, 168) => "private",
        (100, 64..=127) => "carrier-grade NAT",
        (192, 0) if third == 0 => "reserved for protocols",
        (192, 0) if third == 2 => "documentation",
        (198, 18..=19) => "a benchmarking network",
        (198, 51) if third == 100 => "documentation",
        (203, 0) if third == 113 => "documentation",
        (192, 88) if third == 99 => "6to4 relay anycast",
        (224..=239, _) => "multicast",
        (240..=255, _) => "reserved",
        _ => return None,
    })
}

fn class_v6(a: Ipv6Addr) -> Option<&'static str> {
    let s = a.segments();
    let embedded = |high: u16, low: u16| {
        let [b0, b1] = high.to_be_bytes();
        let [b2, b3] = low.to_be_bytes();
        class_v4(Ipv4Addr::new(b0, b1, b2, b3))
    };
    Some(match s {
        _ if a.is_unspecified() => "the unspecified address",
        _ if a.is_loopback() => "loopback",
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => "a metadata service",
        [0xfc00..=0xfdff, ..] => "a unique local address",
        [0xfe80..=0xfebf, ..] => "link-local",
        [0xfec0..=0xfeff, ..] => "site-local",
        [0xff00..=0xffff, ..] => "multicast",
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => "documentation",
        [0x2001, 0, ..] => "Teredo",
        [0x100, 0, 0, 0, ..] => "the discard network",
        // Forms that carry an IPv4 address are what that address is.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            return embedded(high, low).map(|_| "NAT64 of an address that is not public");
        }
        [0x64, 0xff9b, ..] => "local-use NAT64",
        [0x2002, high, low, ..] => return embedded(high, low).map(|_| "6to4 of an address that is not public"),
        [0, 0, 0, 0, 0, 0, ..] => "IPv4-compatible",
        [0x2000..=0x3fff, ..] => return None,
        _ => "not a global unicast address",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn nets(list: &[&str]) -> Vec<IpNet> {
        list.iter().map(|n| n.parse().unwrap()).collect()
    }

    #[test]
    fn c13_only_public_addresses_may_be_dialled_unasked() {
        for public in ["1.1.1.1", "100.63.0.1", "172.32.0.1", "2606:4700::1", "64:ff9b::101:101", "2002:101:101::1"] {
            assert!(may_dial(ip(public), &[]).is_ok(), "{public}");
        }
        for private in [
            "0.0.0.0",
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.1.1",
            "169.254.169.254",
            "100.100.100.200",
            "100.64.0.1",
            "192.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fd00:ec2::254",
            "fc00::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:a00:1::",
            "2001:db8::1",
            "2001::1",
            "::7f00:1",
            "5f00::1",
        ] {
            assert!(may_dial(ip(private), &[]).is_err(), "{private}");
        }
    }

    #[test]
    fn c13_a_named_network_may_be_dialled_and_no_other() {
        let ten = nets(&["10.0.0.0/8"]);
        assert!(may_dial(ip("10.0.0.5"), &ten).is_ok());
        assert!(may_dial(ip("::ffff:10.0.0.5"), &ten).is_ok());
        assert!(may_dial(ip("127.0.0.1"), &ten).is_err());
        assert!(may_dial(ip("169.254.169.254"), &ten).is_err());
    }

    #[test]
    fn l3_ipv6_neighbours_share_a_counter() {
        assert_eq!(counted(ip("2001:db8:1:2:3:4:5:6")), counted(ip("2001:db8:1:2::1")));
        assert_ne!(counted(ip("2001:db8:1:2::1")), counted(ip("2001:db8:1:3::1")));
        assert_eq!(counted(ip("::ffff:1.2.3.4")), ip("1.2.3.4"));
    }
}
