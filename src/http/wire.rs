//! A connection that speaks HTTP: its stream, what came and was not read yet, what waits to be written.

use super::outbox::Outbox;
use crate::net::stream::Stream;
use bytes::{Bytes, BytesMut};
use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// Bytes that one read may bring.
const READ: usize = 16 * 1024;
/// Bytes that are dearer to copy than room for them is to ask for.
const MUCH: usize = 8 * 1024;
/// How long a caller who is still sending may go on unheard before the connection is closed, so that the reply reaches
/// him before a reset does.
pub const LINGER: Duration = Duration::from_secs(3);
/// Bytes a second that a caller must take, measured while he is waited for.
const SLOWEST_READER: u64 = 256;
/// Bytes that one read of a head may bring.
const HEAD: usize = 4 * 1024;

thread_local! {
    /// Where what a connection says arrives: one place for all of a core's, so that it is always in the cache. Room that each
    /// kept for itself would be cold whenever its turn came, and a thousand who wait would hold it for nothing.
    static LANDING: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into());
}

/// What a caller must have taken of a reply within `patience`, or he is waited for no longer.
pub fn least_taken(patience: Duration) -> u64 {
    SLOWEST_READER * patience.as_secs().max(1)
}

/// Either end of an HTTP/1 connection, or a caller's HTTP/2 connection.
pub struct Wire {
    stream: Stream,
    /// What came and was not read yet.
    pub inbox: BytesMut,
    pub outbox: Outbox,
    /// Bytes written so far.
    pub sent: u64,
    unflushed: bool,
    /// Bytes that the last read of a body brought: the next one may bring as many.
    brought: usize,
}

impl Wire {
    pub fn new(stream: Stream) -> Wire {
        Wire { stream, inbox: BytesMut::new(), outbox: Outbox::default(), sent: 0, unflushed: false, brought: 0 }
    }

    /// Reads once, a head's worth. `Ok(0)`: the peer sends no more.
    pub fn poll_read_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let read = self.poll_land(HEAD, cx);
        if read.is_pending() {
            self.rest();
        }
        read
    }

    /// Reads once, a body's worth. `Ok(0)`: the peer sends no more.
    pub fn poll_read_body(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let read = if self.brought < MUCH {
            self.poll_land(READ, cx)
        } else if self.stream.poll_read_ready(cx).is_ready() {
            // Read into the room where it stays, instead of being copied there.
            self.inbox.reserve(READ);
            pin!(self.stream.read_buf(&mut self.inbox)).poll(cx)
        } else {
            Poll::Pending
        };
        match read {
            Poll::Ready(Ok(brought)) => self.brought = brought,
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.rest(),
        }
        read
    }

    /// Reads into room that is not the connection's, and keeps what came.
    fn poll_land(&mut self, most: usize, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        LANDING.with_borrow_mut(|landing| {
            let mut landed = ReadBuf::new(&mut landing[..most]);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut landed))?;
            self.inbox.extend_from_slice(landed.filled());
            Poll::Ready(Ok(landed.filled().len()))
        })
    }

    /// Who waits with nothing read holds no room.
    pub fn rest(&mut self) {
        if self.inbox.is_empty() {
            self.inbox = BytesMut::new();
        }
    }

    /// Whether there is nothing to read, and may be later. What was there is lost: for a connection on which nothing was
    /// asked for.
    pub fn is_quiet(&mut self) -> bool {
        self.inbox.is_empty() && self.stream.is_quiet()
    }

    /// Writes until the outbox is empty, and through what TLS holds back.
    pub fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outbox.is_empty() {
            let stream = Pin::new(&mut self.stream);
            let written = ready!(match self.outbox.only() {
                Some(bytes) => stream.poll_write(cx, bytes),
                None => stream.poll_write_vectored(cx, &self.outbox.slices()),
            })?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outbox.advance(written);
            self.sent += written as u64;
            self.unflushed = true;
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Closes. To a caller who is still sending a close looks like a reset, which can overtake the last words: so he is
    /// told that nothing more comes and, with `hear_out`, heard out until he stops.
    pub fn poll_close(&mut self, hear_out: bool, cx: &mut Context<'_>) -> Poll<()> {
        // What would be said first, the kernel says by itself.
        if !hear_out && self.stream.ends_when_dropped() {
            return Poll::Ready(());
        }
        // TLS has a last word, for which there may be no room.
        ready!(self.poll_finish(cx).map(drop));
        if hear_out { self.poll_heard_out(cx) } else { Poll::Ready(()) }
    }

    /// Throws away what comes. Ready when nothing more will; a caller who sends without end is left to a deadline.
    fn poll_heard_out(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        /// Reads before others have their turn.
        const TURN: usize = 16;
        for _ in 0..TURN {
            self.inbox.clear();
            if !matches!(ready!(self.poll_read_body(cx)), Ok(1..)) {
                return Poll::Ready(());
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Says that nothing more will be written.
    pub fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    /// Whether the connection, if it ends now, ends so that nobody takes what was sent for all there is.
    pub fn reset_when_dropped(&self, reset: bool) {
        self.stream.reset_when_dropped(reset);
    }

    /// The stream, and what was read of it beyond the message: from here on it speaks something else.
    pub fn into_parts(self) -> (Stream, BytesMut) {
        (self.stream, self.inbox)
    }
}

/// Takes the first `count` of what was read. With the last of it goes its room, which is the next reader's as soon as the
/// message is done with.
pub fn taken(inbox: &mut BytesMut, count: usize) -> Bytes {
    if count == inbox.len() { std::mem::take(inbox).freeze() } else { inbox.split_to(count).freeze() }
}
