//! HTTP/2 towards upstreams: connections that many requests share.

pub mod client;
mod upload;
