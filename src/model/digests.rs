//! Whose a token is, by its digest: a table that is read without a lock while copies of it are changed.
//!
//! Digests are uniform, so their own first bits say where they are: a byte chooses the branch, six more bits the leaf, and
//! within the leaf, which is sorted, the bits behind them say about where. A change copies one leaf of a hundred or so, and
//! the way to it.

use super::key::{KeyId, Slot};
use super::token::Digest;
use std::array;
use std::sync::Arc;

const BRANCHES: usize = 256;
const LEAVES: usize = 64;
/// How far from where it should be an entry is looked for before the whole leaf is searched.
const NEAR: usize = 16;
/// A secondary token's.
const SECONDARY: u32 = 1 << 31;

/// Digest to key and slot.
#[derive(Debug, Clone)]
pub struct Digests {
    branches: Arc<[Option<Arc<Branch>>; BRANCHES]>,
    count: usize,
}

#[derive(Debug, Clone)]
struct Branch([Option<Arc<Vec<Entry>>>; LEAVES]);

/// 36 bytes: there may be millions.
#[derive(Debug, Clone, Copy)]
struct Entry {
    digest: [u8; 32],
    owner: u32,
}

impl Entry {
    fn owner(&self) -> (KeyId, Slot) {
        let slot = if self.owner & SECONDARY == 0 { Slot::Primary } else { Slot::Secondary };
        (KeyId(self.owner & !SECONDARY), slot)
    }
}

impl Default for Digests {
    fn default() -> Digests {
        Digests { branches: Arc::new(array::from_fn(|_| None)), count: 0 }
    }
}

impl Digests {
    /// Whether nothing was changed in either since one was copied from the other.
    pub fn is_same(&self, other: &Digests) -> bool {
        Arc::ptr_eq(&self.branches, &other.branches)
    }

    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn find(&self, digest: &Digest) -> Option<(KeyId, Slot)> {
        let (branch, leaf) = path(digest);
        let leaf = self.branches[branch].as_ref()?.0[leaf].as_ref()?;
        place(leaf, digest).ok().map(|at| leaf[at].owner())
    }

    /// Those that have this owner. Looks at all of them.
    pub fn of(&self, owner: (KeyId, Slot)) -> impl Iterator<Item = Digest> {
        let leaves = self.branches.iter().flatten().flat_map(|branch| branch.0.iter().flatten());
        leaves.flat_map(|leaf| leaf.iter()).filter(move |entry| entry.owner() == owner).map(|e| Digest(e.digest))
    }

    /// Notes whose it is; answers whose it was.
    pub fn put(&mut self, digest: Digest, key: KeyId, slot: Slot) -> Option<(KeyId, Slot)> {
        let owner = key.0 & !SECONDARY | if slot == Slot::Secondary { SECONDARY } else { 0 };
        let entry = Entry { digest: digest.0, owner };
        let leaf = self.leaf(&digest);
        match place(leaf, &digest) {
            Ok(at) => Some(std::mem::replace(&mut leaf[at], entry).owner()),
            Err(at) => {
                leaf.insert(at, entry);
                self.count += 1;
                None
            }
        }
    }

    /// Forgets it.
    pub fn remove(&mut self, digest: &Digest) -> Option<(KeyId, Slot)> {
        self.find(digest)?;
        let leaf = self.leaf(digest);
        let at = place(leaf, digest).ok()?;
        let gone = leaf.remove(at).owner();
        self.count -= 1;
        Some(gone)
    }

    /// Forgets all whose key does not stay.
    pub fn retain(&mut self, stays: impl Fn(KeyId) -> bool) {
        let mut count = 0;
        for branch in Arc::make_mut(&mut self.branches).iter_mut().flatten() {
            for leaf in Arc::make_mut(branch).0.iter_mut().flatten() {
                if leaf.iter().any(|entry| !stays(entry.owner().0)) {
                    Arc::make_mut(leaf).retain(|entry| stays(entry.owner().0));
                }
                count += leaf.len();
            }
        }
        self.count = count;
    }

