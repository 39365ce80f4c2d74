//! What an upstream encodes.

use super::{cut, steer};
use crate::http::coding::{Broken, Coding, Decoding};
use bytes::Bytes;

/// What a bomb becomes is not waited for.
const ENOUGH: usize = 1 << 20;

/// An encoded body: the same in whatever pieces it arrives, out in small pieces, and broken for good once it is broken.
pub fn decoding(bytes: &[u8]) {
    let ([which, longest, seed], bytes) = steer(bytes);
    let codings: &[Coding] = match which % 6 {
        0 => &[Coding::Gzip],
        1 => &[Coding::Deflate],
        2 => &[Coding::Brotli],
        3 => &[Coding::Zstd],
        4 => &[Coding::Gzip, Coding::Deflate],
        _ => &[Coding::Zstd, Coding::Brotli],
    };
    let cuts = [vec![Bytes::copy_from_slice(bytes)], cut(bytes, longest, seed), cut(bytes, 0, 0)];
    let results = cuts.map(|pieces| decoded(codings, pieces));
    // How much came before something broke may differ.
    if results.iter().all(|result| *result != Ok(None)) {
        assert!(results.iter().all(|result| *result == results[0]), "the same in pieces");
    }
}

/// The text, or nothing if there is too much of it.
fn decoded(codings: &[Coding], pieces: Vec<Bytes>) -> Result<Option<Vec<u8>>, Broken> {
    let (mut decoding, mut text) = (Decoding::of(codings), Vec::new());
    for piece in pieces {
        decoding.push(piece);
        while let Some(piece) = decoding.pull()? {
            assert!(!piece.is_empty() && piece.len() <= 32 << 10);
            text.extend_from_slice(&piece);
            if text.len() >= ENOUGH {
                return Ok(None);
            }
        }
        assert_eq!(decoding.pull(), Ok(None), "asked again");
    }
    decoding.finish().map(|()| Some(text))
}
