//! One line of the access log, field by field, in either format.

use std::io::Write as _;
use std::net::IpAddr;

use super::Format;
use crate::telemetry::escape::{is_bare, push_escaped, push_quoted};
use crate::telemetry::redact;

/// A line under construction. The callers' keys are literals without anything to escape.
pub(super) struct Line<'a> {
    out: &'a mut Vec<u8>,
    format: Format,
    first: bool,
}

impl<'a> Line<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>, format: Format) -> Line<'a> {
        if format == Format::Json {
            out.push(b'{');
        }
        Line { out, format, first: true }
    }

    pub(super) fn end(self) {
        if self.format == Format::Json {
            self.out.push(b'}');
        }
        self.out.push(b'\n');
    }

    /// Text whose author is the configuration or this program.
    pub(super) fn text(&mut self, key: &'static str, value: &str) {
        self.key(key);
        let value = value.as_bytes();
        if self.format == Format::Text && is_bare(value) {
            self.out.extend_from_slice(value);
        } else {
            push_quoted(self.out, value);
        }
    }

    pub(super) fn optional_text(&mut self, key: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    /// Text whose author may be the caller: it is searched for tokens, and need not be UTF-8.
    pub(super) fn foreign(&mut self, key: &'static str, value: &[u8]) {
        self.key(key);
        let bare = self.format == Format::Text && is_bare(value);
        if bare {
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

    pub(super) fn number(&mut self, key: &'static str, value: u64) {
        self.key(key);
        push_number(self.out, value);
    }

    pub(super) fn flag(&mut self, key: &'static str) {
        self.key(key);
        self.out.extend_from_slice(b"true");
    }

    /// ASCII without anything to escape, such as a time.
    pub(super) fn plain(&mut self, key: &'static str, value: &[u8]) {
        self.key(key);
        match self.format {
            Format::Json => {
                self.out.push(b'"');
                self.out.extend_from_slice(value);
                self.out.push(b'"');
            }
            Format::Text => self.out.extend_from_slice(value),
        }
    }

    pub(super) fn address(&mut self, key: &'static str, value: IpAddr) {
        // The longest IPv6 address has 45 characters; formatting into an array keeps `plain` the only writer.
        let mut text = [0_u8; 46];
        let mut rest = &mut text[..];
        // An address with a v4-mapped form reads as the IPv4 address it stands for, as everywhere in the gateway.
        let written = write!(rest, "{}", value.to_canonical());
        debug_assert!(written.is_ok());
        let length = 46 - rest.len();
        self.plain(key, &text[..length]);
    }

    fn key(&mut self, key: &'static str) {
        let first = std::mem::replace(&mut self.first, false);
        match self.format {
            Format::Json => {
                self.out.extend_from_slice(if first { b"\"" } else { b",\"" });
                self.out.extend_from_slice(key.as_bytes());
                self.out.extend_from_slice(b"\":");
            }
            Format::Text => {
                if !first {
                    self.out.push(b' ');
                }
                self.out.extend_from_slice(key.as_bytes());
                self.out.push(b'=');
            }
        }
    }
}

fn push_number(out: &mut Vec<u8>, mut number: u64) {
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

    fn line(format: Format, fill: impl Fn(&mut Line<'_>)) -> String {
        let mut out = Vec::new();
        let mut line = Line::begin(&mut out, format);
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
            line(Format::Text, |line| line.address("address", address))
        };
        assert_eq!(address("192.0.2.7"), "address=192.0.2.7\n");
        assert_eq!(address("2001:db8::1"), "address=2001:db8::1\n");
        assert_eq!(address("::ffff:192.0.2.7"), "address=192.0.2.7\n");
        let longest = "2001:1db8:1db8:1db8:1db8:1db8:1db8:1db8";
        assert_eq!(address(longest), format!("address={longest}\n"));
    }

    #[test]
    fn text_is_quoted_only_where_it_must_be() {
        let text = |value: &str| line(Format::Text, |line| line.text("k", value));
        assert_eq!(text("/orders/42?"), "k=/orders/42?\n");
        assert_eq!(text(""), "k=\"\"\n");
        assert_eq!(text("a b"), "k=\"a b\"\n");
        assert_eq!(text("a=b"), "k=\"a=b\"\n");
        assert_eq!(text("a\"b\\c"), "k=\"a\\\"b\\\\c\"\n");
        assert_eq!(text("a\r\nb"), "k=\"a\\r\\nb\"\n");
    }
}
