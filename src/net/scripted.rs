//! A peer that does what a script says: for tests, and for whoever looks for bytes that upset us.

use bytes::{Buf, Bytes};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What comes after the last piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    Close,
    Fail,
}

/// The other end of a connection.
pub struct Scripted {
    pieces: VecDeque<Bytes>,
    then: Then,
    written: Rc<RefCell<Vec<u8>>>,
    /// Bytes that one write takes.
    takes: usize,
    /// Every other attempt has to be made again.
    pauses: bool,
    paused: bool,
    /// There is no room for a last word.
    full: bool,
    /// Pieces that have gone.
    said: usize,
    /// What must have been written before another piece comes, and who waits for that.
    held: Option<(Heard, Option<Waker>)>,
}

/// Whether what was written is enough for the next piece, after so many.
type Heard = fn(usize, &[u8]) -> bool;

impl Scripted {
    /// Each of `pieces` is what one read brings, at most. What is written can be looked at.
    pub fn new(pieces: impl IntoIterator<Item = Bytes>, then: Then) -> (Scripted, Rc<RefCell<Vec<u8>>>) {
        let written = Rc::<RefCell<Vec<u8>>>::default();
        let pieces = pieces.into_iter().collect();
        let scripted = Scripted {
            pieces,
            then,
            written: written.clone(),
            takes: usize::MAX,
            pauses: false,
            paused: false,
            full: false,
            said: 0,
            held: None,
        };
        (scripted, written)
    }

    /// Takes at most so many bytes in one write, and lets every other attempt wait.
    pub fn slow(self, takes: usize) -> Scripted {
        Scripted { takes: takes.max(1), pauses: true, ..self }
    }

    /// Says each piece when it has heard enough.
    pub fn until(self, heard: Heard) -> Scripted {
        Scripted { held: Some((heard, None)), ..self }
    }

    /// Whether the next piece has to wait.
    fn holds_back(&mut self, cx: &mut Context<'_>) -> bool {
        let Some((heard, waiting)) = &mut self.held else { return false };
        if heard(self.said, &self.written.borrow()) {
            return false;
        }
        *waiting = Some(cx.waker().clone());
        true
    }

    /// Never takes a last word.
    pub fn full(self) -> Scripted {
        Scripted { full: true, ..self }
    }

    fn pause(&mut self, cx: &mut Context<'_>) -> bool {
        self.paused = self.pauses && !self.paused;
        if self.paused {
            cx.waker().wake_by_ref();
        }
        self.paused
    }
}

impl AsyncRead for Scripted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.pause(cx) {
            return Poll::Pending;
        }
        if self.holds_back(cx) {
            return Poll::Pending;
        }
        let then = self.then;
        let Some(piece) = self.pieces.front_mut() else {
            return Poll::Ready(match then {
                Then::Close => Ok(()),
                Then::Fail => Err(io::ErrorKind::ConnectionReset.into()),
            });
        };
        let some = piece.len().min(buf.remaining());
        buf.put_slice(&piece[..some]);
        piece.advance(some);
        if piece.is_empty() {
            self.pieces.pop_front();
            self.said += 1;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.pause(cx) {
            return Poll::Pending;
        }
        let some = buf.len().min(self.takes);
        self.written.borrow_mut().extend_from_slice(&buf[..some]);
        if let Some(waiting) = self.held.as_mut().and_then(|(_, waiting)| waiting.take()) {
            waiting.wake();
        }
        Poll::Ready(Ok(some))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.full { Poll::Pending } else { Poll::Ready(Ok(())) }
    }
}
