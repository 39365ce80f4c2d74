//! H4: deliveries that were there before. Bounded, shared by the cores, and alive through reloads.
//!
//! A delivery is in flight from its reservation on, and is remembered only once its upstream has taken it; whatever else ends
//! its request, an error, a panic, a caller who hangs up, gives it free again.

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Deliveries that are remembered in all, in 16 MiB at most: a day of them at three a second, ten minutes at four hundred.
pub const CAPACITY: usize = 256 * 1024;
/// Far more than cores, so that two of them rarely want the same one.
const SHARDS: usize = 64;

/// Unix milliseconds.
type Millis = i64;
type Delivery = [u8; 16];

/// What is remembered of deliveries.
pub struct Replays {
    shards: Box<[Guarded]>,
    capacity: usize,
    /// Which shard a delivery belongs to: nobody outside can choose it.
    hasher: RandomState,
    /// Deliveries that had to be forgotten before their time.
    forgotten: AtomicU64,
}

/// A shard, on cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
struct Guarded(Mutex<Shard>);

#[derive(Default)]
struct Shard {
    known: HashMap<Delivery, State>,
    /// Those that were delivered, the first to end on top. Each once, and each is known.
    ends: BinaryHeap<Reverse<(Millis, Delivery)>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    InFlight,
    Delivered,
}

/// What is known of a delivery.
#[derive(Debug)]
pub enum Seen<'r> {
    /// Never before: it is in flight from now on.
    Never(Reserved<'r>),
    InFlight,
    /// Delivered before.
    Before,
}

/// A delivery in flight. Dropped without [`Reserved::remember`], it is forgotten, so that it may come again.
#[must_use = "dropping it says that the delivery failed"]
pub struct Reserved<'r> {
    of: &'r Replays,
    delivery: Delivery,
    arrived: bool,
}

impl Default for Replays {
    fn default() -> Replays {
        Replays::with(SHARDS, CAPACITY)
    }
}

impl Replays {
    fn with(shards: usize, capacity: usize) -> Replays {
        Replays {
            shards: (0..shards).map(|_| Guarded::default()).collect(),
            capacity: capacity / shards,
            hasher: RandomState::new(),
            forgotten: AtomicU64::new(0),
        }
    }

    /// Reserves a delivery, unless it is known.
    pub fn reserve(&self, delivery: Delivery, now: Millis) -> Seen<'_> {
        let mut shard = self.shard(&delivery);
        shard.sweep(now);
        match shard.known.entry(delivery) {
            Entry::Vacant(free) => {
                free.insert(State::InFlight);
                Seen::Never(Reserved { of: self, delivery, arrived: false })
            }
            Entry::Occupied(known) => match known.get() {
                State::InFlight => Seen::InFlight,
                State::Delivered => Seen::Before,
            },
        }
    }

    /// Forgets those whose time is over; returns how many are remembered.
    pub fn sweep(&self, now: Millis) -> usize {
        let swept = self.shards.iter().map(|shard| {
            let mut shard = shard.locked();
            shard.sweep(now);
            shard.known.len()
        });
        swept.sum()
    }

    /// How many had to be forgotten before their time, for want of room.
    pub fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Relaxed)
    }

    fn shard(&self, delivery: &Delivery) -> MutexGuard<'_, Shard> {
        let at = self.hasher.hash_one(delivery) as usize % self.shards.len();
        self.shards[at].locked()
    }
}

impl Reserved<'_> {
    /// The upstream has it: up to and with `until`, it was there before. If there is no room, those go that end first.
    pub fn remember(mut self, now: Millis, remember: Duration) {
        let until = now.saturating_add(i64::try_from(remember.as_millis()).unwrap_or(i64::MAX));
        self.arrived = true;
        let mut shard = self.of.shard(&self.delivery);
        shard.sweep(now);
        let mut forgotten = 0;
        while shard.ends.len() >= self.of.capacity && shard.forget_first() {
            forgotten += 1;
        }
        shard.known.insert(self.delivery, State::Delivered);
        shard.ends.push(Reverse((until, self.delivery)));
        drop(shard);
        self.of.forgotten.fetch_add(forgotten, Ordering::Relaxed);
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if !self.arrived {
            self.of.shard(&self.delivery).known.remove(&self.delivery);
        }
    }
}

impl Guarded {
    /// Whole even if somebody panicked while holding it: every change is one step that does not.
    fn locked(&self) -> MutexGuard<'_, Shard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    fn sweep(&mut self, now: Millis) {
        while self.ends.peek().is_some_and(|Reverse((until, _))| *until < now) {
            self.forget_first();
        }
    }

    /// False if there is none.
    fn forget_first(&mut self) -> bool {
        let Some(Reverse((_, delivery))) = self.ends.pop() else { return false };
        self.known.remove(&delivery);
        true
    }
}

impl std::fmt::Debug for Replays {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replays").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Reserved<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reserved").field("arrived", &self.arrived).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "replays_tests.rs"]
mod tests;
