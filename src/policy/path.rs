//! W5: the path that is matched is the path that is forwarded, and it can be read in one way only.

use crate::model::Denial;
use smallvec::SmallVec;
use std::borrow::Cow;

/// The segments of a path, percent-decoded, for matching. What is forwarded is the path as it came.
pub type Segments<'a> = SmallVec<[Cow<'a, [u8]>; 8]>;

/// Splits and decodes `path`, which begins with `/`.
///
/// Errors: [`Denial::AmbiguousPath`] for dot segments in any encoding (also doubly encoded, or with parameters behind
/// them, as servlet containers read them), encoded slashes, backslashes, empty segments but the last, NUL, bytes that
/// are not UTF-8 and broken percent-encoding.
pub fn segments(path: &str) -> Result<Segments<'_>, Denial> {
    let ambiguous = |why| Err(Denial::AmbiguousPath(why));
    let Some(rest) = path.strip_prefix('/') else { return ambiguous("the path does not begin with a slash") };
    let rest = rest.as_bytes();
    let (mut out, mut begin, mut encoded) = (Segments::new(), 0, false);
    for (at, byte) in rest.iter().enumerate() {
        match KINDS[usize::from(*byte)] {
            Kind::Plain => {}
            Kind::Slash if at == begin => return ambiguous("two slashes in a row"),
            Kind::Slash => {
                out.push(segment(&rest[begin..at], encoded)?);
                (begin, encoded) = (at + 1, false);
            }
            Kind::Percent => encoded = true,
            Kind::Wrong => return ambiguous("a byte that a path cannot hold unencoded"),
        }
    }
    out.push(segment(&rest[begin..], encoded)?);
    Ok(out)
}

/// What a byte of a path is.
#[derive(Clone, Copy)]
enum Kind {
    Plain,
    Slash,
    Percent,
    Wrong,
}

const KINDS: [Kind; 256] = {
    let mut kinds = [Kind::Plain; 256];
    let mut byte = 0;
    while byte < kinds.len() {
        kinds[byte] = match byte as u8 {
            b'/' => Kind::Slash,
            b'%' => Kind::Percent,
            b'\\' | b'#' | ..=b' ' | 0x7f.. => Kind::Wrong,
            _ => Kind::Plain,
        };
        byte += 1;
    }
    kinds
};

/// One segment, decoded.
fn segment(part: &[u8], encoded: bool) -> Result<Cow<'_, [u8]>, Denial> {
    let decoded = if encoded { Cow::Owned(decode(part)?) } else { Cow::Borrowed(part) };
    if is_dots(&decoded) { Err(Denial::AmbiguousPath("a dot segment")) } else { Ok(decoded) }
}

/// Percent-decodes one segment and refuses what decoding must not bring forth.
fn decode(part: &[u8]) -> Result<Vec<u8>, Denial> {
    let ambiguous = |why| Err(Denial::AmbiguousPath(why));
    let Some(decoded) = percent_decode(part) else { return ambiguous("broken percent-encoding") };
    if std::str::from_utf8(&decoded).is_err() {
        return ambiguous("percent-encoded bytes that are not UTF-8");
    }
    if decoded.iter().any(|b| matches!(b, b'/' | b'\\' | 0)) {
        return ambiguous("an encoded slash, backslash or NUL");
    }
    if let Some(twice) = percent_decode_lossy(&decoded)
        && (is_dots(&twice) || twice.iter().any(|b| matches!(b, b'/' | b'\\' | 0)))
    {
        return ambiguous("a doubly encoded dot segment, slash, backslash or NUL");
    }
    Ok(decoded)
}

/// Whether an upstream might take the segment for `.` or `..`; `..;x` is one to servlet containers.
fn is_dots(segment: &[u8]) -> bool {
    if segment.first() != Some(&b'.') {
        return false;
    }
    let end = segment.iter().position(|b| *b == b';').unwrap_or(segment.len());
    matches!(&segment[..end], b"." | b"..") && (end == segment.len() || end > 0)
}

/// Strictly; `None` where a `%` is not followed by two hex digits.
pub fn percent_decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'%' {
            out.push(*first);
            continue;
        }
        let (digits, tail) = rest.split_first_chunk::<2>()?;
        out.push(hex(digits[0])? << 4 | hex(digits[1])?);
        rest = tail;
    }
    Some(out)
}

/// As careless upstreams do it: what cannot be decoded stays. `None` if there is nothing to decode.
pub fn percent_decode_lossy(text: &[u8]) -> Option<Vec<u8>> {
    text.contains(&b'%').then(|| percent_encoding::percent_decode(text).collect())
}

fn hex(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).map(|d| d as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn w5_ambiguous_paths_are_refused_in_every_spelling() {
        for bad in [
            "",
            "a",
            "/..",
            "/.",
            "/a/../b",
            "/a/./b",
            "/a/..",
            "/%2e%2e/b",
            "/%2E./b",
            "/.%2e",
            "/a/%2e",
            "/..;/b",
            "/..;x=1/b",
            "/.;/b",
            "/%2e%2e%3bx/b",
            "/%252e%252e/b",
            "/%252E%252e",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a%5Cb",
            "/a\\b",
            "//",
            "//a",
            "/a//b",
            "/a/b//",
            "/%00",
            "/a%00b",
            "/%c0%ae%c0%ae/x",
            "/%ff",
            "/%e2%28%a1",
            "/%c0%af",
            "/%",
            "/%4",
            "/%zz",
            "/a%252fb",
            "/a%255cb",
            "/a%2500b",
            "/\u{e9}",
            "/a b",
            "/a\tb",
            "/a#b",
            "/\u{7f}",
        ] {
            assert!(segments(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn w5_everything_else_is_taken() {
        for (path, parts) in [
            ("/", vec![""]),
            ("/a/b", vec!["a", "b"]),
            ("/a/", vec!["a", ""]),
            ("/%61dmin", vec!["admin"]),
            ("/...", vec!["..."]),
            ("/a;b=1/.hidden/x..", vec!["a;b=1", ".hidden", "x.."]),
            ("/caf%C3%A9/100%25", vec!["café", "100%"]),
            ("/;x", vec![";x"]),
        ] {
            let got: Vec<String> =
                segments(path).unwrap().iter().map(|s| String::from_utf8(s.to_vec()).unwrap()).collect();
            assert_eq!(got, parts, "{path}");
        }
    }

    proptest! {
        /// Whatever is accepted has no reading, decoded once or twice, that leaves its place.
        #[test]
        fn w5_nothing_accepted_climbs(path in "(/(\\.|%2e|%2E|%252e|a|;|%5c|%2f|%00|%){0,4}){1,5}") {
            if let Ok(parts) = segments(&path) {
                for part in parts {
                    let twice = percent_decode_lossy(&part).unwrap_or(part.to_vec());
                    for reading in [part.to_vec(), twice] {
                        let cut = reading.split(|b| *b == b';').next().unwrap().to_vec();
                        prop_assert!(cut != b"." && cut != b"..");
                        prop_assert!(!reading.iter().any(|b| b"/\\\0".contains(b)));
                    }
                }
            }
        }

        #[test]
        fn never_panics(path in "\\PC*") {
            let _ = segments(&path);
        }
    }
}
