//! The sockets of both doors' listeners: inherited or bound, held for a successor, and shared out to the workers.

use super::held::Held;
use crate::limit::{OpenConnections, Slots};
use crate::model::Listener;
use crate::model::listener::{Address, DoorKind};
use crate::net::descriptors;
use crate::net::inherited::Inherited;
use crate::net::listen::{self, Bound};
use crate::net::unix_socket;
use crate::serving::accept::Door;
use crate::serving::worker::{Order, Worker};
use anyhow::Context as _;
use socket2::Socket;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What opens and closes listeners.
pub struct Doors {
    pub held: Held,
    /// Where each listener really listens, by its name.
    bound: Mutex<BTreeMap<Arc<str>, Address>>,
    /// Connections that callers may hold, over all listeners.
    connections: Arc<Slots>,
}

impl Doors {
    /// Callers get half of the descriptors: each of their requests may need one more for its upstream, and logs, probes
    /// and reloads must find some as well (hazard 29).
    pub fn new() -> Doors {
        let most = descriptors::raise().map_or(u32::MAX, |limit| u32::try_from(limit / 2).unwrap_or(u32::MAX));
        tracing::info!(most, "connections that callers may hold: half of the file descriptors");
        Doors { held: Held::default(), bound: Mutex::default(), connections: Arc::new(Slots::new(most.max(1))) }
    }

    /// Connections that callers hold open now.
    pub fn open(&self) -> u32 {
        self.connections.used()
    }

    /// Where the listeners listen, by their names, sorted.
    pub fn addresses(&self) -> Vec<(Arc<str>, Address)> {
        self.bound().iter().map(|(name, at)| (name.clone(), at.clone())).collect()
    }

    /// Has the workers accept.
    pub fn listen(&self, opened: Opened, workers: &[Worker]) {
        let Opened { name, door: kind, bound, shares } = opened;
        let at = bound.sockets.first().and_then(listen::address_of);
        self.held.keep(role(kind, &name), bound);
        let door = Door::new(name.clone(), OpenConnections::new(self.connections.clone()));
        for (worker, sockets) in workers.iter().zip(shares) {
            worker.order(Order::Listen { door: door.clone(), sockets });
        }
        if let Some(at) = at {
            tracing::info!(listener = kind.name(), address = %name, bound = %at, "listening");
            self.bound().insert(name, at);
        }
    }

    /// Has them stop.
    pub fn unlisten(&self, listener: &Listener, workers: &[Worker]) {
        let (kind, name) = (listener.door.kind(), &listener.address);
        self.held.let_go(&role(kind, name));
        self.bound().remove(name);
        for worker in workers {
            worker.order(Order::Unlisten { address: name.clone() });
        }
        tracing::info!(listener = kind.name(), address = %name, "no longer listening");
    }

    /// Lets go of connections that began under other rules: in the clear where there is TLS now, or verified against
    /// authorities that no longer count.
    pub fn renew(&self, listener: &Listener, workers: &[Worker]) {
        let name = &listener.address;
        for worker in workers {
            worker.order(Order::Renew { address: name.clone() });
        }
        tracing::info!(listener = listener.door.kind().name(), address = %name, "its TLS changed: open connections are closed after their requests");
    }

    /// Lets others connect to a Unix socket, or fewer.
    pub fn change_mode(&self, listener: &Listener) {
        self.held.change_mode(&role(listener.door.kind(), &listener.address), listener.socket_mode);
    }

    fn bound(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Address>> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Doors {
    fn default() -> Doors {
        Doors::new()
    }
}

fn role(door: DoorKind, name: &str) -> String {
    format!("{} {name}", door.name())
}

/// A listener's sockets, and each worker's share of them: all that can fail has been done.
pub struct Opened {
    name: Arc<str>,
    door: DoorKind,
    bound: Bound,
    shares: Vec<Vec<Socket>>,
}

/// Opens a listener for `count` workers: on what was inherited for it, or on an address that must be ours alone.
pub fn open(listener: &Listener, address: &Address, count: usize, inherited: &mut Inherited) -> anyhow::Result<Opened> {
    let (name, door) = (&listener.address, listener.door.kind());
    let bound = match inherited.claim(&role(door, name), address) {
        Some(mut claimed) => {
            match (&mut claimed.file, address) {
                (Some(file), _) => file.wants(listener.socket_mode),
                (None, Address::Unix(path)) => tell_if_open(path, listener.socket_mode),
                (None, Address::Tcp(_)) => {}
            }
            claimed
        }
        None => bind(listener, address, count)?,
    };
    let shares = listen::shared_out(&bound.sockets, count).with_context(|| format!("cannot listen on {address}"))?;
    Ok(Opened { name: name.clone(), door, bound, shares })
}

/// systemd's sockets have the rights of their unit, which by default lets everybody connect.
fn tell_if_open(path: &Path, mode: u32) {
    if let Some(found) = unix_socket::wider_than(mode, path) {
        let (found, mode) = (format!("{found:04o}"), format!("{mode:04o}"));
        tracing::warn!(path = %path.display(), found, mode, "more may connect than `mode` lets: set SocketMode in the unit");
    }
}

fn bind(listener: &Listener, address: &Address, count: usize) -> anyhow::Result<Bound> {
    let bound = match address {
        Address::Tcp(socket) => {
            anyhow::ensure!(
                !listen::is_taken(*socket),
                "{address} is in use: stop what listens there, or change listeners.{}[].address; from a running \
                 Keystile with `takeover_socket`, `keystile serve --takeover` takes it over",
                listener.door.kind().name()
            );
            listen::bind(*socket, count).map_err(anyhow::Error::from)
        }
        // One queue for all workers: nothing like SO_REUSEPORT is there for files.
        Address::Unix(path) => unix_socket::bind(path, listener.socket_mode).map_err(anyhow::Error::from),
    };
    bound.with_context(|| format!("cannot listen on {address}"))
}
