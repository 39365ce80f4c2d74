//! C1: `/c/<connection name or id>/<path>`.

use crate::model::Denial;
use crate::policy::path;

/// What a call's path says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Called<'a> {
    /// Of a connection or a connector, or an id.
    pub name: &'a str,
    /// What is behind the name, to the byte: empty, or beginning with a slash.
    pub rest: &'a str,
}

/// Reads a path. `Ok(None)`: it calls nothing.
///
/// Errors: [`Denial::AmbiguousPath`], for the whole of it: no spelling leads from one connection to another, or out of
/// a base path (hazard 6).
pub fn called(path: &str) -> Result<Option<Called<'_>>, Denial> {
    path::segments(path)?;
    let Some(after) = path.strip_prefix("/c/") else { return Ok(None) };
    let (name, rest) = after.split_at(after.find('/').unwrap_or(after.len()));
    Ok(Some(Called { name, rest }).filter(|called| !called.name.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> Result<Option<(&str, &str)>, &'static str> {
        called(path).map(|c| c.map(|c| (c.name, c.rest))).map_err(|d| d.code())
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
