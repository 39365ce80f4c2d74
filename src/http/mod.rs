//! Floor 3: HTTP itself: what is read, what is answered, and the way to the upstream.

pub mod inspect;
