//! Listening sockets that were open before this process: systemd's (socket activation), or a predecessor's. Whoever is
//! given a socket, instead of binding one, is given its queue as well: no connection is lost in between.

use super::listen::{Bound, address_of};
use super::unix_socket::SocketFile;
use crate::model::listener::Address;
use socket2::Socket;
use std::io;

/// Sockets that wait to be claimed.
#[derive(Default)]
pub struct Inherited(Vec<Entry>);

struct Entry {
    /// What a predecessor used it for; systemd's are known by their addresses alone.
    role: Option<String>,
    bound: Option<Address>,
    /// As in [`Bound`]. systemd's stays systemd's.
    file: Option<SocketFile>,
    socket: Socket,
}

impl Inherited {
    /// What systemd passed on (LISTEN_FDS, LISTEN_PID). To be called once, before there are threads.
    pub fn from_systemd() -> io::Result<Inherited> {
        let mut passed = listenfd::ListenFd::from_env();
        let mut inherited = Inherited::default();
        for at in 0..passed.len() {
            let socket = match passed.take_unix_listener(at) {
                Ok(socket) => socket.map(Socket::from),
                // It is of another kind, and still there.
                Err(_) => passed.take_tcp_listener(at)?.map(Socket::from),
            };
            if let Some(socket) = socket {
                inherited.push(None, None, socket)?;
            }
        }
        Ok(inherited)
    }

    pub(super) fn push(&mut self, role: Option<String>, file: Option<SocketFile>, socket: Socket) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        self.0.push(Entry { role, bound: address_of(&socket), file, socket });
        Ok(())
    }

    /// The sockets for this role or this address, if there are any.
    pub fn claim(&mut self, role: &str, address: &Address) -> Option<Bound> {
        let fits = |entry: &mut Entry| match &entry.role {
            Some(known) => known == role,
            None => entry.bound.as_ref() == Some(address),
        };
        let mut claimed = Bound { file: None, sockets: Vec::new() };
        for entry in self.0.extract_if(.., fits) {
            claimed.file = claimed.file.or(entry.file);
            claimed.sockets.push(entry.socket);
        }
        Some(claimed).filter(|claimed| !claimed.sockets.is_empty())
    }

    /// Where the sockets listen that nobody has claimed.
    pub fn unclaimed(&self) -> Vec<String> {
        let place = |entry: &Entry| entry.bound.as_ref().map_or("an unnamed socket".to_owned(), Address::to_string);
        self.0.iter().map(place).collect()
    }

    /// Closes what nobody has claimed, for good: the predecessor has gone, and its files with it.
    pub fn close(mut self) {
        for file in self.0.iter_mut().filter_map(|entry| entry.file.as_mut()) {
            // What is gone already need not be removed.
            let _ = file.own();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_socket_is_claimed_once_by_its_role_or_by_its_address() {
        let socket = || Socket::from(TcpListener::bind("127.0.0.1:0").unwrap());
        let (ours, theirs) = (socket(), socket());
        let (at, elsewhere) = (address_of(&ours).unwrap(), address_of(&theirs).unwrap());
        let mut inherited = Inherited::default();
        inherited.push(None, None, ours).unwrap();
        inherited.push(Some("admin".into()), None, theirs).unwrap();
        assert!(inherited.claim("inbound", &elsewhere).is_none(), "another role's");
        assert_eq!(inherited.claim("admin", &at).unwrap().sockets.len(), 2);
        assert!(inherited.claim("admin", &at).is_none() && inherited.unclaimed().is_empty());
    }
}
