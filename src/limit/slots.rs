//! L5: how many requests run at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A cap on concurrent requests.
#[derive(Debug)]
pub struct Slots {
    max: u32,
    used: AtomicU32,
}

/// A slot in use; given back when dropped, however the request ends.
#[derive(Debug)]
pub struct Taken(Arc<Slots>);

impl Slots {
    pub fn new(max: u32) -> Slots {
        Slots { max, used: AtomicU32::new(0) }
    }

    pub fn max(&self) -> u32 {
        self.max
    }

    pub fn used(&self) -> u32 {
        self.used.load(Ordering::Relaxed)
    }

    /// A slot, if one is free.
    pub fn take(self: &Arc<Slots>) -> Option<Taken> {
        let free = |used| (used < self.max).then_some(used + 1);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free).ok()?;
        Some(Taken(self.clone()))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.used.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l5_a_slot_is_given_back_when_its_request_ends() {
        let slots = Arc::new(Slots::new(2));
        let (a, _b) = (slots.take().unwrap(), slots.take().unwrap());
        assert!(slots.take().is_none());
        drop(a);
        assert!(slots.take().is_some());
    }
}
