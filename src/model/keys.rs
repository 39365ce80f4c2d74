//! All keys, and whose a token is. Copies share what they have in common, so a change is a copy with a difference:
//! requests under way keep the one that they began with.

use super::digests::Digests;
use super::grants::Lists;
use super::key::{Key, KeyId, Origin, Slot};
use super::shelf::Shelf;
use super::token::Digest;

/// Keys by id, and tokens' digests.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    shelf: Shelf<Key>,
    digests: Digests,
    lists: Lists,
    /// Ids are not used again, so that what is remembered of one key is never taken for another's.
    next: u32,
}

/// A token, by its digest.
pub type Token = (Digest, Slot);

impl Keys {
    /// Whether nothing was changed in either since one was copied from the other.
    pub fn is_same(&self, other: &Keys) -> bool {
        self.shelf.is_same(&other.shelf) && self.digests.is_same(&other.digests)
    }

    pub fn len(&self) -> usize {
        self.shelf.len()
    }

    pub fn is_empty(&self) -> bool {
        self.shelf.is_empty()
    }

    pub fn get(&self, id: KeyId) -> Option<&Key> {
        self.shelf.get(id.0)
    }

    /// Whose a token is.
    pub fn find(&self, digest: &Digest) -> Option<(&Key, Slot)> {
        let (id, slot) = self.digests.find(digest)?;
        Some((self.get(id)?, slot))
    }

    /// The token that is in a key's slot, and not one that was replaced. For people, who can wait: looks at every token.
    pub fn token_of(&self, key: &Key, slot: Slot) -> Option<Digest> {
        let graced = |digest: &Digest| key.more().graced.iter().any(|(graced, _)| graced == digest);
        self.digests.of((key.index, slot)).find(|digest| !graced(digest))
    }

    /// By name: for people, who can wait. Looks at every key.
    pub fn named(&self, name: &str) -> Option<&Key> {
        self.iter().find(|key| *key.name == *name)
    }

    /// In the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        self.shelf.iter().map(|(_, key)| key)
    }

    /// The next key's id.
    pub fn next_id(&self) -> KeyId {
        KeyId(self.next)
    }

    /// Adds a key, or replaces the one that has its id; `before` are the tokens that one had. A token that is another
    /// key's already is taken over: whoever may not do that asks [`Keys::find`] first.
    pub fn put(&mut self, mut key: Key, before: &[Digest], tokens: &[Token]) {
        let id = key.index;
        for digest in before {
            self.digests.remove(digest);
        }
        for (digest, slot) in tokens {
            self.digests.put(*digest, id, *slot);
        }
        self.next = self.next.max(id.0 + 1);
        self.lists.share(&mut key.workflows);
        self.lists.share(&mut key.connections);
        self.shelf.set(id.0, Some(key));
    }

    /// Takes a key away, with the tokens that it had.
    pub fn remove(&mut self, id: KeyId, tokens: &[Digest]) {
        for digest in tokens {
            self.digests.remove(digest);
        }
        self.shelf.set(id.0, None);
    }

    /// Those alone that come from there. Ids that are gone are not used again.
    pub fn only(&self, origin: Origin) -> Keys {
        let mut kept = self.clone();
        let gone: Vec<KeyId> = self.iter().filter(|key| key.origin != origin).map(|key| key.index).collect();
        if gone.is_empty() {
            return kept;
        }
        for id in &gone {
            kept.shelf.set(id.0, None);
        }
        kept.digests.retain(|id| kept.shelf.get(id.0).is_some());
        kept
    }
}

/// Tests change a key in place.
#[cfg(any(test, fuzzing))]
mod at_will {
    use super::*;
    use std::ops::{Index, IndexMut};

    impl Index<usize> for Keys {
        type Output = Key;

        fn index(&self, at: usize) -> &Key {
            self.get(KeyId(at as u32)).unwrap()
        }
    }

    impl IndexMut<usize> for Keys {
        fn index_mut(&mut self, at: usize) -> &mut Key {
            self.shelf.slot(at as u32).unwrap()
        }
    }

    impl Keys {
        /// No token is known any more.
        pub fn forget_tokens(&mut self) {
            self.digests = Digests::default();
        }
    }
}
