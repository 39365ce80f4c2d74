//! H2: what all deliveries together hold in memory while they are taken in, bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that are held, over all cores.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Buffers(AtomicU64);

/// Room for one delivery; given back when dropped, however its request ends.
#[derive(Debug)]
pub struct Room {
    of: Arc<Buffers>,
    bytes: u64,
}

impl Buffers {
    /// Room for nothing yet.
    pub fn room(self: &Arc<Buffers>) -> Room {
        Room { of: self.clone(), bytes: 0 }
    }

    /// Bytes that are held now.
    pub fn held(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Room {
    /// Makes it `bytes`, if all together then hold no more than `most`.
    #[must_use]
    pub fn grow(&mut self, bytes: u64, most: u64) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        let fits = |held: u64| held.checked_add(more).filter(|held| *held <= most);
        let grown = self.of.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok();
        if grown {
            self.bytes += more;
        }
        grown
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.of.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h2_room_is_taken_by_all_together_and_given_back() {
        let buffers = Arc::<Buffers>::default();
        let (mut one, mut two) = (buffers.room(), buffers.room());
        assert!(one.grow(60, 100) && one.grow(50, 100) && buffers.held() == 60, "it never shrinks");
        assert!(!two.grow(41, 100) && buffers.held() == 60, "what does not fit takes nothing");
        assert!(two.grow(40, 100));
        assert!(!one.grow(61, 100) && one.grow(61, 101), "the bound is the one in force");
        drop(one);
        assert_eq!(buffers.held(), 40);
        drop(two);
        assert_eq!(buffers.held(), 0);
        assert!(!buffers.room().grow(u64::MAX, u64::MAX - 1));
    }

    #[test]
    fn h2_cores_that_race_never_hold_more_than_there_is() {
        let buffers = Arc::<Buffers>::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..5_000 {
                        let mut room = buffers.room();
                        let _ = room.grow(30, 100);
                        assert!(buffers.held() <= 100);
                    }
                });
            }
        });
        assert_eq!(buffers.held(), 0);
    }
}
