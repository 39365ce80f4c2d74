//! Room that is used again: whoever needs some takes what was given back last, which is still in the cache. Each core has its
//! own, so nobody waits, and the allocator, whose own cache is soon empty where many need the same, is not asked.

use std::cell::RefCell;
use std::thread::LocalKey;

/// What a core keeps of one kind.
#[derive(Debug)]
pub struct Rooms<T> {
    spare: RefCell<Vec<Vec<T>>>,
    /// So many are kept.
    most: usize,
    /// Larger ones are not.
    largest: usize,
}

impl<T> Rooms<T> {
    /// None yet.
    pub const fn new(most: usize, largest: usize) -> Rooms<T> {
        Rooms { spare: RefCell::new(Vec::new()), most, largest }
    }
}

/// An empty room, with or without capacity.
pub fn take<T>(rooms: &'static LocalKey<Rooms<T>>) -> Vec<T> {
    rooms.try_with(|rooms| rooms.spare.borrow_mut().pop()).ok().flatten().unwrap_or_default()
}

/// Keeps a room for whoever needs one next.
pub fn give_back<T>(rooms: &'static LocalKey<Rooms<T>>, mut room: Vec<T>) {
    room.clear();
    // On a thread that is ending there is nobody to keep it for.
    let _ = rooms.try_with(|rooms| {
        let mut spare = rooms.spare.borrow_mut();
        if (1..=rooms.largest).contains(&room.capacity()) && spare.len() < rooms.most {
            spare.push(room);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    thread_local! {
        static ROOMS: Rooms<u8> = const { Rooms::new(2, 100) };
    }

    #[test]
    fn what_was_given_back_last_is_taken_first_and_holds_nothing() {
        let room = |capacity: usize| {
            let mut room = Vec::with_capacity(capacity);
            room.push(7);
            room
        };
        for given in [room(10), room(20), room(30)] {
            give_back(&ROOMS, given);
        }
        give_back(&ROOMS, Vec::new());
        assert_eq!(
            [take(&ROOMS), take(&ROOMS), take(&ROOMS)].map(|room| (room.len(), room.capacity())),
            [(0, 20), (0, 10), (0, 0)]
        );
        give_back(&ROOMS, room(101));
        assert_eq!(take(&ROOMS).capacity(), 0, "too large to be kept");
    }
}
