//! Brotli (RFC 7932). Its window is 16 MiB at most; large windows, which no HTTP has, are refused.

use super::{Broken, Decoder};
use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use bytes::{Buf, Bytes};

pub struct Brotli {
    state: Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>,
    begun: bool,
    ended: bool,
}

impl Default for Brotli {
    fn default() -> Brotli {
        let [bytes, words, codes] = [(); 3].map(|()| StandardAlloc::default());
        Brotli { state: Box::new(BrotliState::new_strict(bytes, words, codes)), begun: false, ended: false }
    }
}

impl Decoder for Brotli {
    fn decode(&mut self, input: &mut Bytes, out: &mut [u8]) -> Result<usize, Broken> {
        if self.ended {
            return if input.is_empty() { Ok(0) } else { Err(Broken) };
        }
        self.begun = true;
        let (mut left, mut taken, mut room, mut written) = (input.len(), 0, out.len(), 0);
        let result =
            BrotliDecompressStream(&mut left, &mut taken, input, &mut room, &mut written, out, &mut 0, &mut self.state);
        input.advance(taken.min(input.len()));
        match result {
            BrotliResult::ResultSuccess if input.is_empty() => self.ended = true,
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {}
            BrotliResult::ResultSuccess | BrotliResult::ResultFailure => return Err(Broken),
        }
        Ok(written)
    }

    fn is_whole(&self) -> bool {
        self.ended || !self.begun
    }
}
