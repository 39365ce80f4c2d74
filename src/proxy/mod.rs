//! Floor 6: the inbound door. [`handle`] is a request's journey; the rest carries it.

pub mod accept;
pub mod core;
pub mod exchange;
pub mod explain;
pub mod front;
pub mod handle;
pub mod panics;
pub mod reply_body;
pub mod request_id;
pub mod serve;
pub mod tunnel;
pub mod worker;
