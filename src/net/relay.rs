//! Two streams, each other's ends: what comes from one goes to the other, no more held than one read.

use super::stream::Stream;
use bytes::{Buf, BytesMut};
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncReadExt, AsyncWrite};

/// Most bytes held in each direction.
const ROOM: usize = 16 * 1024;

/// One direction's bytes.
#[derive(Default)]
struct Way {
    held: BytesMut,
    bytes: u64,
    unflushed: bool,
    ended: bool,
    finished: bool,
}

/// A connection between two streams.
pub struct Relay {
    caller: Stream,
    upstream: Stream,
    up: Way,
    down: Way,
}

impl Relay {
    /// Each side with what was read from it already.
    pub fn new(caller: (Stream, BytesMut), upstream: (Stream, BytesMut)) -> Relay {
        let way = |held| Way { held, ..Way::default() };
        Relay { caller: caller.0, upstream: upstream.0, up: way(caller.1), down: way(upstream.1) }
    }

    /// Bytes passed on so far: from the caller, and from the upstream.
    pub fn bytes(&self) -> (u64, u64) {
        (self.up.bytes, self.down.bytes)
    }

    /// Passes on what there is. Ready when both sides have ended, or one has failed.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let up = self.up.poll(&mut self.caller, &mut self.upstream, cx)?;
        let down = self.down.poll(&mut self.upstream, &mut self.caller, cx)?;
        if up.is_ready() && down.is_ready() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

impl Way {
    fn poll(&mut self, from: &mut Stream, to: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while !self.held.is_empty() {
                let written = ready!(Pin::new(&mut *to).poll_write(cx, &self.held))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.held.advance(written);
                self.bytes += written as u64;
                self.unflushed = true;
            }
            if self.unflushed {
                ready!(Pin::new(&mut *to).poll_flush(cx))?;
                self.unflushed = false;
            }
            if self.finished {
                return Poll::Ready(Ok(()));
            }
            if self.ended {
                // The other direction goes on until it ends as well.
                ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                self.finished = true;
                continue;
            }
            if self.held.capacity() < ROOM {
                self.held.reserve(ROOM);
            }
            let read = pin!(from.read_buf(&mut self.held)).poll(cx);
            if read.is_pending() {
                // A quiet tunnel holds no room.
                self.held = BytesMut::new();
            }
            self.ended = ready!(read)? == 0;
        }
    }
}
