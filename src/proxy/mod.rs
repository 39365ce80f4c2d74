//! Floor 7: the inbound door. [`journey`] is a request's; [`explain`] takes its steps without sending it.

pub mod explain;
mod handshakes;
pub mod journey;
mod routing;
