//! A caller's HTTP/2 connection that may not flood (hazard 12): counts frames where their bytes pass, and ends the
//! connection with GOAWAY(ENHANCE_YOUR_CALM) when there are too many.
//!
//! hyper cannot be told to end a connection with a reason. So the frame is written here, if ours so far are whole; if not,
//! the caller is not reading and would not see it.

use super::flood::Floods;
use super::frames::{Frames, GOAWAY, HEADERS};
use crate::model::flood::Flood;
use crate::telemetry::metrics::CoreMetrics;
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const ENHANCE_YOUR_CALM: u8 = 0xb;

/// The stream of an HTTP/2 connection, whose frames are counted.
pub struct FrameGuard<S> {
    io: S,
    received: Frames,
    sent: Frames,
    floods: Floods,
    began: Instant,
    /// The latest stream that the caller opened.
    latest: u32,
    peer: IpAddr,
    metrics: Arc<CoreMetrics>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> FrameGuard<S> {
    /// `max_block`: see [`Floods::new`].
    pub fn new(io: S, max_block: u64, peer: IpAddr, metrics: Arc<CoreMetrics>) -> FrameGuard<S> {
        let (received, sent) = (Frames::from_caller(), Frames::to_caller());
        let (floods, began) = (Floods::new(max_block), Instant::now());
        FrameGuard { io, received, sent, floods, began, latest: 0, peer, metrics }
    }

    fn count_received(&mut self, mut bytes: &[u8]) -> Result<(), Flood> {
        let age = self.began.elapsed();
        while let Some(frame) = self.received.next(&mut bytes) {
            if frame.kind == HEADERS {
                self.latest = self.latest.max(frame.stream);
            }
            self.floods.received(frame, age)?;
        }
        Ok(())
    }

    fn count_sent(&mut self, mut bytes: &[u8]) {
        while let Some(frame) = self.sent.next(&mut bytes) {
            self.floods.sent(frame);
        }
    }

    /// Says why, once, and ends the connection; whether the caller takes it is not waited for.
    fn end(&mut self, cx: &mut Context<'_>, flood: Flood) -> io::Error {
        self.metrics.h2_flood(flood);
        tracing::debug!(peer = %self.peer, flood = flood.name(), "an HTTP/2 connection was ended: too many frames");
        if self.sent.between() {
            let written = Pin::new(&mut self.io).poll_write(cx, &go_away(self.latest));
            if written.is_ready() {
                let _ = Pin::new(&mut self.io).poll_flush(cx);
            }
        }
        io::Error::other("too many HTTP/2 frames that bring nothing")
    }
}

/// GOAWAY with the reason ENHANCE_YOUR_CALM (RFC 9113, section 6.8).
fn go_away(latest: u32) -> [u8; 17] {
    let [a, b, c, d] = latest.to_be_bytes();
    [0, 0, 8, GOAWAY, 0, 0, 0, 0, 0, a, b, c, d, 0, 0, 0, ENHANCE_YOUR_CALM]
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for FrameGuard<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
        match this.count_received(&buf.filled()[before..]) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(flood) => Poll::Ready(Err(this.end(cx, flood))),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for FrameGuard<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.io).poll_write(cx, buf))?;
        this.count_sent(&buf[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.io).poll_write_vectored(cx, bufs))?;
        let mut left = written;
        for buf in bufs {
            let of_this = left.min(buf.len());
            this.count_sent(&buf[..of_this]);
            left -= of_this;
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
