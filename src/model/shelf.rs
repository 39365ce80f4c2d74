//! A vector that is cheap to copy and cheap to change: a copy shares every page with the original, and a change copies
//! only the path to what it changes. So one key among a million is replaced in microseconds while every request goes on
//! reading the copy that it began with, without a lock.

use std::array;
use std::sync::Arc;

/// Items of a page, and pages of a case.
const WIDTH: usize = 128;

/// Items by their number; numbers need not be used.
#[derive(Debug)]
pub struct Shelf<T> {
    cases: Arc<Vec<Option<Arc<Case<T>>>>>,
    count: usize,
}

#[derive(Debug)]
struct Row<T>([Option<Arc<T>>; WIDTH]);

type Page<T> = Row<T>;
type Case<T> = Row<Page<T>>;

impl<T> Default for Row<T> {
    fn default() -> Row<T> {
        Row(array::from_fn(|_| None))
    }
}

// Not derived: that would ask the items to be cloneable, and it is their handles that are copied.
impl<T> Clone for Row<T> {
    fn clone(&self) -> Row<T> {
        Row(self.0.clone())
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

impl<T> Row<T> {
    fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
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
        self.handle(number).map(|item| &**item)
    }

    /// The item with its count of holders.
    pub fn handle(&self, number: u32) -> Option<&Arc<T>> {
        let (case, page, place) = path(number);
        self.cases.get(case)?.as_ref()?.0[page].as_ref()?.0[place].as_ref()
    }

    /// Puts an item there, or takes it away; answers what was there. Copies what is shared on the way, and nothing else.
    pub fn set(&mut self, number: u32, item: Option<Arc<T>>) -> Option<Arc<T>> {
        let (case, page, place) = path(number);
        if item.is_none() && self.handle(number).is_none() {
            return None;
        }
        let cases = Arc::make_mut(&mut self.cases);
        if cases.len() <= case {
            cases.resize_with(case + 1, || None);
        }
        let row = Arc::make_mut(cases[case].get_or_insert_default());
        let slot = &mut row.0[page];
        let items = Arc::make_mut(slot.get_or_insert_default());
        let before = std::mem::replace(&mut items.0[place], item);
        self.count = self.count + usize::from(items.0[place].is_some()) - usize::from(before.is_some());
        if items.0[place].is_none() && items.is_empty() {
            *slot = None;
            if row.is_empty() {
                cases[case] = None;
            }
        }
        before
    }

    /// For tests, which change items in place.
    #[cfg(any(test, fuzzing))]
    pub fn slot(&mut self, number: u32) -> Option<&mut Arc<T>> {
        let (case, page, place) = path(number);
        let case = Arc::make_mut(Arc::make_mut(&mut self.cases).get_mut(case)?.as_mut()?);
        Arc::make_mut(case.0[page].as_mut()?).0[place].as_mut()
    }

    /// Every item with its number, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Arc<T>)> {
        let cases = self.cases.iter().enumerate().filter_map(|(at, case)| Some((at, case.as_ref()?)));
        let pages = cases.flat_map(|(case, row)| {
            row.0.iter().enumerate().filter_map(move |(at, page)| Some((case * WIDTH + at, page.as_ref()?)))
        });
        pages.flat_map(|(page, items)| {
            let number = move |at: usize| (page * WIDTH + at) as u32;
            items.0.iter().enumerate().filter_map(move |(at, item)| Some((number(at), item.as_ref()?)))
        })
    }
}

fn path(number: u32) -> (usize, usize, usize) {
    let number = number as usize;
    (number / (WIDTH * WIDTH), number / WIDTH % WIDTH, number % WIDTH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn an_empty_page_is_let_go() {
        let mut shelf = Shelf::default();
        shelf.set(70_000, Some(Arc::new(1)));
        assert_eq!(shelf.set(70_000, None).as_deref(), Some(&1));
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
                let before = shelf.set(number, item.map(Arc::new));
                let known = match item { Some(item) => map.insert(number, item), None => map.remove(&number) };
                prop_assert_eq!(before.map(|item| *item), known);
            }
            copies.push((shelf, map));
            for (shelf, map) in copies {
                prop_assert_eq!(shelf.len(), map.len());
                prop_assert_eq!(shelf.iter().map(|(n, i)| (n, **i)).collect::<BTreeMap<_, _>>(), map);
            }
        }
    }
}
