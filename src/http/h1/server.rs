//! A caller's HTTP/1 connection: heads in, replies out, one after the other, with a stated time for everything that the
//! caller could draw out (hazard 13).

use super::arriving::{Arrived, Arriving, unreadable};
use super::chunks::Decoder;
use super::closing;
use super::framing::{self, Framing};
use super::head::Limits;
use super::incoming::{Early, Incoming, Shared};
use super::reply::{self, Asked, Sending};
use super::sender::Sender;
use crate::http::body::CutOff;
use crate::http::wire::Wire;
use crate::model::Denial;
use crate::model::listener::FrontTimeouts;
use crate::model::{Reply, RequestHead};
use crate::net::clock::Clock;
use crate::net::stop::Hearer;
use crate::net::stream::Stream;
use bytes::{Bytes, BytesMut};
use http::header::EXPECT;
use http::{StatusCode, Version};
use http_body::Body;
use std::cell::RefCell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Instant;

/// What answers requests.
pub trait Service {
    type Body: ReplyBody;

    /// Answers one request. It is dropped if the caller leaves.
    fn call(
        &self,
        head: &mut RequestHead,
        body: Option<Incoming>,
        early: Early,
    ) -> impl Future<Output = Reply<Self::Body>>;
}

/// A reply's body.
pub trait ReplyBody: Body<Data = Bytes, Error = CutOff> + Unpin {
    /// All of it has gone: when that was seen.
    fn gone(self) -> Instant;

    /// After a 101: takes the caller's side over, with what was read of it already, until both have had enough.
    fn take_over(self, caller: Stream, read: BytesMut) -> Option<Pin<Box<dyn Future<Output = ()>>>>;
}

/// What a connection may be, and how long it may take.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    pub limits: Limits,
    pub timeouts: FrontTimeouts,
}

/// When stopping, a connection that was used just now is kept for as long: its caller's next request may be on its way.
const LAST_CALL: Duration = Duration::from_secs(1);

/// Serves `stream` until one side has had enough, or until `stop` says so and the request under way is answered.
pub async fn serve<S: Service>(stream: Stream, rules: Rules, service: &S, stop: Hearer) {
    let shared = Rc::new(RefCell::new(Shared::new(Wire::new(stream))));
    let (head, clock) = (RequestHead::default(), Clock::new(rules.timeouts.head));
    let mut session = Session { shared, rules, head, stop, clock, since: Instant::now() };
    let mut first = true;
    loop {
        let arrived = session.next_head(first).await;
        first = false;
        match session.exchange(arrived, service).await {
            Then::Next => {}
            Then::Leave => return,
            Then::Close => return closing::close(&session.shared, &mut session.clock).await,
            Then::HandOver(body) => return session.hand_over(body).await,
        }
    }
}

/// One connection's state between and during its requests.
struct Session {
    shared: Rc<RefCell<Shared>>,
    rules: Rules,
    /// The present request's.
    head: RequestHead,
    stop: Hearer,
    clock: Clock,
    /// Since when the next request is waited for.
    since: Instant,
}

/// What becomes of the connection.
enum Then<B> {
    Next,
    /// Nobody is there any more, or must be told that nothing was complete.
    Leave,
    Close,
    HandOver(B),
}

impl Session {
    /// Waits for a whole head.
    async fn next_head(&mut self, first: bool) -> Arrived {
        let Session { shared, rules, head, clock, stop, since } = self;
        let mut arriving = Arriving::default();
        let mut patience = if first { rules.timeouts.head } else { rules.timeouts.idle };
        std::future::poll_fn(|cx| {
            let wire = &mut shared.borrow_mut().wire;
            if let Some(arrived) = arriving.read(wire, rules.limits, head, cx) {
                return Poll::Ready(arrived);
            }
            if let Some(begun) = arriving.begun {
                return match clock.is_past(begun + rules.timeouts.head, cx) {
                    false => Poll::Pending,
                    true => Poll::Ready(unreadable(Denial::RequestTimeout, head)),
                };
            }
            // Who was accepted is owed one answer.
            if stop.poll(cx).is_ready() && !first {
                patience = patience.min(LAST_CALL);
            }
            if clock.is_past(*since + patience, cx) { Poll::Ready(Arrived::Nobody) } else { Poll::Pending }
        })
        .await
    }

