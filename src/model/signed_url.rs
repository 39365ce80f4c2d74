//! H7: what URLs are signed with.

use std::fmt;
use zeroize::{Zeroize as _, Zeroizing};

/// The key that every signed URL hangs on: from it come the key of each slot, and what hides whose a URL is. It is neither
/// shown nor compared.
pub struct UrlKey {
    slots: Zeroizing<[u8; 32]>,
    masks: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for UrlKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UrlKey(…)")
    }
}

impl UrlKey {
    pub fn new(root: &Zeroizing<[u8; 32]>) -> UrlKey {
        UrlKey {
            slots: derived("keystile 2026 signed urls: keys of slots", &root[..]),
            masks: derived("keystile 2026 signed urls: masks", &root[..]),
        }
    }

    /// What a slot signs with: another slot, another token in it, or another key's has another one.
    pub fn of_slot(&self, key: &[u8; 16], token: &[u8; 32]) -> Zeroizing<[u8; 32]> {
        keyed(&self.slots, &[key, token])
    }

    /// What the slot is masked with in a URL that has this signature.
    pub fn mask(&self, signature: &[u8; 32]) -> Zeroizing<[u8; 32]> {
        keyed(&self.masks, &[signature])
    }
}

fn derived(context: &str, from: &[u8]) -> Zeroizing<[u8; 32]> {
    finished(blake3::Hasher::new_derive_key(context), &[from])
}

fn keyed(key: &[u8; 32], parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    finished(blake3::Hasher::new_keyed(key), parts)
}

fn finished(mut hasher: blake3::Hasher, parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    for part in parts {
        hasher.update(part);
    }
    let mut hash = hasher.finalize();
    let out = Zeroizing::new(*hash.as_bytes());
    hasher.zeroize();
    hash.zeroize();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h7_the_key_says_nothing_of_itself_and_no_two_slots_share_one() {
        let key = UrlKey::new(&Zeroizing::new([7; 32]));
        assert_eq!(format!("{key:?}"), "UrlKey(…)");
        let slot = |key: &UrlKey, uid: u8, token: u8| key.of_slot(&[uid; 16], &[token; 32]);
        let all = [
            slot(&key, 1, 1),
            slot(&key, 2, 1),
            slot(&key, 1, 2),
            slot(&UrlKey::new(&Zeroizing::new([8; 32])), 1, 1),
            key.mask(&[1; 32]),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(all[..at].iter().all(|other| **other != **one));
        }
        assert_eq!(*slot(&key, 1, 1), *slot(&UrlKey::new(&Zeroizing::new([7; 32])), 1, 1));
    }
}
