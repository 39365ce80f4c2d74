//! What a caller presents, and the only thing that is kept of it.
//!
//! K7: `kst_` + 43 random base62 characters + 6 base62 characters of CRC-32 over what precedes. The checksum lets a
//! mistyped token be refused without a look-up, and a secret scanner verify a find offline; it is no protection.

use std::fmt;
use zeroize::Zeroizing;

/// What every token of ours begins with.
pub const PREFIX: &str = "kst_";
/// What a master key begins with. It is written as a token is, so that the same scanner finds both; it never is one.
pub const MASTER_PREFIX: &str = "kmk_";
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM: usize = 43;
const CHECK: usize = 6;
/// Length of a token of ours, in bytes.
pub const LENGTH: usize = PREFIX.len() + RANDOM + CHECK;
/// K9: tokens of another system are printable ASCII of this many characters.
pub const FOREIGN: std::ops::RangeInclusive<usize> = 20..=512;

/// Draws a token. `fill` must fill its argument with random bytes of cryptographic quality.
pub fn generate<E>(fill: impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<Zeroizing<String>, E> {
    draw(PREFIX, fill)
}

/// Draws a master key, likewise.
pub fn generate_master<E>(fill: impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<Zeroizing<String>, E> {
    draw(MASTER_PREFIX, fill)
}

fn draw<E>(prefix: &str, mut fill: impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<Zeroizing<String>, E> {
    let mut token = Zeroizing::new(String::with_capacity(LENGTH));
    token.push_str(prefix);
    let mut pool = Zeroizing::new([0u8; 64]);
    while token.len() < PREFIX.len() + RANDOM {
        fill(&mut pool[..])?;
        // 248 = 4 * 62: bytes above are thrown away, so that every character is equally likely.
        for b in pool.iter().filter(|b| **b < 248) {
            if token.len() < PREFIX.len() + RANDOM {
                token.push(ALPHABET[usize::from(b % 62)] as char);
            }
        }
    }
    let check = checksum(token.as_bytes());
    token.push_str(std::str::from_utf8(&check).unwrap_or_default());
    Ok(token)
}

/// The six characters that end a token which begins with `head` (47 bytes).
fn checksum(head: &[u8]) -> [u8; CHECK] {
    let mut rest = crc32fast::hash(head);
    let mut out = [b'0'; CHECK];
    for place in out.iter_mut().rev() {
        *place = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    out
}

/// What can be said of a presented value without looking anything up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A token of ours with a right checksum.
    WellFormed,
    /// May be an imported token of another system (K9).
    Foreign,
    /// Neither; no look-up is worth it.
    Malformed,
}

/// Judges the shape of a presented value (K7, K9).
pub fn shape(value: &[u8]) -> Shape {
    if value.starts_with(PREFIX.as_bytes()) {
        return if checks(value) { Shape::WellFormed } else { Shape::Malformed };
    }
    if FOREIGN.contains(&value.len()) && value.iter().all(u8::is_ascii_graphic) {
        Shape::Foreign
    } else {
        Shape::Malformed
    }
}

/// Whether `value` is a master key with a right checksum.
pub fn is_master(value: &[u8]) -> bool {
    value.starts_with(MASTER_PREFIX.as_bytes()) && checks(value)
}

/// Whether what follows the prefix is of the right length and characters, and the checksum fits.
fn checks(value: &[u8]) -> bool {
    let (head, check) = value.split_at(value.len().min(PREFIX.len() + RANDOM));
    // Without an early end, so that many characters are judged at a time.
    let known = |text: &[u8]| text.iter().fold(true, |known, b| known & b.is_ascii_alphanumeric());
    value.len() == LENGTH && known(&value[PREFIX.len()..]) && check == checksum(head)
}

/// Whether `text` holds something that looks like a token of ours, anywhere, in plain spelling.
pub fn mentioned_in(text: &[u8]) -> bool {
    text.windows(PREFIX.len()).any(|w| w.eq_ignore_ascii_case(PREFIX.as_bytes()))
}

/// Whether `text` holds a whole token of ours with a right checksum, anywhere, in plain spelling.
pub fn held_in(text: &[u8]) -> bool {
    let mut begins = memchr::memmem::find_iter(text, PREFIX);
    begins.any(|at| text.get(at..at + LENGTH).is_some_and(|token| shape(token) == Shape::WellFormed))
}

/// BLAKE3 of a token: all that is ever stored of it (K8). Written `blake3:` + 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of a token's bytes.
    pub fn of(token: &[u8]) -> Digest {
        Digest(*blake3::hash(token).as_bytes())
    }

    /// Reads `blake3:<64 hex digits>`; upper-case digits are accepted, since people paste.
    pub fn parse(text: &str) -> Option<Digest> {
        blake3::Hash::from_hex(text.strip_prefix("blake3:")?).ok().map(|h| Digest(*h.as_bytes()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blake3:{}", blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample(seed: u64) -> Zeroizing<String> {
        let mut state = seed;
        generate(|out: &mut [u8]| {
            for b in out {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                *b = (state >> 33) as u8;
            }
            Ok::<(), ()>(())
        })
        .unwrap()
    }

    #[test]
    fn a_whole_token_is_found_wherever_it_stands() {
        let token = sample(7);
        for text in [token.to_string(), format!("Bearer {}", *token), format!("a=kst_;b={};kst_", *token)] {
            assert!(held_in(text.as_bytes()), "{text}");
        }
        for other in ["", "kst_", &token[..52], &token.replace("kst_", "KST_"), "kst_session=1; theme=dark"] {
            assert!(!held_in(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn k7_the_worked_example_of_the_conventions() {
        // CRC-32 (ISO-HDLC) over `kst_` + 43 zeros, written in base62; computed with zlib.
        let head = format!("kst_{}", "0".repeat(43));
        let mut n = crc32fast::hash(head.as_bytes());
        let mut expected = String::new();
        for _ in 0..6 {
            expected.insert(0, ALPHABET[(n % 62) as usize] as char);
            n /= 62;
        }
        assert_eq!(shape(format!("{head}{expected}").as_bytes()), Shape::WellFormed);
    }

    #[test]
    fn k9_lengths_and_characters_of_foreign_tokens() {
        assert_eq!(shape(&[b'a'; 19]), Shape::Malformed);
        assert_eq!(shape(&[b'a'; 20]), Shape::Foreign);
        assert_eq!(shape(&[b'a'; 512]), Shape::Foreign);
        assert_eq!(shape(&[b'a'; 513]), Shape::Malformed);
        assert_eq!(shape(b"aaaaaaaaaaaaaaaaaaaaaaaa aaaaaaaa"), Shape::Malformed);
        assert_eq!(shape("aaaaaaaaaaaaaaaaaaaaaaaaäaaaaaaa".as_bytes()), Shape::Malformed);
    }

    proptest! {
        #[test]
        fn k7_generated_tokens_are_well_formed_and_any_changed_character_is_noticed(seed: u64, at in 4usize..LENGTH, c in "[0-9A-Za-z]") {
            let token = sample(seed);
            prop_assert_eq!(token.len(), LENGTH);
            prop_assert_eq!(shape(token.as_bytes()), Shape::WellFormed);
            let mut bytes = token.as_bytes().to_vec();
            prop_assume!(bytes[at] != c.as_bytes()[0]);
            bytes[at] = c.as_bytes()[0];
            prop_assert_eq!(shape(&bytes), Shape::Malformed);
        }

        #[test]
        fn k8_digest_parse_display_round_trip(bytes: [u8; 32]) {
            let digest = Digest(bytes);
            prop_assert_eq!(Digest::parse(&digest.to_string()), Some(digest));
        }

        #[test]
        fn shape_never_panics(value: Vec<u8>) {
            shape(&value);
        }
    }
}
