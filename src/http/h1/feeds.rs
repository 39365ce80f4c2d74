//! Where the lines of a head end: its line feeds, each of which is looked for once.

use crate::model::rooms::{self, Rooms};
use std::ops::Deref;

/// Heads that may be under way at a time, in pieces, without asking the allocator.
const ROOMS_KEPT: usize = 64;
/// Lines of more than this are not expected.
const LARGEST: usize = 1024;

thread_local! {
    static ROOMS: Rooms<u32> = const { Rooms::new(ROOMS_KEPT, LARGEST) };
}

/// The line feeds of one head. Most heads come whole and are read at once, so that what a connection keeps is empty and the
/// room is always the same, warm one.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Feeds(Vec<u32>);

impl Feeds {
    /// All of a head's.
    pub fn of(head: &[u8]) -> Feeds {
        let mut feeds = Feeds::default();
        feeds.room().extend(memchr::memchr_iter(b'\n', head).map(|at| at as u32));
        feeds
    }

    /// Where more of them are written down.
    pub fn room(&mut self) -> &mut Vec<u32> {
        if self.0.capacity() == 0 {
            self.0 = rooms::take(&ROOMS);
        }
        &mut self.0
    }

    /// The head is read.
    pub fn clear(&mut self) {
        if self.0.capacity() > 0 {
            rooms::give_back(&ROOMS, std::mem::take(&mut self.0));
        }
    }
}

impl Deref for Feeds {
    type Target = [u32];

    fn deref(&self) -> &[u32] {
        &self.0
    }
}

impl Drop for Feeds {
    fn drop(&mut self) {
        self.clear();
    }
}
