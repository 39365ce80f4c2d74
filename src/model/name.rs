//! K15: how resources are named.

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

/// The lasting id of a resource that a file declares without one: a UUID (version 8) drawn from its kind and name, so
/// that every node which reads the same file speaks of the same id.
pub fn id_of(kind: &str, name: &str) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("keystile 2026 resource id");
    hasher.update(kind.as_bytes()).update(&[0]).update(name.as_bytes());
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    format_uuid(&bytes)
}

/// `bytes` as `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`.
pub fn format_uuid(bytes: &[u8; 16]) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(36);
    for (at, b) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        out.push(HEX[usize::from(b >> 4)] as char);
        out.push(HEX[usize::from(b & 15)] as char);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn ids_are_stable_and_differ_by_kind() {
        assert_eq!(id_of("key", "acme"), id_of("key", "acme"));
        assert_ne!(id_of("key", "acme"), id_of("workflow", "acme"));
        assert!(is_uuid(&id_of("key", "acme")));
    }
}
