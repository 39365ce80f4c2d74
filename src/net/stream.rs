//! A byte stream, with or without TLS: one type on either side of the gateway.

use socket2::SockRef;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// TCP, or TLS over it, of either end; or a caller's through a Unix socket.
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Server(Box<tokio_rustls::server::TlsStream<TcpStream>>),
    Client(Box<tokio_rustls::client::TlsStream<TcpStream>>),
    #[cfg(any(test, fuzzing))]
    Scripted(super::scripted::Scripted),
}

impl Stream {
    /// Ready if a read may bring something. Nobody knows what TLS holds.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Stream::Tcp(tcp) => tcp.poll_read_ready(cx).map(drop),
            Stream::Unix(unix) => unix.poll_read_ready(cx).map(drop),
            Stream::Server(_) | Stream::Client(_) => Poll::Ready(()),
            #[cfg(any(test, fuzzing))]
            Stream::Scripted(_) => Poll::Ready(()),
        }
    }

    /// Whether there is nothing to read, and may be later. What was there is lost.
    pub fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        let tried = match self {
            // Nobody is to be woken, for which the socket's wakers would be locked.
            Stream::Tcp(tcp) => tcp.try_read(&mut byte),
            Stream::Unix(unix) => unix.try_read(&mut byte),
            _ => {
                let (mut cx, mut room) = (Context::from_waker(Waker::noop()), ReadBuf::new(&mut byte));
                return Pin::new(self).poll_read(&mut cx, &mut room).is_pending();
            }
        };
        tried.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Whether dropping it tells the peer, in order, that nothing more comes: then it need not be told before.
    pub fn ends_when_dropped(&self) -> bool {
        matches!(self, Stream::Tcp(_) | Stream::Unix(_))
    }

    /// Whether it ends, when it is dropped, in a reset instead of in order: the peer sees that something is missing. Unix
    /// sockets have no resets.
    pub fn reset_when_dropped(&self, reset: bool) {
        match self {
            Stream::Tcp(tcp) => without_order(tcp, reset),
            Stream::Server(tls) => without_order(tls.get_ref().0, reset),
            Stream::Client(tls) => without_order(tls.get_ref().0, reset),
            Stream::Unix(_) => {}
            #[cfg(any(test, fuzzing))]
            Stream::Scripted(_) => {}
        }
    }
}

pub(super) fn without_order(tcp: &TcpStream, reset: bool) {
    let _ = SockRef::from(tcp).set_linger(reset.then_some(Duration::ZERO));
}

macro_rules! on_each {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Stream::Tcp($stream) => $call,
            Stream::Unix($stream) => $call,
            Stream::Server($stream) => $call,
            Stream::Client($stream) => $call,
            #[cfg(any(test, fuzzing))]
            Stream::Scripted($stream) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        on_each!(self, s => Pin::new(s).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        on_each!(self, s => Pin::new(s).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on_each!(self, s => Pin::new(s).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Stream::Tcp(s) => s.is_write_vectored(),
            Stream::Unix(s) => s.is_write_vectored(),
            Stream::Server(s) => s.is_write_vectored(),
            Stream::Client(s) => s.is_write_vectored(),
            #[cfg(any(test, fuzzing))]
            Stream::Scripted(s) => s.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_each!(self, s => Pin::new(s).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_each!(self, s => Pin::new(s).poll_shutdown(cx))
    }
}
