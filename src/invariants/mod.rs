//! What must hold for any bytes from outside. Each of these takes bytes, makes of them what its name says, and panics
//! where something does not hold. The ordinary tests run them over random bytes and over what fuzzing has found before;
//! `tests/fuzz` looks for more.

mod admin;
mod answers;
mod calls;
mod decoding;
mod forwarded;
mod hpack;
mod http2;
mod inputs;
mod messages;
mod requests;
mod scrubbing;
mod sealed;
mod upstream_http2;
mod urls;
mod webhooks;
mod wires;

pub use admin::{admin, documents};
pub use answers::answers;
pub use calls::calls;
pub use decoding::decoding;
pub use forwarded::forwarded;
pub use hpack::hpack;
pub use http2::http2;
pub use inputs::{assembly, certificate, config, keys, openapi, proxy_protocol};
pub use messages::{body, head, reply};
pub use requests::{credentials, rewriting, routing};
pub use scrubbing::scrubbing;
pub use sealed::sealed;
pub use upstream_http2::upstream_http2;
pub use urls::urls;
pub use webhooks::webhooks;
pub use wires::{server, upstream};

use bytes::Bytes;

/// Takes what steers an invariant off the front of its bytes; nothing where there is nothing.
fn steer<const N: usize>(bytes: &[u8]) -> ([u8; N], &[u8]) {
    bytes.split_first_chunk::<N>().map_or(([0; N], bytes), |(first, rest)| (*first, rest))
}

/// `bytes` as they might arrive: cut into pieces of up to `longest` bytes, which lengths being up to `seed`.
fn cut(bytes: &[u8], longest: u8, seed: u8) -> Vec<Bytes> {
    let (mut rest, mut pieces, mut state) = (bytes, Vec::new(), u32::from(seed));
    while !rest.is_empty() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let length = 1 + (state >> 16) as usize % (usize::from(longest) + 1);
        let (piece, after) = rest.split_at(length.min(rest.len()));
        pieces.push(Bytes::copy_from_slice(piece));
        rest = after;
    }
    pieces
}

#[cfg(test)]
mod targets;
#[cfg(test)]
mod tests;
