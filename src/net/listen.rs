//! Listening sockets: over TCP one a core on the same address (SO_REUSEPORT), so that no accept queue is shared. Unix
//! sockets are [`super::unix_socket`]'s.

use super::unix_socket::SocketFile;
use crate::model::listener::Address;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;

/// Connections the kernel holds for us until they are accepted.
pub const BACKLOG: i32 = 4096;

/// The sockets of one address.
pub struct Bound {
    /// The file of a Unix socket, if it is for us to remove. Declared, and so dropped, before the socket: who comes too
    /// late finds nothing there, instead of somebody who is about to leave.
    pub file: Option<SocketFile>,
    pub sockets: Vec<Socket>,
}

/// `count` sockets on `address`. Port 0 picks one port for all of them.
pub fn bind(address: SocketAddr, count: usize) -> io::Result<Bound> {
    let first = socket(address)?;
    let bound = first.local_addr()?.as_socket().unwrap_or(address);
    let mut sockets = vec![first];
    while sockets.len() < count {
        sockets.push(socket(bound)?);
    }
    Ok(Bound { file: None, sockets })
}

/// Where a socket listens; `None` where nobody could have said so in the configuration.
pub fn address_of(socket: &Socket) -> Option<Address> {
    let address = socket.local_addr().ok()?;
    let unix = || address.as_pathname().map(|path| Address::Unix(path.to_owned()));
    address.as_socket().map(Address::Tcp).or_else(unix)
}

/// Second handles of the same sockets.
pub fn again(sockets: &[Socket]) -> io::Result<Vec<Socket>> {
    sockets.iter().map(Socket::try_clone).collect()
}

/// A share of `sockets` for each of `count` workers. Nobody goes without, and no socket goes to nobody: where there are too
/// few, several share one queue; where there are too many, one accepts on several.
pub fn shared_out(sockets: &[Socket], count: usize) -> io::Result<Vec<Vec<Socket>>> {
    let mut shares: Vec<Vec<Socket>> = (0..count).map(|_| Vec::new()).collect();
    for n in 0..sockets.len().max(count) {
        if let (Some(socket), Some(share)) = (sockets.get(n % sockets.len().max(1)), shares.get_mut(n % count.max(1))) {
            share.push(socket.try_clone()?);
        }
    }
    Ok(shares)
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// Whether something else listens on `address`: SO_REUSEPORT alone would share it silently with another process of ours.
pub fn is_taken(address: SocketAddr) -> bool {
    if address.port() == 0 {
        return false;
    }
    let plain = || -> io::Result<()> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())
    };
    plain().is_err_and(|e| e.kind() == io::ErrorKind::AddrInUse)
}

/// An address where nobody listens, nor will: the port is held, so that no other test is given it.
#[cfg(test)]
pub fn nobody() -> SocketAddr {
    let held = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    held.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = held.local_addr().unwrap().as_socket().unwrap();
    // To the end of all tests.
    std::mem::forget(held);
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_accepts_and_every_socket_is_accepted_on() {
        let sockets = bind("127.0.0.1:0".parse().unwrap(), 3).unwrap().sockets;
        for (have, workers, each) in
            [(3, 3, vec![1, 1, 1]), (1, 3, vec![1, 1, 1]), (3, 2, vec![2, 1]), (0, 2, vec![0, 0])]
        {
            let shares = shared_out(&sockets[..have], workers).unwrap();
            assert_eq!(shares.iter().map(Vec::len).collect::<Vec<_>>(), each, "{have} for {workers}");
        }
    }
}
