//! A caller's connection that may not dawdle: slow heads, idle connections and slow readers are cut at stated times
//! (hazard 13).
//!
//! hyper's own header time-out runs between requests too, which would cut idle connections after seconds; so the phases
//! are told apart here, at the only place that sees bytes arrive. Timers are armed late and moved rarely: a busy
//! connection touches none.

use crate::model::listener::FrontTimeouts;
use hyper::rt::ReadBufCursor;
use hyper_util::rt::TokioIo;
use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep_until};

/// What a connection is doing, shared between its socket and its requests.
pub struct Activity {
    timeouts: FrontTimeouts,
    /// Requests that are neither answered nor given up.
    running: Cell<u32>,
    reading: Cell<Reading>,
    /// HTTP/2 has frames between requests: only idleness is told there. And a caller who opens no window stops his streams
    /// without stopping the socket, so that their bodies are never asked for another frame and no write ever waits: only
    /// here can it be seen that nothing moves.
    multiplexed: bool,
    /// Running requests that wait for us or for the upstream; the others wait for the caller to take what there is.
    busy: Cell<u32>,
    /// Since when nothing was handed to the caller.
    handed: Cell<Instant>,
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
        let now = Instant::now();
        let reading = Cell::new(Reading::Head(now + timeouts.head));
        let (running, busy, handed) = (Cell::new(0), Cell::new(0), Cell::new(now));
        Rc::new(Activity { timeouts, running, reading, multiplexed, busy, handed })
    }

    /// A request's head is whole. Ends when the returned guard goes.
    pub fn request(self: &Rc<Activity>) -> Running {
        self.running.set(self.running.get() + 1);
        self.busy.set(self.busy.get() + 1);
        self.reading.set(Reading::Request);
        Running { activity: self.clone(), busy: true }
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
            Reading::Request if !self.multiplexed => None,
            Reading::Request if self.busy.get() > 0 => Some(Instant::now() + self.timeouts.body_idle),
            Reading::Request => Some(self.handed.get() + self.timeouts.body_idle),
        }
    }
}

/// A request is under way on this connection.
pub struct Running {
    activity: Rc<Activity>,
    busy: bool,
}

impl Running {
    /// A part of the reply was handed over: the next step is the caller's.
    pub fn handed_over(&mut self) {
        if self.activity.multiplexed {
            self.activity.handed.set(Instant::now());
            self.set_busy(false);
        }
    }

    /// There is nothing to hand over yet.
    pub fn waiting(&mut self) {
        self.set_busy(true);
    }

    fn set_busy(&mut self, busy: bool) {
        let others = self.activity.busy.get() - u32::from(self.busy);
        self.activity.busy.set(others + u32::from(busy));
        self.busy = busy;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.set_busy(false);
        let activity = &self.activity;
        let left = activity.running.get() - 1;
        activity.running.set(left);
        if left == 0 {
            activity.reading.set(Reading::Idle(Instant::now() + activity.timeouts.idle));
        }
    }
}

/// The socket as hyper sees it.
pub struct Guarded<S> {
    io: TokioIo<S>,
    activity: Rc<Activity>,
    read_timer: Pin<Box<Sleep>>,
    /// Since when the caller has taken nothing, while there is something to take.
    write_timer: Option<Pin<Box<Sleep>>>,
}

impl<S> Guarded<S> {
    pub fn new(stream: S, activity: Rc<Activity>) -> Guarded<S> {
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

impl<S: AsyncRead + Unpin> hyper::rt::Read for Guarded<S> {
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

impl<S: AsyncWrite + Unpin> hyper::rt::Write for Guarded<S> {
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
