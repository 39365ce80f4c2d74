//! What is left when a reply has gone: the rest of its request, and the end of the connection.

use super::chunks::Decoded;
use super::incoming::Shared;
use crate::http::body::CutOff;
use crate::http::wire::LINGER;
use crate::net::clock::Clock;
use std::cell::RefCell;
use std::task::Poll;
use tokio::time::Instant;

/// What is left of a body after its reply is read and thrown away up to here; beyond it the connection is closed.
pub const DRAINED: u64 = 64 * 1024;

/// Reads what is left of the present body, if it is little. True: the next request can be read, which is waited for `since`
/// then.
pub async fn drained(shared: &RefCell<Shared>, clock: &mut Clock, since: &mut Instant) -> bool {
    if shared.borrow().body.is_done() {
        return true;
    }
    let deadline = Instant::now() + LINGER;
    let mut left = DRAINED;
    let drained = std::future::poll_fn(|cx| {
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
    });
    let whole = drained.await;
    *since = Instant::now();
    whole
}

/// Closes, once the caller has heard the reply.
pub async fn close(shared: &RefCell<Shared>, clock: &mut Clock) {
    let deadline = Instant::now() + LINGER;
    let sending = shared.borrow().may_still_send();
    std::future::poll_fn(|cx| {
        let closed = shared.borrow_mut().wire.poll_close(sending, cx).is_ready();
        if closed || clock.is_past(deadline, cx) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
