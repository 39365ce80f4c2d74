//! Bodies taken out of a connection's bytes: by length, by chunks, to the end. Chunks are read as strictly as heads: a
//! hexadecimal size and CRLF, extensions that are short and visible, exactly the bytes that were announced.

use super::feeds::Feeds;
use super::framing::Framing;
use super::head::{self, Limits, Scanner};
use crate::http::wire::taken;
use crate::model::Fields;
use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;

/// Bytes of chunk extensions that one body may hold: nobody reads them, and a body of nothing else costs more than it
/// brings.
const MOST_EXTENSION: usize = 16 * 1024;
const TRAILERS: Limits = Limits { head: 8 * 1024, uri: 8 * 1024 };
const MOST_TRAILERS: usize = 64;
/// 16 hexadecimal digits would be 64 bits; nobody sends as much in a chunk.
const MOST_DIGITS: u8 = 15;

/// What a body's next bytes are.
#[derive(Debug, PartialEq)]
pub enum Decoded {
    Data(Bytes),
    /// After the last chunk, where there are any; the end follows.
    Trailers(HeaderMap),
    End,
    /// Nothing without more bytes.
    More,
}

/// Reads one body.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    extension: usize,
}

#[derive(Debug)]
enum State {
    Length(u64),
    UntilClose,
    /// In a chunk's size: its value so far, and how many digits that were.
    Size(u64, u8),
    /// Behind the `;`.
    Extension(u64),
    /// Behind the CR of a size line.
    SizeEnd(u64),
    Chunk(u64),
    /// Behind a chunk's bytes.
    ChunkCr,
    ChunkLf,
    Trailers(Scanner),
    End,
    Broken,
}

impl Decoder {
    pub fn new(framing: Framing) -> Decoder {
        let state = match framing {
            Framing::Empty | Framing::Length(0) => State::End,
            Framing::Length(bytes) => State::Length(bytes),
            Framing::Chunked => State::Size(0, 0),
            Framing::UntilClose => State::UntilClose,
        };
        Decoder { state, extension: 0 }
    }

    /// Whether the body was read to its end.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::End)
    }

    /// The bytes that are still to come, where that is known.
    pub fn left(&self) -> Option<u64> {
        match self.state {
            State::Length(left) => Some(left),
            State::End => Some(0),
            _ => None,
        }
    }

    /// The connection has ended. True if that ends the body as well.
    pub fn connection_ended(&mut self) -> bool {
        if let State::UntilClose = self.state {
            self.state = State::End;
        }
        self.is_done()
    }

    /// Takes the next part of the body out of `bytes`. After an error there is none, whatever follows.
    pub fn decode(&mut self, bytes: &mut BytesMut) -> Result<Decoded, &'static str> {
        let next = self.next(bytes);
        if next.is_err() {
            self.state = State::Broken;
        }
        next
    }

    fn next(&mut self, bytes: &mut BytesMut) -> Result<Decoded, &'static str> {
        loop {
            match &mut self.state {
                State::Broken => return Err("the body is broken"),
                State::End => return Ok(Decoded::End),
                State::Trailers(scanner) => {
                    let Some(trailers) = trailers(scanner, bytes)? else { return Ok(Decoded::More) };
                    self.state = State::End;
                    return Ok(if trailers.is_empty() { Decoded::End } else { Decoded::Trailers(trailers) });
                }
                _ if bytes.is_empty() => return Ok(Decoded::More),
                State::UntilClose => return Ok(Decoded::Data(bytes.split().freeze())),
                State::Length(left) => {
                    let data = take(bytes, left);
                    if *left == 0 {
                        self.state = State::End;
                    }
                    return Ok(Decoded::Data(data));
                }
                State::Chunk(left) => {
                    let data = take(bytes, left);
                    if *left == 0 {
                        self.state = State::ChunkCr;
                    }
                    return Ok(Decoded::Data(data));
                }
                _ => {
                    let byte = bytes.get_u8();
                    self.state = self.line_byte(byte)?;
                }
            }
        }
    }

    /// One byte of what stands between the chunks.
    fn line_byte(&mut self, byte: u8) -> Result<State, &'static str> {
        match (&self.state, byte) {
            (State::Size(_, MOST_DIGITS), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                Err("a chunk's size is too large")
            }
            (State::Size(size, digits), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                Ok(State::Size(size << 4 | u64::from(digit), digits + 1))
            }
            (State::Size(_, 0), _) => Err("a chunk without a size"),
            (State::Size(size, _), b';') => Ok(State::Extension(*size)),
            (State::Size(size, _) | State::Extension(size), b'\r') => Ok(State::SizeEnd(*size)),
            (State::Size(..), _) => Err("a chunk's size is no hexadecimal number"),
            (State::Extension(size), b' '..=b'~' | b'\t' | 0x80..) => {
                self.extension += 1;
                if self.extension > MOST_EXTENSION {
                    Err("chunk extensions are too long")
                } else {
                    Ok(State::Extension(*size))
                }
            }
            (State::Extension(_), _) => Err("a control byte in a chunk extension"),
            (State::SizeEnd(0), b'\n') => Ok(State::Trailers(Scanner::default())),
            (State::SizeEnd(size), b'\n') => Ok(State::Chunk(*size)),
            (State::ChunkCr, b'\r') => Ok(State::ChunkLf),
            (State::ChunkLf, b'\n') => Ok(State::Size(0, 0)),
            (State::ChunkCr | State::ChunkLf, _) => Err("more data than the chunk's size says"),
            _ => Err("a chunk's line does not end in CRLF"),
        }
    }
}

