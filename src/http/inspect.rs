//! Stands before every decision: a head that was read is not yet one that may be acted upon. Oversized ones, strange or
//! repeated hosts, methods that are never forwarded and framing that HTTP/2 does not check are refused here.

use super::h1::framing::of_request;
use crate::model::{Denial, Listener};
use crate::model::{Fields, RequestHead};
use http::header::{EXPECT, HOST};
use http::{Method, Version};

/// Most fields a head may hold.
const MAX_FIELDS: usize = 100;

/// Refuses what can be read in more than one way, or costs too much to read.
pub fn inspect(parts: &RequestHead, door: &Listener) -> Result<(), Denial> {
    if let Some(flaw) = &parts.flaw {
        return Err((**flaw).clone());
    }
    if !matches!(parts.version, Version::HTTP_10 | Version::HTTP_11 | Version::HTTP_2) {
        return Err(Denial::VersionNotSupported);
    }
    size(parts, door)?;
    if matches!(parts.method, Method::CONNECT | Method::TRACE) || parts.method.as_str() == "TRACK" {
        return Err(Denial::MethodNotAllowed { allow: Vec::new() });
    }
    if parts.uri.path() == "*" {
        return Err(Denial::MethodNotAllowed { allow: Vec::new() });
    }
    if parts.version == Version::HTTP_2 {
        // HTTP/1 was framed by it already.
        of_request(parts.version, &parts.headers)?;
    }
    host(parts)?;
    target(parts)?;
    expectation(&parts.headers)
}

/// The path and query are checked byte by byte: nothing unencoded that a URI cannot hold.
fn target(parts: &RequestHead) -> Result<(), Denial> {
    let query = parts.uri.query().unwrap_or_default();
    if query.bytes().any(|b| b <= b' ' || b >= 0x7f || b == b'#') {
        return Err(Denial::BadRequest("a byte that a query cannot hold unencoded"));
    }
    Ok(())
}

fn size(parts: &RequestHead, door: &Listener) -> Result<(), Denial> {
    let uri = parts.uri.path().len() + parts.uri.query().map_or(0, |q| q.len() + 1);
    if uri as u64 > door.max_uri {
        return Err(Denial::UriTooLong { limit: door.max_uri });
    }
    if parts.headers.len() > MAX_FIELDS {
        return Err(Denial::HeadTooLarge("more than 100 header fields"));
    }
    // `name: value\r\n`
    let fields: usize = parts.headers.iter().map(|(n, v)| n.as_str().len() + v.len() + 4).sum();
    if (uri + fields) as u64 > door.max_head {
        return Err(Denial::HeadTooLarge("more bytes than max_head"));
    }
    Ok(())
}

