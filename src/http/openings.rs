//! Who opens connections to an address: everybody who finds none, at once, unless the core is behind. What it lacks then is
//! time, of which a new connection takes as much as several requests, over TLS as ten; were everybody to open one who has to wait
//! because of that, all would wait longer still. So a few do, and the others are served by the connections that come back.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use tokio::sync::oneshot;

/// As many at once while the core is behind: some hundreds a second where the way is short, and as many in flight where it is
/// long.
pub const WHILE_BEHIND: u32 = 64;

/// Connections to one address that are being opened, and who waits for his turn, or for a kept one: `C`.
pub struct Openings<C> {
    under_way: Cell<u32>,
    waiting: RefCell<VecDeque<oneshot::Sender<Turn<C>>>>,
}

/// What there was to wait for.
pub enum Turn<C> {
    /// A connection may be opened, as long as this is held.
    Open(Opening<C>),
    /// One has become free.
    Kept(C),
}

/// A connection that is being opened. The next one in line has its turn when this is dropped.
pub struct Opening<C>(Rc<Openings<C>>);

impl<C> Default for Openings<C> {
    fn default() -> Openings<C> {
        Openings { under_way: Cell::default(), waiting: RefCell::default() }
    }
}

impl<C> Openings<C> {
    /// At once, unless the core is `behind` and enough are under way; then in the order in which they came.
    pub async fn turn(self: &Rc<Self>, behind: bool) -> Turn<C> {
        if !behind || self.under_way.get() < WHILE_BEHIND {
            return Turn::Open(self.begin());
        }
        let (give, take) = oneshot::channel();
        self.waiting.borrow_mut().push_back(give);
        take.await.unwrap_or_else(|_| Turn::Open(self.begin()))
    }

    /// Without a turn.
    pub fn begin(self: &Rc<Self>) -> Opening<C> {
        self.under_way.set(self.under_way.get() + 1);
        Opening(self.clone())
    }

    /// A connection has become free: it goes to whoever has waited longest, or back where nobody does.
    pub fn offer(&self, free: C) -> Option<C> {
        match self.next() {
            Some(next) => match next.send(Turn::Kept(free)) {
                Err(Turn::Kept(free)) => Some(free),
                _ => None,
            },
            None => Some(free),
        }
    }

    /// Whoever has waited longest, and still does.
    fn next(&self) -> Option<oneshot::Sender<Turn<C>>> {
        let mut waiting = self.waiting.borrow_mut();
        while let Some(next) = waiting.pop_front() {
            if !next.is_closed() {
                return Some(next);
            }
        }
        None
    }
}

impl<C> Drop for Opening<C> {
    fn drop(&mut self) {
        self.0.under_way.set(self.0.under_way.get() - 1);
        if let Some(next) = self.0.next() {
            // Who has gone meanwhile drops it, which passes it on.
            let _ = next.send(Turn::Open(self.0.begin()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::pin::{Pin, pin};
    use std::task::Poll;

    /// What `waiter` has by now.
    async fn by_now(waiter: &mut (impl Future<Output = Turn<u32>> + Unpin)) -> Option<Turn<u32>> {
        let polled = poll_fn(|cx| Poll::Ready(Pin::new(&mut *waiter).poll(cx))).await;
        if let Poll::Ready(turn) = polled { Some(turn) } else { None }
    }

    /// All turns that are there while the core is behind.
    async fn all(openings: &Rc<Openings<u32>>) -> Vec<Turn<u32>> {
        let mut turns = Vec::new();
        for _ in 0..WHILE_BEHIND {
            turns.push(openings.turn(true).await);
        }
        turns
    }

    #[tokio::test]
    async fn everybody_opens_at_once_where_the_core_is_not_behind() {
        let openings = Rc::new(Openings::<u32>::default());
        let turns = all(&openings).await;
        assert!(matches!(openings.turn(false).await, Turn::Open(_)));
        assert_eq!(turns.len(), WHILE_BEHIND as usize);
    }

    #[tokio::test]
    async fn while_the_core_is_behind_those_in_line_get_what_comes_back_or_a_turn_in_their_order() {
        let openings = Rc::new(Openings::default());
        let mut turns = all(&openings).await;
        let (mut first, mut second) = (pin!(openings.turn(true)), pin!(openings.turn(true)));
        assert!(by_now(&mut first).await.is_none() && by_now(&mut second).await.is_none());
        assert_eq!(openings.offer(7), None, "somebody waits");
        assert!(matches!(by_now(&mut first).await, Some(Turn::Kept(7))));
        assert!(by_now(&mut second).await.is_none());
        turns.pop();
        assert!(matches!(by_now(&mut second).await, Some(Turn::Open(_))));
        assert_eq!(openings.offer(8), Some(8), "nobody waits");
    }

    #[tokio::test]
    async fn what_was_meant_for_one_who_has_gone_goes_to_the_next() {
        let openings = Rc::new(Openings::default());
        let mut turns = all(&openings).await;
        let mut last = pin!(openings.turn(true));
        {
            let (mut gone, mut told) = (Box::pin(openings.turn(true)), Box::pin(openings.turn(true)));
            assert!(by_now(&mut gone).await.is_none() && by_now(&mut told).await.is_none());
            assert!(by_now(&mut last).await.is_none());
            drop(gone);
            // Sent to the second, who goes before he looks.
            turns.pop();
        }
        assert!(matches!(by_now(&mut last).await, Some(Turn::Open(_))));
        drop(turns);
        assert_eq!(openings.under_way.get(), 0);
    }
}