fn take(bytes: &mut BytesMut, left: &mut u64) -> Bytes {
    let here = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
    *left -= here as u64;
    taken(bytes, here)
}

/// The trailer section, once its empty line is there. `None`: more bytes are needed.
fn trailers(scanner: &mut Scanner, bytes: &mut BytesMut) -> Result<Option<HeaderMap>, &'static str> {
    let end = match scanner.scan(bytes, TRAILERS, &mut Feeds::default()) {
        Ok(Some(end)) => end,
        Ok(None) => return Ok(None),
        Err(_) => return Err("the trailers are too long, or a line of them does not end in CRLF"),
    };
    let section = bytes.split_to(end).freeze();
    let mut fields = Fields::new();
    head::fields(&section, 0, &Feeds::of(&section), &mut fields)?;
    if fields.len() > MOST_TRAILERS { Err("too many trailers") } else { Ok(Some(fields.into())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The body, its trailers and what follows it, or why not; the bytes arrive as `splits` cut them.
    fn read(framing: Framing, bytes: &[u8], splits: &[usize]) -> Result<(Vec<u8>, usize, Vec<u8>), String> {
        let mut decoder = Decoder::new(framing);
        let (mut buffer, mut body, mut trailers, mut from) = (BytesMut::new(), Vec::new(), 0, 0);
        let mut cuts: Vec<usize> = splits.iter().map(|s| s % (bytes.len() + 1)).collect();
        cuts.sort_unstable();
        cuts.push(bytes.len());
        for to in cuts {
            buffer.extend_from_slice(&bytes[from..to]);
            from = to;
            loop {
                match decoder.decode(&mut buffer)? {
                    Decoded::Data(data) => body.extend_from_slice(&data),
                    Decoded::Trailers(fields) => trailers = fields.len(),
                    Decoded::End => break,
                    Decoded::More => break,
                }
            }
        }
        if decoder.connection_ended() { Ok((body, trailers, buffer.to_vec())) } else { Err("broke off".to_owned()) }
    }

    #[test]
    fn bodies_end_where_their_framing_says() {
        assert_eq!(read(Framing::Length(3), b"abcdef", &[1]), Ok((b"abc".to_vec(), 0, b"def".to_vec())));
        assert_eq!(read(Framing::Empty, b"abc", &[]), Ok((vec![], 0, b"abc".to_vec())));
        assert_eq!(read(Framing::UntilClose, b"abc", &[2]), Ok((b"abc".to_vec(), 0, vec![])));
        let chunks = b"3\r\nabc\r\n0A;x=\"y\"\r\n0123456789\r\n0\r\n\r\nGET";
        assert_eq!(read(Framing::Chunked, chunks, &[]), Ok((b"abc0123456789".to_vec(), 0, b"GET".to_vec())));
        let trailers = b"1\r\na\r\n00\r\nX: y\r\nZ: \r\n\r\nrest";
        assert_eq!(read(Framing::Chunked, trailers, &[]), Ok((b"a".to_vec(), 2, b"rest".to_vec())));
        assert!(read(Framing::Length(9), b"abc", &[]).is_err());
        assert!(read(Framing::Chunked, b"3\r\nabc\r\n0\r\n", &[]).is_err());
    }

    #[test]
    fn hazard_10_chunks_that_can_be_read_in_two_ways() {
        let long = format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(17_000));
        let often = format!("{}0\r\n\r\n", format!("1;{}\r\na\r\n", "x".repeat(100)).repeat(200));
        for chunks in [
            "\r\n",
            ";x\r\n",
            "0x3\r\nabc\r\n0\r\n\r\n",
            " 3\r\nabc\r\n0\r\n\r\n",
            "3 \r\nabc\r\n0\r\n\r\n",
            "3\t\r\nabc\r\n0\r\n\r\n",
            "+3\r\nabc\r\n0\r\n\r\n",
            "-1\r\n\r\n",
            "3h\r\nabc\r\n0\r\n\r\n",
            "3_0\r\nabc\r\n0\r\n\r\n",
            "3\nabc\r\n0\r\n\r\n",
            "3\r\rabc\r\n0\r\n\r\n",
            "3\r\nabc\n0\r\n\r\n",
            "3\r\nabc0\r\n\r\n",
            "3\r\nabcd\r\n0\r\n\r\n",
            "3\r\nabc\r\r\n0\r\n\r\n",
            "3;a\nb\r\nabc\r\n0\r\n\r\n",
            "3;a\0b\r\nabc\r\n0\r\n\r\n",
            "3;\n\r\nabc\r\n0\r\n\r\n",
            "0\r\n\n",
            "0\n\r\n",
            "0\r\nX: y\n\r\n",
            "0\r\nX : y\r\n\r\n",
            "0\r\n X: y\r\n\r\n",
            "0\r\nX: y\r\n z\r\n\r\n",
            "0\r\nno colon\r\n\r\n",
            "ffffffffffffffff\r\n",
            "10000000000000000\r\n",
            "0000000000000000000003\r\nabc\r\n0\r\n\r\n",
            &long,
            &often,
        ] {
            let read = read(Framing::Chunked, chunks.as_bytes(), &[]);
            assert!(read.as_ref().is_err_and(|e| e != "broke off"), "{chunks:.40?}: {read:?}");
            let (mut decoder, mut bytes) = (Decoder::new(Framing::Chunked), BytesMut::from(chunks.as_bytes()));
            while decoder.decode(&mut bytes).is_ok() {}
            let next = decoder.decode(&mut BytesMut::from(&b"3\r\nabc\r\n0\r\n\r\n"[..]));
            assert!(next.is_err() && !decoder.is_done(), "{chunks:.40?} is read on: {next:?}");
        }
    }

    proptest! {
        #[test]
        fn every_split_reads_the_same(chunks in "([0-9a-fA-F]{1,2}(;[a-z=]{0,3})?(\r\n|\n)[a-z]{0,4}(\r\n)?){0,4}(0\r\n(X: y\r\n)?\r\n)?[a-z]{0,3}", splits in proptest::collection::vec(0usize..80, 0..6)) {
            let whole = read(Framing::Chunked, chunks.as_bytes(), &[]);
            prop_assert_eq!(whole, read(Framing::Chunked, chunks.as_bytes(), &splits));
        }

        #[test]
        fn what_was_chunked_comes_out_again(parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..6), splits in proptest::collection::vec(0usize..300, 0..6)) {
            let mut bytes = Vec::new();
            for part in &parts {
                bytes.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
                bytes.extend_from_slice(part);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(b"0\r\n\r\n");
            prop_assert_eq!(read(Framing::Chunked, &bytes, &splits), Ok((parts.concat(), 0, vec![])));
        }

        #[test]
        fn no_bytes_upset_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = read(Framing::Chunked, &bytes, &[]);
        }
    }
}
