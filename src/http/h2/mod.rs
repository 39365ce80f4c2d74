//! HTTP/2: connections to upstreams that many requests share, and the compression of header blocks.

pub mod client;
pub mod hpack;
mod upload;
