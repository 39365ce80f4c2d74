//! The file's keys: in its tree, or, where they are very many, read one by one.

use super::Site;
use crate::config::{Irregular, Items, View};
use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;

/// Where the keys of a file are found.
pub struct KeyList<'a> {
    pub root: View<'a>,
    pub apart: Option<&'a Items>,
    /// They could not be read one by one: what is made of the file counts for nothing.
    pub is_irregular: Cell<bool>,
}

impl KeyList<'_> {
    /// Hands over each of them, once; those that are not in the tree are checked here.
    pub fn each(&self, site: &Site<'_>, mut take: impl FnMut(View<'_>)) {
        self.root.list("keys").for_each(&mut take);
        // Hashes, not names: they are what fits of a million.
        let (hasher, mut seen) = (RandomState::new(), Vec::new());
        self.each_apart(|view| {
            view.check(&mut site.mistakes().borrow_mut());
            seen.extend(view.text("name").map(|name| hasher.hash_one(name)));
            take(view);
        });
        seen.sort_unstable();
        let twice: HashSet<u64> = seen.windows(2).filter(|two| two[0] == two[1]).map(|two| two[0]).collect();
        if !twice.is_empty() {
            self.report_seconds(site, |name| twice.contains(&hasher.hash_one(name)));
        }
    }

    /// Two of the same name are told apart by nobody. `may_be`: those of which there may be two.
    fn report_seconds(&self, site: &Site<'_>, may_be: impl Fn(&str) -> bool) {
        let mut lines: HashMap<Box<str>, u32> = HashMap::new();
        self.each_apart(|view| {
            let Some(name) = view.text("name").filter(|name| may_be(name)) else { return };
            let line = view.at("name").line;
            let first = *lines.entry(name.into()).or_insert(line);
            if first != line {
                view.report_second(first, &mut site.mistakes().borrow_mut());
            }
        });
    }

    fn each_apart(&self, mut take: impl FnMut(View<'_>)) {
        let (Some(items), list) = (self.apart, self.root.part("keys")) else { return };
        let read = items.each(|index, node| {
            if let Some(view) = list.item(index, &node) {
                take(view);
            }
        });
        if let Err(Irregular) = read {
            self.is_irregular.set(true);
        }
    }
}
