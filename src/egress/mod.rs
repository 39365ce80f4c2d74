//! Floor 7: the outbound door. [`journey`] is a call's; [`explain`] takes its steps without sending it.

pub mod explain;
pub mod journey;
pub mod verify;
