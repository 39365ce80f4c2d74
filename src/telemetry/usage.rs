//! T5: what is used, by whom, and how it ended: requests and refusals per key and slot, per workflow, per connection.
//!
//! Each core counts for itself ([`CoreUsage`]); every few seconds somebody takes what was counted ([`Usage::drain`]) and
//! adds it to what is kept. Between two drains a core keeps one row for each combination it saw, and no more than
//! [`MOST_ROWS`]: a core that is half full asks for a drain, and what finds no room is itself counted.

mod table;
#[cfg(test)]
mod tests;

use self::table::{Count, Row, Table};
use super::metrics::locked;
use crate::model::{Resource, Slot, Uid};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// Rows of one core between two drains. Some four megabytes, twice; a drain every five seconds keeps up with ten
/// thousand different keys a second on each core.
pub const MOST_ROWS: usize = 65_536;
/// Rows that were given back and wait for another try: a store that is down for an hour costs no counts of a hundred
/// thousand keys, and the memory is bounded (some hundred megabytes) if it stays down.
const MOST_KEPT: usize = 1 << 20;

/// The counting of the process. Off until somebody is there who drains it.
#[derive(Debug)]
pub struct Usage {
    shared: Arc<Shared>,
    cores: Mutex<Vec<Arc<CoreUsage>>>,
    /// What could not be handed on.
    kept: Mutex<Table>,
}

/// What the cores read, and write only when they are full.
#[derive(Debug)]
struct Shared {
    counting: AtomicBool,
    dropped: Arc<AtomicU64>,
    crowded: Notify,
}

/// One core's counts. The alignment keeps another core's data off its cache lines, the prefetched neighbour included.
#[derive(Debug)]
#[repr(align(128))]
pub struct CoreUsage {
    shared: Arc<Shared>,
    /// A lock that this core takes uncontended, but for the moment in which a drain puts another table in its place.
    table: Mutex<Table>,
    /// That other table. Only drains touch it, one at a time.
    spare: Mutex<Table>,
}

/// A request that is over. What was not known when it ended is not counted for.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    pub key: Option<(Uid, Option<Slot>)>,
    pub workflow: Option<Uid>,
    pub connection: Option<Uid>,
    /// The reason code if the gateway refused it; empty for what passed, whatever the upstream said.
    pub code: &'static str,
    /// Unix milliseconds.
    pub at: i64,
}

/// What was counted since the last drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    pub kind: Resource,
    pub uid: Uid,
    /// Keys only, and none for a caller whom the listener stands for.
    pub slot: Option<Slot>,
    /// Empty for what passed.
    pub code: &'static str,
    pub count: u64,
    /// Unix milliseconds.
    pub last_at: i64,
}

impl Usage {
    /// `dropped`: where counts are counted that found no room.
    pub fn new(dropped: Arc<AtomicU64>) -> Usage {
        let shared = Shared { counting: AtomicBool::new(false), dropped, crowded: Notify::new() };
        Usage { shared: Arc::new(shared), cores: Mutex::default(), kept: Mutex::default() }
    }

    /// Begins to count. Whoever calls this drains from now on; without it requests pay nothing.
    pub fn start(&self) {
        self.shared.counting.store(true, Relaxed);
    }

    /// A handle for one more core. Its counts are drained as long as the process lives, whoever holds it.
    pub fn core(&self) -> Arc<CoreUsage> {
        let (table, spare) = (Mutex::default(), Mutex::default());
        let core = Arc::new(CoreUsage { shared: Arc::clone(&self.shared), table, spare });
        locked(&self.cores).push(Arc::clone(&core));
        core
    }

    /// Takes what all cores counted since the last time, added up. Each count is handed out once.
    pub fn drain(&self) -> Vec<Counted> {
        let mut sum = std::mem::take(&mut *locked(&self.kept));
        for core in locked(&self.cores).iter() {
            core.drain_into(&mut sum);
        }
        sum.rows().map(|(row, count)| Counted::of(row, count)).collect()
    }

    /// Takes back what could not be handed on: the next drain has it again.
    pub fn give_back(&self, counted: &[Counted]) {
        let mut kept = locked(&self.kept);
        for one in counted {
            let (row, count) = one.row();
            if kept.add(&row, count, MOST_KEPT).is_err() {
                self.shared.dropped.fetch_add(count.count, Relaxed);
            }
        }
    }

    /// Comes back when a core has so many rows that it should be drained before the usual time.
    pub async fn crowded(&self) {
        self.shared.crowded.notified().await;
    }
}

impl CoreUsage {
    /// Whether anybody wants to know.
    pub fn is_counting(&self) -> bool {
        self.shared.counting.load(Relaxed)
    }

    /// Counts one request for each of those that took part. Allocates only for a combination that is new since the last
    /// drain, and then seldom.
    pub fn count(&self, used: &Used) {
        if !self.is_counting() {
            return;
        }
        let Used { key, workflow, connection, code, at } = *used;
        let mut table = locked(&self.table);
        let before = table.len();
        let mut count = |kind, uid, slot| {
            if table.add(&Row { kind, uid, slot, code }, Count { count: 1, last_at: at }, MOST_ROWS).is_err() {
                self.shared.dropped.fetch_add(1, Relaxed);
            }
        };
        if let Some((uid, slot)) = key {
            count(Resource::Key, uid, slot);
        }
        if let Some(uid) = workflow {
            count(Resource::Workflow, uid, None);
        }
        if let Some(uid) = connection {
            count(Resource::Connection, uid, None);
        }
        // Once a table, not with every request of a full one.
        if before < MOST_ROWS / 2 && table.len() >= MOST_ROWS / 2 {
            self.shared.crowded.notify_one();
        }
    }

    fn drain_into(&self, sum: &mut Table) {
        let mut taken = locked(&self.spare);
        // All that the core may have to wait for.
        std::mem::swap(&mut *locked(&self.table), &mut *taken);
        for (row, count) in taken.rows() {
            let _ = sum.add(row, *count, usize::MAX);
        }
        taken.empty();
    }
}

impl Counted {
    fn of(row: &Row, count: &Count) -> Counted {
        let Row { kind, uid, slot, code } = *row;
        Counted { kind, uid, slot, code, count: count.count, last_at: count.last_at }
    }

    fn row(&self) -> (Row, Count) {
        let Counted { kind, uid, slot, code, count, last_at } = *self;
        (Row { kind, uid, slot, code }, Count { count, last_at })
    }
}
