//! Which fields came before, and which of them the table holds. A field that comes for the second time is worth a place
//! in the table; most that vary never do, and so cost nothing but their text.

/// Sets of two places each: enough for what a connection's replies repeat.
const SETS: usize = 64;

/// What is known of the fields that came, by a digest of name and value.
#[derive(Debug)]
pub struct Seen {
    sets: Box<[[Place; 2]; SETS]>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Place {
    digest: u32,
    /// The number of the entry that it became, from one; none if it was only seen.
    entry: u32,
}

impl Seen {
    pub fn new() -> Seen {
        Seen { sets: Box::new([[Place::default(); 2]; SETS]) }
    }

    /// The number of the entry, or nought, of a field that came before.
    pub fn find(&self, digest: u32) -> Option<u32> {
        self.sets[set(digest)].iter().find(|place| place.digest == digest).map(|place| place.entry)
    }

    /// It came, and became an entry, or not yet. Beside it remains whichever is the younger entry.
    pub fn put(&mut self, digest: u32, entry: u32) {
        let set = &mut self.sets[set(digest)];
        let [first, second] = *set;
        let first_goes = first.digest == digest || second.digest != digest && second.entry > first.entry;
        *set = [Place { digest, entry }, if first_goes { second } else { first }];
    }
}

fn set(digest: u32) -> usize {
    digest as usize % SETS
}

/// A digest of a field, never nought. That two share one is rare, and only costs an entry.
pub fn digest(name: &str, value: &[u8]) -> u32 {
    let name = name.as_bytes();
    let of_name = |at: usize| name.get(at).copied().map_or(0, u64::from);
    let ends = of_name(0) | of_name(name.len() / 2) << 8 | of_name(name.len().wrapping_sub(1)) << 16;
    let mut digest = ends | (name.len() as u64) << 32 | (value.len() as u64) << 48;
    let (eights, rest) = value.as_chunks::<8>();
    for eight in eights {
        digest = stirred(digest ^ u64::from_le_bytes(*eight));
    }
    let rest = rest.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    (stirred(digest ^ rest) >> 32) as u32 | 1 << 31
}

fn stirred(bits: u64) -> u64 {
    let bits = bits.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits ^ bits >> 32
}
