//! What is left when a reply has gone: the rest of its request, and the end of the connection.

use super::chunks::Decoded;
use super::incoming::Shared;
use crate::http::body::CutOff;
use crate::net::clock::Clock;
use std::cell::RefCell;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Instant;

/// What is left of a body after its reply is read and thrown away up to here; beyond it the connection is closed.
pub const DRAINED: u64 = 64 * 1024;
/// How long a caller who is still sending may go on unheard before the connection is closed, so that the reply reaches
/// him before a reset does.
pub const LINGER: Duration = Duration::from_secs(3);

/// Reads what is left of the present body, if it is little. True: the next request can be read.
pub async fn drained(shared: &RefCell<Shared>, clock: &mut Clock) -> bool {
    if shared.borrow().body.is_done() {
        return true;
    }
    let deadline = Instant::now() + LINGER;
    let mut left = DRAINED;
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

/// Closes. To a caller who is still sending a close looks like a reset, which can overtake the reply: so he is told that
/// nothing more comes, and heard out for a while.
pub async fn close(shared: &RefCell<Shared>, clock: &mut Clock) {
    let deadline = Instant::now() + LINGER;
    let sending = shared.borrow().may_still_send();
    std::future::poll_fn(|cx| {
        let shared = &mut *shared.borrow_mut();
        // TLS has a last word, for which there may be no room.
        let finished = shared.wire.poll_finish(cx).is_ready();
        let heard_out = finished && (!sending || poll_heard_out(shared, cx).is_ready());
        if heard_out || clock.is_past(deadline, cx) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Throws away what comes. Ready when nothing more will; a caller who sends without end is left to the deadline.
fn poll_heard_out(shared: &mut Shared, cx: &mut Context<'_>) -> Poll<()> {
    /// Reads before others have their turn.
    const TURN: usize = 16;
    for _ in 0..TURN {
        shared.wire.inbox.clear();
        if !matches!(ready!(shared.wire.poll_read_body(cx)), Ok(1..)) {
            return Poll::Ready(());
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}
