//! C4: a listener that stands for a key has no credential to ask for, so it must know that no browser is made to call it:
//! neither by a page of another site nor by a name that was pointed at it (DNS rebinding).

use crate::model::Denial;
use crate::model::RequestHead;
use crate::model::listener::OutboundDoor;
use http::header::{HOST, ORIGIN};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Refuses what a browser sends for somebody else. `door`: of a listener with an identity; others ask for a token.
pub fn guard(parts: &RequestHead, door: &OutboundDoor) -> Result<(), Denial> {
    if door.identity.is_none() {
        return Ok(());
    }
    if parts.headers.contains_key(ORIGIN) {
        return Err(Denial::Forbidden("a request with Origin: a browser sends it for a page"));
    }
    let mut sites = parts.headers.get_all("sec-fetch-site");
    if sites.any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none")) {
        return Err(Denial::Forbidden("a request with Sec-Fetch-Site: a browser sends it for another site"));
    }
    // A target's authority counts before Host (hazard 11), and neither may be foreign.
    let host = parts.headers.get(HOST).map(|host| host.as_bytes());
    let target = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    let mut named = host.into_iter().chain(target);
    if named.all(|host| is_near(host, door)) {
        Ok(())
    } else {
        Err(Denial::Forbidden("a Host that is neither loopback nor on the listener's hosts"))
    }
}

/// Loopback by name or address, or listed. The port says nothing: one socket has one listener.
fn is_near(host: &[u8], door: &OutboundDoor) -> bool {
    let Ok(host) = std::str::from_utf8(host) else { return false };
    if let Some(v6) = host.strip_prefix('[').and_then(|h| h.split_once(']')) {
        return v6.0.parse::<Ipv6Addr>().is_ok_and(|a| a.to_canonical().is_loopback());
    }
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    let name = name.strip_suffix('.').unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<Ipv4Addr>().is_ok_and(|a| a.is_loopback())
        || door.hosts.iter().any(|listed| listed.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::key::KeyId;
    use http::Request;

    fn verdict(uri: &str, lines: &[(&str, &str)]) -> Result<(), &'static str> {
        let mut request = Request::builder().uri(uri);
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        let parts = RequestHead::from(request.body(()).unwrap().into_parts().0);
        let door = OutboundDoor { identity: Some(KeyId(0)), hosts: vec!["sidecar.internal".into()] };
        assert_eq!(guard(&parts, &OutboundDoor::default()), Ok(()), "with a token it does not matter");
        guard(&parts, &door).map_err(|d| d.code())
    }

    #[test]
    fn c4_hosts_that_cannot_be_somebody_elses() {
        for near in [
            "localhost",
            "LocalHost:8081",
            "localhost.",
            "127.0.0.1:8081",
            "127.9.9.9",
            "[::1]:1",
            "sidecar.internal:80",
        ] {
            assert_eq!(verdict("/c/x", &[("host", near)]), Ok(()), "{near}");
        }
        for far in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "0.0.0.0",
            "[::]",
            "[2001:db8::1]",
            "2130706433",
            "0x7f.1",
            "127.1",
            "xlocalhost",
            "",
        ] {
            assert_eq!(verdict("/c/x", &[("host", far)]), Err("forbidden"), "{far}");
        }
        assert_eq!(verdict("http://evil.example/c/x", &[("host", "localhost")]), Err("forbidden"));
        assert_eq!(verdict("http://localhost/c/x", &[("host", "evil.example")]), Err("forbidden"));
    }

    #[test]
    fn c4_no_page_of_a_browser_calls() {
        let host = ("host", "localhost");
        assert_eq!(verdict("/c/x", &[host, ("origin", "http://localhost:8081")]), Err("forbidden"));
        assert_eq!(verdict("/c/x", &[host, ("origin", "null")]), Err("forbidden"));
        for site in ["cross-site", "same-site", "", "Cross-Site", "anything"] {
            assert_eq!(verdict("/c/x", &[host, ("sec-fetch-site", site)]), Err("forbidden"), "{site}");
        }
        let two = [host, ("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")];
        assert_eq!(verdict("/c/x", &two), Err("forbidden"));
        assert_eq!(verdict("/c/x", &[host, ("sec-fetch-site", "none"), ("sec-fetch-mode", "cors")]), Ok(()));
    }
}
