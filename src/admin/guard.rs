//! Who may call from where, before anything is believed: no page of another site through an operator's browser, neither
//! directly nor by a name that was pointed at loopback (DNS rebinding).

use super::problem::Problem;
use http::header::{HOST, HeaderMap, ORIGIN};
use http::request::Parts;
use http::{Method, StatusCode};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// The listener that was reached.
#[derive(Debug, Clone, Copy)]
pub struct Door {
    /// Where it listens.
    pub address: SocketAddr,
    pub tls: bool,
}

/// Refuses what a browser sends for somebody else.
pub fn guard(parts: &Parts, door: Door) -> Result<(), Problem> {
    let host = host(parts)?;
    // Over TLS a name that was pointed here fails at the certificate already. Elsewhere than on loopback there is TLS.
    if !door.tls && door.address.ip().is_loopback() && !is_near(host, door) {
        let hint = "call localhost, 127.0.0.1 or [::1]; a proxy in between must send one of these as Host";
        let detail = "this listener is on loopback, and Host names something else";
        return Err(Problem::new(StatusCode::FORBIDDEN, "invalid_host", detail, hint));
    }
    origin(&parts.headers, host, door)?;
    site(parts)
}

/// What the request says that it calls: its only `Host`, which its target, if that names a host at all, must repeat.
fn host(parts: &Parts) -> Result<&str, Problem> {
    let wrong = || Problem::bad_request("invalid_host", "there is not exactly one valid Host", "send Host once");
    let mut lines = parts.headers.get_all(HOST).iter();
    let (Some(host), None) = (lines.next(), lines.next()) else { return Err(wrong()) };
    let host = host.to_str().ok().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
    match parts.uri.authority() {
        Some(authority) if !authority.as_str().eq_ignore_ascii_case(host) => Err(wrong()),
        _ => Ok(host),
    }
}

/// Loopback by name or address, whatever the port: it may have been forwarded.
fn is_near(host: &str, door: Door) -> bool {
    if let Some((v6, _)) = host.strip_prefix('[').and_then(|h| h.split_once(']')) {
        return v6.parse::<Ipv6Addr>().is_ok_and(|a| a.to_canonical().is_loopback() || door.address.ip() == a);
    }
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    let name = name.strip_suffix('.').unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || name.parse::<Ipv4Addr>().is_ok_and(|a| a.is_loopback())
}

/// A browser names the page's origin, which must be ours.
fn origin(headers: &HeaderMap, host: &str, door: Door) -> Result<(), Problem> {
    let own = format!("{}://{host}", if door.tls { "https" } else { "http" });
    let is_own = |origin: &[u8]| origin.eq_ignore_ascii_case(own.as_bytes());
    if headers.get_all(ORIGIN).iter().all(|origin| is_own(origin.as_bytes())) { Ok(()) } else { Err(foreign()) }
}

/// Browsers say of every request whose page asked for it; writes must come from our own.
fn site(parts: &Parts) -> Result<(), Problem> {
    if matches!(parts.method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    let sites = parts.headers.get_all("sec-fetch-site");
    let own = sites.iter().all(|site| matches!(site.as_bytes(), b"same-origin" | b"none"));
    if own { Ok(()) } else { Err(foreign()) }
}

fn foreign() -> Problem {
    let hint = "call the API from a program, or from a page of this listener's own host";
    Problem::new(StatusCode::FORBIDDEN, "forbidden_origin", "a browser sent this for a page of another site", hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn verdict(tls: bool, method: &str, uri: &str, fields: &[(&str, &str)]) -> Result<(), (u16, &'static str)> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let door = Door { address: "127.0.0.1:8082".parse().unwrap(), tls };
        guard(&parts, door).map_err(|problem| (problem.status().as_u16(), problem.code()))
    }

    fn hosted(host: &str) -> Result<(), (u16, &'static str)> {
        verdict(false, "GET", "/api/v1/keys", &[("host", host)])
    }

    #[test]
    fn a_name_that_was_pointed_at_loopback_is_refused() {
        for near in ["localhost", "LOCALHOST:1", "localhost.", "127.0.0.1:8082", "127.9.9.9", "[::1]:9"] {
            assert_eq!(hosted(near), Ok(()), "{near}");
        }
        for far in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "[::2]"] {
            assert_eq!(hosted(far), Err((403, "invalid_host")), "{far}");
            assert_eq!(verdict(true, "GET", "/api/v1/keys", &[("host", far)]), Ok(()), "the certificate decides");
        }
    }

    #[test]
    fn a_request_names_one_host() {
        let bad = Err((400, "invalid_host"));
        assert_eq!(verdict(false, "GET", "/", &[]), bad);
        assert_eq!(verdict(false, "GET", "/", &[("host", "localhost"), ("host", "localhost")]), bad);
        assert_eq!(verdict(false, "GET", "http://evil.example/", &[("host", "localhost")]), bad);
        assert_eq!(verdict(false, "GET", "http://localhost/", &[("host", "localhost")]), Ok(()));
    }

    #[test]
    fn pages_of_other_sites_are_refused() {
        let with = |method: &str, name: &str, value: &str| {
            verdict(false, method, "/api/v1/keys", &[("host", "localhost:8082"), (name, value)])
        };
        let foreign = Err((403, "forbidden_origin"));
        assert_eq!(with("POST", "origin", "http://localhost:8082"), Ok(()));
        for other in ["http://evil.example", "null", "http://localhost:9999", "https://localhost:8082", ""] {
            assert_eq!(with("POST", "origin", other), foreign, "{other}");
            assert_eq!(with("GET", "origin", other), foreign, "{other}");
        }
        for own in ["same-origin", "none"] {
            assert_eq!(with("DELETE", "sec-fetch-site", own), Ok(()), "{own}");
        }
        for other in ["cross-site", "same-site", "new-word"] {
            assert_eq!(with("DELETE", "sec-fetch-site", other), foreign, "{other}");
            assert_eq!(with("GET", "sec-fetch-site", other), Ok(()), "a link is followed: {other}");
        }
    }
}
