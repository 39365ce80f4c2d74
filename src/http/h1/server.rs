//! A caller's HTTP/1 connection: heads in, replies out, one after the other, with a stated time for everything that the
//! caller could draw out (hazard 13).

use super::chunks::{Decoded, Decoder};
use super::framing::{self, Framing};
use super::head::{self, Broken, Flaw, Limits, Scanner};
use super::incoming::{Early, Incoming, Shared};
use super::reply::{self, Asked, Sending};
use super::sender::Sender;
use super::wire::Wire;
use crate::http::body::CutOff;
use crate::model::Denial;
use crate::model::listener::FrontTimeouts;
use crate::net::clock::Clock;
use crate::net::stream::Stream;
use bytes::{Buf, Bytes, BytesMut};
use http::header::EXPECT;
use http::request::Parts;
use http::{Request, Response, StatusCode, Version};
use http_body::Body;
use std::cell::RefCell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// What answers requests.
pub trait Service {
    type Body: ReplyBody;

    /// Answers one request. It is dropped if the caller leaves. A head that could not be read comes with its [`Flawed`]
    /// among the extensions.
    fn call(&self, request: Request<Option<Incoming>>, early: Early) -> impl Future<Output = Response<Self::Body>>;
}

/// A reply's body.
pub trait ReplyBody: Body<Data = Bytes, Error = CutOff> + Unpin {
    /// After a 101: takes the caller's side over, with what was read of it already, until both have had enough.
    fn take_over(self, caller: Stream, read: BytesMut) -> Option<Pin<Box<dyn Future<Output = ()>>>>;
}

/// Why a head is refused, for [`Service::call`] to say so.
#[derive(Debug, Clone)]
pub struct Flawed(pub Denial);

/// What a connection may be, and how long it may take.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    pub limits: Limits,
    pub timeouts: FrontTimeouts,
}

/// What is left of a body after its reply is read and thrown away up to here; beyond it the connection is closed.
const DRAINED: u64 = 64 * 1024;
/// How long a caller who is still sending may go on unheard before the connection is closed, so that the reply reaches
/// him before a reset does.
const LINGER: Duration = Duration::from_secs(3);
/// When stopping, a connection that was used just now is kept for as long: its caller's next request may be on its way.
const LAST_CALL: Duration = Duration::from_secs(1);

/// Serves `stream` until one side has had enough, or until `stop` says so and the request under way is answered.
pub async fn serve<S: Service>(stream: Stream, rules: Rules, service: &S, stop: watch::Receiver<bool>) {
    let shared = Rc::new(RefCell::new(Shared::new(Wire::new(stream))));
    let mut heard = stop.clone();
    let mut stopped = pin!(async move { heard.wait_for(|stop| *stop).await.is_ok() });
    let mut session = Session { shared, rules, stop, stopped: false, clock: Clock::new(rules.timeouts.head) };
    let mut first = true;
    loop {
        let arrived = session.next_head(first, stopped.as_mut()).await;
        first = false;
        match session.exchange(arrived, service).await {
            Then::Next => {}
            Then::Leave => return,
            Then::Close => return session.close().await,
            Then::HandOver(body) => return session.hand_over(body).await,
        }
    }
}

/// One connection's state between and during its requests.
struct Session {
    shared: Rc<RefCell<Shared>>,
    rules: Rules,
    stop: watch::Receiver<bool>,
    stopped: bool,
    clock: Clock,
}

#[expect(clippy::large_enum_variant, reason = "moved once, and never kept")]
enum Arrived {
    Request(Parts),
    Broken(Broken),
    Nobody,
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
    async fn next_head(&mut self, first: bool, mut stopped: Pin<&mut impl Future<Output = bool>>) -> Arrived {
        let Session { shared, rules, clock, stopped: told, .. } = self;
        let since = Instant::now();
        let mut arriving = Arriving::default();
        let mut patience = if first { rules.timeouts.head } else { rules.timeouts.idle };
        std::future::poll_fn(|cx| {
            let wire = &mut shared.borrow_mut().wire;
            if let Some(arrived) = arriving.read(wire, rules.limits, cx) {
                return Poll::Ready(arrived);
            }
            if let Some(begun) = arriving.begun {
                return match clock.is_past(begun + rules.timeouts.head, cx) {
                    false => Poll::Pending,
                    true => Poll::Ready(Arrived::Broken(head::unreadable(Denial::RequestTimeout))),
                };
            }
            wire.rest();
            *told = *told || stopped.as_mut().poll(cx).is_ready();
            // Who was accepted is owed one answer.
            if *told && !first {
                patience = patience.min(LAST_CALL);
            }
            if clock.is_past(since + patience, cx) { Poll::Ready(Arrived::Nobody) } else { Poll::Pending }
        })
        .await
    }

