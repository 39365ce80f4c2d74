//! HPACK (RFC 7541): how HTTP/2 writes header blocks. The decoder reads requests, and parses a line once, when it enters
//! the table: whoever repeats it gets a copy of what was read. The encoder writes replies.

mod decoder;
mod encoder;
mod huffman;
mod integer;
mod line;
mod seen;
mod statics;
mod table;

pub use decoder::Decoder;
pub use encoder::Encoder;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderName, HeaderValue, Method};

/// What both tables hold at most, by the RFC's accounting: the protocol's initial value, of which ours never says otherwise.
pub const TABLE: usize = 4096;

/// What a line costs beside its texts, in tables and in lists (RFC 7541 4.1, RFC 9113 6.5.2).
const OVERHEAD: usize = 32;

/// One line of a request's header block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    Method(Method),
    Scheme(Scheme),
    Authority(Authority),
    Path(PathAndQuery),
    Field(HeaderName, HeaderValue),
    /// It cannot stand in a request; why.
    Wrong(&'static str),
}

/// Whether a block's lines were within the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fits {
    Yes,
    /// What is beyond it was not handed out.
    No,
}

/// A block that cannot be read. Nothing that follows it can be, either: the connection is over (COMPRESSION_ERROR).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// It ends amid a line.
    Truncated,
    /// A number beyond 32 bits, or longer than such a one can be.
    Number,
    /// A line that is in neither table.
    Index,
    /// The end of a string within a string, or padding that is none.
    Huffman,
    /// A size of the table that may not be, or not here.
    TableSize,
}

#[cfg(test)]
mod encoder_tests;
#[cfg(test)]
mod huffman_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
