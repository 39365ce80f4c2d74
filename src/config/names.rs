//! The names of fields while a file is read: kept once however often they occur, and unique within a map.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::tree::Entry;

/// The same few names occur in every resource and are kept once.
#[derive(Default)]
pub struct Shared(HashSet<Arc<str>>);

impl Shared {
    /// The shared form of a name. Bounded, for the names of users' own choosing.
    pub fn get(&mut self, name: &str) -> Arc<str> {
        const MOST: usize = 1024;
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        if self.0.len() < MOST {
            self.0.insert(Arc::clone(&name));
        }
        name
    }
}

/// The names of one map with their lines. Small maps are searched, large ones indexed: a map of a million names must
/// not take a million searches.
#[derive(Default)]
pub struct Seen(HashMap<Arc<str>, u32>);

impl Seen {
    /// The line in which a name stands already. Asked for every name, before its entry is added.
    pub fn first_line(&mut self, entries: &[Entry], key: &Arc<str>) -> Option<u32> {
        const SMALL: usize = 24;
        if entries.len() < SMALL {
            let first = entries.iter().find(|entry| entry.key == *key);
            return first.map(|entry| entry.key_line);
        }
        for entry in &entries[self.0.len()..] {
            self.0.insert(Arc::clone(&entry.key), entry.key_line);
        }
        self.0.get(key).copied()
    }
}
