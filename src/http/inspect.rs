//! Stands before every decision: a head that was read is not yet one that may be acted upon. Oversized ones, strange or
//! repeated hosts, methods that are never forwarded and framing that HTTP/2 does not check are refused here.

use super::h1::framing::of_request;
use super::h1::server::Flawed;
use crate::model::{Denial, Listener};
use http::header::{EXPECT, HOST, HeaderMap};
use http::request::Parts;
use http::{Method, Version};

/// Most fields a head may hold.
const MAX_FIELDS: usize = 100;

/// Refuses what can be read in more than one way, or costs too much to read.
pub fn inspect(parts: &Parts, door: &Listener) -> Result<(), Denial> {
    if let Some(Flawed(denial)) = parts.extensions.get() {
        return Err(denial.clone());
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
fn target(parts: &Parts) -> Result<(), Denial> {
    let query = parts.uri.query().unwrap_or_default();
    if query.bytes().any(|b| b <= b' ' || b >= 0x7f || b == b'#') {
        return Err(Denial::BadRequest("a byte that a query cannot hold unencoded"));
    }
    Ok(())
}

fn size(parts: &Parts, door: &Listener) -> Result<(), Denial> {
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
fn host(parts: &Parts) -> Result<(), Denial> {
    let mut hosts = parts.headers.get_all(HOST).iter();
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
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((address, rest)) = rest.split_once(']') else { return false };
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            ("v6", rest)
        }
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port_ok = match port.strip_prefix(':') {
        Some(digits) => digits.parse::<u16>().is_ok() && digits.bytes().all(|b| b.is_ascii_digit()),
        None => port.is_empty(),
    };
    port_ok
        && !host.is_empty()
        && host.len() <= 255
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'))
}

fn expectation(headers: &HeaderMap) -> Result<(), Denial> {
    let understood = headers.get_all(EXPECT).iter().all(|v| v.as_bytes().eq_ignore_ascii_case(b"100-continue"));
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
        let (parts, ()) = request.body(()).unwrap().into_parts();
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
            let (parts, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(inspect(&parts, &fixture::door()).unwrap_err().code(), "method_not_allowed", "{method}");
        }
        assert_eq!(verdict("*", Version::HTTP_11, &[("host", "h")]), Err("method_not_allowed"));
    }
}
