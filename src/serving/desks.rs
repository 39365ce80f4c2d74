//! Tasks that are used again. Each connection, and each stream of HTTP/2, runs in a task of its own; to ask the allocator for its
//! kilobytes, which those before have just given back, costs as much as reading its head, and to carry them there
//! costs as much again: so what is handed over is what there is to do, and not its future.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Desks of each kind that are kept though nobody sits at them: two or three megabytes.
const KEPT: usize = 512;

/// A core's desks at which nobody sits. There is a kind for each kind of work: connections, the introduced ones, streams.
#[derive(Default)]
pub struct Desks {
    kinds: RefCell<Vec<Rc<dyn Any>>>,
}

/// The free desks of one kind. The last one left is taken first: it is warm.
struct Kind<J, W> {
    free: RefCell<Vec<Rc<Desk<J>>>>,
    work: PhantomData<W>,
}

/// A task's place, and what is to be done there next.
struct Desk<J> {
    job: Cell<Option<J>>,
    /// The task's, once it has waited for a job.
    waker: RefCell<Option<Waker>>,
}

impl Desks {
    /// Has `job` done by `work` on this thread, in a task of its own, whenever that task's turn comes.
    pub fn seat<J, W, F>(&self, job: J, work: W)
    where
        J: 'static,
        W: Fn(J) -> F + 'static,
        F: Future<Output = ()> + 'static,
    {
        let kind = self.kind::<J, W>();
        let Some(desk) = kind.free.borrow_mut().pop() else {
            let desk = Rc::new(Desk { job: Cell::new(Some(job)), waker: RefCell::default() });
            tokio::task::spawn_local(async move {
                loop {
                    work(poll_fn(|cx| desk.poll_job(cx)).await).await;
                    if !kind.keeps(&desk) {
                        return;
                    }
                }
            });
            return;
        };
        desk.job.set(Some(job));
        if let Some(waker) = &*desk.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    fn kind<J: 'static, W: 'static>(&self) -> Rc<Kind<J, W>> {
        let mut kinds = self.kinds.borrow_mut();
        let known = kinds.iter().find_map(|kind| kind.clone().downcast().ok());
        known.unwrap_or_else(|| {
            let kind = Rc::new(Kind { free: RefCell::default(), work: PhantomData });
            kinds.push(kind.clone());
            kind
        })
    }
}

impl<J, W> Kind<J, W> {
    /// Nobody sits at this desk any more. False: it is one too many.
    fn keeps(&self, desk: &Rc<Desk<J>>) -> bool {
        let mut free = self.free.borrow_mut();
        let keeps = free.len() < KEPT;
        if keeps {
            free.push(desk.clone());
        }
        keeps
    }
}

impl<J> Desk<J> {
    /// The next job. Without one the task was woken by what the last one waited for.
    fn poll_job(&self, cx: &mut Context<'_>) -> Poll<J> {
        match self.job.take() {
            Some(job) => Poll::Ready(job),
            None => {
                self.waker.borrow_mut().get_or_insert_with(|| cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;
    use tokio::task::{LocalSet, yield_now};

    /// Free desks of the kind at which `_` is done.
    fn free<J: 'static, W: Fn(J) -> F + 'static, F>(desks: &Desks, _: W) -> usize {
        desks.kind::<J, W>().free.borrow().len()
    }

    async fn wait((until, done): (oneshot::Receiver<()>, Rc<Cell<usize>>)) {
        let _ = until.await;
        done.set(done.get() + 1);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn every_job_is_done_once_and_desks_are_used_again() {
        let (desks, done) = (Desks::default(), Rc::new(Cell::new(0)));
        let all = async {
            for round in 1..=3 {
                let callers: Vec<_> = (0..KEPT + 5)
                    .map(|_| {
                        let (go, until) = oneshot::channel();
                        desks.seat((until, done.clone()), wait);
                        go
                    })
                    .collect();
                yield_now().await;
                assert_eq!(free(&desks, wait), 0, "all are taken");
                // In another order than they came.
                for go in callers.into_iter().rev() {
                    go.send(()).unwrap();
                }
                while done.get() < round * (KEPT + 5) {
                    yield_now().await;
                }
                yield_now().await;
                assert_eq!((done.get(), free(&desks, wait)), (round * (KEPT + 5), KEPT));
            }
        };
        LocalSet::new().run_until(all).await;
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_is_done_in_another_way_has_other_desks() {
        let (desks, said) = (Desks::default(), Rc::new(RefCell::new(Vec::new())));
        let one = |to: Rc<RefCell<Vec<u8>>>| async move { to.borrow_mut().push(1) };
        let other = |to: Rc<RefCell<Vec<u8>>>| async move { to.borrow_mut().push(2) };
        let all = async {
            for _ in 0..2 {
                desks.seat(said.clone(), one);
                desks.seat(said.clone(), other);
                yield_now().await;
                yield_now().await;
            }
            assert_eq!(*said.borrow(), [1, 2, 1, 2]);
            assert_eq!((free(&desks, one), free(&desks, other)), (1, 1));
        };
        LocalSet::new().run_until(all).await;
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_panic_ends_its_own_desk_alone() {
        let (desks, done) = (Desks::default(), Rc::new(Cell::new(0)));
        let work = |(panics, done): (bool, Rc<Cell<i32>>)| async move {
            assert!(!panics, "as it should");
            done.set(done.get() + 1);
        };
        let all = async {
            for panics in [false, true, false, true, false] {
                desks.seat((panics, done.clone()), work);
                yield_now().await;
                yield_now().await;
            }
            assert_eq!((done.get(), free(&desks, work)), (3, 1));
        };
        LocalSet::new().run_until(all).await;
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_a_job_holds_is_let_go_when_it_is_done() {
        let (desks, held) = (Desks::default(), Rc::new(()));
        let all = async {
            desks.seat(held.clone(), |mine| async move { drop(mine) });
            desks.seat(held.clone(), |mine| async move {
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