    /// Gives back what was reserved while many were put in.
    pub fn settle(&mut self) {
        for branch in Arc::make_mut(&mut self.branches).iter_mut().flatten() {
            for leaf in Arc::make_mut(branch).0.iter_mut().flatten() {
                if leaf.capacity() > leaf.len() + leaf.len() / 8 {
                    Arc::make_mut(leaf).shrink_to_fit();
                }
            }
        }
    }

    fn leaf(&mut self, digest: &Digest) -> &mut Vec<Entry> {
        let (branch, leaf) = path(digest);
        let branch =
            Arc::make_mut(&mut self.branches)[branch].get_or_insert_with(|| Arc::new(Branch(array::from_fn(|_| None))));
        Arc::make_mut(Arc::make_mut(branch).0[leaf].get_or_insert_default())
    }
}

fn path(digest: &Digest) -> (usize, usize) {
    (usize::from(digest.0[0]), usize::from(digest.0[1] >> 2))
}

/// Where the digest is, or belongs.
fn place(leaf: &[Entry], digest: &Digest) -> Result<usize, usize> {
    let [_, second, a, b, c, d, ..] = digest.0;
    // The 32 bits behind those that chose the leaf.
    let bits = u64::from(second & 3) << 30 | u64::from(u32::from_be_bytes([a, b, c, d]) >> 2);
    let about = ((bits * leaf.len() as u64) >> 32) as usize;
    let (from, to) = (about.saturating_sub(NEAR), (about + NEAR).min(leaf.len()));
    let is_within =
        leaf.get(from).is_some_and(|e| e.digest <= digest.0) && leaf[..to].last().is_some_and(|e| e.digest >= digest.0);
    let by = |entry: &Entry| entry.digest.cmp(&digest.0);
    match is_within {
        true => leaf[from..to].binary_search_by(by).map(|at| at + from).map_err(|at| at + from),
        false => leaf.binary_search_by(by),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    /// Real ones, and some that crowd one leaf: an administrator may import what digests he likes.
    fn digest(n: u16) -> Digest {
        match n % 3 {
            0 => Digest::of(&n.to_le_bytes()),
            1 => Digest([[7; 30].as_slice(), &n.to_be_bytes()].concat().try_into().unwrap()),
            _ => Digest([&[7, 3][..], &n.to_be_bytes(), &[0; 28]].concat().try_into().unwrap()),
        }
    }

    proptest! {
        #[test]
        fn it_is_a_map_and_its_copies_stay_as_they_were(
            steps in proptest::collection::vec((0u16..600, proptest::option::of((0u32..1000, any::<bool>()))), 0..400),
        ) {
            let (mut table, mut map) = (Digests::default(), HashMap::new());
            let mut copies = Vec::new();
            for (at, (n, owner)) in steps.into_iter().enumerate() {
                if at % 16 == 0 {
                    copies.push((table.clone(), map.clone()));
                }
                let digest = digest(n);
                match owner {
                    Some((key, primary)) => {
                        let owner = (KeyId(key), if primary { Slot::Primary } else { Slot::Secondary });
                        prop_assert_eq!(table.put(digest, owner.0, owner.1), map.insert(digest, owner));
                    }
                    None => prop_assert_eq!(table.remove(&digest), map.remove(&digest)),
                }
            }
            table.settle();
            let mut fewer = table.clone();
            fewer.retain(|key| key.0 % 2 == 0);
            copies.push((fewer, map.clone().into_iter().filter(|(_, (k, _))| k.0 % 2 == 0).collect()));
            copies.push((table, map));
            for (table, map) in copies {
                prop_assert_eq!(table.len(), map.len());
                for n in 0..600 {
                    prop_assert_eq!(table.find(&digest(n)), map.get(&digest(n)).copied());
                }
            }
        }
    }
}
