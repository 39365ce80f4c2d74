//! What proxies say of whom they speak for: `X-Forwarded-*`, or `Forwarded` (RFC 7239). Read of trusted proxies only, and
//! extended for the upstream.

use super::address::{canonical, within};
use crate::model::Fields;
use crate::model::listener::ForwardedField;
use http::header::{FORWARDED, HeaderName, HeaderValue};
use ipnet::IpNet;
use std::net::IpAddr;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The caller's address: the peer's, or behind trusted proxies the right-most hop that is not one of them. Only the one
/// field counts that these proxies write: another may be the caller's own invention.
pub fn client(peer: IpAddr, headers: &Fields, trusted: &[IpNet], field: ForwardedField) -> IpAddr {
    let peer = canonical(peer);
    if trusted.is_empty() || !within(peer, trusted) {
        return peer;
    }
    let (name, read) = match field {
        ForwardedField::XForwardedFor => (FOR, hop as Read),
        ForwardedField::Forwarded => (FORWARDED, element as Read),
    };
    let mut nearest = peer;
    for line in headers.get_all(name).rev() {
        for part in split(line.as_bytes(), b',', field).rev() {
            // What cannot be read ends the chain: everything to its left is hearsay.
            let Some(hop) = read(part) else { return nearest };
            nearest = hop;
            if !within(hop, trusted) {
                return hop;
            }
        }
    }
    nearest
}

/// Reads one hop.
type Read = fn(&[u8]) -> Option<IpAddr>;

/// `1.2.3.4`, `1.2.3.4:80`, `2001:db8::1`, `[2001:db8::1]:443`.
fn hop(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let address = text
        .parse::<IpAddr>()
        .or_else(|_| text.parse::<std::net::SocketAddr>().map(|s| s.ip()))
        .or_else(|_| text.trim_start_matches('[').trim_end_matches(']').parse());
    address.ok().map(canonical)
}

/// The `for` of one element: `for=192.0.2.43;proto=https`, `for="[2001:db8::1]:4711"`; exactly one, and no pseudonym.
fn element(text: &[u8]) -> Option<IpAddr> {
    let mut found = None;
    for pair in split(text, b';', ForwardedField::Forwarded) {
        let (name, value) = pair.split_at_checked(pair.iter().position(|b| *b == b'=')?)?;
        if name.trim_ascii().eq_ignore_ascii_case(b"for") {
            let value = value[1..].trim_ascii();
            let bare = value.strip_prefix(b"\"").map_or(Some(value), |rest| rest.strip_suffix(b"\""))?;
            if found.replace(hop(bare)?).is_some() {
                return None;
            }
        }
    }
    found
}

/// The parts between `at`; in `Forwarded`, which alone knows quotes, not within them. Read from the right, where the nearest
/// proxy wrote: a quote that its caller never closed must not swallow what it added.
fn split(text: &[u8], at: u8, field: ForwardedField) -> impl DoubleEndedIterator<Item = &[u8]> {
    let mut quoted = false;
    let mut cuts: smallvec::SmallVec<[usize; 8]> = smallvec::SmallVec::new();
    for (index, byte) in text.iter().enumerate().rev() {
        match byte {
            b'"' if quoted && is_escaped(text, index) => {}
            b'"' if field == ForwardedField::Forwarded => quoted = !quoted,
            byte if *byte == at && !quoted => cuts.push(index),
            _ => {}
        }
    }
    cuts.reverse();
    cuts.push(text.len());
    let begins: smallvec::SmallVec<[usize; 8]> = std::iter::once(0).chain(cuts.iter().map(|c| c + 1)).collect();
    (0..cuts.len()).map(move |n| &text[begins[n]..cuts[n]])
}

/// Whether an odd number of backslashes stands before `index`.
fn is_escaped(text: &[u8], index: usize) -> bool {
    text[..index].iter().rev().take_while(|b| **b == b'\\').count() % 2 == 1
}

/// How the first caller called, by what trusted proxies say: `https`, and the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Called<'a> {
    pub scheme: Option<&'a str>,
    pub host: Option<&'a str>,
}

