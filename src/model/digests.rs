//! Whose a token is, by its digest: a table that is read without a lock while copies of it are changed.
//!
//! Digests are uniform, so their own first bits say where they are: eleven or sixteen of them choose the leaf, in two steps
//! or three, and within the leaf, which is sorted, the bits behind them say about where. Of what a request looks at, the
//! steps are few enough to stay in the cache, and a leaf of some thirty digests among millions lies on one page of memory.
//! A change copies one leaf and the way to it.

use super::key::{KeyId, Slot};
use super::token::Digest;
use std::array;
use std::cmp::Ordering;
use std::slice;
use std::sync::Arc;

/// Boughs of the table, branches of a bough, leaves of a branch: as few at every step as a change must copy.
const BOUGHS: usize = 64;
const BRANCHES: usize = 32;
const LEAVES: usize = 32;
/// Bits that choose a leaf, and those that choose it on a branch.
const SHALLOW: u32 = (BOUGHS * BRANCHES).ilog2();
const DEEP: u32 = (BOUGHS * BRANCHES * LEAVES).ilog2();
/// Digests that a bough holds in one leaf, before a branch takes their place.
const MOST: usize = 64;
/// So far from where it should be an entry is looked for before the whole leaf is searched.
const NEAR: usize = 8;
/// A secondary token's.
const SECONDARY: u32 = 1 << 31;

/// Digest to key and slot.
#[derive(Debug, Clone)]
pub struct Digests {
    boughs: Arc<[Option<Arc<Bough>>; BOUGHS]>,
    count: usize,
}

type Bough = [Limb; BRANCHES];
type Branch = [Leaf; LEAVES];

/// Digests, sorted.
#[derive(Debug, Clone, Default)]
struct Leaf {
    /// The [`hint`]s of all of them: most tokens that nobody has are known by it, without a look at cold memory.
    hints: u64,
    /// None where there is nothing.
    entries: Option<Arc<[Entry]>>,
}

/// What grows on a bough: among few digests a leaf, one step fewer to look at.
#[derive(Debug, Clone)]
enum Limb {
    Leaf(Leaf),
    Branch(Arc<Branch>),
}

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
        Digests { boughs: Arc::new(array::from_fn(|_| None)), count: 0 }
    }
}

impl Digests {
    /// Whether nothing was changed in either since one was copied from the other.
    pub fn is_same(&self, other: &Digests) -> bool {
        Arc::ptr_eq(&self.boughs, &other.boughs)
    }

    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn find(&self, digest: &Digest) -> Option<(KeyId, Slot)> {
        let (bough, branch, leaf) = path(digest);
        let (leaf, chosen) = match &self.boughs[bough].as_ref()?[branch] {
            Limb::Leaf(leaf) => (leaf, SHALLOW),
            Limb::Branch(branch) => (&branch[leaf], DEEP),
        };
        if leaf.hints & hint(digest) == 0 {
            return None;
        }
        let entries = leaf.entries.as_ref()?;
        place(entries, digest, chosen).ok().map(|at| entries[at].owner())
    }

    /// Those that have this owner. Looks at all of them.
    pub fn of(&self, owner: (KeyId, Slot)) -> impl Iterator<Item = Digest> {
        let limbs = self.boughs.iter().flatten().flat_map(|bough| bough.iter());
        let entries = limbs.flat_map(Limb::leaves).flat_map(Leaf::entries);
        entries.filter(move |entry| entry.owner() == owner).map(|e| Digest(e.digest))
    }

    /// Notes whose it is; answers whose it was.
    pub fn put(&mut self, digest: Digest, key: KeyId, slot: Slot) -> Option<(KeyId, Slot)> {
        let owner = key.0 & !SECONDARY | if slot == Slot::Secondary { SECONDARY } else { 0 };
        let entry = Entry { digest: digest.0, owner };
        let (leaf, chosen) = self.leaf(&digest);
        let entries = leaf.entries();
        match place(entries, &digest, chosen) {
            Ok(at) => {
                let entries = Arc::make_mut(leaf.entries.get_or_insert_default());
                Some(std::mem::replace(&mut entries[at], entry).owner())
            }
            Err(at) => {
                let (before, behind) = entries.split_at(at);
                *leaf = Leaf::of(before.iter().chain([&entry]).chain(behind).copied().collect());
                self.count += 1;
                None
            }
        }
    }

    /// Forgets it.
    pub fn remove(&mut self, digest: &Digest) -> Option<(KeyId, Slot)> {
        let gone = self.find(digest)?;
        let (leaf, _) = self.leaf(digest);
        *leaf = leaf.without(|entry| entry.digest != digest.0);
        self.count -= 1;
        Some(gone)
    }

