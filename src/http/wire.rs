//! A connection that speaks HTTP: its stream, what came and was not read yet, what waits to be written.

use super::outbox::Outbox;
use crate::net::stream::Stream;
use bytes::BytesMut;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// Bytes that one read may bring.
const READ: usize = 16 * 1024;
/// How long a caller who is still sending may go on unheard before the connection is closed, so that the reply reaches
/// him before a reset does.
pub const LINGER: Duration = Duration::from_secs(3);
/// Bytes a second that a caller must take, measured while he is waited for.
const SLOWEST_READER: u64 = 256;
/// Room for a head; what a connection keeps from one request to the next.
const HEAD_ROOM: usize = 4 * 1024;

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
}

impl Wire {
    pub fn new(stream: Stream) -> Wire {
        Wire { stream, inbox: BytesMut::new(), outbox: Outbox::default(), sent: 0, unflushed: false }
    }

    /// Reads once, a head's worth. `Ok(0)`: the peer sends no more.
    pub fn poll_read_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.poll_read(cx, HEAD_ROOM)
    }

    /// Reads once, a body's worth. `Ok(0)`: the peer sends no more.
    pub fn poll_read_body(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.poll_read(cx, READ)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<io::Result<usize>> {
        if self.inbox.capacity() - self.inbox.len() < room / 2 {
            self.inbox.reserve(room);
        }
        pin!(self.stream.read_buf(&mut self.inbox)).poll(cx)
    }

    /// Ready if there is anything to read, or nothing ever will be. What was there is lost: for a connection on which
    /// nothing was asked for.
    pub fn poll_unasked(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut byte = [0];
        Pin::new(&mut self.stream).poll_read(cx, &mut ReadBuf::new(&mut byte)).map(drop)
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

    /// Gives back the room that a large message needed, before a wait that may be long.
    pub fn rest(&mut self) {
        if self.inbox.is_empty() && self.inbox.capacity() > HEAD_ROOM {
            self.inbox = BytesMut::new();
        }
    }

    /// Gives back all room that holds nothing: whoever is idle for long is one of many.
    pub fn give_back(&mut self) {
        if self.inbox.is_empty() {
            self.inbox = BytesMut::new();
        }
        if self.outbox.is_empty() {
            self.outbox = Outbox::default();
        }
    }

    /// The stream, and what was read of it beyond the message: from here on it speaks something else.
    pub fn into_parts(self) -> (Stream, BytesMut) {
        (self.stream, self.inbox)
    }
}
