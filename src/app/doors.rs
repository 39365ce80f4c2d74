//! The sockets of both doors' listeners: inherited or bound, held for a successor, and shared out to the workers.

use crate::limit::{OpenConnections, Slots};
use crate::model::Listener;
use crate::model::listener::DoorKind;
use crate::net::descriptors;
use crate::net::handover::Groups;
use crate::net::inherited::Inherited;
use crate::net::listen;
use crate::serving::accept::Door;
use crate::serving::worker::{Order, Worker};
use anyhow::Context as _;
use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Every listening socket of the process by what it is for (`inbound 0.0.0.0:8443`), beside those who accept on it: so
/// that a successor can be given all of them.
#[derive(Default)]
pub struct Held(Mutex<BTreeMap<String, Vec<TcpListener>>>);

impl Held {
    /// As long as these handles are open, the kernel goes on taking connections in.
    pub fn keep(&self, role: String, sockets: Vec<TcpListener>) {
        self.locked().insert(role, sockets);
    }

    pub fn let_go(&self, role: &str) {
        self.locked().remove(role);
    }

    pub fn let_all_go(&self) {
        self.locked().clear();
    }

    /// Handles for a successor.
    pub fn groups(&self) -> io::Result<Groups> {
        self.locked().iter().map(|(role, sockets)| Ok((role.clone(), listen::again(sockets)?))).collect()
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<String, Vec<TcpListener>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What opens and closes listeners.
pub struct Doors {
    pub held: Held,
    /// Where each listener really listens, by its name.
    bound: Mutex<BTreeMap<Arc<str>, SocketAddr>>,
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
    pub fn addresses(&self) -> Vec<(Arc<str>, SocketAddr)> {
        self.bound().iter().map(|(name, at)| (name.clone(), *at)).collect()
    }

    /// Has the workers accept.
    pub fn listen(&self, opened: Opened, workers: &[Worker]) {
        let Opened { name, door: kind, sockets, shares } = opened;
        let at = sockets.first().and_then(|s| s.local_addr().ok());
        self.held.keep(role(kind, &name), sockets);
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

    fn bound(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, SocketAddr>> {
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
    sockets: Vec<TcpListener>,
    shares: Vec<Vec<TcpListener>>,
}

/// Opens a listener for `count` workers: on what was inherited for it, or on an address that must be ours alone.
pub fn open(
    listener: &Listener,
    address: SocketAddr,
    count: usize,
    inherited: &mut Inherited,
) -> anyhow::Result<Opened> {
    let (name, door) = (&listener.address, listener.door.kind());
    let mut sockets = inherited.claim(&role(door, name), address);
    if sockets.is_empty() {
        anyhow::ensure!(
            !listen::is_taken(address),
            "{address} is in use: stop what listens there, or change listeners.{}[].address; from a running \
             Keystile with `takeover_socket`, `keystile serve --takeover` takes it over",
            door.name()
        );
        sockets = listen::bind(address, count).with_context(|| format!("cannot listen on {address}"))?;
    }
    let shares = listen::shared_out(&sockets, count).with_context(|| format!("cannot listen on {address}"))?;
    Ok(Opened { name: name.clone(), door, sockets, shares })
}
