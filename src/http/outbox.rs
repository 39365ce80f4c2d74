//! What is to be written, gathered so that a head and a small body leave in one write, and large parts are not copied.

use crate::model::rooms::{self, Rooms};
use bytes::{Buf, Bytes};
use std::io::IoSlice;

/// Parts below this are copied together; larger ones are written from where they lie.
const SMALL: usize = 2048;
/// Gathered bytes that may wait before more is put in.
const MOST: usize = 16 * 1024;

thread_local! {
    /// Where a connection gathers what it has to say. One of its own it would hold for nothing between messages.
    static ROOMS: Rooms<u8> = const { Rooms::new(8, 2 * MOST) };
}

/// Bytes on their way out, in this order: gathered ones, one large part, what follows it.
#[derive(Debug, Default)]
pub struct Outbox {
    gathered: Vec<u8>,
    written: usize,
    large: Bytes,
    after: &'static [u8],
}

impl Outbox {
    /// Bytes that wait.
    pub fn len(&self) -> usize {
        self.gathered.len() - self.written + self.large.len() + self.after.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether more can be put in before something is written.
    pub fn has_room(&self) -> bool {
        self.large.is_empty() && self.after.is_empty() && self.gathered.len() - self.written < MOST
    }

    /// Where heads are written to. Only while there is room.
    pub fn gather(&mut self) -> &mut Vec<u8> {
        debug_assert!(self.large.is_empty() && self.after.is_empty());
        if self.gathered.capacity() == 0 {
            self.gathered = rooms::take(&ROOMS);
        }
        &mut self.gathered
    }

    /// What is gathered, lent to who needs all of the connection to write there; it comes back by [`Outbox::returned`].
    pub fn lend(&mut self) -> Vec<u8> {
        std::mem::take(self.gather())
    }

    pub fn returned(&mut self, gathered: Vec<u8>) {
        debug_assert!(self.gathered.is_empty());
        self.gathered = gathered;
    }

    /// A part of a body, with what frames it at its end. Only while there is room.
    pub fn push(&mut self, part: Bytes, after: &'static [u8]) {
        if part.len() < SMALL {
            let gathered = self.gather();
            gathered.extend_from_slice(&part);
            gathered.extend_from_slice(after);
        } else {
            (self.large, self.after) = (part, after);
        }
    }

    /// Up to three slices in the order in which they are to be written.
    pub fn slices(&self) -> [IoSlice<'_>; 3] {
        [IoSlice::new(&self.gathered[self.written..]), IoSlice::new(&self.large), IoSlice::new(self.after)]
    }

    /// The gathered bytes, if they are all there is.
    pub fn only(&self) -> Option<&[u8]> {
        (self.large.is_empty() && self.after.is_empty()).then(|| &self.gathered[self.written..])
    }

    /// So many bytes were written.
    pub fn advance(&mut self, mut bytes: usize) {
        let gathered = bytes.min(self.gathered.len() - self.written);
        self.written += gathered;
        bytes -= gathered;
        let large = bytes.min(self.large.len());
        self.large.advance(large);
        bytes -= large;
        self.after = self.after.get(bytes..).unwrap_or_default();
        if self.written == self.gathered.len() {
            self.written = 0;
            rooms::give_back(&ROOMS, std::mem::take(&mut self.gathered));
        } else if self.written > self.gathered.len() / 2 {
            // Who is slow may never let it become empty: what he has taken is no longer held.
            self.gathered.drain(..self.written);
            self.written = 0;
        }
        if self.large.is_empty() {
            self.large = Bytes::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hazard_13_who_never_takes_all_of_it_holds_no_more_than_what_he_has_not_taken() {
        let mut outbox = Outbox::default();
        for _ in 0..1_000 {
            while outbox.has_room() {
                outbox.gather().extend_from_slice(&[b'x'; 1_000]);
            }
            outbox.advance(5_000);
            assert!(outbox.gathered.len() < 4 * MOST, "{} bytes for {}", outbox.gathered.len(), outbox.len());
        }
    }

    #[test]
    fn what_is_lent_comes_back_and_no_other_room_is_taken_for_it() {
        for capacity in [64, 128] {
            rooms::give_back(&ROOMS, Vec::with_capacity(capacity));
        }
        let mut outbox = Outbox::default();
        let mut lent = outbox.lend();
        lent.push(b'x');
        outbox.returned(lent);
        assert_eq!((outbox.only(), rooms::take(&ROOMS).capacity()), (Some(&b"x"[..]), 64));
    }

    proptest! {
        #[test]
        fn bytes_leave_in_the_order_they_came(sizes in proptest::collection::vec(0usize..5000, 1..6), steps in proptest::collection::vec(1usize..3000, 1..40)) {
            let (mut outbox, mut wanted, mut got) = (Outbox::default(), Vec::new(), Vec::new());
            let mut steps = steps.iter().cycle();
            let mut write = |outbox: &mut Outbox, got: &mut Vec<u8>| {
                let all: Vec<u8> = outbox.slices().iter().flat_map(|s| s.to_vec()).collect();
                let bytes = (*steps.next().unwrap()).min(all.len());
                got.extend_from_slice(&all[..bytes]);
                outbox.advance(bytes);
            };
            for (n, size) in sizes.iter().enumerate() {
                while !outbox.has_room() {
                    write(&mut outbox, &mut got);
                }
                let part = vec![n as u8; *size];
                wanted.extend_from_slice(&part);
                wanted.extend_from_slice(b"\r\n");
                outbox.push(part.into(), b"\r\n");
            }
            while !outbox.is_empty() {
                write(&mut outbox, &mut got);
            }
            prop_assert_eq!(wanted, got);
        }
    }
}
