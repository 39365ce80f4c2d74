//! `deflate`: zlib's format (RFC 1950), and, since so many servers got it wrong, bare DEFLATE.

use super::{Broken, Decoder};
use bytes::{Buf, Bytes};
use flate2::{Decompress, FlushDecompress, Status};

#[derive(Default)]
pub struct Deflate {
    /// Its first byte, until the second tells which of the two it is.
    first: Option<u8>,
    inflate: Option<Decompress>,
    ended: bool,
}

impl Decoder for Deflate {
    fn decode(&mut self, input: &mut Bytes, out: &mut [u8]) -> Result<usize, Broken> {
        if self.ended {
            return if input.is_empty() { Ok(0) } else { Err(Broken) };
        }
        let inflater = match &mut self.inflate {
            Some(inflater) => inflater,
            none => {
                if let Some(first) = self.first.take() {
                    *input = [&[first], &input[..]].concat().into();
                }
                match input[..] {
                    [] => return Ok(0),
                    [first] => {
                        self.first = Some(first);
                        input.clear();
                        return Ok(0);
                    }
                    [first, second, ..] => none.insert(Decompress::new(is_zlib(first, second))),
                }
            }
        };
        let (written, status) = inflate(inflater, input, out)?;
        self.ended = status == Status::StreamEnd;
        if self.ended && !input.is_empty() {
            return Err(Broken);
        }
        Ok(written)
    }

    fn is_whole(&self) -> bool {
        self.ended || self.inflate.is_none() && self.first.is_none()
    }
}

/// RFC 1950, section 2.2: method 8, a window it can have, and a checksum over both bytes.
fn is_zlib(first: u8, second: u8) -> bool {
    first & 15 == 8 && first >> 4 <= 7 && u16::from_be_bytes([first, second]).is_multiple_of(31)
}

/// Inflates until `input` is used up, `out` is full, or the end is reached.
pub fn inflate(inflater: &mut Decompress, input: &mut Bytes, out: &mut [u8]) -> Result<(usize, Status), Broken> {
    let mut written = 0;
    loop {
        let (taken_before, given_before) = (inflater.total_in(), inflater.total_out());
        let room = out.get_mut(written..).unwrap_or_default();
        let status = inflater.decompress(input, room, FlushDecompress::None).map_err(|_| Broken)?;
        let taken = (inflater.total_in() - taken_before) as usize;
        let given = (inflater.total_out() - given_before) as usize;
        input.advance(taken.min(input.len()));
        written += given;
        if status == Status::StreamEnd || written == out.len() {
            return Ok((written, status));
        }
        if taken == 0 && given == 0 {
            return if input.is_empty() { Ok((written, status)) } else { Err(Broken) };
        }
    }
}
