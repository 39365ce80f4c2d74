//! A dynamic table (RFC 7541 2.3.2, 4): what was last written of what may come again. When it is full, the oldest goes.

use std::collections::VecDeque;

/// Entries and what each of them costs, newest first.
#[derive(Debug)]
pub struct Table<T> {
    entries: VecDeque<(usize, T)>,
    size: usize,
    most: usize,
}

impl<T> Table<T> {
    pub fn new(most: usize) -> Table<T> {
        Table { entries: VecDeque::new(), size: 0, most }
    }

    /// The entry before which `newer` others came, and its size.
    pub fn get(&self, newer: usize) -> Option<&(usize, T)> {
        self.entries.get(newer)
    }

    /// How much it may hold.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Adds an entry. One that is larger than the table empties it, and is not in it (RFC 7541 4.4).
    pub fn insert(&mut self, size: usize, entry: T) {
        self.shrink(self.most.saturating_sub(size));
        if size <= self.most {
            self.size += size;
            self.entries.push_front((size, entry));
        }
    }

    /// From now on it may hold so much.
    pub fn resize(&mut self, most: usize) {
        self.most = most;
        self.shrink(most);
    }

    /// Lets the oldest go until the others are within `size`.
    fn shrink(&mut self, size: usize) {
        while self.size > size {
            let Some((freed, _)) = self.entries.pop_back() else { return };
            self.size -= freed;
        }
    }

    /// What the entries cost, counted again.
    #[cfg(test)]
    pub fn counted(&self) -> usize {
        let counted = self.entries.iter().map(|(size, _)| size).sum();
        assert_eq!(self.size, counted);
        counted
    }
}