    /// Has a request answered, and sends the reply.
    async fn exchange<S: Service>(&mut self, arrived: Arrived, service: &S) -> Then<S::Body> {
        let (mut parts, mut flaw) = match arrived {
            Arrived::Nobody => return Then::Close,
            Arrived::Request(parts) => (parts, None),
            Arrived::Broken(broken) => (broken.0, Some(broken.1)),
        };
        let framing = framing::of_request(parts.version, &parts.headers).unwrap_or_else(|denial| {
            flaw.get_or_insert(denial);
            Framing::Empty
        });
        let mut asked = Asked::of(&parts);
        if let Some(denial) = flaw {
            // Where its body would end, and the next request begin, nobody knows.
            asked.keep = false;
            self.shared.borrow_mut().broken = true;
            parts.extensions.insert(Flawed(denial));
        }
        let body = self.begin(framing, &parts);
        let early = Early::new(self.shared.clone(), parts.version);
        let reply = self.answered(pin!(service.call(Request::from_parts(parts, body), early))).await;
        match reply {
            Some(reply) => self.reply(reply, asked).await,
            None => Then::Leave,
        }
    }

    /// Prepares for a request's body.
    fn begin(&self, framing: Framing, parts: &Parts) -> Option<Incoming> {
        let mut shared = self.shared.borrow_mut();
        shared.body = Decoder::new(framing);
        let has_body = !shared.body.is_done();
        shared.continue_wanted = has_body
            && parts.version == Version::HTTP_11
            && reply::names(&parts.headers, EXPECT.as_str(), "100-continue");
        has_body.then(|| Incoming::new(self.shared.clone()))
    }

    /// Waits for the reply while watching the caller. `None`: he has left.
    async fn answered<R>(&self, mut call: Pin<&mut impl Future<Output = R>>) -> Option<R> {
        std::future::poll_fn(|cx| {
            if let Poll::Ready(reply) = call.as_mut().poll(cx) {
                return Poll::Ready(Some(reply));
            }
            let shared = &mut *self.shared.borrow_mut();
            if let Poll::Ready(Err(_)) = shared.wire.poll_write_out(cx) {
                return Poll::Ready(None);
            }
            poll_gone(shared, self.rules.limits, cx).map(|()| None)
        })
        .await
    }