    /// Forgets all whose key does not stay.
    pub fn retain(&mut self, stays: impl Fn(KeyId) -> bool) {
        let stays = |entry: &Entry| stays(entry.owner().0);
        let mut count = 0;
        for bough in Arc::make_mut(&mut self.boughs).iter_mut().flatten() {
            for leaf in Arc::make_mut(bough).iter_mut().flat_map(Limb::leaves_mut) {
                if !leaf.entries().iter().all(stays) {
                    *leaf = leaf.without(stays);
                }
                count += leaf.entries().len();
            }
        }
        self.count = count;
    }

    /// The digest's leaf, with room for one more, and how many bits have chosen it.
    fn leaf(&mut self, digest: &Digest) -> (&mut Leaf, u32) {
        let (bough, branch, leaf) = path(digest);
        let none = || Arc::new(array::from_fn(|_| Limb::Leaf(Leaf::default())));
        let limb = &mut Arc::make_mut(Arc::make_mut(&mut self.boughs)[bough].get_or_insert_with(none))[branch];
        if let Limb::Leaf(full) = limb
            && full.entries().len() >= MOST
        {
            *limb = Limb::Branch(Arc::new(parted(full.entries())));
        }
        match limb {
            Limb::Leaf(leaf) => (leaf, SHALLOW),
            Limb::Branch(branch) => (&mut Arc::make_mut(branch)[leaf], DEEP),
        }
    }
}

impl Limb {
    fn leaves(&self) -> &[Leaf] {
        match self {
            Limb::Leaf(leaf) => slice::from_ref(leaf),
            Limb::Branch(branch) => &branch[..],
        }
    }

    fn leaves_mut(&mut self) -> &mut [Leaf] {
        match self {
            Limb::Leaf(leaf) => slice::from_mut(leaf),
            Limb::Branch(branch) => &mut Arc::make_mut(branch)[..],
        }
    }
}

/// A leaf's digests, on the leaves of a branch.
fn parted(full: &[Entry]) -> Branch {
    let leaf_of = |entry: &Entry| path(&Digest(entry.digest)).2;
    array::from_fn(|at| Leaf::of(full.iter().filter(|entry| leaf_of(entry) == at).copied().collect()))
}

impl Leaf {
    fn of(entries: Vec<Entry>) -> Leaf {
        let hints = entries.iter().fold(0, |hints, entry| hints | hint(&Digest(entry.digest)));
        Leaf { hints, entries: (!entries.is_empty()).then(|| entries.into()) }
    }

    fn entries(&self) -> &[Entry] {
        self.entries.as_deref().unwrap_or_default()
    }

    fn without(&self, stays: impl Fn(&Entry) -> bool) -> Leaf {
        Leaf::of(self.entries().iter().filter(|entry| stays(entry)).copied().collect())
    }
}

/// One of 64 bits, by digits that choose nothing else.
fn hint(digest: &Digest) -> u64 {
    1 << (digest.0[31] % 64)
}

fn path(digest: &Digest) -> (usize, usize, usize) {
    let bits = usize::from(u16::from_be_bytes([digest.0[0], digest.0[1]]));
    (bits / (BRANCHES * LEAVES), bits / LEAVES % BRANCHES, bits % LEAVES)
}

/// A digest's first eight bytes, which order digests as the digests do.
fn begins(digest: &[u8; 32]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *digest;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// Where the digest is, or belongs, in a leaf that its first `chosen` bits have chosen.
fn place(leaf: &[Entry], digest: &Digest, chosen: u32) -> Result<usize, usize> {
    // The 32 bits behind those that chose the leaf.
    let bits = begins(&digest.0) << chosen >> 32;
    let about = ((bits * leaf.len() as u64) >> 32) as usize;
    walk(leaf, digest, about).unwrap_or_else(|| leaf.binary_search_by(|entry| entry.digest.cmp(&digest.0)))
}

/// The same, from about where it should be; none if it is not near. Neighbours lie on the same cache lines, or the next.
fn walk(leaf: &[Entry], digest: &Digest, about: usize) -> Option<Result<usize, usize>> {
    let first = begins(&digest.0);
    // Among uniform ones the beginnings decide.
    let is_before = |at: usize| {
        leaf.get(at).is_some_and(|entry| match begins(&entry.digest).cmp(&first) {
            Ordering::Equal => entry.digest < digest.0,
            decided => decided.is_lt(),
        })
    };
    let mut at = about;
    for _ in 0..NEAR {
        if is_before(at) {
            at += 1;
        } else if at > 0 && !is_before(at - 1) {
            at -= 1;
        } else {
            let is_there = leaf.get(at).is_some_and(|entry| entry.digest == digest.0);
            return Some(if is_there { Ok(at) } else { Err(at) });
        }
    }
    None
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
