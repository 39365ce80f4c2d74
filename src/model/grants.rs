//! W2: what a key may run, or use. A million keys have few different grants between them, so equal ones are kept once.

use super::uid::Uid;
use std::collections::HashSet;
use std::sync::Arc;

/// W2: what a key may run, or use, by id. There is no default: nothing means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grants {
    /// The explicit word for everything.
    All,
    /// Sorted.
    Some(Arc<[Uid]>),
}

impl Grants {
    pub fn nothing() -> Grants {
        Grants::Some(Arc::default())
    }

    /// Exactly these; an empty list permits nothing.
    pub fn some(mut granted: Vec<Uid>) -> Grants {
        granted.sort_unstable();
        granted.dedup();
        match granted.is_empty() {
            true => Grants::nothing(),
            false => Grants::Some(granted.into()),
        }
    }

    /// Whether `wanted` is permitted.
    pub fn permit(&self, wanted: Uid) -> bool {
        match self {
            Grants::All => true,
            Grants::Some(list) => list.binary_search(&wanted).is_ok(),
        }
    }

    /// K13: whether whoever has these may grant `others`.
    pub fn cover(&self, others: &Grants) -> bool {
        match (self, others) {
            (Grants::All, _) => true,
            (Grants::Some(_), Grants::All) => false,
            (Grants::Some(_), Grants::Some(list)) => list.iter().all(|uid| self.permit(*uid)),
        }
    }
}

/// So many different lists are known; after that begins another such set, so that keys which come and go leave nothing.
const MOST_LISTS: usize = 4096;

/// Lists that several keys have.
#[derive(Debug, Clone, Default)]
pub(super) struct Lists(Arc<HashSet<Arc<[Uid]>>>);

impl Lists {
    /// The same grants, kept where others that are equal are.
    pub fn share(&mut self, grants: &mut Grants) {
        let Grants::Some(list) = grants else { return };
        if list.is_empty() {
            return;
        }
        if let Some(known) = self.0.get(list) {
            *list = known.clone();
            return;
        }
        if self.0.len() >= MOST_LISTS {
            self.0 = Arc::default();
        }
        Arc::make_mut(&mut self.0).insert(list.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w2_an_empty_list_permits_nothing_and_all_is_explicit() {
        let uid = |n| Uid([n; 16]);
        assert!(!Grants::some(vec![]).permit(uid(0)) && !Grants::nothing().permit(uid(0)));
        assert!(Grants::some(vec![uid(4), uid(1)]).permit(uid(1)));
        assert!(!Grants::some(vec![uid(4), uid(1)]).permit(uid(2)));
        assert!(Grants::All.permit(uid(7)));
    }

    #[test]
    fn k13_nobody_grants_more_than_he_has() {
        let some = |list: &[u8]| Grants::some(list.iter().map(|n| Uid([*n; 16])).collect());
        assert!(Grants::All.cover(&Grants::All) && Grants::All.cover(&some(&[1])));
        assert!(some(&[1, 2]).cover(&some(&[2])) && some(&[1]).cover(&some(&[])));
        assert!(!some(&[1]).cover(&Grants::All) && !some(&[1]).cover(&some(&[1, 2])));
    }

    #[test]
    fn equal_lists_are_kept_once_and_the_memory_of_them_is_bounded() {
        let list = |n: usize| Grants::some(vec![Uid((n as u128).to_be_bytes())]);
        let mut lists = Lists::default();
        let [mut one, mut two] = [list(1), list(1)];
        lists.share(&mut one);
        lists.share(&mut two);
        let (Grants::Some(first), Grants::Some(second)) = (&one, &two) else { panic!() };
        assert!(Arc::ptr_eq(first, second) && one == list(1));
        for n in 0..10_000 {
            lists.share(&mut list(n));
            assert!(lists.0.len() <= MOST_LISTS);
        }
    }
}
