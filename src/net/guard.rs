//! A caller's connection that may not dawdle: slow heads, idle connections and slow readers are cut at stated times
//! (hazard 13).
//!
//! hyper's own header time-out runs between requests too, which would cut idle connections after seconds; so the phases
//! are told apart here, at the only place that sees bytes arrive. Timers are armed late and moved rarely: a busy
//! connection touches none.

use super::stream::Stream;
use crate::model::listener::FrontTimeouts;
use hyper::rt::ReadBufCursor;
use hyper_util::rt::TokioIo;
use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::time::{Instant, Sleep, sleep_until};

/// What a connection is doing, shared between its socket and its requests.
pub struct Activity {
    timeouts: FrontTimeouts,
    /// Requests that are neither answered nor given up.
    running: Cell<u32>,
    reading: Cell<Reading>,
    /// HTTP/2 has frames between requests: only idleness is told there.
    multiplexed: bool,
}

#[derive(Clone, Copy)]
enum Reading {
    /// Waiting for a first byte until then.
    Idle(Instant),
    /// In the middle of a head until then.
    Head(Instant),
    /// A request runs and keeps its own time.
    Request,
}

impl Activity {
    pub fn new(timeouts: FrontTimeouts, multiplexed: bool) -> Rc<Activity> {
        let reading = Cell::new(Reading::Head(Instant::now() + timeouts.head));
        Rc::new(Activity { timeouts, running: Cell::new(0), reading, multiplexed })
    }

    /// A request's head is whole. Ends when the returned guard goes.
    pub fn request(self: &Rc<Activity>) -> Running {
        self.running.set(self.running.get() + 1);
        self.reading.set(Reading::Request);
        Running(self.clone())
    }

    fn bytes_arrived(&self) {
        if let Reading::Idle(_) = self.reading.get()
            && !self.multiplexed
        {
            self.reading.set(Reading::Head(Instant::now() + self.timeouts.head));
        }
    }

    fn read_deadline(&self) -> Option<Instant> {
        match self.reading.get() {
            Reading::Idle(at) | Reading::Head(at) => Some(at),
            Reading::Request => None,
        }
    }
}

/// A request is under way on this connection.
pub struct Running(Rc<Activity>);

impl Drop for Running {
    fn drop(&mut self) {
        let left = self.0.running.get() - 1;
        self.0.running.set(left);
        if left == 0 {
            self.0.reading.set(Reading::Idle(Instant::now() + self.0.timeouts.idle));
        }
    }
}

/// The socket as hyper sees it.
pub struct Guarded {
    io: TokioIo<Stream>,
    activity: Rc<Activity>,
    read_timer: Pin<Box<Sleep>>,
    /// Since when the caller has taken nothing, while there is something to take.
    write_timer: Option<Pin<Box<Sleep>>>,
}

impl Guarded {
    pub fn new(stream: Stream, activity: Rc<Activity>) -> Guarded {
        let first = activity.read_deadline().unwrap_or_else(Instant::now);
        Guarded { io: TokioIo::new(stream), activity, read_timer: Box::pin(sleep_until(first)), write_timer: None }
    }

    /// `Err` once the caller has been waited for long enough.
    fn check_reader(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(deadline) = self.activity.read_deadline() else { return Poll::Pending };
        if deadline < self.read_timer.deadline() {
            self.read_timer.as_mut().reset(deadline);
        }
        while self.read_timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.read_timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    /// Watches one write: done, or too long without progress.
    fn written<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.write_timer = None;
            return result;
        }
        let limit = self.activity.timeouts.body_idle;
        let timer = self.write_timer.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + limit)));
        match timer.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl hyper::rt::Read for Guarded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        match Pin::new(&mut this.io).poll_read(cx, buf) {
            Poll::Ready(result) => {
                this.activity.bytes_arrived();
                Poll::Ready(result)
            }
            Poll::Pending => this.check_reader(cx),
        }
    }
}

impl hyper::rt::Write for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write(cx, buf);
        self.written(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.written(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.io).poll_flush(cx);
        self.written(cx, result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
