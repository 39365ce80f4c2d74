//! Tasks that are used again. Each stream of an HTTP/2 connection runs in a task of its own; to ask the allocator for its
//! kilobytes, which the streams before have just given back, costs as much as reading its head.

use std::any::Any;
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Desks of each kind that are kept though nobody sits at them: half a megabyte.
const KEPT: usize = 128;

/// A core's desks at which nobody sits. There is a kind for each kind of future: two, for there are two doors.
#[derive(Default)]
pub struct Desks {
    kinds: RefCell<Vec<Rc<dyn Any>>>,
}

/// The free desks of one kind. The last one left is taken first: it is warm.
struct Kind<F> {
    free: RefCell<Vec<Rc<Desk<F>>>>,
}

/// A task's place, and what is done there.
struct Desk<F> {
    work: RefCell<Pin<Box<Option<F>>>>,
    /// The task's, once it has begun.
    waker: RefCell<Option<Waker>>,
}

impl Desks {
    /// Runs `future` on this thread, in a task of its own, whenever that task's turn comes.
    pub fn seat<F: Future<Output = ()> + 'static>(&self, future: F) {
        let kind = self.kind::<F>();
        let Some(desk) = kind.free.borrow_mut().pop() else {
            let work = RefCell::new(Box::pin(Some(future)));
            let desk = Rc::new(Desk { work, waker: RefCell::default() });
            tokio::task::spawn_local(poll_fn(move |cx| desk.poll(&kind, cx)));
            return;
        };
        desk.work.borrow_mut().set(Some(future));
        if let Some(waker) = &*desk.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    fn kind<F: 'static>(&self) -> Rc<Kind<F>> {
        let mut kinds = self.kinds.borrow_mut();
        let known = kinds.iter().find_map(|kind| kind.clone().downcast().ok());
        known.unwrap_or_else(|| {
            let kind = Rc::new(Kind { free: RefCell::default() });
            kinds.push(kind.clone());
            kind
        })
    }
}

impl<F: Future<Output = ()>> Desk<F> {
    /// Goes on with what is done here. Ready when the desk is one too many.
    fn poll(self: &Rc<Self>, kind: &Kind<F>, cx: &mut Context<'_>) -> Poll<()> {
        {
            let mut work = self.work.borrow_mut();
            // Without work it was woken by what was waited for before.
            let done = work.as_mut().as_pin_mut().is_some_and(|future| future.poll(cx).is_ready());
            if !done {
                return Poll::Pending;
            }
            work.set(None);
        }
        let mut free = kind.free.borrow_mut();
        if free.len() >= KEPT {
            return Poll::Ready(());
        }
        self.waker.borrow_mut().get_or_insert_with(|| cx.waker().clone());
        free.push(self.clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use tokio::sync::oneshot;
    use tokio::task::{LocalSet, yield_now};

    /// Free desks, of all kinds that hold futures like `_`.
    fn free<F: 'static>(desks: &Desks, _: &F) -> usize {
        desks.kind::<F>().free.borrow().len()
    }

    async fn work(wait: oneshot::Receiver<()>, done: Rc<Cell<usize>>) {
        let _ = wait.await;
        done.set(done.get() + 1);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn whoever_is_seated_runs_once_and_desks_are_used_again() {
        let (desks, done) = (Desks::default(), Rc::new(Cell::new(0)));
        let sample = work(oneshot::channel().1, done.clone());
        let all = async {
            for round in 1..=3 {
                let callers: Vec<_> = (0..KEPT + 5)
                    .map(|_| {
                        let (go, wait) = oneshot::channel();
                        desks.seat(work(wait, done.clone()));
                        go
                    })
                    .collect();
                yield_now().await;
                assert_eq!(free(&desks, &sample), 0, "all are taken");
                // In another order than they came.
                for go in callers.into_iter().rev() {
                    go.send(()).unwrap();
                }
                while done.get() < round * (KEPT + 5) {
                    yield_now().await;
                }
                yield_now().await;
                assert_eq!((done.get(), free(&desks, &sample)), (round * (KEPT + 5), KEPT));
            }
        };
        LocalSet::new().run_until(all).await;
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_panic_ends_its_own_desk_alone() {
        let (desks, done) = (Desks::default(), Rc::new(Cell::new(0)));
        let one = |panics: bool| {
            let done = done.clone();
            async move {
                assert!(!panics, "as it should");
                done.set(done.get() + 1);
            }
        };
        let all = async {
            for panics in [false, true, false, true, false] {
                desks.seat(one(panics));
                yield_now().await;
                yield_now().await;
            }
            assert_eq!((done.get(), free(&desks, &one(false))), (3, 1));
        };
        LocalSet::new().run_until(all).await;
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_a_future_holds_is_let_go_when_it_ends() {
        let (desks, held) = (Desks::default(), Rc::new(()));
        let all = async {
            let mine = held.clone();
            desks.seat(async move { drop(mine) });
            let mine = held.clone();
            desks.seat(async move {
                yield_now().await;
                let _kept = &mine;
            });
            for _ in 0..4 {
                yield_now().await;
            }
            assert_eq!(Rc::strong_count(&held), 1);
        };
        LocalSet::new().run_until(all).await;
    }
}
