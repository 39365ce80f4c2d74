//! Where a body ends: said once, in one way, or the message is refused (RFC 9112, section 6; hazard 10).

use crate::model::Denial;
use crate::model::Fields;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{Method, StatusCode, Version};

/// How a body's end is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    Empty,
    /// So many bytes.
    Length(u64),
    Chunked,
    /// A reply's, by the end of the connection.
    UntilClose,
}

/// A request's body.
pub fn of_request(version: Version, fields: &Fields) -> Result<Framing, Denial> {
    match stated(version, fields).map_err(Denial::BadRequest)? {
        None => Ok(Framing::Empty),
        Some(framing) => Ok(framing),
    }
}

/// The body of a reply to `method`.
pub fn of_reply(
    method: &Method,
    status: StatusCode,
    version: Version,
    fields: &Fields,
) -> Result<Framing, &'static str> {
    let stated = stated(version, fields)?;
    let never = *method == Method::HEAD
        || status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED;
    Ok(if never { Framing::Empty } else { stated.unwrap_or(Framing::UntilClose) })
}

/// What the fields say, if they speak of it.
fn stated(version: Version, fields: &Fields) -> Result<Option<Framing>, &'static str> {
    let length = length(fields)?;
    let mut codings = fields.get_all(TRANSFER_ENCODING);
    let Some(coding) = codings.next() else { return Ok(length.map(Framing::Length)) };
    if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return Err("Transfer-Encoding is not exactly `chunked`");
    }
    if length.is_some() {
        return Err("both Transfer-Encoding and Content-Length");
    }
    if version == Version::HTTP_10 {
        return Err("Transfer-Encoding in HTTP/1.0");
    }
    Ok(Some(Framing::Chunked))
}

/// Decimal digits and nothing else, once. Eighteen of them are more than any disk.
fn length(fields: &Fields) -> Result<Option<u64>, &'static str> {
    let mut lengths = fields.get_all(CONTENT_LENGTH);
    let Some(length) = lengths.next() else { return Ok(None) };
    if lengths.next().is_some() {
        return Err("Content-Length is repeated");
    }
    let digits = length.as_bytes();
    if digits.is_empty() || digits.len() > 18 || !digits.iter().all(u8::is_ascii_digit) {
        return Err("Content-Length is not a number");
    }
    Ok(Some(digits.iter().fold(0, |n, d| n * 10 + u64::from(d - b'0'))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&'static str, &'static str)]) -> Fields {
        let mut fields = Fields::new();
        for (name, value) in lines {
            fields.append(*name, http::HeaderValue::from_static(value));
        }
        fields
    }

    const AMBIGUOUS: &[&[(&str, &str)]] = &[
        &[("content-length", "3"), ("transfer-encoding", "chunked")],
        &[("transfer-encoding", "chunked"), ("content-length", "3")],
        &[("content-length", "3"), ("content-length", "3")],
        &[("content-length", "3"), ("content-length", "4")],
        &[("content-length", "3, 3")],
        &[("content-length", "3, 0")],
        &[("content-length", "+3")],
        &[("content-length", "-1")],
        &[("content-length", "0x3")],
        &[("content-length", "1_0")],
        &[("content-length", "3 3")],
        &[("content-length", "")],
        &[("content-length", "9223372036854775808")],
        &[("transfer-encoding", "chunked, chunked")],
        &[("transfer-encoding", "gzip, chunked")],
        &[("transfer-encoding", "chunked, gzip")],
        &[("transfer-encoding", ",chunked")],
        &[("transfer-encoding", "chunked,")],
        &[("transfer-encoding", "xchunked")],
        &[("transfer-encoding", "chunked;q=1")],
        &[("transfer-encoding", "\"chunked\"")],
        &[("transfer-encoding", "identity")],
        &[("transfer-encoding", "")],
        &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
    ];

    #[test]
    fn hazard_10_a_request_has_one_framing() {
        for lines in AMBIGUOUS {
            assert!(of_request(Version::HTTP_11, &map(lines)).is_err(), "{lines:?}");
        }
        let chunked = map(&[("transfer-encoding", "Chunked")]);
        assert!(of_request(Version::HTTP_10, &chunked).is_err());
        assert_eq!(of_request(Version::HTTP_11, &chunked), Ok(Framing::Chunked));
        assert_eq!(of_request(Version::HTTP_11, &map(&[("content-length", "007")])), Ok(Framing::Length(7)));
        assert_eq!(of_request(Version::HTTP_11, &map(&[])), Ok(Framing::Empty));
    }

    #[test]
    fn hazard_14_a_reply_has_one_framing_too() {
        let of = |method: Method, status: u16, lines: &[(&'static str, &'static str)]| {
            of_reply(&method, StatusCode::from_u16(status).unwrap(), Version::HTTP_11, &map(lines))
        };
        for lines in AMBIGUOUS {
            assert!(of(Method::GET, 200, lines).is_err(), "{lines:?}");
            assert!(of(Method::HEAD, 200, lines).is_err(), "{lines:?}");
        }
        let five = [("content-length", "5")];
        assert_eq!(of(Method::GET, 200, &five), Ok(Framing::Length(5)));
        assert_eq!(of(Method::GET, 200, &[]), Ok(Framing::UntilClose));
        assert_eq!(of(Method::HEAD, 200, &five), Ok(Framing::Empty));
        for status in [100, 103, 204, 304] {
            assert_eq!(of(Method::GET, status, &five), Ok(Framing::Empty), "{status}");
        }
    }
}
