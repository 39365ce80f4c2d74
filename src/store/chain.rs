//! T4: the audit's chain (pure): each row's hash covers the one before it, its number and every field, under a key that is
//! not in the database. So who can write to the file can neither alter a row nor make one up.

use super::query::AuditHead;
use zeroize::Zeroizing;

/// A row's fields, as they are stored: the hash is over the very text, not over what it means.
pub(super) struct Fields<'a> {
    pub at: i64,
    /// `actor`, `actor_id`, `address`, `request_id`, `action`, `kind`, `subject`, `subject_id`, `before`, `after`.
    pub texts: [Option<&'a str>; 10],
}

/// The chain's end: how many rows, and the last one's hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Head {
    pub seq: u64,
    pub hash: [u8; 32],
}

impl Head {
    pub fn shown(&self) -> AuditHead {
        AuditHead { count: self.seq, hash: hex(&self.hash) }
    }
}

/// Makes the links; the key is the vault's.
#[derive(Clone)]
pub(super) struct Chain(Zeroizing<[u8; 32]>);

impl Chain {
    pub fn new(key: Zeroizing<[u8; 32]>) -> Chain {
        Chain(key)
    }

    /// The head after `fields` were added behind `head`.
    pub fn link(&self, head: &Head, fields: &Fields<'_>) -> Head {
        let seq = head.seq + 1;
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&head.hash).update(&seq.to_be_bytes()).update(&fields.at.to_be_bytes());
        for text in fields.texts {
            // Lengths first, and absent is not empty: no two rows have the same bytes.
            match text {
                None => hasher.update(&[0]),
                Some(text) => hasher.update(&[1]).update(&(text.len() as u64).to_be_bytes()).update(text.as_bytes()),
            };
        }
        Head { seq, hash: *hasher.finalize().as_bytes() }
    }
}

pub(super) fn hex(hash: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*hash).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn link(texts: [Option<&str>; 10]) -> Head {
        Chain::new([7; 32].into()).link(&Head::default(), &Fields { at: 1, texts })
    }

    proptest! {
        #[test]
        fn rows_that_differ_have_different_hashes(
            one: [Option<String>; 10], other: [Option<String>; 10], moved in 0usize..9, text in "[a-z]{1,9}"
        ) {
            let borrowed = |texts: &[Option<String>; 10]| link(std::array::from_fn(|i| texts[i].as_deref())).hash;
            prop_assert_eq!(one == other, borrowed(&one) == borrowed(&other));
            // A text that moves from one field's end to the next one's beginning.
            let (mut here, mut there) = (one.clone(), one);
            here[moved] = Some(text.clone());
            here[moved + 1] = Some(String::new());
            there[moved] = Some(String::new());
            there[moved + 1] = Some(text);
            prop_assert_ne!(borrowed(&here), borrowed(&there));
        }
    }

    #[test]
    fn the_key_and_what_came_before_are_in_the_hash() {
        let fields = || Fields { at: 1, texts: [None; 10] };
        let (ours, theirs) = (Chain::new([7; 32].into()), Chain::new([8; 32].into()));
        assert_ne!(ours.link(&Head::default(), &fields()), theirs.link(&Head::default(), &fields()));
        let second = ours.link(&ours.link(&Head::default(), &fields()), &fields());
        assert_eq!(second.seq, 2);
        assert_ne!(second.hash, ours.link(&Head { seq: 1, hash: [1; 32] }, &fields()).hash);
    }
}
