//! The URL that the sender called, as far as we know: some schemes sign it.

use super::claim::Addressed;

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
    fn twilio_calls_with_and_without_port() {
        let both = |url: &str| with_and_without_port(url.to_owned());
        assert_eq!(both("https://h/a:b?c:d"), ["https://h/a:b?c:d", "https://h:443/a:b?c:d"]);
        assert_eq!(both("http://h?a"), ["http://h?a", "http://h:80?a"]);
        assert_eq!(both("https://h:8443/a"), ["https://h:8443/a", "https://h/a"]);
        assert_eq!(both("https://[::1]/a"), ["https://[::1]/a", "https://[::1]:443/a"]);
        assert_eq!(both("https://[::1]:1/a"), ["https://[::1]:1/a", "https://[::1]/a"]);
    }
}
