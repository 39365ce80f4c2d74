//! Floor 4: HTTP itself: what is read, what is answered, and the way to the upstream.

pub mod body;
pub mod h1;
pub mod inspect;
pub mod reply;
pub mod upstream;
