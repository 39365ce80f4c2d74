//! Content codings, undone while they stream: bounded memory, a piece at a time, and nothing broken ever ends cleanly.

mod brotli;
mod deflate;
mod gzip;
#[cfg(test)]
mod tests;
mod zstd;

use bytes::Bytes;

/// A content coding that can be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl Coding {
    /// By its name in `Content-Encoding`, in any case.
    pub fn named(name: &[u8]) -> Option<Coding> {
        match &name.to_ascii_lowercase()[..] {
            b"gzip" | b"x-gzip" => Some(Coding::Gzip),
            b"deflate" => Some(Coding::Deflate),
            b"br" => Some(Coding::Brotli),
            b"zstd" => Some(Coding::Zstd),
            _ => None,
        }
    }

    fn decoder(self) -> Box<dyn Decoder> {
        match self {
            Coding::Gzip => Box::default() as Box<gzip::Gzip>,
            Coding::Deflate => Box::default() as Box<deflate::Deflate>,
            Coding::Brotli => Box::default() as Box<brotli::Brotli>,
            Coding::Zstd => Box::default() as Box<zstd::Zstd>,
        }
    }
}

/// The stream is not what its coding says, or needs more memory than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is not what its Content-Encoding says")]
pub struct Broken;

/// Undoes one coding.
trait Decoder {
    /// Takes from `input`, writes to `out`, and says how much. If that is nothing, all of `input` was taken.
    fn decode(&mut self, input: &mut Bytes, out: &mut [u8]) -> Result<usize, Broken>;

    /// Whether the stream may end here. One without a single byte may.
    fn is_whole(&self) -> bool;
}

/// The longest piece that is given out at once.
const PIECE: usize = 32 << 10;

/// Undoes all codings of a body.
pub struct Decoding {
    /// In the order in which they are undone.
    stages: Vec<Stage>,
    out: Box<[u8]>,
}

struct Stage {
    decoder: Box<dyn Decoder>,
    input: Bytes,
    /// The last piece was full: there may be more without more input.
    full: bool,
}

impl Decoding {
    /// Of `codings` in the order they were applied in.
    pub fn of(codings: &[Coding]) -> Decoding {
        let stage = |coding: &Coding| Stage { decoder: coding.decoder(), input: Bytes::new(), full: false };
        Decoding { stages: codings.iter().rev().map(stage).collect(), out: vec![0; PIECE].into() }
    }

    /// Takes more of the encoded body; only when [`Decoding::pull`] asked for it.
    pub fn push(&mut self, encoded: Bytes) {
        if let Some(first) = self.stages.first_mut() {
            first.input = encoded;
        }
    }

    /// The next piece of the body, never empty; `None` when more of the encoded one is needed.
    pub fn pull(&mut self) -> Result<Option<Bytes>, Broken> {
        pull(&mut self.stages, &mut self.out)
    }

    /// The encoded body ended, and everything was pulled: whether that was its end.
    pub fn finish(&self) -> Result<(), Broken> {
        let ended = self.stages.iter().all(|stage| stage.input.is_empty() && !stage.full && stage.decoder.is_whole());
        if ended { Ok(()) } else { Err(Broken) }
    }
}

fn pull(stages: &mut [Stage], out: &mut [u8]) -> Result<Option<Bytes>, Broken> {
    let Some((last, before)) = stages.split_last_mut() else { return Ok(None) };
    loop {
        if last.full || !last.input.is_empty() {
            let written = last.decoder.decode(&mut last.input, out)?;
            last.full = written == out.len();
            if let Some(piece) = out.get(..written).filter(|piece| !piece.is_empty()) {
                return Ok(Some(Bytes::copy_from_slice(piece)));
            }
        }
        match pull(before, out)? {
            Some(piece) => last.input = piece,
            None => return Ok(None),
        }
    }
}