    /// Sends a reply.
    async fn reply<B: ReplyBody>(&mut self, reply: Response<B>, asked: Asked) -> Then<B> {
        let (head, mut body) = reply.into_parts();
        let mut keep = asked.keep && !*self.stop.borrow() && self.shared.borrow().can_end(DRAINED);
        let hint = body.size_hint();
        let sending = {
            let shared = &mut *self.shared.borrow_mut();
            // From here on it would stand inside the reply.
            shared.continue_wanted = false;
            reply::head(shared.wire.outbox.gather(), &head, &hint, &asked, &mut keep)
        };
        let Session { shared, clock, rules, .. } = self;
        let patience = rules.timeouts.body_idle;
        let mut sender = Sender { shared, clock, patience, sending, ended: body.is_end_stream(), slow: None };
        if sender.ended && sender.end().is_err() {
            return Then::Leave;
        }
        let watch = |shared: &mut Shared, cx: &mut Context<'_>| poll_gone(shared, rules.limits, cx);
        if std::future::poll_fn(|cx| sender.poll(&mut body, watch, cx)).await.is_err() {
            if sending == Sending::UntilClose {
                shared.borrow().wire.reset_when_dropped();
            }
            return Then::Leave;
        }
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Then::HandOver(body);
        }
        drop(body);
        if keep && self.drained().await { Then::Next } else { Then::Close }
    }

    /// Reads what is left of the present body, if it is little. True: the next request can be read.
    async fn drained(&mut self) -> bool {
        if self.shared.borrow().body.is_done() {
            return true;
        }
        let deadline = Instant::now() + LINGER;
        let mut left = DRAINED;
        let Session { shared, clock, .. } = self;
        std::future::poll_fn(|cx| {
            loop {
                match shared.borrow_mut().poll_body(cx) {
                    Poll::Ready(Ok(Decoded::End)) => return Poll::Ready(true),
                    Poll::Ready(Ok(Decoded::Data(part))) => match left.checked_sub(part.len() as u64) {
                        Some(rest) => left = rest,
                        None => return Poll::Ready(false),
                    },
                    Poll::Ready(Ok(_)) => {}
                    Poll::Ready(Err(CutOff)) => return Poll::Ready(false),
                    Poll::Pending if clock.is_past(deadline, cx) => return Poll::Ready(false),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    }

    /// Closes. To a caller who is still sending a close looks like a reset, which can overtake the reply: so he is told
    /// that nothing more comes, and heard out for a while.
    async fn close(&mut self) {
        let deadline = Instant::now() + LINGER;
        let Session { shared, clock, .. } = self;
        let sending = {
            let shared = shared.borrow();
            shared.broken || !shared.body.is_done() || !shared.wire.inbox.is_empty()
        };
        std::future::poll_fn(|cx| {
            let wire = &mut shared.borrow_mut().wire;
            // TLS has a last word, for which there may be no room.
            if wire.poll_finish(cx).is_pending() {
                return if clock.is_past(deadline, cx) { Poll::Ready(()) } else { Poll::Pending };
            }
            if !sending {
                return Poll::Ready(());
            }
            loop {
                wire.inbox.clear();
                match wire.poll_read_body(cx) {
                    Poll::Ready(Ok(1..)) if !clock.is_past(deadline, cx) => {}
                    Poll::Pending if !clock.is_past(deadline, cx) => return Poll::Pending,
                    _ => return Poll::Ready(()),
                }
            }
        })
        .await;
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

/// A head on its way in.
#[derive(Default)]
struct Arriving {
    scanner: Scanner,
    /// When its first byte came.
    begun: Option<Instant>,
    /// One empty line before it was skipped.
    skipped: bool,
}

impl Arriving {
    /// Reads until the head is whole, or something else is clear. `None`: the caller has to be waited for.
    fn read(&mut self, wire: &mut Wire, limits: Limits, cx: &mut Context<'_>) -> Option<Arrived> {
        loop {
            // Some clients append an empty line to a request (RFC 9112, section 2.2); it begins none.
            if !self.skipped && wire.inbox.starts_with(b"\r\n") {
                wire.inbox.advance(2);
                *self = Arriving { skipped: true, ..Arriving::default() };
            }
            if !wire.inbox.is_empty() {
                self.begun.get_or_insert_with(Instant::now);
                match self.scanner.scan(&wire.inbox, limits) {
                    Ok(None) => {}
                    Ok(Some(end)) => {
                        let head = wire.inbox.split_to(end).freeze();
                        return Some(head::request(&head).map_or_else(Arrived::Broken, Arrived::Request));
                    }
                    Err(flaw) => return Some(Arrived::Broken(head::unreadable(refusal(flaw, limits)))),
                }
            }
            match wire.poll_read_head(cx) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0)) if self.begun.is_some() => {
                    let broke_off = Denial::BadRequest("the connection ended within a head");
                    return Some(Arrived::Broken(head::unreadable(broke_off)));
                }
                Poll::Ready(_) => return Some(Arrived::Nobody),
                Poll::Pending => return None,
            }
        }
    }
}

fn refusal(flaw: Flaw, limits: Limits) -> Denial {
    match flaw {
        Flaw::BareLineFeed => Denial::BadRequest("a line of the head does not end in CRLF"),
        Flaw::LineTooLong => Denial::UriTooLong { limit: limits.uri as u64 },
        Flaw::TooLong => Denial::HeadTooLarge("more bytes than max_head"),
    }
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
