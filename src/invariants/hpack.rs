//! Header blocks, compressed (RFC 7541), one after another on a connection.

use super::steer;
use crate::http::h2::hpack::{Broken, Decoder, Encoder, Fits, Line};
use http::header::TE;

/// What a line counts beside its texts.
const OVERHEAD: usize = 32;

/// What bombs become is not waited for.
const ENOUGH: usize = 1 << 20;

/// What a line counts in a list, if it can stand in a request; and that it can.
fn counted(line: &Line) -> Option<usize> {
    let (name, value) = match line {
        Line::Method(method) => (":method", method.as_str().as_bytes()),
        Line::Scheme(scheme) => (":scheme", scheme.as_str().as_bytes()),
        Line::Authority(authority) => (":authority", authority.as_str().as_bytes()),
        Line::Path(path) => (":path", path.as_str().as_bytes()),
        Line::Field(name, value) => (name.as_str(), value.as_bytes()),
        Line::Wrong(_) => return None,
    };
    let token = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&b);
    match line {
        Line::Field(name, _) => {
            assert!(name.as_str().bytes().all(token), "{name} is no name");
            assert!(!value.iter().any(|b| *b < b' ' && *b != b'\t' || *b == 0x7f), "a control byte");
            assert_eq!(value.trim_ascii_start().len(), value.trim_ascii_end().len(), "blanks around a value");
            let of_connections = ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];
            assert!(!of_connections.contains(&name.as_str()) && (name != TE || value == b"trailers"), "{name}");
        }
        Line::Path(_) => {
            assert!(value == b"*" || value.starts_with(b"/"), "a path");
            assert!(value.iter().all(|b| *b > b' ' && *b < 0x7f && *b != b'#'), "a byte that no URI has");
        }
        _ => assert!(!value.is_empty() && value.iter().all(|b| *b > b' ' && *b < 0x7f), "a pseudo-header"),
    }
    Some(name.len() + value.len() + OVERHEAD)
}

fn decoded(decoder: &mut Decoder, block: &[u8], limit: usize) -> (Result<Fits, Broken>, Vec<Line>) {
    let mut lines = Vec::new();
    let fits = decoder.decode(block, limit, &mut |line| lines.push(line));
    (fits, lines)
}

/// Blocks of any bytes: what is handed out can stand in a request and is within the limit, a limit takes only what is
/// beyond it, and what is written of these fields, as replies and their trailers are, is read as the same.
pub fn hpack(bytes: &[u8]) {
    let ([limit, size], mut rest) = steer(bytes);
    let limit = usize::from(limit) * 8;
    let (mut whole, mut limited) = (Decoder::new(), Decoder::new());
    let (mut encoder, mut reader) = (Encoder::new(), Decoder::new());
    // Each block follows its length.
    while let Some((length, after)) = rest.split_first() {
        let (block, after) = after.split_at(after.len().min(usize::from(*length)));
        rest = after;
        let (read, all) = decoded(&mut whole, block, ENOUGH);
        let (within, few) = decoded(&mut limited, block, limit);
        assert!(all.starts_with(&few), "other lines within a limit");
        assert_eq!(read.err(), within.err(), "a limit changes what is readable");
        assert!(within != Ok(Fits::Yes) || few.len() == all.len());
        assert!(few.iter().filter_map(counted).sum::<usize>() <= limit, "beyond the limit");
        if read != Ok(Fits::Yes) {
            return;
        }
        all.iter().filter_map(counted).for_each(|size| assert!(size > OVERHEAD));
        repeated(&all, &mut encoder, &mut reader, u32::from(size).wrapping_mul(u32::from(*length)));
    }
}

/// Writes the fields among `lines` twice, the second time behind a change of the table's size.
fn repeated(lines: &[Line], encoder: &mut Encoder, reader: &mut Decoder, size: u32) {
    for size in [None, Some(size)] {
        size.into_iter().for_each(|size| encoder.set_table(size));
        let fields: Vec<Line> = lines.iter().filter(|line| matches!(line, Line::Field(..))).cloned().collect();
        let mut block = Vec::new();
        encoder.begin(&mut block);
        for line in &fields {
            if let Line::Field(name, value) = line {
                encoder.field(&mut block, name, value);
            }
        }
        let (read, again) = decoded(reader, &block, ENOUGH);
        assert_eq!((read, again), (Ok(Fits::Yes), fields), "written and read");
    }
}
