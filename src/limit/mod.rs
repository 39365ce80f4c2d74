//! Floor 3: rates and counts. GCRA by governor; what it counts survives reloads, and its memory is bounded.

pub mod addresses;
pub mod buffers;
pub mod connections;
pub mod failed;
pub mod meter;
pub mod overload;
pub mod replays;
pub mod slots;
pub mod table;

pub use buffers::Buffers;
pub use connections::{Admitted, OpenConnections};
pub use failed::FailedAuth;
pub use meter::Meter;
pub use replays::Replays;
pub use slots::{Slots, Taken};
pub use table::Limits;
