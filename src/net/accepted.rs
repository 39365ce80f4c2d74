//! Connections as they are accepted, over TCP or a Unix socket: before TLS, before HTTP, perhaps before a header of the
//! PROXY protocol.

use super::stream::{Stream, without_order};
use rustix::net::RecvFlags;
use socket2::Socket;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// Who calls through a Unix socket has no address. Whoever does is on this machine, as on loopback, and counts as that
/// wherever addresses count.
pub const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A listening socket on a worker.
pub enum Acceptor {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Acceptor {
    pub fn on(socket: Socket) -> io::Result<Acceptor> {
        if socket.local_addr()?.is_unix() {
            UnixListener::from_std(socket.into()).map(Acceptor::Unix)
        } else {
            // Small writes leave at once. Whoever is accepted here inherits it, so nobody has to be told by himself.
            socket.set_tcp_nodelay(true)?;
            TcpListener::from_std(socket.into()).map(Acceptor::Tcp)
        }
    }

    /// The next caller. Whoever stops waiting loses none.
    pub async fn accept(&self) -> io::Result<(Accepted, SocketAddr)> {
        match self {
            Acceptor::Tcp(listener) => listener.accept().await.map(|(tcp, peer)| (Accepted::Tcp(tcp), peer)),
            Acceptor::Unix(listener) => listener.accept().await.map(|(unix, _)| (Accepted::Unix(unix), LOCAL)),
        }
    }

    /// Those who are in the queue now, as many as `most`, one after another: who is refused is gone before the next comes.
    pub fn rest(self, most: usize, mut each: impl FnMut(Accepted, SocketAddr)) {
        match self {
            Acceptor::Tcp(listener) => {
                let Ok(listener) = listener.into_std() else { return };
                for (tcp, peer) in std::iter::from_fn(|| listener.accept().ok()).take(most) {
                    if let Ok(tcp) = tcp.set_nonblocking(true).and_then(|()| TcpStream::from_std(tcp)) {
                        each(Accepted::Tcp(tcp), peer);
                    }
                }
            }
            Acceptor::Unix(listener) => {
                let Ok(listener) = listener.into_std() else { return };
                for (unix, _) in std::iter::from_fn(|| listener.accept().ok()).take(most) {
                    if let Ok(unix) = unix.set_nonblocking(true).and_then(|()| UnixStream::from_std(unix)) {
                        each(Accepted::Unix(unix), LOCAL);
                    }
                }
            }
        }
    }
}

/// A connection of which nothing was read yet.
pub enum Accepted {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Accepted {
    /// Closes it without a word. A reset leaves nothing behind; an orderly close would hold a TCP connection in the kernel
    /// for another minute.
    pub fn refuse(self) {
        if let Accepted::Tcp(tcp) = &self {
            without_order(tcp, true);
        }
    }

    /// Waits for bytes and looks at them; they stay where they are.
    pub async fn peek(&self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Accepted::Tcp(tcp) => tcp.peek(into).await,
            Accepted::Unix(unix) => {
                let mut look = || Ok(rustix::net::recv(unix, &mut *into, RecvFlags::PEEK)?.0);
                unix.async_io(Interest::READABLE, &mut look).await
            }
        }
    }

    pub async fn read_exact(&mut self, into: &mut [u8]) -> io::Result<()> {
        match self {
            Accepted::Tcp(tcp) => tcp.read_exact(into).await.map(drop),
            Accepted::Unix(unix) => unix.read_exact(into).await.map(drop),
        }
    }
}

impl From<Accepted> for Stream {
    fn from(accepted: Accepted) -> Stream {
        match accepted {
            Accepted::Tcp(tcp) => Stream::Tcp(tcp),
            Accepted::Unix(unix) => Stream::Unix(unix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::listen;

    #[tokio::test]
    async fn small_writes_leave_at_once_on_whatever_is_accepted() {
        let sockets = listen::bind("127.0.0.1:0".parse().unwrap(), 1).unwrap().sockets;
        let address = sockets[0].local_addr().unwrap().as_socket().unwrap();
        let acceptor = Acceptor::on(listen::again(&sockets).unwrap().remove(0)).unwrap();
        let _one = TcpStream::connect(address).await.unwrap();
        let Accepted::Tcp(accepted) = acceptor.accept().await.unwrap().0 else { panic!("a caller over TCP") };
        assert!(accepted.nodelay().unwrap());
        let _other = TcpStream::connect(address).await.unwrap();
        let mut those = 0;
        acceptor.rest(4, |accepted, _| {
            let Accepted::Tcp(accepted) = accepted else { panic!("a caller over TCP") };
            assert!(accepted.nodelay().unwrap());
            those += 1;
        });
        assert_eq!(those, 1);
    }
}
