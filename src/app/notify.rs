//! What systemd is told (`sd_notify`): datagrams to the socket in NOTIFY_SOCKET. Without one, nothing is said.

use rustix::time::{ClockId, clock_gettime};
use std::ffi::OsStr;
use std::io;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The line to the service manager.
pub struct Notifier(Option<(UnixDatagram, SocketAddr)>);

impl Notifier {
    /// As the environment says; one that cannot be reached is told of, and no reason not to serve.
    pub fn from_env() -> Notifier {
        match std::env::var_os("NOTIFY_SOCKET").map(|path| Notifier::to(&path)) {
            None => Notifier::silent(),
            Some(Ok(notifier)) => notifier,
            Some(Err(error)) => {
                tracing::warn!(%error, "NOTIFY_SOCKET cannot be used: systemd is not told that we are ready");
                Notifier::silent()
            }
        }
    }

    /// Tells nobody.
    pub fn silent() -> Notifier {
        Notifier(None)
    }

    /// `/path`, or `@name` for one in the abstract namespace.
    fn to(path: &OsStr) -> io::Result<Notifier> {
        let address = match path.as_bytes().strip_prefix(b"@") {
            #[cfg(target_os = "linux")]
            Some(name) => SocketAddr::from_abstract_name(name)?,
            _ => SocketAddr::from_pathname(path)?,
        };
        Ok(Notifier(Some((UnixDatagram::unbound()?, address))))
    }

    /// Serving; also after every reload.
    pub fn ready(&self) {
        self.say("READY=1");
    }

    /// A reload begins. `Type=notify-reload` tells by the time which reload it was.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={}", now.tv_sec * 1_000_000 + now.tv_nsec / 1000));
    }

    pub fn stopping(&self) {
        self.say("STOPPING=1");
    }

    /// Still alive.
    pub fn alive(&self) {
        self.say("WATCHDOG=1");
    }

    /// How often [`Notifier::alive`] is to be said: twice as often as systemd looks. `None`: it does not look.
    pub fn watchdog(&self) -> Option<Duration> {
        self.0.as_ref()?;
        let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
        let ours =
            std::env::var_os("WATCHDOG_PID").is_none() || number("WATCHDOG_PID")? == u64::from(std::process::id());
        number("WATCHDOG_USEC").filter(|usec| ours && *usec > 1).map(|usec| Duration::from_micros(usec / 2))
    }

    fn say(&self, what: &str) {
        let Some((socket, address)) = &self.0 else { return };
        if let Err(error) = socket.send_to_addr(what.as_bytes(), address) {
            tracing::warn!(%error, what, "systemd could not be told");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut text = [0; 256];
        let length = socket.recv(&mut text).unwrap();
        String::from_utf8_lossy(&text[..length]).into_owned()
    }

    #[test]
    fn what_is_said_arrives_at_a_path_and_at_an_abstract_name() {
        let name = format!("keystile-notify-{}", std::process::id());
        let path = std::env::temp_dir().join(&name);
        let by_path = UnixDatagram::bind(&path).unwrap();
        let abstract_name = SocketAddr::from_abstract_name(&name).unwrap();
        let by_name = UnixDatagram::bind_addr(&abstract_name).unwrap();
        for (socket, address) in [(by_path, path.as_os_str()), (by_name, OsStr::new(&format!("@{name}")))] {
            let notifier = Notifier::to(address).unwrap();
            notifier.ready();
            notifier.reloading();
            assert_eq!(heard(&socket), "READY=1");
            let reloading = heard(&socket);
            let at = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
            assert!(at.parse::<u64>().unwrap() > 0, "{reloading}");
        }
        let _ = std::fs::remove_file(path);
        Notifier::silent().ready();
    }
}