/// What the outermost proxy says of how it was called. Nothing may be permitted by it.
pub fn called(headers: &Fields, field: ForwardedField) -> Called<'_> {
    let first = |name: HeaderName| {
        let line = headers.get(name)?;
        std::str::from_utf8(split(line.as_bytes(), b',', field).next()?.trim_ascii()).ok()
    };
    match field {
        ForwardedField::XForwardedFor => Called { scheme: first(PROTO), host: first(HOST) },
        ForwardedField::Forwarded => {
            let element = first(FORWARDED).unwrap_or_default();
            let word = |wanted: &str| {
                let pairs = split(element.as_bytes(), b';', field).filter_map(|pair| std::str::from_utf8(pair).ok());
                let mut pairs = pairs.filter_map(|pair| pair.split_once('='));
                let (_, value) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted))?;
                Some(value.trim().trim_matches('"'))
            };
            Called { scheme: word("proto"), host: word("host") }
        }
    }
}

/// What the upstream is told of the caller's side.
#[derive(Debug)]
pub struct Side {
    /// The connection's peer, as text.
    pub peer: HeaderValue,
    pub scheme: HeaderValue,
    /// The host that was asked for.
    pub host: Option<HeaderValue>,
}

/// What trusted proxies said is extended. From others nothing is left to extend: it was stripped.
pub fn extend(map: &mut Fields, side: Side, trusted: bool, field: ForwardedField) {
    if field == ForwardedField::Forwarded {
        // These are not what the proxies write.
        for name in [&FOR, &PROTO, &HOST] {
            map.remove(name);
        }
        if let Ok(mine) = HeaderValue::try_from(told(&side)) {
            map.append(FORWARDED, mine);
        }
    }
    if !trusted {
        map.append(FOR, side.peer);
        map.append(PROTO, side.scheme);
        if let Some(host) = side.host {
            map.append(HOST, host);
        }
        return;
    }
    let before: Vec<&[u8]> = map.get_all(&FOR).map(HeaderValue::as_bytes).collect();
    let chain = if before.is_empty() {
        side.peer
    } else {
        let list = [before.join(&b", "[..]), side.peer.as_bytes().to_vec()].join(&b", "[..]);
        HeaderValue::from_bytes(&list).unwrap_or(side.peer)
    };
    map.insert(FOR, chain);
    map.insert_if_absent(PROTO, side.scheme);
    if let Some(host) = side.host {
        map.insert_if_absent(HOST, host);
    }
}

