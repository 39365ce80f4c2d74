//! C1: `/c/<connection name or id>/<path>`.

use crate::model::Denial;
use crate::policy::path;
use http::{Uri, Version};

/// What a call's path says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Called<'a> {
    /// Of a connection or a connector, or an id.
    pub name: &'a str,
    /// What is behind the name, to the byte: empty, or beginning with a slash.
    pub rest: &'a str,
}

/// Reads a target. `Ok(None)`: it calls nothing.
///
/// An absolute target of HTTP/1 is for a forward proxy, and its path belongs to the server that it names. It calls
/// nothing: whoever makes a worker fetch `http://anywhere/c/stripe/…` through its proxy must not reach `stripe` by it.
///
/// Errors: [`Denial::AmbiguousPath`], for the whole path: no spelling leads from one connection to another, or out of
/// a base path (hazard 6).
pub fn called(target: &Uri, version: Version) -> Result<Option<Called<'_>>, Denial> {
    let called = in_path(target.path())?;
    Ok(called.filter(|_| target.authority().is_none() || version == Version::HTTP_2))
}

fn in_path(path: &str) -> Result<Option<Called<'_>>, Denial> {
    path::segments(path)?;
    let Some(after) = path.strip_prefix("/c/") else { return Ok(None) };
    let (name, rest) = after.split_at(after.find('/').unwrap_or(after.len()));
    Ok(Some(Called { name, rest }).filter(|called| !called.name.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> Result<Option<(&str, &str)>, &'static str> {
        in_path(path).map(|c| c.map(|c| (c.name, c.rest))).map_err(|d| d.code())
    }

    #[test]
    fn c1_the_name_and_what_is_behind_it() {
        assert_eq!(read("/c/stripe/v1/charges"), Ok(Some(("stripe", "/v1/charges"))));
        assert_eq!(read("/c/stripe/v1/a%20b/"), Ok(Some(("stripe", "/v1/a%20b/"))));
        assert_eq!(read("/c/stripe/"), Ok(Some(("stripe", "/"))));
        assert_eq!(read("/c/stripe"), Ok(Some(("stripe", ""))));
        for nothing in ["/", "/c", "/c/", "/C/stripe/x", "/%63/stripe/x", "/stripe/x", "/cc/stripe"] {
            assert_eq!(read(nothing), Ok(None), "{nothing}");
        }
    }

    #[test]
    fn hazard_16_an_absolute_target_names_another_server() {
        let of = |target: &str, version| {
            let target: Uri = target.parse().unwrap();
            called(&target, version).map(|c| c.map(|c| c.name.to_owned())).map_err(|d| d.code())
        };
        assert_eq!(of("/c/one/x", Version::HTTP_11), Ok(Some("one".into())));
        assert_eq!(of("http://evil.example/c/one/x", Version::HTTP_11), Ok(None));
        assert_eq!(of("http://evil.example/c/one/x", Version::HTTP_10), Ok(None));
        assert_eq!(of("http://gateway/c/one/x", Version::HTTP_2), Ok(Some("one".into())), "its :authority");
        assert_eq!(of("http://evil.example/c/one/../two", Version::HTTP_11), Err("ambiguous_path"));
    }

    #[test]
    fn hazard_6_no_spelling_leads_elsewhere() {
        for trick in [
            "/c/one/../two/x",
            "/c/one/%2e%2e/two/x",
            "/c/one/..%2ftwo/x",
            "/c/one%2f..%2ftwo/x",
            "/c/one//x",
            "/c//one/x",
            "//c/one/x",
            "/c/one/..;/two",
            "/c/one/%252e%252e/two",
            "/c/one/\\..\\two",
            "/c/one/%5c..%5ctwo",
            "/c/one/%00",
            "/c/one/%ff",
            "/c/../c/one",
            "/c/one/.",
            "/c/one/x/..",
        ] {
            assert_eq!(read(trick), Err("ambiguous_path"), "{trick}");
        }
    }
}
