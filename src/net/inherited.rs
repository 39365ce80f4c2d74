//! Listening sockets that were open before this process: systemd's (socket activation), or a predecessor's. Whoever is
//! given a socket, instead of binding one, is given its queue as well: no connection is lost in between.

use std::io;
use std::net::{SocketAddr, TcpListener};

/// Sockets that wait to be claimed.
#[derive(Default)]
pub struct Inherited(Vec<Entry>);

struct Entry {
    /// What a predecessor used it for; systemd's are known by their addresses alone.
    role: Option<String>,
    bound: SocketAddr,
    socket: TcpListener,
}

impl Inherited {
    /// What systemd passed on (LISTEN_FDS, LISTEN_PID). To be called once, before there are threads.
    pub fn from_systemd() -> io::Result<Inherited> {
        let mut passed = listenfd::ListenFd::from_env();
        let mut inherited = Inherited::default();
        for at in 0..passed.len() {
            if let Some(socket) = passed.take_tcp_listener(at)? {
                inherited.push(None, socket)?;
            }
        }
        Ok(inherited)
    }

    pub(super) fn push(&mut self, role: Option<String>, socket: TcpListener) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        self.0.push(Entry { role, bound: socket.local_addr()?, socket });
        Ok(())
    }

    /// The sockets for this role or this address; none if there are none.
    pub fn claim(&mut self, role: &str, address: SocketAddr) -> Vec<TcpListener> {
        let fits = |entry: &mut Entry| match &entry.role {
            Some(known) => known == role,
            None => entry.bound == address,
        };
        self.0.extract_if(.., fits).map(|entry| entry.socket).collect()
    }

    /// Where the sockets listen that nobody has claimed.
    pub fn unclaimed(&self) -> Vec<SocketAddr> {
        self.0.iter().map(|entry| entry.bound).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_claimed_once_by_its_role_or_by_its_address() {
        let socket = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (ours, theirs) = (socket(), socket());
        let (at, elsewhere) = (ours.local_addr().unwrap(), theirs.local_addr().unwrap());
        let mut inherited = Inherited::default();
        inherited.push(None, ours).unwrap();
        inherited.push(Some("admin".into()), theirs).unwrap();
        assert!(inherited.claim("inbound", elsewhere).is_empty(), "another role's");
        assert_eq!(inherited.claim("admin", at).len(), 2);
        assert!(inherited.claim("admin", at).is_empty() && inherited.unclaimed().is_empty());
    }
}