/// One element of `Forwarded`. An IPv6 address is quoted, in brackets (RFC 7239, section 6).
fn told(side: &Side) -> Vec<u8> {
    let peer = side.peer.as_bytes();
    let mut text = match peer.contains(&b':') {
        true => [b"for=\"[", peer, b"]\""].concat(),
        false => [b"for=", peer].concat(),
    };
    text.extend_from_slice(b";proto=");
    text.extend_from_slice(side.scheme.as_bytes());
    // A host that was asked for has been inspected: it holds no quote.
    if let Some(host) = side.host.as_ref().filter(|h| !h.as_bytes().contains(&b'"')) {
        text.extend_from_slice(b";host=\"");
        text.extend_from_slice(host.as_bytes());
        text.push(b'"');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_the_first_caller_called_is_what_the_outermost_proxy_says() {
        let field = |name: &'static str, value: &'static str| {
            Fields::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))])
        };
        let mut x = field("x-forwarded-proto", " https, http");
        x.extend(field("x-forwarded-host", "hooks.example:8443, inner"));
        let https = Called { scheme: Some("https"), host: Some("hooks.example:8443") };
        assert_eq!(called(&x, ForwardedField::XForwardedFor), https);
        assert_eq!(called(&x, ForwardedField::Forwarded), Called::default());
        let forwarded =
            field("forwarded", "for=1.2.3.4;Proto=https;host=\"hooks.example:8443\", for=10.0.0.1;proto=http");
        assert_eq!(called(&forwarded, ForwardedField::Forwarded), https);
        assert_eq!(called(&forwarded, ForwardedField::XForwardedFor), Called::default());
        assert_eq!(called(&Fields::new(), ForwardedField::Forwarded), Called::default());
    }
    use proptest::prelude::*;

    fn from(field: ForwardedField, peer: &str, lines: &[&str]) -> String {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"].iter().map(|n| n.parse().unwrap()).collect();
        let mut headers = Fields::new();
        for line in lines {
            let name = if field == ForwardedField::Forwarded { FORWARDED } else { FOR };
            headers.append(name, HeaderValue::from_str(line).unwrap());
        }
        client(peer.parse().unwrap(), &headers, &trusted, field).to_string()
    }

    #[test]
    fn l3_the_right_most_untrusted_hop_is_the_client() {
        let from = |peer: &str, lines: &[&str]| from(ForwardedField::XForwardedFor, peer, lines);
        assert_eq!(from("203.0.113.1", &["1.2.3.4"]), "203.0.113.1", "an untrusted peer is not believed");
        assert_eq!(from("10.0.0.1", &["1.2.3.4"]), "1.2.3.4");
        assert_eq!(from("10.0.0.1", &["6.6.6.6, 1.2.3.4"]), "1.2.3.4", "what the client made up is not believed");
        assert_eq!(from("10.0.0.1", &["6.6.6.6", "1.2.3.4, 10.0.0.7"]), "1.2.3.4");
        assert_eq!(from("10.0.0.1", &["1.2.3.4, nonsense, 10.0.0.7"]), "10.0.0.7");
        assert_eq!(from("10.0.0.1", &["\", 1.2.3.4"]), "1.2.3.4", "this field knows no quotes: none hides a hop");
        assert_eq!(from("10.0.0.1", &["[2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(from("10.0.0.1", &["1.2.3.4:99"]), "1.2.3.4");
        assert_eq!(from("::ffff:10.0.0.1", &["::ffff:1.2.3.4"]), "1.2.3.4");
        assert_eq!(from("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn l3_forwarded_is_read_where_the_proxies_write_it() {
        let from = |peer: &str, lines: &[&str]| from(ForwardedField::Forwarded, peer, lines);
        assert_eq!(from("203.0.113.1", &["for=1.2.3.4"]), "203.0.113.1", "an untrusted peer is not believed");
        assert_eq!(from("10.0.0.1", &["for=1.2.3.4"]), "1.2.3.4");
        assert_eq!(from("10.0.0.1", &["For=\"1.2.3.4:80\";proto=https;by=10.0.0.1"]), "1.2.3.4");
        assert_eq!(from("10.0.0.1", &["proto=http; for=\"[2001:db8::1]:4711\""]), "2001:db8::1");
        assert_eq!(from("10.0.0.1", &["for=6.6.6.6, for=1.2.3.4, for=10.0.0.7"]), "1.2.3.4");
        assert_eq!(from("10.0.0.1", &["for=6.6.6.6", "for=1.2.3.4"]), "1.2.3.4");
        assert_eq!(from("10.0.0.1", &["for=1.2.3.4;host=\"a,for=6.6.6.6\""]), "1.2.3.4", "a comma within quotes");
        assert_eq!(from("10.0.0.1", &["for=1.2.3.4;host=\"\\\",for=6.6.6.6\""]), "1.2.3.4", "a quote within quotes");
        assert_eq!(from("10.0.0.1", &["for=6.6.6.6;host=\"a, for=1.2.3.4"]), "1.2.3.4", "a quote that is never closed");
        assert_eq!(from("10.0.0.1", &["for=6.6.6.6;host=\"a\\, for=\"1.2.3.4\""]), "1.2.3.4", "or only seems to be");
        for unreadable in
            ["for=unknown", "for=_hidden", "proto=http", "for=1.2.3.4;for=5.6.7.8", "for=\"1.2.3.4", "", "x"]
        {
            assert_eq!(from("10.0.0.1", &["for=6.6.6.6", unreadable]), "10.0.0.1", "{unreadable}");
        }
    }

    #[test]
    fn what_is_told_can_be_read_again() {
        for peer in ["192.0.2.1", "2001:db8::1"] {
            let host = Some(HeaderValue::from_static("h:80"));
            let side = Side { peer: HeaderValue::from_static(peer), scheme: HeaderValue::from_static("https"), host };
            assert_eq!(element(&told(&side)).map(|a| a.to_string()).as_deref(), Some(peer));
        }
    }

    proptest! {
        #[test]
        fn no_value_upsets_the_reader(text in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = element(&text);
            for field in [ForwardedField::Forwarded, ForwardedField::XForwardedFor] {
                let parts: Vec<&[u8]> = split(&text, b',', field).collect();
                prop_assert_eq!(parts.join(&b','), text.clone());
            }
        }
    }
}
