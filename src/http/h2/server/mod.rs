//! A caller's HTTP/2 connection (RFC 9113): frames in, replies out, many requests side by side, with a stated time for
//! everything that the caller could draw out (hazards 12 and 13).
//!
//! The connection is a task that reads and writes; each request is a task of its own. They share `state::State`: what a
//! request has to say it puts into the outbox as far as the caller's windows allow, and what several say at the same time
//! leaves in one write.

mod control;
mod exchange;
mod head;
pub mod incoming;
mod patience;
mod reading;
mod requests;
mod state;
mod stream;
#[cfg(test)]
mod tests;
mod writing;

use crate::http::wire::{LINGER, Wire};
use crate::model::flood::Flood;
use crate::model::listener::FrontTimeouts;
use crate::model::{Reply, RequestHead};
use crate::net::clock::Clock;
use crate::net::stop::Hearer;
use crate::net::stream::Stream;
use bytes::Bytes;
use h2::Reason;
use http_body::Body;
use incoming::{Early, Incoming};
use state::{Over, State};
use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::time::Instant;

/// What answers requests.
pub trait Service: 'static {
    type Body: Body<Data = Bytes> + Unpin;

    /// Answers one request. It is dropped if the caller gives it up.
    fn call(
        &self,
        head: &mut RequestHead,
        body: Option<Incoming>,
        early: Early,
    ) -> impl Future<Output = Reply<Self::Body>>;

    /// The caller gave this request up before anything was done for it.
    fn given_up(&self, head: &RequestHead);

    /// Has one request's `job` done by `work` in a task of its own, beside the others.
    fn spawn<J: 'static, F: Future<Output = ()> + 'static>(&self, job: J, work: impl Fn(J) -> F + 'static);

    /// The connection is ended because there was too much of something.
    fn flooded(&self, flood: Flood);
}

/// What a connection may be, and how long it may take.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Bytes of a head's fields as RFC 9113 counts them (section 6.5.2); what is longer is answered, but not read.
    pub list: u64,
    /// Bytes of a head as it comes, compressed; what is longer ends the connection.
    pub block: u64,
    pub timeouts: FrontTimeouts,
}

/// What waits to be written before nothing more is read: who does not take answers gets none.
const MOST_UNSENT: usize = 64 * 1024;
/// Reads before others have their turn.
const READS: usize = 16;

/// Serves `stream` until one side has had enough, or until `stop` says so and the requests under way are answered.
pub async fn serve<S: Service>(stream: Stream, rules: Rules, service: Rc<S>, mut stop: Hearer) {
    let state = Rc::new(RefCell::new(State::new(Wire::new(stream), rules)));
    let mut session = Session { state, service, clock: Clock::new(rules.timeouts.head), told: false };
    let over = std::future::poll_fn(|cx| session.poll(&mut stop, cx)).await;
    session.end(over).await;
    // Whoever stops waits until nobody hears any more.
    drop(stop);
}

/// A connection, as its own task has it.
struct Session<S> {
    state: Rc<RefCell<State>>,
    service: Rc<S>,
    clock: Clock,
    told: bool,
}

impl<S: Service> Session<S> {
    /// Writes what there is, reads what comes. Ready when the connection is over.
    fn poll(&mut self, stop: &mut Hearer, cx: &mut Context<'_>) -> Poll<Over> {
        let state = &mut *self.state.borrow_mut();
        if !self.told && stop.poll(cx).is_ready() {
            self.told = true;
            state.leave(Instant::now());
        }
        let mut written = false;
        for _ in 0..READS {
            written = loop {
                state.fill();
                match state.wire.poll_write_out(cx) {
                    Poll::Ready(Err(_)) => return Poll::Ready(Over::Lost),
                    Poll::Ready(Ok(())) if state.fill() => {}
                    written => break written.is_ready(),
                }
            };
            if written && state.is_done() {
                return Poll::Ready(Over::Done);
            }
            if state.wire.outbox.len() > MOST_UNSENT {
                state.wait(cx);
                return state.poll_patience(written, &mut self.clock, cx);
            }
            match state.wire.poll_read_body(cx) {
                Poll::Ready(Ok(1..)) => {
                    let each = |opened| {
                        self.service.spawn((self.service.clone(), self.state.clone(), opened), exchange::exchange);
                    };
                    if let Err(over) = state.read(Instant::now(), each) {
                        return Poll::Ready(over);
                    }
                }
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Over::Lost),
                Poll::Pending => {
                    // From here on, whoever has something to say wakes this task.
                    state.wait(cx);
                    return state.poll_patience(written, &mut self.clock, cx);
                }
            }
        }
        cx.waker().wake_by_ref();
        // Who never pauses is held to every time-out all the same.
        state.poll_patience(written, &mut self.clock, cx)
    }

    /// Tells the caller why, and waits for him to hear it.
    async fn end(mut self, over: Over) {
        self.state.borrow_mut().abandon();
        let reason = match over {
            Over::Lost => return,
            Over::Done => None,
            Over::Wrong(reason) => Some(reason),
            Over::Flood(flood) => {
                self.service.flooded(flood);
                Some(Reason::ENHANCE_YOUR_CALM)
            }
        };
        if let Some(reason) = reason {
            let state = &mut *self.state.borrow_mut();
            state.say_go_away(state.latest(), reason);
        }
        // Who sends too much is not listened to for the sake of these words.
        let hear_out = reason.is_some_and(|reason| reason != Reason::ENHANCE_YOUR_CALM);
        let deadline = Instant::now() + LINGER;
        std::future::poll_fn(|cx| {
            let wire = &mut self.state.borrow_mut().wire;
            let closed = match wire.poll_write_out(cx) {
                Poll::Ready(Ok(())) => wire.poll_close(hear_out, cx).is_ready(),
                Poll::Ready(Err(_)) => true,
                Poll::Pending => false,
            };
            if closed || self.clock.is_past(deadline, cx) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// However its task ends, nobody waits for a connection that nobody serves.
impl<S> Drop for Session<S> {
    fn drop(&mut self) {
        if let Ok(mut state) = self.state.try_borrow_mut() {
            state.abandon();
        }
    }
}
