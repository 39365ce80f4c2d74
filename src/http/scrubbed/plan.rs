//! What is done with a reply before its body is looked through, by its head alone.

use crate::http::coding::Coding;
use crate::model::Fields;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName, HeaderValue};
use http::{Method, StatusCode};

/// What is done with a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Its body can be looked through as it is, or there is none.
    Pass,
    /// These codings are undone first; they are in the order they were applied in.
    Decode(Vec<Coding>),
    /// A secret could stand in it unseen. The cause is for the log.
    Refuse(&'static str),
}

/// More codings than this on top of each other are no reply but an attack.
const MOST_CODINGS: usize = 2;

/// Compression within the messages of gRPC and Connect streams, which no content coding tells of.
const OF_MESSAGES: [HeaderName; 2] =
    [HeaderName::from_static("grpc-encoding"), HeaderName::from_static("connect-content-encoding")];

/// Decides by what was asked, and what the reply's head says.
pub fn plan(method: &Method, status: StatusCode, fields: &Fields) -> Plan {
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Plan::Refuse("the upstream left HTTP, where secrets cannot be looked for");
    }
    if *method == Method::HEAD || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Plan::Pass;
    }
    if matches!(status, StatusCode::PARTIAL_CONTENT | StatusCode::IM_USED) || is_in_ranges(fields) {
        return Plan::Refuse("a part was sent that nobody asked for, and could hold a part of a secret");
    }
    let of_messages = OF_MESSAGES.into_iter().flat_map(|name| fields.get_all(name));
    if listed(of_messages).any(|name| !name.eq_ignore_ascii_case(b"identity")) {
        return Plan::Refuse("the messages of the stream are compressed, though that was not accepted");
    }
    let mut codings = Vec::new();
    for name in listed(fields.get_all(CONTENT_ENCODING)).filter(|name| !name.eq_ignore_ascii_case(b"identity")) {
        match Coding::named(name) {
            Some(coding) if codings.len() < MOST_CODINGS => codings.push(coding),
            Some(_) => return Plan::Refuse("the body is encoded more than twice"),
            None => return Plan::Refuse("the body is encoded in a way that cannot be decoded"),
        }
    }
    if codings.is_empty() { Plan::Pass } else { Plan::Decode(codings) }
}

/// Takes from a reply's fields what is no longer true once its body is decoded.
pub fn decoded(fields: &mut Fields) {
    const OF_THE_ENCODED_BODY: [HeaderName; 6] = [
        CONTENT_ENCODING,
        CONTENT_LENGTH,
        HeaderName::from_static("content-digest"),
        HeaderName::from_static("content-md5"),
        HeaderName::from_static("digest"),
        HeaderName::from_static("repr-digest"),
    ];
    for name in OF_THE_ENCODED_BODY {
        fields.remove(name);
    }
    // Another sequence of bytes has another strong tag (RFC 9110, section 8.8.1).
    if let Some(tag) = fields.get(ETAG)
        && !tag.as_bytes().starts_with(b"W/")
        && let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat())
    {
        fields.insert(ETAG, weak);
    }
}

fn is_in_ranges(fields: &Fields) -> bool {
    const RANGES: &[u8] = b"multipart/byteranges";
    let kind = fields.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    kind.get(..RANGES.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(RANGES))
}

/// The items of comma-separated lists.
fn listed<'a>(lines: impl IntoIterator<Item = &'a HeaderValue>) -> impl Iterator<Item = &'a [u8]> {
    let items = lines.into_iter().flat_map(|line| line.as_bytes().split(|b| *b == b','));
    items.map(<[u8]>::trim_ascii).filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use Coding::{Brotli, Deflate, Gzip, Zstd};
    use Plan::{Decode, Pass};

    fn of(method: Method, status: u16, fields: &[(&'static str, &'static str)]) -> Plan {
        let mut map = Fields::new();
        for (name, value) in fields {
            map.append(*name, HeaderValue::from_static(value));
        }
        plan(&method, StatusCode::from_u16(status).unwrap(), &map)
    }

    fn encoded(value: &'static str) -> Plan {
        of(Method::GET, 200, &[("content-encoding", value)])
    }

    #[test]
    fn c12_an_encoded_reply_is_decoded_or_stopped() {
        assert_eq!(of(Method::GET, 200, &[]), Pass);
        assert_eq!(encoded("identity"), Pass);
        assert_eq!(encoded("gzip"), Decode(vec![Gzip]));
        assert_eq!(encoded(" X-GZip ,"), Decode(vec![Gzip]));
        assert_eq!(encoded("deflate, br"), Decode(vec![Deflate, Brotli]));
        let lines = [("content-encoding", "zstd, identity"), ("content-encoding", "gzip")];
        assert_eq!(of(Method::POST, 500, &lines), Decode(vec![Zstd, Gzip]));
        for unknown in ["compress", "aes128gcm", "dcb", "gzip, br, gzip", "gzip;q=1", "\"gzip\""] {
            assert!(matches!(encoded(unknown), Plan::Refuse(_)), "{unknown}");
        }
        for compressed in ["grpc-encoding", "connect-content-encoding"] {
            assert!(matches!(of(Method::POST, 200, &[(compressed, "gzip")]), Plan::Refuse(_)));
            assert_eq!(of(Method::POST, 200, &[(compressed, "identity")]), Pass);
        }
    }

    #[test]
    fn c12_what_has_no_body_has_nothing_to_decode() {
        for (method, status) in [(Method::HEAD, 200), (Method::GET, 204), (Method::GET, 304), (Method::HEAD, 206)] {
            assert_eq!(of(method, status, &[("content-encoding", "compress")]), Pass);
        }
    }

    #[test]
    fn hazard_18_parts_and_tunnels_are_stopped() {
        assert!(matches!(of(Method::GET, 206, &[]), Plan::Refuse(_)));
        assert!(matches!(of(Method::GET, 226, &[]), Plan::Refuse(_)));
        assert!(matches!(of(Method::GET, 101, &[]), Plan::Refuse(_)));
        assert!(matches!(
            of(Method::GET, 200, &[("content-type", "Multipart/ByteRanges; boundary=x")]),
            Plan::Refuse(_)
        ));
    }

    #[test]
    fn what_was_said_of_the_encoded_body_goes() {
        let mut fields = Fields::new();
        for (name, value) in [("content-encoding", "gzip"), ("content-length", "9"), ("etag", "\"a\""), ("digest", "x")]
        {
            fields.insert(name, HeaderValue::from_static(value));
        }
        decoded(&mut fields);
        assert_eq!((fields.len(), &fields[ETAG]), (1, &HeaderValue::from_static("W/\"a\"")));
        decoded(&mut fields);
        assert_eq!(fields[ETAG], "W/\"a\"");
    }
}
