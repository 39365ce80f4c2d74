//! Which fields may come after a body, and whether anybody reads them.

use super::headers::{LONGEST_FOLDED, Names, fold, is_hearsay, is_hop_by_hop, is_replaced};
use crate::model::Fields;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Whether a trailer goes on, in either direction. An allow-list: what is read after the body must not be able to say
/// who sends it, how long it is or where it goes. `more` is the connection's own list; nothing on it overrules that.
pub fn may_pass(name: &HeaderName, more: &[HeaderName]) -> bool {
    let name = name.as_str();
    let listed = matches!(
        name,
        "grpc-status"
            | "grpc-message"
            | "grpc-status-details-bin"
            | "server-timing"
            | "digest"
            | "content-digest"
            | "repr-digest"
            | "content-md5"
            | "etag"
    ) || name.starts_with("x-checksum-")
        || name.starts_with("x-amz-checksum-")
        || more.iter().any(|m| m == name);
    let mut room = [0u8; LONGEST_FOLDED];
    listed && !is_no_trailer(fold(name, &mut room))
}

/// Takes out the trailers that do not pass.
pub fn strip(trailers: &mut HeaderMap, more: &[HeaderName]) {
    let doomed: Names = trailers.keys().filter(|name| !may_pass(name, more)).cloned().collect();
    for name in &doomed {
        trailers.remove(name);
    }
}

/// What `Trailer` announces, without the names that will not come.
pub fn announced(headers: &Fields, more: &[HeaderName]) -> Option<HeaderValue> {
    let lines = headers.get_all(header::TRAILER);
    let names = lines.flat_map(|line| line.as_bytes().split(|b| *b == b','));
    let pass = |token: &&[u8]| HeaderName::from_bytes(token).is_ok_and(|name| may_pass(&name, more));
    let kept: Vec<&[u8]> = names.map(<[u8]>::trim_ascii).filter(pass).collect();
    if kept.is_empty() { None } else { HeaderValue::from_bytes(&kept.join(&b", "[..])).ok() }
}

/// Whether the caller reads trailers: the one word of `TE` that goes on (RFC 9110, section 10.1.4).
pub fn are_read(headers: &Fields) -> bool {
    let members = headers.get_all(header::TE).flat_map(|line| line.as_bytes().split(|b| *b == b','));
    members.map(<[u8]>::trim_ascii).any(|member| member.eq_ignore_ascii_case(b"trailers"))
}

/// What frames or routes a message, proves who sends it, or is ours to say: never believed when it comes last.
fn is_no_trailer(folded: &str) -> bool {
    is_hop_by_hop(folded)
        || is_replaced(folded)
        || is_hearsay(folded)
        || folded.starts_with("x-keystile-")
        || matches!(
            folded,
            "authorization"
                | "cache-control"
                | "content-encoding"
                | "content-length"
                | "content-range"
                | "content-type"
                | "cookie"
                | "location"
                | "max-forwards"
                | "range"
                | "retry-after"
                | "set-cookie"
                | "vary"
                | "www-authenticate"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&'static str, &'static str)]) -> Fields {
        let mut headers = Fields::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn hazard_14_trailers_pass_by_name_and_never_those_that_change_what_was_said() {
        let more = ["x-row-count", "content-length", "x_keystile_key_id"].map(HeaderName::from_static);
        for (name, passes) in [
            ("grpc-status", true),
            ("grpc-status-details-bin", true),
            ("x-amz-checksum-crc32c", true),
            ("x-checksum-sha256", true),
            ("x-row-count", true),
            ("x-other", false),
            ("authorization", false),
            ("content-length", false),
            ("transfer-encoding", false),
            ("host", false),
            ("set-cookie", false),
            ("x-keystile-username", false),
            ("x_keystile_key_id", false),
        ] {
            assert_eq!(may_pass(&HeaderName::from_static(name), &more), passes, "{name}");
        }
        let headers = map(&[("trailer", "Grpc-Status, Authorization"), ("trailer", "x-row-count,,b d")]);
        assert_eq!(announced(&headers, &more).unwrap(), "Grpc-Status, x-row-count");
        assert_eq!(announced(&map(&[("trailer", "host")]), &more), None);
        let mut trailers: HeaderMap = map(&[("grpc-status", "0"), ("authorization", "x"), ("x-row-count", "7")]).into();
        strip(&mut trailers, &more);
        assert_eq!(trailers.keys().collect::<Vec<_>>(), ["grpc-status", "x-row-count"]);
    }

    #[test]
    fn of_te_only_the_word_trailers_goes_on() {
        for (value, reads) in [("trailers", true), ("gzip, Trailers", true), ("gzip", false), ("trailers;q=1", false)] {
            assert_eq!(are_read(&map(&[("te", value)])), reads, "{value}");
        }
    }
}
