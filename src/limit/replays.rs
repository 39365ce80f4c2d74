//! H4: deliveries that were there before. Bounded, shared by the cores, and alive through reloads.

use std::sync::Arc;
use std::time::Duration;

/// What is remembered of deliveries.
#[derive(Debug, Default)]
pub struct Replays {}

/// What is known of a delivery.
pub enum Seen {
    /// Never before: it is in flight from now on.
    Never(Reserved),
    InFlight,
    /// Delivered before.
    Before,
}

/// A delivery in flight. Dropped without [`Reserved::remember`], it is forgotten, so that it may come again.
#[derive(Debug)]
pub struct Reserved {}

impl Replays {
    /// Reserves a delivery. `now`: Unix milliseconds.
    pub fn reserve(self: &Arc<Self>, _delivery: [u8; 16], _now: i64) -> Seen {
        Seen::Never(Reserved {})
    }
}

impl Reserved {
    /// The upstream has it: until `now` + `remember`, it was there before.
    pub fn remember(self, _now: i64, _remember: Duration) {}
}
