//! An HTTP/2 connection whose caller may not dawdle: idle connections, slow readers and callers who open no window are
//! cut at stated times (hazard 13). HTTP/1 keeps its own time (`http/h1/server.rs`).
//!
//! hyper tells nobody what a connection is doing, so its requests do. Timers are armed late and moved rarely: a busy
//! connection touches none.

use super::clock::Clock;
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
///
/// A caller who opens no window stops his streams without stopping the socket: their bodies are never asked for another
/// frame, and no write ever waits. Only here can it be seen that nothing moves.
pub struct Activity {
    timeouts: FrontTimeouts,
    /// Requests that are neither answered nor given up.
    running: Cell<u32>,
    /// Those of them that wait for us or for the upstream; the others wait for the caller to take what there is.
    busy: Cell<u32>,
    /// Since when nothing was handed to the caller.
    handed: Cell<Instant>,
    /// Without a request until then.
    idle_until: Cell<Instant>,
}

impl Activity {
    pub fn new(timeouts: FrontTimeouts) -> Rc<Activity> {
        let now = Instant::now();
        Rc::new(Activity {
            timeouts,
            running: Cell::new(0),
            busy: Cell::new(0),
            handed: Cell::new(now),
            idle_until: Cell::new(now + timeouts.head),
        })
    }

    /// When the caller will have been waited for long enough, as far as is known now.
    fn deadline(&self) -> Instant {
        match (self.running.get(), self.busy.get()) {
            (0, _) => self.idle_until.get(),
            (_, 0) => self.handed.get() + self.timeouts.body_idle,
            _ => Instant::now() + self.timeouts.body_idle,
        }
    }
}

/// A request is under way; on HTTP/1 nobody needs to know.
pub struct Running {
    activity: Option<Rc<Activity>>,
    busy: bool,
}

impl Running {
    /// A request's head is whole. It runs until this is dropped.
    pub fn on(activity: Option<&Rc<Activity>>) -> Running {
        if let Some(activity) = activity {
            activity.running.set(activity.running.get() + 1);
            activity.busy.set(activity.busy.get() + 1);
        }
        Running { activity: activity.cloned(), busy: true }
    }

    /// A part of the reply was handed over: the next step is the caller's.
    pub fn handed_over(&mut self) {
        if let Some(activity) = &self.activity {
            activity.handed.set(Instant::now());
            self.set_busy(false);
        }
    }

    /// There is nothing to hand over yet.
    pub fn waiting(&mut self) {
        self.set_busy(true);
    }

    fn set_busy(&mut self, busy: bool) {
        let Some(activity) = &self.activity else { return };
        let others = activity.busy.get() - u32::from(self.busy);
        activity.busy.set(others + u32::from(busy));
        self.busy = busy;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.set_busy(false);
        let Some(activity) = &self.activity else { return };
        activity.running.set(activity.running.get() - 1);
        activity.idle_until.set(Instant::now() + activity.timeouts.idle);
    }
}

/// The socket as hyper sees it.
pub struct Guarded<S> {
    io: TokioIo<S>,
    activity: Rc<Activity>,
    clock: Clock,
    /// Since when the caller has taken nothing, while there is something to take.
    write_timer: Option<Pin<Box<Sleep>>>,
}

impl<S> Guarded<S> {
    pub fn new(stream: S, activity: Rc<Activity>) -> Guarded<S> {
        let clock = Clock::new(activity.timeouts.head);
        Guarded { io: TokioIo::new(stream), activity, clock, write_timer: None }
    }

    /// `Err` once the caller has been waited for long enough.
    fn check_reader(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.clock.is_past(self.activity.deadline(), cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
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
        match Pin::new(&mut self.io).poll_read(cx, buf) {
            Poll::Pending => self.check_reader(cx),
            read => read,
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
