//! C11: what may be called through a connection.

use crate::model::Denial;
use crate::model::connection::{CallRule, Connection};
use crate::policy::path;
use http::Method;

/// Whether `method` and the provider's path, which is the base path and `rest`, are on the connection's list.
///
/// The path that is judged is the one that is sent, but for the segment that is injected. Segments are compared decoded
/// and whole; what a careless provider might take for another spelling of a listed one is not listed.
pub fn allowed(connection: &Connection, method: &Method, rest: &str) -> Result<(), Denial> {
    if connection.allow.is_empty() {
        return Ok(());
    }
    let base = segments(&connection.destination.base_path)?;
    let rest = segments(rest)?;
    let fits = |rule: &CallRule| {
        let segments = base.iter().chain(&rest).map(|s| &**s);
        may(rule, method) && begins(segments, &rule.path)
    };
    if connection.allow.iter().any(fits) { Ok(()) } else { Err(Denial::CallNotAllowed) }
}

/// HEAD is a GET without the body.
fn may(rule: &CallRule, method: &Method) -> bool {
    let get_without_body = *method == Method::HEAD && rule.methods.contains(&Method::GET);
    rule.methods.is_empty() || rule.methods.contains(method) || get_without_body
}

fn segments(path: &str) -> Result<path::Segments<'_>, Denial> {
    if path.is_empty() { Ok(path::Segments::new()) } else { path::segments(path) }
}

fn begins<'a>(mut segments: impl Iterator<Item = &'a [u8]>, wanted: &[Box<[u8]>]) -> bool {
    wanted.iter().all(|wanted| segments.next().is_some_and(|segment| *segment == **wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::fixture;

    /// `rules`: method or `*`, and path.
    fn verdict(base: &str, rules: &[(&str, &str)], method: &str, rest: &str) -> Result<(), &'static str> {
        let mut snapshot = fixture::snapshot();
        let connection = &mut snapshot.connections[0];
        connection.destination.base_path = base.into();
        let rule = |(method, path): &(&str, &str)| CallRule {
            methods: if *method == "*" { [].into() } else { [method.parse().unwrap()].into() },
            path: path.split('/').filter(|s| !s.is_empty()).map(|s| s.as_bytes().into()).collect(),
        };
        connection.allow = rules.iter().map(rule).collect();
        allowed(connection, &method.parse().unwrap(), rest).map_err(|d| d.code())
    }

    #[test]
    fn c11_methods_and_whole_segments_of_the_providers_path() {
        let rules = [("GET", "/v1/charges"), ("POST", "/v1/refunds")];
        for (method, rest) in [("GET", "/v1/charges"), ("GET", "/v1/charges/"), ("HEAD", "/v1/charges/ch_1/x")] {
            assert_eq!(verdict("", &rules, method, rest), Ok(()), "{method} {rest}");
        }
        for (method, rest) in [
            ("POST", "/v1/charges"),
            ("GET", "/v1/refunds"),
            ("GET", "/v1/chargesx"),
            ("GET", "/v1"),
            ("GET", "/"),
            ("GET", ""),
            ("GET", "/v1/Charges"),
            ("GET", "/v1/charges;x"),
            ("GET", "/v1/charges%3Bx"),
            ("GET", "/x/v1/charges"),
            ("get", "/v1/charges"),
            ("HEAD", "/v1/refunds"),
        ] {
            assert_eq!(verdict("", &rules, method, rest), Err("call_not_allowed"), "{method} {rest}");
        }
        assert_eq!(verdict("", &rules, "GET", "/v1/%63harges"), Ok(()), "the same segment, encoded");
    }

    #[test]
    fn c11_the_base_path_counts_and_an_empty_list_allows_everything() {
        assert_eq!(verdict("/v0", &[("*", "/v0/meta")], "PATCH", "/meta/x"), Ok(()));
        assert_eq!(verdict("/v0", &[("*", "/meta")], "PATCH", "/meta/x"), Err("call_not_allowed"));
        assert_eq!(verdict("", &[("GET", "/")], "GET", "/anything"), Ok(()));
        assert_eq!(verdict("", &[], "DELETE", "/anything"), Ok(()));
    }
}
