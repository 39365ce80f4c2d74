//! One line of the access log, field by field, in either format.

use std::io::Write as _;
use std::marker::PhantomData;
use std::net::IpAddr;

use crate::telemetry::escape::{contains, is_bare, is_special, push_escaped, push_quoted};
use crate::telemetry::redact::{self, is_of_every_token};
use crate::telemetry::timestamp::rfc3339;

/// What nearly every record fits in: one look at the buffer's room instead of one per piece.
const USUAL: usize = 1024;

/// A field's name with everything that stands around it, put together by the compiler: a record has two dozen of them.
pub(super) struct Key {
    pub(super) json: &'static str,
    /// As `json`, with the quote that opens a string.
    pub(super) quoted: &'static str,
    pub(super) text: &'static str,
}

/// The key of a field; `first` for the one that opens the line. The names hold nothing to escape.
macro_rules! key {
    (first $name:literal) => {
        key!("{\"", $name, "")
    };
    ($name:literal) => {
        key!(",\"", $name, " ")
    };
    ($before:literal, $name:literal, $before_text:literal) => {
        &$crate::telemetry::access_log::line::Key {
            json: concat!($before, $name, "\":"),
            quoted: concat!($before, $name, "\":\""),
            text: concat!($before_text, $name, "="),
        }
    };
}
pub(super) use key;

/// How a line is written. A type, so that each format has code of its own, in which the lengths of all keys are known.
pub(super) trait Style {
    const JSON: bool;
}

/// One object.
pub(super) struct Json;

/// `key=value`, separated by spaces.
pub(super) struct Text;

impl Style for Json {
    const JSON: bool = true;
}

impl Style for Text {
    const JSON: bool = false;
}

/// A line under construction.
pub(super) struct Line<'a, S> {
    out: &'a mut Vec<u8>,
    style: PhantomData<S>,
}

impl<'a, S: Style> Line<'a, S> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Line<'a, S> {
        out.reserve(USUAL);
        Line { out, style: PhantomData }
    }

    pub(super) fn end(self) {
        self.out.extend_from_slice(if S::JSON { b"}\n" } else { b"\n" });
    }

    /// A word of this program's: nothing in it needs to be escaped, in either format.
    #[inline(always)]
    pub(super) fn word(&mut self, key: &Key, word: &'static str) {
        debug_assert!(is_bare(word.as_bytes()), "{word}");
        self.open(key);
        self.out.extend_from_slice(word.as_bytes());
        self.close();
    }

    #[inline(always)]
    pub(super) fn optional_word(&mut self, key: &Key, word: Option<&'static str>) {
        if let Some(word) = word {
            self.word(key, word);
        }
    }

    /// Text whose author is the configuration.
    pub(super) fn text(&mut self, key: &Key, value: &str) {
        self.key(key);
        if !S::JSON && is_bare(value.as_bytes()) {
            self.out.extend_from_slice(value.as_bytes());
        } else {
            push_quoted(self.out, value);
        }
    }

    pub(super) fn optional_text(&mut self, key: &Key, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    /// Text whose author may be the caller: it is searched for tokens, and need not be UTF-8.
    pub(super) fn foreign(&mut self, key: &Key, value: &[u8]) {
        // Most text is neither escaped nor redacted, which is seen at one look.
        if S::JSON && !contains(value, |b| is_special(b) | is_of_every_token(b)) {
            self.open(key);
            self.out.extend_from_slice(value);
            return self.close();
        }
        self.key(key);
        if !S::JSON && is_bare(value) {
            for piece in redact::pieces(value) {
                self.out.extend_from_slice(piece);
            }
            return;
        }
        self.out.push(b'"');
        for piece in redact::pieces(value) {
            push_escaped(self.out, piece);
        }
        self.out.push(b'"');
    }

    #[inline(always)]
    pub(super) fn number(&mut self, key: &Key, value: u64) {
        self.key(key);
        push_number(self.out, value);
    }

    #[inline(always)]
    pub(super) fn flag(&mut self, key: &Key) {
        self.key(key);
        self.out.extend_from_slice(b"true");
    }

    #[inline(always)]
    pub(super) fn time(&mut self, key: &Key, unix_ms: i64) {
        self.open(key);
        self.out.extend_from_slice(&rfc3339(unix_ms));
        self.close();
    }

    /// A v4-mapped address reads as the IPv4 address it stands for, as everywhere in the gateway.
    pub(super) fn address(&mut self, key: &Key, value: IpAddr) {
        self.open(key);
        match value.to_canonical() {
            IpAddr::V4(address) => {
                for (at, octet) in address.octets().into_iter().enumerate() {
                    if at > 0 {
                        self.out.push(b'.');
                    }
                    push_number(self.out, u64::from(octet));
                }
            }
            IpAddr::V6(address) => {
                let written = write!(self.out, "{address}");
                debug_assert!(written.is_ok(), "a Vec takes all that is written");
            }
        }
        self.close();
    }

    #[inline(always)]
    fn key(&mut self, key: &Key) {
        self.out.extend_from_slice(if S::JSON { key.json } else { key.text }.as_bytes());
    }

    /// Begins a value that needs no quotes as text.
    #[inline(always)]
    fn open(&mut self, key: &Key) {
        self.out.extend_from_slice(if S::JSON { key.quoted } else { key.text }.as_bytes());
    }

    /// Ends it.
    #[inline(always)]
    fn close(&mut self) {
        if S::JSON {
            self.out.push(b'"');
        }
    }
}

fn push_number(out: &mut Vec<u8>, mut number: u64) {
    if number < 10 {
        return out.push(b'0' + number as u8);
    }
    // 20 digits hold u64::MAX.
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(fill: impl Fn(&mut Line<'_, Text>)) -> String {
        let mut out = Vec::new();
        let mut line = Line::new(&mut out);
        fill(&mut line);
        line.end();
        String::from_utf8(out).expect("a line is text")
    }

    #[test]
    fn numbers_are_decimal() {
        for number in [0, 9, 10, 1_234_567_890, u64::MAX] {
            let mut out = Vec::new();
            push_number(&mut out, number);
            assert_eq!(out, number.to_string().as_bytes());
        }
    }

    #[test]
    fn addresses_are_canonical() {
        let address = |text: &str| {
            let address = text.parse().expect("an address");
            line(|line| line.address(key!(first "address"), address))
        };
        assert_eq!(address("192.0.2.7"), "address=192.0.2.7\n");
        assert_eq!(address("2001:db8::1"), "address=2001:db8::1\n");
        assert_eq!(address("::ffff:192.0.2.7"), "address=192.0.2.7\n");
        let longest = "2001:1db8:1db8:1db8:1db8:1db8:1db8:1db8";
        assert_eq!(address(longest), format!("address={longest}\n"));
    }

    #[test]
    fn text_is_quoted_only_where_it_must_be() {
        let text = |value: &str| line(|line| line.text(key!(first "k"), value));
        assert_eq!(text("/orders/42?"), "k=/orders/42?\n");
        assert_eq!(text(""), "k=\"\"\n");
        assert_eq!(text("a b"), "k=\"a b\"\n");
        assert_eq!(text("a=b"), "k=\"a=b\"\n");
        assert_eq!(text("a\"b\\c"), "k=\"a\\\"b\\\\c\"\n");
        assert_eq!(text("a\r\nb"), "k=\"a\\r\\nb\"\n");
    }
}
