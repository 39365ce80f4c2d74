//! The URL that the sender called, as far as we know: some schemes sign it.

use super::claim::Addressed;
use crate::model::Listener;
use crate::model::RequestHead;
use crate::policy::{address, forwarded};
use http::header::HOST;
use std::net::IpAddr;

impl<'a> Addressed<'a> {
    /// By what the request says of itself, or the trusted proxies before it say of it. Wrong words make no signature right.
    pub fn of(parts: &'a RequestHead, door: &Listener, peer: IpAddr) -> Addressed<'a> {
        let said = match address::within(peer, &door.trusted_proxies) {
            true => forwarded::called(&parts.headers, door.forwarded),
            false => forwarded::Called::default(),
        };
        let own = || match parts.uri.authority() {
            Some(authority) => Some(authority.as_str()),
            None => parts.headers.get(HOST)?.to_str().ok(),
        };
        Addressed {
            method: &parts.method,
            uri: &parts.uri,
            host: said.host.or_else(own),
            https: said.scheme.map_or(door.tls, |scheme| scheme.eq_ignore_ascii_case("https")),
        }
    }
}

/// `public_url`, where an operator wrote one, else what the request says of itself; then path and query, as they came. A path
/// in `public_url` is what a proxy in front takes away: it stands before ours.
pub(super) fn called(addressed: &Addressed<'_>, public_url: Option<&str>) -> String {
    let path = path(addressed);
    match public_url {
        Some(base) => format!("{}{path}", base.trim_end_matches('/')),
        None => {
            let scheme = if addressed.https { "https" } else { "http" };
            format!("{scheme}://{}{path}", addressed.host.unwrap_or_default())
        }
    }
}

/// Path and query, as they came.
pub(super) fn path<'a>(addressed: &Addressed<'a>) -> &'a str {
    addressed.uri.path_and_query().map_or("/", |path| path.as_str())
}

/// A URL with its port and without it: Twilio signs now this, now that, and its libraries try both.
pub(super) fn with_and_without_port(url: String) -> [String; 2] {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    let host = &url[start..end];
    // An IPv6 address has colons of its own, within brackets.
    let port = host.rfind(':').filter(|at| host.rfind(']').is_none_or(|bracket| bracket < *at));
    let other = match port {
        Some(at) => format!("{}{}", &url[..start + at], &url[end..]),
        None => {
            let standard = if url.starts_with("https:") { "443" } else { "80" };
            format!("{}:{standard}{}", &url[..end], &url[end..])
        }
    };
    [url, other]
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Method, Uri};

    #[test]
    fn the_url_is_what_the_sender_called() {
        let uri: Uri = "/hooks/%41?a=b%20c&d".parse().unwrap();
        let at = |host, https| Addressed { method: &Method::POST, uri: &uri, host, https };
        let called = |host, https, public| called(&at(host, https), public);
        assert_eq!(called(Some("h:8443"), true, None), "https://h:8443/hooks/%41?a=b%20c&d");
        assert_eq!(called(Some("h"), false, None), "http://h/hooks/%41?a=b%20c&d");
        for public in ["https://p.example", "https://p.example/"] {
            assert_eq!(called(Some("h"), false, Some(public)), "https://p.example/hooks/%41?a=b%20c&d");
        }
        assert_eq!(called(None, false, Some("https://p/in/")), "https://p/in/hooks/%41?a=b%20c&d");
    }

    #[test]
    fn a_trusted_proxy_says_how_it_was_called_and_nobody_else_does() {
        let request = http::Request::post("/hook").header("host", "inner:8080");
        let request = request.header("x-forwarded-proto", "https").header("x-forwarded-host", "hooks.example");
        let parts = RequestHead::from(request.body(()).unwrap().into_parts().0);
        let mut door = crate::policy::fixture::door();
        let peer = "10.0.0.1".parse().unwrap();
        let url = |door: &Listener| super::called(&Addressed::of(&parts, door, peer), None);
        assert_eq!(url(&door), "http://inner:8080/hook");
        door.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
        assert_eq!(url(&door), "https://hooks.example/hook");
    }

    #[test]
    fn twilio_calls_with_and_without_port() {
        let both = |url: &str| with_and_without_port(url.to_owned());
        assert_eq!(both("https://h/a:b?c:d"), ["https://h/a:b?c:d", "https://h:443/a:b?c:d"]);
        assert_eq!(both("http://h?a"), ["http://h?a", "http://h:80?a"]);
        assert_eq!(both("https://h:8443/a"), ["https://h:8443/a", "https://h/a"]);
        assert_eq!(both("https://[::1]/a"), ["https://[::1]/a", "https://[::1]:443/a"]);
        assert_eq!(both("https://[::1]:1/a"), ["https://[::1]:1/a", "https://[::1]/a"]);
    }
}
