//! Counts by what they count.

use crate::model::{Resource, Slot, Uid};
use hashbrown::HashMap;
use std::hash::{Hash, Hasher};

/// One combination.
#[derive(Debug, Clone, Copy, Eq)]
pub(super) struct Row {
    pub(super) kind: Resource,
    pub(super) uid: Uid,
    pub(super) slot: Option<Slot>,
    pub(super) code: &'static str,
}

/// Most rows are of what passed, so that texts are seldom compared.
impl PartialEq for Row {
    fn eq(&self, other: &Row) -> bool {
        self.uid == other.uid
            && self.slot == other.slot
            && self.code.len() == other.code.len()
            && (self.code.is_empty() || self.code == other.code)
            && self.kind == other.kind
    }
}

/// Ids are random enough to tell rows apart; those of one id, by slot and code, are few.
impl Hash for Row {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(u128::from_ne_bytes(self.uid.0));
        state.write_usize(self.code.len());
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Count {
    pub(super) count: u64,
    pub(super) last_at: i64,
}

/// Another row would be one too many.
#[derive(Debug)]
pub(super) struct NoRoom;

#[derive(Debug, Default)]
pub(super) struct Table(HashMap<Row, Count>);

impl Table {
    /// Adds to the row, which is a new one only while there are fewer than `most`.
    pub(super) fn add(&mut self, row: &Row, more: Count, most: usize) -> Result<(), NoRoom> {
        if let Some(known) = self.0.get_mut(row) {
            known.count += more.count;
            known.last_at = known.last_at.max(more.last_at);
        } else if self.0.len() < most {
            self.0.insert(*row, more);
        } else {
            return Err(NoRoom);
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = (&Row, &Count)> {
        self.0.iter()
    }

    /// Keeps the room that it needed this time, so that steady traffic allocates nothing and a burst is forgotten.
    pub(super) fn empty(&mut self) {
        let used = self.0.len();
        self.0.clear();
        self.0.shrink_to(2 * used);
    }
}
