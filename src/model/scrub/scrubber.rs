//! A text that streams by.

use super::needle::Needle;
use bytes::{Bytes, BytesMut};

/// Replaces secrets in a text that comes in pieces. Holds back only what may be the beginning of one.
#[derive(Debug, Default)]
pub struct Scrubber {
    held: Bytes,
    /// So many of the held bytes belong to a secret that began before them.
    covered: usize,
    replaced: u64,
}

impl Scrubber {
    /// What may go on, now that `piece` is known: the same bytes, untouched, where there is nothing to replace or hold.
    pub fn push(&mut self, needle: &Needle, piece: Bytes) -> Bytes {
        self.pass(needle, piece, false)
    }

    /// What was held, now that nothing follows.
    pub fn finish(&mut self, needle: &Needle) -> Bytes {
        self.pass(needle, Bytes::new(), true)
    }

    /// How many secrets were replaced so far.
    pub fn replaced(&self) -> u64 {
        self.replaced
    }

    /// How many bytes are held back.
    pub fn holds(&self) -> usize {
        self.held.len()
    }

    fn pass(&mut self, needle: &Needle, piece: Bytes, ended: bool) -> Bytes {
        let mut text = match std::mem::take(&mut self.held) {
            held if held.is_empty() => piece,
            held => [&held[..], &piece[..]].concat().into(),
        };
        let found = needle.find(&text, self.covered, ended);
        self.replaced += found.begun;
        self.covered = found.overhang();
        let rest = text.split_off(found.decided);
        if !rest.is_empty() {
            // A copy: a few bytes are not to keep a whole buffer.
            self.held = Bytes::copy_from_slice(&rest);
        }
        if found.spans.is_empty() {
            return text;
        }
        drop(rest);
        let mut clean = text.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        found.cover(&mut clean);
        clean.freeze()
    }
}
