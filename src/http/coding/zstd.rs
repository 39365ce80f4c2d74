//! Zstandard (RFC 8878), with the window that RFC 9659 allows in HTTP.

use super::{Broken, Decoder};
use bytes::{Buf, Bytes};
use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

/// 8 MiB.
const WINDOW_LOG: u32 = 23;

pub struct Zstd {
    /// None until the first byte came.
    context: Option<DCtx<'static>>,
    /// Between two frames.
    whole: bool,
}

impl Default for Zstd {
    fn default() -> Zstd {
        Zstd { context: None, whole: true }
    }
}

impl Decoder for Zstd {
    fn decode(&mut self, input: &mut Bytes, out: &mut [u8]) -> Result<usize, Broken> {
        if self.whole && input.is_empty() {
            return Ok(0);
        }
        let context = match &mut self.context {
            Some(context) => context,
            none => {
                let mut context = DCtx::try_create().ok_or(Broken)?;
                context.set_parameter(DParameter::WindowLogMax(WINDOW_LOG)).map_err(|_| Broken)?;
                none.insert(context)
            }
        };
        let mut from = InBuffer::around(input);
        let mut to = OutBuffer::around(out);
        loop {
            let before = (from.pos(), to.pos());
            // What is still needed; nothing at the end of a frame.
            self.whole = context.decompress_stream(&mut to, &mut from).map_err(|_| Broken)? == 0;
            let (taken, written) = (from.pos(), to.pos());
            if taken == input.len() || written == to.capacity() {
                input.advance(taken);
                return Ok(written);
            }
            if (taken, written) == before {
                return Err(Broken);
            }
        }
    }

    fn is_whole(&self) -> bool {
        self.whole
    }
}
