//! A secret that is a whole URL, such as a Slack webhook's: only its path is injected, and only if it belongs to the
//! place where the connection goes.

use http::Uri;
use zeroize::Zeroizing;

/// Why a secret is no URL of the connection's. None of them repeats any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    #[error("the secret is no URL: this connector's secret is the whole URL that the provider gave out")]
    NotAUrl,
    #[error("the secret's URL is at another scheme, host or port than the base URL")]
    Elsewhere,
    #[error("the secret's URL has a query or fragment")]
    Query,
    #[error("the secret's URL has a path that servers read in different ways")]
    Path,
}

/// The path of the URL `secret`, behind the path of `base`, encoded as it came. By hand, since a parser would leave
/// copies behind.
pub fn path_of(secret: &[u8], base: &Uri) -> Result<Zeroizing<Vec<u8>>, BadUrl> {
    let text = std::str::from_utf8(secret).map_err(|_| BadUrl::NotAUrl)?;
    let (scheme, rest) = text.split_once("://").ok_or(BadUrl::NotAUrl)?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let same_scheme = base.scheme_str().is_some_and(|s| s.eq_ignore_ascii_case(scheme));
    let same_authority = base.authority().is_some_and(|a| {
        let port = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
        let bare = |a: &str| a.strip_suffix(port).unwrap_or(a).len();
        let (ours, theirs) = (a.as_str(), authority);
        ours[..bare(ours)].eq_ignore_ascii_case(&theirs[..bare(theirs)])
    });
    if !same_scheme || !same_authority {
        return Err(BadUrl::Elsewhere);
    }
    if path.contains(['?', '#']) {
        return Err(BadUrl::Query);
    }
    let path = path.strip_prefix(base.path().trim_end_matches('/')).ok_or(BadUrl::Elsewhere)?;
    let segments = path.strip_prefix('/').ok_or(BadUrl::Path)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&b);
    if !segments.bytes().all(plain) || segments.split('/').any(|s| matches!(s, "" | "." | "..")) {
        return Err(BadUrl::Path);
    }
    Ok(Zeroizing::new(path.as_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(secret: &str, base: &'static str) -> Result<String, BadUrl> {
        path_of(secret.as_bytes(), &Uri::from_static(base)).map(|p| String::from_utf8(p.to_vec()).unwrap())
    }

    #[test]
    fn the_path_of_a_url_at_the_base_urls_origin() {
        for (secret, base) in [
            ("https://hooks.example/s/T1/B2", "https://hooks.example"),
            ("https://hooks.example:443/s/T1/B2", "https://hooks.example"),
            ("HTTPS://Hooks.Example/s/T1/B2", "https://hooks.example:443"),
            ("http://127.0.0.1:8/in/s/T1/B2", "http://127.0.0.1:8/in"),
        ] {
            assert_eq!(read(secret, base).as_deref(), Ok("/s/T1/B2"), "{secret}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let base = "https://hooks.example";
        for (secret, why) in [
            ("/s/T1/B2", BadUrl::NotAUrl),
            ("", BadUrl::NotAUrl),
            ("http://hooks.example/s", BadUrl::Elsewhere),
            ("https://hooks.example.evil/s", BadUrl::Elsewhere),
            ("https://hooks.example@evil/s", BadUrl::Elsewhere),
            ("https://u@hooks.example/s", BadUrl::Elsewhere),
            ("https://hooks.example:8443/s", BadUrl::Elsewhere),
            ("https://hooks.example/s?a=b", BadUrl::Query),
            ("https://hooks.example/s#a", BadUrl::Query),
            ("https://hooks.example/s/../x", BadUrl::Path),
            ("https://hooks.example/s//x", BadUrl::Path),
            ("https://hooks.example/s/%2e%2e", BadUrl::Path),
            ("https://hooks.example/s\\x", BadUrl::Path),
            ("https://hooks.example/", BadUrl::Path),
            ("https://hooks.example", BadUrl::Path),
        ] {
            assert_eq!(read(secret, base), Err(why), "{secret}");
        }
    }
}
