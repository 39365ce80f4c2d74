//! Floor 4: HTTP itself: what is read, what is answered, and the way to the upstream.

mod attempt;
pub mod body;
pub mod coding;
pub mod date;
pub mod dialling;
pub mod early;
pub mod endpoints;
pub mod failure;
pub mod h1;
pub mod h2;
pub mod inspect;
pub mod kept;
pub mod openings;
pub mod outbox;
pub mod pool;
pub mod reply;
pub mod retry;
pub mod scrubbed;
pub mod upstream;
pub mod upstream_body;
pub mod wire;
