//! What resources are known by for good: a UUID, which stays when they are renamed.

use super::name;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// A resource's id. Written as a UUID in lower case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uid(pub [u8; 16]);

impl Uid {
    /// The lasting id of a resource that a file declares without one: a UUID (version 8) drawn from its kind and name, so
    /// that every node which reads the same file speaks of the same id.
    pub fn declared(kind: &str, name: &str) -> Uid {
        let mut hasher = blake3::Hasher::new_derive_key("keystile 2026 resource id");
        hasher.update(kind.as_bytes()).update(&[0]).update(name.as_bytes());
        let mut bytes = [0u8; 16];
        bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        bytes[6] = (bytes[6] & 0x0f) | 0x80;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Uid(bytes)
    }

    /// As it is written, without an allocation.
    pub fn digits(self) -> [u8; 36] {
        name::uuid_digits(&self.0)
    }

    /// Reads a UUID of any version, in either case.
    pub fn parse(text: &str) -> Option<Uid> {
        if !name::is_uuid(text) {
            return None;
        }
        let mut bytes = [0u8; 16];
        let digits = text.bytes().filter(|b| *b != b'-').map(|b| (b as char).to_digit(16));
        for (at, digit) in digits.enumerate() {
            bytes[at / 2] = bytes[at / 2] << 4 | digit? as u8;
        }
        Some(Uid(bytes))
    }

    /// A UUID of version 7, which sorts by its time: Unix milliseconds and ten random bytes.
    pub fn version_7(now: i64, random: [u8; 10]) -> Uid {
        let mut bytes = [0u8; 16];
        bytes[..6].copy_from_slice(&now.to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&random);
        bytes[6] = 0x70 | (bytes[6] & 0x0f);
        bytes[8] = 0x80 | (bytes[8] & 0x3f);
        Uid(bytes)
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

impl Serialize for Uid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Uid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Uid, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Uid::parse(&text).ok_or_else(|| D::Error::custom("not a UUID"))
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn declared_ids_are_stable_and_differ_by_kind() {
        assert_eq!(Uid::declared("key", "acme"), Uid::declared("key", "acme"));
        assert_ne!(Uid::declared("key", "acme"), Uid::declared("workflow", "acme"));
        assert!(name::is_uuid(&Uid::declared("key", "acme").to_string()));
    }

    #[test]
    fn version_7_sorts_by_time() {
        let early = Uid::version_7(1_000, [0xff; 10]);
        let late = Uid::version_7(1_001, [0; 10]);
        assert!(early < late && early.to_string() < late.to_string());
        assert_eq!(&early.to_string()[14..15], "7");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read(bytes: [u8; 16]) {
            let uid = Uid(bytes);
            prop_assert_eq!(Uid::parse(&uid.to_string()), Some(uid));
            prop_assert_eq!(Uid::parse(&uid.to_string().to_uppercase()), Some(uid));
            prop_assert_eq!(Uid::parse(&uid.to_string()[1..]), None);
        }
    }
}
