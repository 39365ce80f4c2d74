//! Handing the listening sockets to a successor, over a Unix socket (SCM_RIGHTS).
//!
//! SO_REUSEPORT alone would lose connections: each process has queues of its own, and what waits in them is reset when
//! they are closed. Sockets that are passed on are never closed, and neither are their queues.
//!
//! One packet a group of sockets, its text saying what they are for, and in a second line whether their file goes with
//! them; an empty one at the end. The successor answers with `ready` once it serves; if it never does, nothing has happened.

use super::inherited::Inherited;
use super::unix_socket::SocketFile;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg, sockopt,
};
use rustix::process::{Pid, geteuid, test_kill_process};
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Sockets in one packet; the kernel takes 253.
const GROUP: usize = 128;
/// The text of a packet.
const TEXT: usize = 256;
const READY: &[u8] = b"ready";
/// How long either side waits for the other: a successor reads its configuration and starts in between.
const PATIENCE: Duration = Duration::from_secs(60);

/// The second line of a group whose socket's file is the successor's to remove.
const FILE: &str = "file";

/// Listening sockets of one address.
pub struct Group {
    /// What they are for.
    pub role: String,
    /// Whether there is a file that is ours, and the successor's after us.
    pub file: bool,
    pub sockets: Vec<Socket>,
}

/// Where successors ask for our sockets.
pub struct Offer(Socket);

impl Offer {
    /// Listens at `path`, instead of whoever did before. Only our own user gets in.
    pub fn bind(path: &Path) -> io::Result<Offer> {
        let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None)?;
        let mut draft = PathBuf::from(path).into_os_string();
        draft.push(format!(".{}", std::process::id()));
        let _ = fs::remove_file(&draft);
        socket.bind(&SockAddr::unix(&draft)?)?;
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o600))?;
        socket.listen(1)?;
        fs::rename(&draft, path)?;
        Ok(Offer(socket))
    }

    /// Hands over to whoever asks, until one has taken over. Blocks.
    pub fn serve(&self, sockets: impl Fn() -> io::Result<Vec<Group>>) -> io::Result<()> {
        loop {
            let (successor, _) = self.0.accept()?;
            match hand_over(&successor, &sockets) {
                Ok(true) => return Ok(()),
                Ok(false) => tracing::warn!("a successor took the listening sockets and left: we go on"),
                Err(error) => tracing::warn!(%error, "a successor could not take over: we go on"),
            }
        }
    }
}

/// True: the successor serves.
fn hand_over(successor: &Socket, sockets: &impl Fn() -> io::Result<Vec<Group>>) -> io::Result<bool> {
    only_our_user(successor)?;
    for Group { role, file, sockets } in sockets()? {
        let text = if file { format!("{role}\n{FILE}\n") } else { format!("{role}\n") };
        for part in sockets.chunks(GROUP) {
            send(successor, &text, part)?;
        }
    }
    // An empty packet would look like the end of the connection.
    send(successor, "\n", &[])?;
    let mut answer = [0; READY.len()];
    let (length, _) = rustix::net::recv(successor, &mut answer, RecvFlags::empty())?;
    Ok(answer.get(..length) == Some(READY))
}

fn send(to: &Socket, text: &str, sockets: &[Socket]) -> io::Result<()> {
    let sockets: Vec<_> = sockets.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(GROUP))];
    let mut attached = SendAncillaryBuffer::new(&mut space);
    if !sockets.is_empty() && !attached.push(SendAncillaryMessage::ScmRights(&sockets)) {
        return Err(io::Error::other("too many sockets in one packet"));
    }
    sendmsg(to, &[IoSlice::new(text.as_bytes())], &mut attached, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// The process that serves until we do.
pub struct Predecessor {
    socket: Socket,
    pid: Pid,
}

impl Predecessor {
    /// Asks whoever listens at `path` for its sockets.
    pub fn meet(path: &Path) -> io::Result<(Predecessor, Inherited)> {
        let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None)?;
        socket.connect(&SockAddr::unix(path)?)?;
        let pid = only_our_user(&socket)?;
        let mut inherited = Inherited::default();
        while receive(&socket, &mut inherited)? {}
        Ok((Predecessor { socket, pid }, inherited))
    }

    /// Tells it that we serve: it stops. `Err`: it lives, but listens to us no more, and will go on.
    pub fn release(self) -> io::Result<()> {
        match rustix::net::send(&self.socket, READY, SendFlags::NOSIGNAL) {
            Err(error) if test_kill_process(self.pid).is_ok() => Err(error.into()),
            // What has ended meanwhile need not be told to.
            _ => Ok(()),
        }
    }
}

/// False: that was all.
fn receive(from: &Socket, inherited: &mut Inherited) -> io::Result<bool> {
    let mut text = [0; TEXT];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(GROUP))];
    let mut attached = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(from, &mut [IoSliceMut::new(&mut text)], &mut attached, RecvFlags::CMSG_CLOEXEC)?;
    let text = text.get(..received.bytes).and_then(|text| std::str::from_utf8(text).ok()?.strip_suffix('\n'));
    let text = text.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "it handed over nothing"))?;
    let (role, more) = text.split_once('\n').unwrap_or((text, ""));
    for message in attached.drain() {
        if let RecvAncillaryMessage::ScmRights(sockets) = message {
            for socket in sockets {
                let socket = Socket::from(socket);
                let file = (more == FILE).then(|| SocketFile::of(&socket));
                // Without its file nobody could reach it: it is bound anew.
                if !matches!(file, Some(None)) {
                    inherited.push(Some(role.to_owned()), file.flatten(), socket)?;
                }
            }
        }
    }
    Ok(!role.is_empty())
}

/// Sockets are taken from, and given to, our own user or root; and nobody is waited for without end.
fn only_our_user(socket: &Socket) -> io::Result<Pid> {
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let peer = sockopt::socket_peercred(socket)?;
    if peer.uid != geteuid() && !peer.uid.is_root() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("it runs as user {}", peer.uid.as_raw())));
    }
    Ok(peer.pid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::listener::Address;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn what_waits_in_a_queue_is_served_by_the_successor() {
        let path = std::env::temp_dir().join(format!("keystile-handover-{}", std::process::id()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let offer = Offer::bind(&path).unwrap();
        let mut waiting = TcpStream::connect(at).unwrap();
        let old = std::thread::spawn(move || {
            let many = || (0..GROUP + 1).map(|_| Ok(listener.try_clone()?.into())).collect::<io::Result<Vec<_>>>();
            let group = |role: &str, sockets| Group { role: role.into(), file: false, sockets };
            offer.serve(|| Ok(vec![group("admin", vec![]), group("inbound", many()?)]))
        });
        drop(Predecessor::meet(&path).unwrap());
        let (predecessor, mut inherited) = Predecessor::meet(&path).unwrap();
        predecessor.release().unwrap();
        old.join().unwrap().unwrap();
        let anywhere = Address::Tcp("127.0.0.1:1".parse().unwrap());
        let sockets = inherited.claim("inbound", &anywhere).unwrap().sockets;
        assert_eq!(sockets.len(), GROUP + 1);
        sockets[0].set_nonblocking(false).unwrap();
        TcpStream::from(sockets[0].accept().unwrap().0).write_all(b"hello").unwrap();
        let mut told = [0; 5];
        waiting.read_exact(&mut told).unwrap();
        assert_eq!((&told, Predecessor::meet(&path).is_err()), (b"hello", true), "and then nobody hands over");
        let _ = fs::remove_file(path);
    }
}
