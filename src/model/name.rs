//! K15: how resources are named.

use std::fmt;
use std::ops::Deref;

/// A name as it is kept of a million keys: short ones, as most are, lie where the rest of the key does.
#[derive(Clone, PartialEq, Eq)]
pub struct Name(Kept);

#[derive(Clone, PartialEq, Eq)]
enum Kept {
    Here { length: u8, bytes: [u8; HERE] },
    Apart(Box<str>),
}

/// As many bytes as fill the three words that a name takes up.
const HERE: usize = 22;

impl From<&str> for Name {
    fn from(text: &str) -> Name {
        let mut bytes = [0; HERE];
        match bytes.get_mut(..text.len()) {
            Some(place) => {
                place.copy_from_slice(text.as_bytes());
                Name(Kept::Here { length: text.len() as u8, bytes })
            }
            None => Name(Kept::Apart(text.into())),
        }
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            Kept::Here { length, bytes } => std::str::from_utf8(&bytes[..usize::from(*length)]).unwrap_or_default(),
            Kept::Apart(text) => text,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// Longest name, in characters.
pub const MAX: usize = 63;

/// Whether `text` is a name: `[A-Za-z0-9][A-Za-z0-9._-]{0,62}`, and not of UUID form (that is what ids look like).
pub fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let Some(first) = bytes.first() else { return false };
    first.is_ascii_alphanumeric()
        && bytes.len() <= MAX
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b))
        && !is_uuid(text)
        // Somebody's token in the wrong field: names are shown and sent on.
        && !text.starts_with(super::token::PREFIX)
}

/// Whether `text` has the form of a UUID, whatever its version.
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

/// `bytes` as `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`.
pub fn format_uuid(bytes: &[u8; 16]) -> String {
    String::from_utf8_lossy(&uuid_digits(bytes)).into_owned()
}

/// The same without an allocation.
pub fn uuid_digits(bytes: &[u8; 16]) -> [u8; 36] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    const PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
    let mut out = [b'-'; 36];
    for (b, at) in bytes.iter().zip(PLACES) {
        out[at] = HEX[usize::from(b >> 4)];
        out[at + 1] = HEX[usize::from(b & 15)];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_length_are_read_as_they_were_written() {
        for length in 0..=MAX {
            let text = "ä".chars().chain("n".repeat(length).chars()).collect::<String>();
            for text in [&text[2..], &text] {
                assert_eq!((&*Name::from(text), Name::from(text).to_string()), (text, text.to_owned()));
            }
        }
        assert_eq!(size_of::<Name>(), 24);
    }

    #[test]
    fn k15_names() {
        for good in ["a", "acme-crm", "A.b_c-9", &"x".repeat(63)] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "-a", ".a", "a b", "ä", "a/b", &"x".repeat(64), "0f8fad5b-d9cb-469f-a165-70867728950e", "kst_a"]
        {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
