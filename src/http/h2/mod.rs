//! HTTP/2: of our own towards callers, by a library towards upstreams.

pub mod client;
pub mod hpack;
pub mod server;
mod upload;
