//! A vector that is cheap to copy and cheap to change: a copy shares every page with the original, and a change copies
//! only the path to what it changes. So one key among a million is replaced in microseconds while every request goes on
//! reading the copy that it began with, without a lock.

use std::array;
use std::sync::Arc;

/// Items of a page: they lie side by side, so that what is found by its number is one step from its page.
const PAGE: usize = 32;
/// Pages of a case.
const CASE: usize = 256;

/// Items by their number; numbers need not be used.
#[derive(Debug)]
pub struct Shelf<T> {
    cases: Arc<Vec<Option<Arc<Case<T>>>>>,
    count: usize,
}

type Page<T> = Arc<[Option<T>]>;

#[derive(Debug)]
struct Case<T>([Option<Page<T>>; CASE]);

impl<T> Default for Case<T> {
    fn default() -> Case<T> {
        Case(array::from_fn(|_| None))
    }
}

// Not derived: that would ask the items to be cloneable, and it is the pages' handles that are copied.
impl<T> Clone for Case<T> {
    fn clone(&self) -> Case<T> {
        Case(self.0.clone())
    }
}

impl<T> Clone for Shelf<T> {
    fn clone(&self) -> Shelf<T> {
        Shelf { cases: self.cases.clone(), count: self.count }
    }
}

impl<T> Default for Shelf<T> {
    fn default() -> Shelf<T> {
        Shelf { cases: Arc::default(), count: 0 }
    }
}

impl<T> Shelf<T> {
    /// Whether nothing was changed in either since one was copied from the other.
    pub fn is_same(&self, other: &Shelf<T>) -> bool {
        Arc::ptr_eq(&self.cases, &other.cases)
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn get(&self, number: u32) -> Option<&T> {
        let (case, page, place) = path(number);
        self.cases.get(case)?.as_ref()?.0[page].as_ref()?[place].as_ref()
    }

    /// Every item with its number, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let cases = self.cases.iter().enumerate().filter_map(|(at, case)| Some((at, case.as_ref()?)));
        let pages = cases.flat_map(|(case, pages)| {
            pages.0.iter().enumerate().filter_map(move |(at, page)| Some((case * CASE + at, page.as_ref()?)))
        });
        pages.flat_map(|(page, items)| {
            let number = move |at: usize| (page * PAGE + at) as u32;
            items.iter().enumerate().filter_map(move |(at, item)| Some((number(at), item.as_ref()?)))
        })
    }
}

impl<T: Clone> Shelf<T> {
    /// Puts an item there, or takes it away; answers what was there. Copies what is shared on the way, and nothing else.
    pub fn set(&mut self, number: u32, item: Option<T>) -> Option<T> {
        let (case, page, place) = path(number);
        if item.is_none() && self.get(number).is_none() {
            return None;
        }
        let cases = Arc::make_mut(&mut self.cases);
        if cases.len() <= case {
            cases.resize_with(case + 1, || None);
        }
        let pages = Arc::make_mut(cases[case].get_or_insert_default());
        let slot = &mut pages.0[page];
        let items = Arc::make_mut(slot.get_or_insert_with(|| (0..PAGE).map(|_| None).collect()));
        let before = std::mem::replace(&mut items[place], item);
        self.count = self.count + usize::from(items[place].is_some()) - usize::from(before.is_some());
        if items.iter().all(Option::is_none) {
            *slot = None;
            if pages.0.iter().all(Option::is_none) {
                cases[case] = None;
            }
        }
        before
    }

    /// For tests, which change items in place.
    #[cfg(any(test, fuzzing))]
    pub fn slot(&mut self, number: u32) -> Option<&mut T> {
        let (case, page, place) = path(number);
        let case = Arc::make_mut(Arc::make_mut(&mut self.cases).get_mut(case)?.as_mut()?);
        Arc::make_mut(case.0[page].as_mut()?)[place].as_mut()
    }
}

fn path(number: u32) -> (usize, usize, usize) {
    let number = number as usize;
    (number / (CASE * PAGE), number / PAGE % CASE, number % PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn an_empty_page_is_let_go() {
        let mut shelf = Shelf::default();
        shelf.set(70_000, Some(1));
        assert_eq!(shelf.set(70_000, None), Some(1));
        assert!(shelf.is_empty() && shelf.cases.iter().all(Option::is_none));
    }

    proptest! {
        #[test]
        fn it_is_a_map_and_its_copies_stay_as_they_were(
            steps in proptest::collection::vec((0u32..40_000, proptest::option::of(0u32..100)), 0..200),
        ) {
            let (mut shelf, mut map) = (Shelf::default(), BTreeMap::new());
            let mut copies = Vec::new();
            for (number, item) in steps {
                copies.push((shelf.clone(), map.clone()));
                let before = shelf.set(number, item);
                let known = match item { Some(item) => map.insert(number, item), None => map.remove(&number) };
                prop_assert_eq!(before, known);
            }
            copies.push((shelf, map));
            for (shelf, map) in copies {
                prop_assert_eq!(shelf.len(), map.len());
                prop_assert_eq!(shelf.iter().map(|(n, i)| (n, *i)).collect::<BTreeMap<_, _>>(), map);
            }
        }
    }
}
