//! Takes our tokens out of text that is about to be written down.
//!
//! A token reaches text in more spellings than one: a client may percent-encode any of its characters, and a proxy in
//! between may encode the result again. The search therefore reads through percent-encoding of any mixture and depth
//! it can be made of, instead of looking for the four plain bytes.

use super::escape::contains;
use std::borrow::Cow;
use std::ops::Range;

/// What stands in the place of a token: the prefix stays, so that a reader sees what was there.
const MASK: &[u8] = b"kst_***";
const PREFIX: &[u8] = b"kst_";
/// How deeply the hex digits of an escape may be escapes themselves (`%%36b`). Chains of `%25` are followed to their
/// end without nesting; this only bounds the recursion on hostile input such as a long row of `%`.
const NESTING: u8 = 4;

/// The text without tokens; borrowed, at no cost but the scan, if there was none.
pub fn redact(text: &str) -> Cow<'_, str> {
    if find_token(text.as_bytes(), 0).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    push_redacted(&mut out, text);
    // Tokens are ASCII, so cutting them out leaves whole characters: the conversion never replaces anything.
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

/// Appends the text without tokens.
pub fn push_redacted(out: &mut Vec<u8>, text: &str) {
    for piece in pieces(text.as_bytes()) {
        out.extend_from_slice(piece);
    }
}

/// The text in pieces, each token replaced by the mask, for callers that escape as they copy. Every piece of valid
/// UTF-8 is valid UTF-8.
pub(super) fn pieces(text: &[u8]) -> Pieces<'_> {
    Pieces { text, at: 0, token: find_token(text, 0) }
}

pub(super) struct Pieces<'a> {
    text: &'a [u8],
    at: usize,
    token: Option<Range<usize>>,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let Some(token) = self.token.clone() else {
            let rest = &self.text[self.at..];
            self.at = self.text.len();
            return (!rest.is_empty()).then_some(rest);
        };
        if self.at < token.start {
            let before = &self.text[self.at..token.start];
            self.at = token.start;
            return Some(before);
        }
        self.at = token.end;
        self.token = find_token(self.text, self.at);
        Some(MASK)
    }
}

/// Whether the prefix's underscore begins with this byte, in any spelling: text without such a byte holds no token.
pub(super) fn is_of_every_token(b: u8) -> bool {
    (b == b'_') | (b == b'%')
}

fn find_token(text: &[u8], from: usize) -> Option<Range<usize>> {
    if !contains(&text[from..], is_of_every_token) {
        return None;
    }
    let mut at = from;
    while let Some(step) = memchr::memchr3(b'%', b'k', b'K', &text[at..]) {
        let start = at + step;
        if let Some(end) = token_end(text, start) {
            return Some(start..end);
        }
        at = start + 1;
    }
    None
}

/// Where the token that begins at `start` ends, if one does. The prefix counts in any case: `KST_` is no token of ours,
/// but what follows may well be the body of one.
fn token_end(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    for expected in PREFIX {
        let (byte, next) = decoded(text, at, 0)?;
        if !byte.eq_ignore_ascii_case(expected) {
            return None;
        }
        at = next;
    }
    let body = at;
    while let Some((byte, next)) = decoded(text, at, 0)
        && byte.is_ascii_alphanumeric()
    {
        at = next;
    }
    (at > body).then_some(at)
}

/// The byte at `at`, read through every layer of percent-encoding, and where the next one begins.
fn decoded(text: &[u8], at: usize, depth: u8) -> Option<(u8, usize)> {
    let mut found = (*text.get(at)?, at + 1);
    while found.0 == b'%' && depth < NESTING {
        // `%25` gives `%` again, which may open the next layer's escape with the two digits that follow.
        match hex_pair(text, found.1, depth + 1) {
            Some(inner) => found = inner,
            None => break,
        }
    }
    Some(found)
}

fn hex_pair(text: &[u8], at: usize, depth: u8) -> Option<(u8, usize)> {
    let (high, at) = decoded(text, at, depth)?;
    let high = char::from(high).to_digit(16)?;
    let (low, at) = decoded(text, at, depth)?;
    let low = char::from(low).to_digit(16)?;
    Some(((high * 16 + low) as u8, at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn t3_a_token_is_masked_where_it_stands() {
        assert_eq!(redact("/a/kst_0aZ9/b"), "/a/kst_***/b");
        assert_eq!(redact("kst_AB kst_CD"), "kst_*** kst_***");
        assert_eq!(redact("key=kst_AB,more"), "key=kst_***,more");
    }

    #[test]
    fn t3_percent_encoding_hides_no_token() {
        for spelling in [
            "%6bst_AB",
            "%6BST_AB",
            "kst%5FAB",
            "kst_A%42",
            "%256bst_AB",
            "%25256bst%255fA%2542",
            "%%36bst_AB",
            "%%32%35%36%62st_AB",
        ] {
            assert_eq!(redact(spelling), "kst_***", "{spelling}");
        }
    }

    #[test]
    fn t3_text_without_a_token_is_borrowed() {
        for text in ["", "/orders/42", "kst_", "kst", "100%", "%6", "%zz", "tokst"] {
            assert!(matches!(redact(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn a_row_of_percent_signs_costs_neither_stack_nor_time() {
        let hostile = "%".repeat(1 << 20);
        assert_eq!(redact(&hostile), hostile);
        let hostile = "%25".repeat(1 << 18);
        assert_eq!(redact(&hostile), hostile);
    }

    fn spelled(byte: u8, how: u8) -> String {
        match how {
            0 => char::from(byte).to_string(),
            1 => format!("%{byte:02x}"),
            2 => format!("%{byte:02X}"),
            3 => format!("%25{byte:02x}"),
            4 => format!("%2525{byte:02X}"),
            _ => format!("%%3{}{:x}", byte >> 4, byte & 15),
        }
    }

    proptest! {
        #[test]
        fn t3_no_spelling_of_a_token_survives(
            body in "[0-9A-Za-z]{49}",
            how in proptest::collection::vec(0u8..6, 53),
            before in "([a-j/é]{0,9}[/?&= ])?",
            after in "([/?&= \"][a-jé]{0,9})?",
        ) {
            let token: String = format!("kst_{body}")
                .bytes()
                .zip(how)
                .map(|(byte, how)| spelled(byte, how))
                .collect();
            let text = format!("{before}{token}{after}");
            prop_assert_eq!(redact(&text), format!("{before}kst_***{after}"));
        }

        #[test]
        fn redacting_twice_changes_nothing_more(text in "([kK%]|kst_|%25|%6b|[0-9a-f]|.){0,60}") {
            let once = redact(&text).into_owned();
            prop_assert_eq!(redact(&once), once.as_str());
        }
    }
}
