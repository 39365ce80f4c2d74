//! Listening on a Unix socket. It stands for a file, which another process may have left behind or may listen on, which
//! has rights, and which has to go when we do: nothing of that is so with TCP.

use super::listen::{BACKLOG, Bound};
use rustix::process::geteuid;
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Why we cannot listen at a path.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error(
        "something listens there: stop it, or change the listener's address; from a running Keystile with \
         `takeover_socket`, `keystile serve --takeover` takes it over"
    )]
    Taken,
    #[error("a file stands there that is no socket: remove it, or change the listener's address")]
    NoSocket,
    #[error("a socket of user {0} stands there: remove it if nobody listens on it, or change the listener's address")]
    AnothersSocket(u32),
    #[error("{0}: its directory must exist, and our user must be allowed to write to it")]
    Io(#[from] io::Error),
}

/// Listens at `path`, where only those may connect whom `mode` lets write. What a predecessor of ours left behind is
/// replaced; nothing else ever is.
pub fn bind(path: &Path, mode: u32) -> Result<Bound, Refused> {
    remove_stale(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // Linux gives the file the rights that the socket has, less the umask: so it never has wider ones than `mode`, not
    // even for a moment, and no other thread's files are touched, as a umask of ours would.
    let descriptor = File::from(OwnedFd::from(socket));
    descriptor.set_permissions(Permissions::from_mode(mode))?;
    let socket = Socket::from(OwnedFd::from(descriptor));
    // It fails if anything stands there by now.
    socket.bind(&SockAddr::unix(path)?)?;
    let mut file = SocketFile::at(path, mode)?;
    file.own()?;
    socket.listen(BACKLOG)?;
    Ok(Bound { file: Some(file), sockets: vec![socket] })
}

/// The rights of a socket that was opened for us, if more may connect through it than `mode` lets.
pub fn wider_than(mode: u32, path: &Path) -> Option<u32> {
    /// Who may write may connect.
    const WRITE: u32 = 0o222;
    let found = fs::symlink_metadata(path).ok()?.mode() & 0o777;
    (found & WRITE & !mode != 0).then_some(found)
}

/// Whether the kernel takes a socket's path that long.
pub fn fits(path: &Path) -> bool {
    SockAddr::unix(path).is_ok()
}

/// Makes room for a socket, if what stands there is one of ours that nobody answers on.
fn remove_stale(path: &Path) -> Result<(), Refused> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        return Err(Refused::NoSocket);
    }
    // Only a refusal says that nobody listens: a full queue, a lack of rights or a socket of another type do not.
    let knocking = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    knocking.set_nonblocking(true)?;
    match knocking.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused && found.uid() == geteuid().as_raw() => {}
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::PermissionDenied) => {
            return Err(Refused::AnothersSocket(found.uid()));
        }
        _ => return Err(Refused::Taken),
    }
    fs::remove_file(path)?;
    tracing::info!(path = %path.display(), "removed a socket that nobody listened on");
    Ok(())
}

/// The file of a socket that we listen on. Once it is ours, it goes when this is dropped.
pub struct SocketFile {
    path: PathBuf,
    /// Device and inode: what somebody else put there meanwhile is not ours.
    identity: (u64, u64),
    mode: u32,
    ours: bool,
}

impl SocketFile {
    /// The socket that stands at `path`, not ours yet.
    fn at(path: &Path, mode: u32) -> io::Result<SocketFile> {
        let found = fs::symlink_metadata(path)?;
        if !found.file_type().is_socket() {
            return Err(io::Error::other("it is no socket"));
        }
        Ok(SocketFile { path: path.to_owned(), identity: identity(&found), mode, ours: false })
    }

    /// That of a socket which was handed to us; `None` if it is gone, so that nobody could connect.
    pub fn of(socket: &Socket) -> Option<SocketFile> {
        let address = socket.local_addr().ok()?;
        let path = address.as_pathname()?;
        let mode = fs::symlink_metadata(path).ok()?.mode() & 0o777;
        SocketFile::at(path, mode).ok()
    }

    pub fn wants(&mut self, mode: u32) {
        self.mode = mode;
    }

    /// From now on it is ours to remove, and its rights are ours to set.
    pub fn own(&mut self) -> io::Result<()> {
        if !self.is_there() {
            return Err(io::Error::new(ErrorKind::NotFound, "the socket's file is gone"));
        }
        self.ours = true;
        if fs::symlink_metadata(&self.path)?.mode() & 0o777 != self.mode {
            fs::set_permissions(&self.path, Permissions::from_mode(self.mode))?;
        }
        Ok(())
    }

    /// From now on it is a successor's.
    pub fn hand_on(&mut self) {
        self.ours = false;
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn is_there(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|found| identity(&found) == self.identity)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.ours && self.is_there() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    /// A path of its own; what stands there goes when dropped.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Place {
            Place(std::env::temp_dir().join(format!("keystile-{}-{name}", std::process::id())))
        }

        fn mode(&self) -> u32 {
            fs::symlink_metadata(&self.0).unwrap().mode() & 0o777
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    #[test]
    fn the_file_has_the_rights_that_are_asked_for_and_goes_when_dropped() {
        let place = Place::new("rights");
        for mode in [0o600, 0o660, 0o666] {
            let bound = bind(&place.0, mode).unwrap();
            assert_eq!(place.mode(), mode);
            drop(bound);
            assert!(!place.0.exists());
        }
    }

    #[test]
    fn rights_are_wider_where_others_may_write() {
        let place = Place::new("wider");
        let _bound = bind(&place.0, 0o666).unwrap();
        assert_eq!(wider_than(0o660, &place.0), Some(0o666));
        assert_eq!(wider_than(0o666, &place.0), None);
        fs::set_permissions(&place.0, Permissions::from_mode(0o755)).unwrap();
        assert_eq!(wider_than(0o660, &place.0), None, "reading is not connecting");
    }

    #[test]
    fn a_socket_is_replaced_only_if_nobody_listens_on_it() {
        let place = Place::new("stale");
        let other = UnixListener::bind(&place.0).unwrap();
        assert!(matches!(bind(&place.0, 0o600), Err(Refused::Taken)));
        drop(other);
        assert!(place.0.exists(), "left behind");
        bind(&place.0, 0o600).unwrap();
        fs::write(&place.0, "precious").unwrap();
        assert!(matches!(bind(&place.0, 0o600), Err(Refused::NoSocket)));
        assert_eq!(fs::read_to_string(&place.0).unwrap(), "precious");
    }

    #[test]
    fn what_was_handed_on_or_replaced_is_not_removed() {
        let place = Place::new("handed");
        let mut bound = bind(&place.0, 0o600).unwrap();
        bound.file.as_mut().unwrap().hand_on();
        drop(bound);
        assert!(place.0.exists(), "the successor's");
        let bound = bind(&place.0, 0o600).unwrap();
        fs::rename(&place.0, place.0.with_extension("aside")).unwrap();
        let replaced = UnixListener::bind(&place.0).unwrap();
        drop((bound, replaced));
        assert!(place.0.exists(), "somebody else's");
        fs::remove_file(place.0.with_extension("aside")).unwrap();
    }
}