    /// Has a request answered, and sends the reply.
    async fn exchange<S: Service>(&mut self, arrived: Arrived, service: &S) -> Then<S::Body> {
        if let Arrived::Nobody = arrived {
            return Then::Close;
        }
        let framing = framing::of_request(self.head.version, &self.head.headers).unwrap_or_else(|denial| {
            self.head.flaw.get_or_insert_with(|| Box::new(denial));
            Framing::Empty
        });
        let mut asked = Asked::of(&self.head);
        if self.head.flaw.is_some() {
            // Where its body would end, and the next request begin, nobody knows.
            asked.keep = false;
            self.shared.borrow_mut().broken = true;
        }
        let body = self.begin(framing);
        let early = Early::new(self.shared.clone(), self.head.version);
        let Session { shared, rules, head, .. } = self;
        let reply = answered(shared, rules.limits, pin!(service.call(head, body, early))).await;
        match reply {
            Some(reply) => self.reply(reply, asked).await,
            None => Then::Leave,
        }
    }

    /// Prepares for a request's body.
    fn begin(&self, framing: Framing) -> Option<Incoming> {
        let mut shared = self.shared.borrow_mut();
        shared.body = Decoder::new(framing);
        let has_body = !shared.body.is_done();
        shared.continue_wanted = has_body
            && self.head.version == Version::HTTP_11
            && reply::names(&self.head.headers, &EXPECT, "100-continue");
        has_body.then(|| Incoming::new(self.shared.clone()))
    }

    /// Sends a reply.
    async fn reply<B: ReplyBody>(&mut self, mut reply: Reply<B>, asked: Asked) -> Then<B> {
        let mut keep = asked.keep && !self.stop.is_told() && self.shared.borrow().can_end(closing::DRAINED);
        let hint = reply.body.size_hint();
        let sending = {
            let shared = &mut *self.shared.borrow_mut();
            // From here on it would stand inside the reply.
            shared.continue_wanted = false;
            reply::head(shared.wire.outbox.gather(), &reply, &hint, &asked, &mut keep)
        };
        let Session { shared, clock, rules, .. } = self;
        let patience = rules.timeouts.body_idle;
        let mut sender = Sender { shared, clock, patience, sending, ended: reply.body.is_end_stream(), slow: None };
        if sender.ended && sender.end().is_err() {
            return Then::Leave;
        }
        let watch = |shared: &mut Shared, cx: &mut Context<'_>| poll_gone(shared, rules.limits, cx);
        // Whatever comes in between, our own end as well, must not look like the body's.
        let until_close = sending == Sending::UntilClose;
        if until_close {
            shared.borrow().wire.reset_when_dropped(true);
        }
        if std::future::poll_fn(|cx| sender.poll(&mut reply.body, watch, cx)).await.is_err() {
            return Then::Leave;
        }
        if until_close {
            shared.borrow().wire.reset_when_dropped(false);
        }
        if reply.status == StatusCode::SWITCHING_PROTOCOLS {
            return Then::HandOver(reply.body);
        }
        self.since = reply.body.gone();
        // Its room is warm for whoever comes next.
        self.head = RequestHead::default();
        if keep && closing::drained(&self.shared, &mut self.clock, &mut self.since).await {
            Then::Next
        } else {
            Then::Close
        }
    }

    /// Gives the connection to what follows a 101.
    async fn hand_over<B: ReplyBody>(self, body: B) {
        let Ok(shared) = Rc::try_unwrap(self.shared) else { return };
        let (stream, read) = shared.into_inner().wire.into_parts();
        if let Some(tunnel) = body.take_over(stream, read) {
            tunnel.await;
        }
    }
}

/// Waits for the reply while watching the caller. `None`: he has left.
async fn answered<R>(
    shared: &RefCell<Shared>,
    limits: Limits,
    mut call: Pin<&mut impl Future<Output = R>>,
) -> Option<R> {
    std::future::poll_fn(|cx| {
        if let Poll::Ready(reply) = call.as_mut().poll(cx) {
            return Poll::Ready(Some(reply));
        }
        let shared = &mut *shared.borrow_mut();
        if let Poll::Ready(Err(_)) = shared.wire.poll_write_out(cx) {
            return Poll::Ready(None);
        }
        poll_gone(shared, limits, cx).map(|()| None)
    })
    .await
}

/// Whether the caller has left, as far as that can be seen without losing what he sends next.
fn poll_gone(shared: &mut Shared, limits: Limits, cx: &mut Context<'_>) -> Poll<()> {
    // A body is read by who wants it.
    if !shared.body.is_done() {
        return Poll::Pending;
    }
    while shared.wire.inbox.len() <= limits.head {
        match ready!(shared.wire.poll_read_head(cx)) {
            Ok(1..) => {}
            Ok(0) | Err(_) => return Poll::Ready(()),
        }
    }
    Poll::Pending
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
