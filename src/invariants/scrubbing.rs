//! What an upstream says back.

use super::{cut, steer};
use crate::model::Secret;
use crate::model::scrub::{Needle, Scrubber};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use zeroize::Zeroizing;

/// No secret goes on, nothing else changes, and what is held back is bounded; compared with a search that tries every form
/// at every place.
pub fn scrubbing(bytes: &[u8]) {
    let ([longest, seed], bytes) = steer(bytes);
    // The secret is the first line, of characters that stand for themselves.
    let mut lines = bytes.splitn(2, |b| *b == b'\n');
    let (secret, text) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let printable = |b: &u8| if b.is_ascii_graphic() { *b } else { b'0' + b % 10 };
    let secret: Vec<u8> = secret.iter().take(60).map(printable).collect();
    let needle = Needle::of([&Secret::new(Zeroizing::new(secret.clone()))]);
    assert_eq!(needle.is_some(), secret.len() >= 12);
    let Some(needle) = needle else { return };

    let expected = covered(text, &forms(&secret));
    let whole = needle.scrub(text);
    assert_eq!(whole.as_ref().map_or(text, |(clean, _)| clean), expected);
    let count = whole.map_or(0, |(_, count)| count);
    for pieces in [cut(text, longest, seed), cut(text, 0, 0)] {
        let (mut scrubber, mut clean) = (Scrubber::default(), Vec::new());
        for piece in pieces {
            clean.extend_from_slice(&scrubber.push(&needle, piece.clone()));
            assert!(scrubber.holds() < 6 * secret.len());
        }
        let given = clean.len();
        clean.extend_from_slice(&scrubber.finish(&needle));
        assert!(clean.get(given..).is_some_and(|held| held.len() < 6 * secret.len()));
        assert_eq!((clean.as_slice(), scrubber.replaced()), (expected.as_slice(), count), "in pieces");
    }
    // Nothing follows an end.
    assert_eq!(Scrubber::default().push(&needle, Bytes::new()), Bytes::new());
}

/// What may stand at each place of a form, and whether letters and digits may be escaped.
type Form = (Vec<Vec<u8>>, bool);

fn forms(secret: &[u8]) -> Vec<Form> {
    let hex = secret.iter().flat_map(|b| format!("{b:02x}").into_bytes());
    let mut all = vec![
        (secret.iter().map(|b| vec![*b]).collect(), true),
        (hex.map(|digit| vec![digit, digit.to_ascii_uppercase()]).collect(), false),
    ];
    for before in 0..3 {
        // What stays the same whatever stands before and after is decided by the secret.
        let encoded = |around: u8| {
            let text = [&vec![around; before][..], secret, &[around; 3]].concat();
            STANDARD_NO_PAD.encode(text).into_bytes()
        };
        let (low, high) = (encoded(0), encoded(255));
        let begin = (before * 8).div_ceil(6);
        let end = (before + secret.len()) * 8 / 6;
        assert_eq!(low[begin..end], high[begin..end]);
        let place = |c: &u8| match c {
            b'+' => b"+-".to_vec(),
            b'/' => b"/_".to_vec(),
            other => vec![*other],
        };
        all.push((low[begin..end].iter().map(place).collect(), false));
    }
    all
}

fn covered(text: &[u8], forms: &[Form]) -> Vec<u8> {
    let mut clean = text.to_vec();
    for at in 0..text.len() {
        for (places, any_escaped) in forms {
            if let Some(length) = begins(&text[at..], places, *any_escaped) {
                clean[at..at + length].fill(b'*');
            }
        }
    }
    clean
}

/// How long the form is that `text` begins with, at least.
fn begins(text: &[u8], places: &[Vec<u8>], any_escaped: bool) -> Option<usize> {
    let Some((place, after)) = places.split_first() else { return Some(0) };
    let raw = text.first().filter(|b| place.contains(b)).map(|_| 1);
    let escape = escape(text).filter(|(byte, _, everywhere)| {
        place.contains(byte) && (!byte.is_ascii_alphanumeric() || any_escaped && *everywhere)
    });
    let lengths = [raw, escape.map(|(_, length, _)| length)];
    lengths.into_iter().flatten().filter_map(|n| Some(n + begins(&text[n..], after, any_escaped)?)).min()
}

/// The byte that the escape means which `text` begins with, its length, and whether letters and digits have it too.
fn escape(text: &[u8]) -> Option<(u8, usize, bool)> {
    let hex = |digits: &[u8]| {
        let all = digits.iter().all(u8::is_ascii_hexdigit);
        all.then(|| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()).flatten()
    };
    match text {
        [b'%', high, low, ..] => Some((hex(&[*high, *low])?, 3, true)),
        [b'\\', b'u', b'0', b'0', high, low, ..] => Some((hex(&[*high, *low])?, 6, true)),
        [b'\\', byte @ (b'/' | b'"' | b'\\'), ..] => Some((*byte, 2, true)),
        [b'&', b'#', b'x', high, low, b';', ..] => Some((hex(&[*high, *low])?, 6, false)),
        [b'&', rest @ ..] => {
            let name = rest.split(|b| *b == b';').next().filter(|name| name.len() < rest.len())?;
            let named: &[(&[u8], u8)] =
                &[(b"amp", b'&'), (b"lt", b'<'), (b"gt", b'>'), (b"quot", b'"'), (b"apos", b'\'')];
            let byte = match named.iter().find(|(known, _)| *known == name) {
                Some((_, byte)) => *byte,
                None => {
                    let digits = name.strip_prefix(b"#").filter(|digits| digits.first().is_some_and(|d| *d != b'0'))?;
                    let plain = digits.iter().all(u8::is_ascii_digit);
                    std::str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok()?
                }
            };
            Some((byte, name.len() + 2, false))
        }
        _ => None,
    }
}
