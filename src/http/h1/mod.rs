//! HTTP/1 of our own, on both sides. What a gateway must be sure of is where a message ends, so nobody else decides it:
//! the strictness of RFC 9112 without its allowances, one reading of every byte, and whatever has two is refused.
//!
//! `head`, `framing` and `chunks` are pure: bytes in, a verdict out, the same for every way the bytes are split.

pub mod arriving;
pub mod chunks;
pub mod client;
pub mod closing;
pub mod feeds;
pub mod framing;
pub mod head;
pub mod incoming;
pub mod reply;
pub mod request;
pub mod sender;
pub mod server;
