//! Room that is used again: whoever needs some takes what was given back last, which is still in the cache. Each core has its
//! own, so nobody waits, and the allocator, whose own cache is soon empty where many need the same, is not asked.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
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

/// What lives in a room for one.
pub trait Lodger: Sized + 'static {
    fn rooms() -> &'static LocalKey<Rooms<Self>>;
}

/// A box whose room is used again.
#[derive(Debug)]
pub struct Lodged<T: Lodger>(Vec<T>);

impl<T: Lodger> Lodged<T> {
    pub fn new(value: T) -> Lodged<T> {
        let mut room = take(T::rooms());
        if room.capacity() == 0 {
            room.reserve_exact(1);
        }
        room.push(value);
        Lodged(room)
    }
}

// There is one from the beginning to the end.
impl<T: Lodger> Deref for Lodged<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0[0]
    }
}

impl<T: Lodger> DerefMut for Lodged<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0[0]
    }
}

impl<T: Lodger> Drop for Lodged<T> {
    fn drop(&mut self) {
        give_back(T::rooms(), std::mem::take(&mut self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    thread_local! {
        static ROOMS: Rooms<u8> = const { Rooms::new(2, 100) };
        static LODGINGS: Rooms<Guest> = const { Rooms::new(1, 1) };
    }

    struct Guest {
        held: Rc<()>,
    }

    impl Lodger for Guest {
        fn rooms() -> &'static LocalKey<Rooms<Guest>> {
            &LODGINGS
        }
    }

    #[test]
    fn who_lodges_leaves_with_the_box_and_the_next_has_the_same_room() {
        let held = Rc::new(());
        let mut one = Lodged::new(Guest { held: Rc::default() });
        one.held = held.clone();
        let at = std::ptr::from_ref(&*one);
        drop(one);
        assert_eq!(Rc::strong_count(&held), 1);
        let [next, other] = [(); 2].map(|()| Lodged::new(Guest { held: held.clone() }));
        assert_eq!((std::ptr::from_ref(&*next), Rc::strong_count(&other.held)), (at, 3));
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
