//! gzip (RFC 1952): members one after the other, each with its length and checksum.

use super::deflate::inflate;
use super::{Broken, Decoder};
use bytes::{Buf, Bytes};
use flate2::{Decompress, Status};

/// Names and comments are short; what is longer is none.
const LONGEST_HEAD: usize = 16 << 10;

pub struct Gzip {
    at: At,
    /// What was read of a head or trailer so far.
    read: Vec<u8>,
    inflate: Decompress,
    sum: crc32fast::Hasher,
    length: u32,
}

#[derive(Clone, Copy, PartialEq)]
enum At {
    Head,
    Body,
    Trailer,
}

impl Default for Gzip {
    fn default() -> Gzip {
        let inflate = Decompress::new(false);
        Gzip { at: At::Head, read: Vec::new(), inflate, sum: crc32fast::Hasher::new(), length: 0 }
    }
}

impl Decoder for Gzip {
    fn decode(&mut self, input: &mut Bytes, out: &mut [u8]) -> Result<usize, Broken> {
        loop {
            match self.at {
                At::Head => {
                    if !self.gather(input, head)? {
                        return Ok(0);
                    }
                    self.at = At::Body;
                }
                At::Body => {
                    let (written, status) = inflate(&mut self.inflate, input, out)?;
                    let piece = out.get(..written).unwrap_or_default();
                    self.sum.update(piece);
                    self.length = self.length.wrapping_add(written as u32);
                    if status == Status::StreamEnd {
                        self.at = At::Trailer;
                    }
                    if written > 0 || status != Status::StreamEnd {
                        // With room left and the end not reached, all input was taken.
                        return Ok(written);
                    }
                }
                At::Trailer => {
                    let expected = [self.sum.clone().finalize().to_le_bytes(), self.length.to_le_bytes()].concat();
                    if !self.gather(input, |read| trailer(read, &expected))? {
                        return Ok(0);
                    }
                    self.at = At::Head;
                    self.inflate.reset(false);
                    (self.sum, self.length) = (crc32fast::Hasher::new(), 0);
                }
            }
        }
    }

    fn is_whole(&self) -> bool {
        self.at == At::Head && self.read.is_empty()
    }
}

impl Gzip {
    /// Reads on until `length` knows how long the part is that is being read; then takes it. False while input is lacking.
    fn gather(
        &mut self,
        input: &mut Bytes,
        length: impl Fn(&[u8]) -> Result<Option<usize>, Broken>,
    ) -> Result<bool, Broken> {
        let before = self.read.len();
        self.read.extend_from_slice(input.get(..input.len().min(LONGEST_HEAD)).unwrap_or_default());
        match length(&self.read)? {
            Some(length) => {
                input.advance(length.saturating_sub(before).min(input.len()));
                self.read.clear();
                Ok(true)
            }
            None if self.read.len() >= LONGEST_HEAD => Err(Broken),
            None => {
                input.clear();
                Ok(false)
            }
        }
    }
}

/// How long the head is that `read` begins with; `None` if that is not known yet.
fn head(read: &[u8]) -> Result<Option<usize>, Broken> {
    const MAGIC: &[u8] = &[0x1f, 0x8b, 8];
    const CHECKSUM: u8 = 2;
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    if !MAGIC.starts_with(read.get(..3).unwrap_or(read)) {
        return Err(Broken);
    }
    let Some(&flags) = read.get(3) else { return Ok(None) };
    if flags & 0xe0 != 0 {
        return Err(Broken);
    }
    let mut length = 10;
    if flags & EXTRA != 0 {
        let Some([low, high]) = read.get(length..length + 2) else { return Ok(None) };
        length += 2 + usize::from(u16::from_le_bytes([*low, *high]));
    }
    for flag in [NAME, COMMENT] {
        if flags & flag != 0 {
            let end = read.get(length..).and_then(|rest| rest.iter().position(|b| *b == 0));
            let Some(end) = end else { return Ok(None) };
            length += end + 1;
        }
    }
    length += if flags & CHECKSUM != 0 { 2 } else { 0 };
    Ok((read.len() >= length).then_some(length))
}

fn trailer(read: &[u8], expected: &[u8]) -> Result<Option<usize>, Broken> {
    match read.get(..expected.len()) {
        Some(trailer) if trailer == expected => Ok(Some(expected.len())),
        Some(_) => Err(Broken),
        None => Ok(None),
    }
}