/// Exactly one valid host (hazard 11). The target's, where it has one, is authoritative.
fn host(parts: &RequestHead) -> Result<(), Denial> {
    let mut hosts = parts.headers.get_all(HOST);
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Denial::InvalidHost("Host is repeated"));
    }
    if let Some(host) = host
        && !is_authority(host.as_bytes())
    {
        return Err(Denial::InvalidHost("Host is not a host name and port"));
    }
    match parts.uri.authority() {
        Some(authority) if !is_authority(authority.as_str().as_bytes()) => {
            Err(Denial::InvalidHost("the target's authority is not a host name and port"))
        }
        Some(authority) if parts.version == Version::HTTP_2 => match host {
            Some(host) if !host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()) => {
                Err(Denial::InvalidHost("Host differs from :authority"))
            }
            _ => Ok(()),
        },
        // HTTP/1.0 knew no Host; HTTP/1.1 wants it beside an absolute target, too.
        _ if host.is_none() && parts.version != Version::HTTP_10 => Err(Denial::InvalidHost("Host is missing")),
        _ => Ok(()),
    }
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`; no userinfo, no list, no path.
fn is_authority(text: &[u8]) -> bool {
    let (host, port) = match text.strip_prefix(b"[") {
        Some(rest) => {
            let Some(end) = rest.iter().position(|b| *b == b']') else { return false };
            let address = std::str::from_utf8(&rest[..end]).unwrap_or_default();
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            (&b"v6"[..], &rest[end + 1..])
        }
        None => text.split_at(text.iter().position(|b| *b == b':').unwrap_or(text.len())),
    };
    let port_ok = match port.split_first() {
        Some((b':', digits)) => is_port(digits),
        Some(_) => false,
        None => true,
    };
    port_ok
        && !host.is_empty()
        && host.len() <= 255
        && host.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'))
}

/// Decimal digits, of no more than a port's number.
fn is_port(digits: &[u8]) -> bool {
    let number = |sum: u32, b: &u8| b.is_ascii_digit().then(|| (sum * 10 + u32::from(b - b'0')).min(1 << 20));
    !digits.is_empty() && digits.iter().try_fold(0, number).is_some_and(|port| port <= u32::from(u16::MAX))
}

fn expectation(headers: &Fields) -> Result<(), Denial> {
    let understood = headers.get_all(EXPECT).all(|v| v.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if understood { Ok(()) } else { Err(Denial::ExpectationFailed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::fixture;
    use http::Request;

    fn verdict(uri: &str, version: Version, lines: &[(&str, &str)]) -> Result<(), &'static str> {
        let mut request = Request::builder().uri(uri).version(version);
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        let parts = RequestHead::from(request.body(()).unwrap().into_parts().0);
        inspect(&parts, &fixture::door()).map_err(|d| d.code())
    }

    fn http11(lines: &[(&str, &str)]) -> Result<(), &'static str> {
        verdict("/", Version::HTTP_11, lines)
    }

    #[test]
    fn hazard_11_exactly_one_valid_host() {
        for bad in ["", "a,b", "a/b", "u@h", "a b", "h:port", "h:99999", "h:+1", "[::1", "[nope]", "h:1:2", "ä"] {
            assert_eq!(http11(&[("host", bad)]), Err("invalid_host"), "{bad:?}");
        }
        for good in ["h", "h:80", "h.example.", "127.0.0.1:8080", "[::1]:443", "a_b"] {
            assert_eq!(http11(&[("host", good)]), Ok(()), "{good}");
        }
        assert_eq!(http11(&[]), Err("invalid_host"));
        assert_eq!(http11(&[("host", "a"), ("host", "a")]), Err("invalid_host"));
        assert_eq!(verdict("/", Version::HTTP_10, &[]), Ok(()));
        assert_eq!(verdict("https://h/", Version::HTTP_2, &[("host", "other")]), Err("invalid_host"));
        assert_eq!(verdict("https://h/", Version::HTTP_2, &[("host", "H")]), Ok(()));
        assert_eq!(verdict("http://u@h/", Version::HTTP_11, &[("host", "h")]), Err("invalid_host"));
    }

    #[test]
    fn hazards_13_14_16_sizes_expectations_and_methods() {
        let long = format!("/{}", "a".repeat(9000));
        assert_eq!(verdict(&long, Version::HTTP_11, &[("host", "h")]), Err("uri_too_long"));
        let big = "x".repeat(17_000);
        assert_eq!(http11(&[("host", "h"), ("x", &big)]), Err("head_too_large"));
        assert_eq!(http11(&[("host", "h"), ("expect", "200-ok")]), Err("expectation_failed"));
        assert_eq!(http11(&[("host", "h"), ("expect", "100-Continue")]), Ok(()));
        for method in ["TRACE", "TRACK", "CONNECT"] {
            let request = Request::builder().method(method).uri("/").header("host", "h");
            let parts = RequestHead::from(request.body(()).unwrap().into_parts().0);
            assert_eq!(inspect(&parts, &fixture::door()).unwrap_err().code(), "method_not_allowed", "{method}");
        }
        assert_eq!(verdict("*", Version::HTTP_11, &[("host", "h")]), Err("method_not_allowed"));
    }
}
