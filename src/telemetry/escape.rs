//! Makes any text safe to stand in one line of a log (hazard 33).
//!
//! Escaped are the control characters, DEL, the C1 controls (a terminal may take U+009B for ESC `[`), the line and
//! paragraph separators that some readers split lines at, and the bidirectional overrides that let a line read
//! differently from what it says. JSON libraries escape only the first of these, hence a writer of our own.

/// Appends a JSON string, quotes included, that parses back to the same text.
pub(super) fn push_quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    push(out, text, PLAIN);
    out.push(b'"');
}

/// The inside of a JSON string, for callers that assemble one from pieces. Bytes that are no UTF-8 become U+FFFD.
pub(super) fn push_escaped(out: &mut Vec<u8>, text: &[u8]) {
    if is_plain(text) {
        return out.extend_from_slice(text);
    }
    if let Ok(text) = std::str::from_utf8(text) {
        return push(out, text, PLAIN);
    }
    for chunk in text.utf8_chunks() {
        push(out, chunk.valid(), PLAIN);
        if !chunk.invalid().is_empty() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
}

/// A finished line of log without its line end: the same characters are escaped, quotes and backslashes stay, since
/// whoever wrote the line has seen to them.
pub(super) fn push_line(out: &mut Vec<u8>, text: &str) {
    push(out, text, QUOTE);
}

/// Whether the text can stand in a `key=value` line without quotes.
pub(super) fn is_bare(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'=' | b'\\'))
}

const PLAIN: u8 = 0;
const QUOTE: u8 = 1;
/// An ASCII control, or the first byte of a sequence that may be one of the others.
const SPECIAL: u8 = 2;

const BYTES: [u8; 256] = {
    let mut table = [PLAIN; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = SPECIAL;
        byte += 1;
    }
    table[0x7f] = SPECIAL;
    table[0xc2] = SPECIAL;
    table[0xe2] = SPECIAL;
    table[b'"' as usize] = QUOTE;
    table[b'\\' as usize] = QUOTE;
    table
};

/// Printable ASCII that nothing is done to.
fn is_plain(text: &[u8]) -> bool {
    !contains(text, is_special)
}

/// A byte that may have to be escaped.
pub(super) fn is_special(b: u8) -> bool {
    !matches!(b, b' '..=b'~') | (b == b'"') | (b == b'\\')
}

/// Whether there is a byte of those in the text; a blank is none of them. Without an early end, and with the rest filled up
/// to a block, so that many bytes are judged at a time.
pub(super) fn contains(text: &[u8], those: impl Fn(u8) -> bool) -> bool {
    let (blocks, rest) = text.as_chunks::<16>();
    let mut last = [b' '; 16];
    last[..rest.len()].copy_from_slice(rest);
    let found = |block: &[u8; 16]| block.iter().fold(false, |found, b| found | those(*b));
    blocks.iter().fold(found(&last), |before, block| before | found(block))
}

/// Copies in runs: most text holds nothing above what may pass.
fn push(out: &mut Vec<u8>, text: &str, passes: u8) {
    if is_plain(text.as_bytes()) {
        return out.extend_from_slice(text.as_bytes());
    }
    let mut rest = text;
    while let Some(run) = (rest.bytes()).position(|byte| BYTES[usize::from(byte)] > passes) {
        let (plain, tail) = rest.split_at(run);
        out.extend_from_slice(plain.as_bytes());
        let mut characters = tail.chars();
        if let Some(character) = characters.next() {
            push_character(out, character);
        }
        rest = characters.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
}

fn push_character(out: &mut Vec<u8>, character: char) {
    match character {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        '\0'..='\x1f'
        | '\x7f'..='\u{9f}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            let code = character as usize;
            out.extend_from_slice(b"\\u");
            for shift in [12, 8, 4, 0] {
                out.push(HEX[code >> shift & 15]);
            }
        }
        plain => out.extend_from_slice(plain.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

#[cfg(test)]
pub(super) fn is_one_printable_line(text: &str) -> bool {
    let splits = |character| matches!(character, '\u{2028}' | '\u{2029}');
    !text.chars().any(|c| c.is_control() || splits(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quoted(text: &[u8]) -> String {
        let mut out = vec![b'"'];
        push_escaped(&mut out, text);
        out.push(b'"');
        String::from_utf8(out).expect("only valid UTF-8 is written")
    }

    #[test]
    fn hazard_33_what_forges_lines_or_steers_terminals_is_escaped() {
        let cases: [(&str, &str); 8] = [
            ("a\r\nb", r#""a\r\nb""#),
            ("\x1b[2J", r#""\u001b[2J""#),
            ("\x7f", r#""\u007f""#),
            ("\u{9b}31m", r#""\u009b31m""#),
            ("\u{2028}\u{2029}", r#""\u2028\u2029""#),
            ("\u{202e}", r#""\u202e""#),
            ("a\"b\\", r#""a\"b\\""#),
            ("é – ✓ ©", "\"é – ✓ ©\""),
        ];
        for (text, expected) in cases {
            assert_eq!(quoted(text.as_bytes()), expected);
        }
    }

    #[test]
    fn hazard_33_bytes_that_are_no_text_become_a_replacement() {
        assert_eq!(quoted(b"a\xffb\xc2"), r#""a\ufffdb\ufffd""#);
    }

    #[test]
    fn a_finished_line_keeps_its_quotes() {
        let mut out = Vec::new();
        push_line(&mut out, "{\"a\":\"\\u000a \u{85}\"}\n");
        assert_eq!(out, b"{\"a\":\"\\u000a \\u0085\"}\\n");
    }

    proptest! {
        #[test]
        fn hazard_33_any_text_is_one_printable_line_and_parses_back(text: String) {
            let mut written = Vec::new();
            push_quoted(&mut written, &text);
            let written = String::from_utf8(written).unwrap();
            prop_assert_eq!(&written, &quoted(text.as_bytes()));
            prop_assert!(is_one_printable_line(&written));
            prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }

        #[test]
        fn hazard_33_any_bytes_parse_back_as_their_lossy_text(bytes: Vec<u8>) {
            let parsed: String = serde_json::from_str(&quoted(&bytes)).unwrap();
            prop_assert_eq!(parsed, String::from_utf8_lossy(&bytes));
        }
    }
}
