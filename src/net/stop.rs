//! How all who work on one thread are told to stop, and how whoever tells them learns that they have. A channel between threads
//! does the same, with a lock taken at each look; connections look twice for each request.

use slab::Slab;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::mem;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

#[derive(Default)]
struct Shared {
    told: Cell<bool>,
    waiting: RefCell<Slab<Waker>>,
    hearers: Cell<usize>,
    /// Who waits until nobody hears any more.
    alone: RefCell<Option<Waker>>,
}

/// Tells. When it goes without a word, that is one.
#[derive(Default)]
pub struct Stop(Rc<Shared>);

/// Hears. As long as there is one, somebody still works.
pub struct Hearer {
    shared: Rc<Shared>,
    /// Its place among those who wait, and with which waker: looked at here, where what its owner does lies as well.
    place: Option<(usize, Waker)>,
}

impl Stop {
    /// One more who is told.
    pub fn hearer(&self) -> Hearer {
        Hearer::of(&self.0)
    }

    /// Tells all of them, those who come later as well.
    pub fn tell(&self) {
        self.0.told.set(true);
        let waiting = mem::take(&mut *self.0.waiting.borrow_mut());
        waiting.into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// Whether nobody hears any more.
    pub fn is_alone(&self) -> bool {
        self.0.hearers.get() == 0
    }

    /// Waits until nobody hears any more. One at a time.
    pub async fn alone(&self) {
        poll_fn(|cx| {
            if self.is_alone() {
                return Poll::Ready(());
            }
            *self.0.alone.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.tell();
    }
}

impl Hearer {
    fn of(shared: &Rc<Shared>) -> Hearer {
        shared.hearers.set(shared.hearers.get() + 1);
        Hearer { shared: shared.clone(), place: None }
    }

    /// Whether it was told.
    pub fn is_told(&self) -> bool {
        self.shared.told.get()
    }

    /// Ready when it was told; until then the task is woken by that.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_told() {
            return Poll::Ready(());
        }
        match &mut self.place {
            Some((_, waker)) if waker.will_wake(cx.waker()) => {}
            Some((place, waker)) => {
                waker.clone_from(cx.waker());
                self.shared.waiting.borrow_mut()[*place] = cx.waker().clone();
            }
            None => {
                let place = self.shared.waiting.borrow_mut().insert(cx.waker().clone());
                self.place = Some((place, cx.waker().clone()));
            }
        }
        Poll::Pending
    }
}

impl Clone for Hearer {
    fn clone(&self) -> Hearer {
        Hearer::of(&self.shared)
    }
}

impl Drop for Hearer {
    fn drop(&mut self) {
        let shared = &*self.shared;
        if let Some((place, _)) = &self.place {
            // Whoever was told has no place any more.
            shared.waiting.borrow_mut().try_remove(*place);
        }
        shared.hearers.set(shared.hearers.get() - 1);
        if shared.hearers.get() == 0
            && let Some(waker) = shared.alone.borrow_mut().take()
        {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A waker, and how often it was called.
    fn woken() -> (Waker, impl Fn() -> usize) {
        let woken = Arc::<Woken>::default();
        (woken.clone().into(), move || woken.0.load(Ordering::Relaxed))
    }

    #[test]
    fn everybody_who_waits_is_woken_once_by_the_waker_he_looked_with_last() {
        let stop = Stop::default();
        let ((one, first), (other, second)) = (woken(), woken());
        let (mut moved, mut stays, gone) = (stop.hearer(), stop.hearer(), stop.hearer().clone());
        for waker in [&one, &one, &other] {
            assert!(moved.poll(&mut Context::from_waker(waker)).is_pending());
        }
        assert!(stays.poll(&mut Context::from_waker(&one)).is_pending() && !stays.is_told());
        let mut left = gone;
        assert!(left.poll(&mut Context::from_waker(&other)).is_pending());
        drop(left);
        stop.tell();
        assert_eq!((first(), second()), (1, 1));
        assert!(moved.is_told() && moved.poll(&mut Context::from_waker(&one)).is_ready());
        assert!(stop.hearer().is_told(), "who comes later is told as well");
        // Their places are somebody else's business by now.
        drop((moved, stays));
        assert!(stop.is_alone());
    }

    #[test]
    fn it_is_alone_when_the_last_one_has_gone() {
        let stop = Stop::default();
        let (waker, woken) = woken();
        let (one, other) = (stop.hearer(), stop.hearer());
        let mut alone = pin!(stop.alone());
        for hearer in [one, other] {
            assert!(alone.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() && woken() == 0);
            drop(hearer);
        }
        assert_eq!(woken(), 1);
        assert!(alone.poll(&mut Context::from_waker(&waker)).is_ready());
    }

    #[test]
    fn who_goes_without_a_word_has_said_it() {
        let stop = Stop::default();
        let (waker, woken) = woken();
        let mut hearer = stop.hearer();
        assert!(hearer.poll(&mut Context::from_waker(&waker)).is_pending());
        drop(stop);
        assert!(hearer.is_told() && woken() == 1);
    }
}
