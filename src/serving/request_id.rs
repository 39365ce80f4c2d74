//! `X-Request-Id`: UUIDs of version 7, so that they sort by time. They need to be unique, not secret: the random part is
//! drawn once a core, then counted on.

use crate::model::name::uuid_digits;
use bytes::BytesMut;
use http::HeaderValue;
use std::cell::{Cell, RefCell};

/// A core's source of ids.
pub struct RequestIds {
    node: [u8; 4],
    next: Cell<u32>,
    /// Room for some more, so that not every one of them asks the allocator.
    room: RefCell<BytesMut>,
}

/// Ids that share their room: a kilobyte, which is the most that the allocator keeps at hand.
const TOGETHER: usize = 28;
/// Characters of an id.
const LENGTH: usize = 36;

impl Default for RequestIds {
    fn default() -> RequestIds {
        let mut random = [0u8; 8];
        // Without randomness the process's id and this object's place must do: an id is a name, not a secret.
        if getrandom::fill(&mut random).is_err() {
            random = (u64::from(std::process::id()) << 32 | (&raw const random as u64 & 0xffff_ffff)).to_le_bytes();
        }
        let [a, b, c, d, rest @ ..] = random;
        RequestIds { node: [a, b, c, d], next: Cell::new(u32::from_le_bytes(rest)), room: RefCell::default() }
    }
}

impl RequestIds {
    /// The next id; `now` in Unix milliseconds.
    pub fn next(&self, now: i64) -> HeaderValue {
        let count = self.next.get().wrapping_add(1);
        self.next.set(count);
        let mut bytes = [0u8; 16];
        bytes[..6].copy_from_slice(&now.to_be_bytes()[2..]);
        bytes[8..12].copy_from_slice(&self.node);
        bytes[12..].copy_from_slice(&count.to_be_bytes());
        bytes[6] = 0x70 | (self.node[0] & 0x0f);
        bytes[7] = self.node[1];
        bytes[8] = 0x80 | (bytes[8] & 0x3f);
        // Shared by all who send it: upstream, caller, log.
        let mut room = self.room.borrow_mut();
        if room.capacity() < LENGTH {
            *room = BytesMut::with_capacity(TOGETHER * LENGTH);
        }
        room.extend_from_slice(&uuid_digits(&bytes));
        let shared = room.split().freeze();
        let mut id = HeaderValue::from_maybe_shared(shared).unwrap_or(HeaderValue::from_static("-"));
        // No secret, but never to be indexed (RFC 7541, section 6.2.3): nobody sees it again, and in a peer's table it would
        // take the place of what comes with every message.
        id.set_sensitive(true);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_unique_over_cores_and_of_version_7() {
        let (a, b) = (RequestIds::default(), RequestIds::default());
        let mut seen = HashSet::new();
        for now in 0..5000 {
            for id in [a.next(now), b.next(now)] {
                assert!(id.is_sensitive(), "as never to be indexed");
                let id = id.to_str().unwrap().to_owned();
                assert_eq!(&id[14..15], "7");
                assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"));
                assert!(seen.insert(id));
            }
        }
    }
}
