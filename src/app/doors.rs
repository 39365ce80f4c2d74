//! The inbound listeners' sockets: inherited or bound, held for a successor, and shared out to the workers.

use crate::limit::{OpenConnections, Slots};
use crate::net::descriptors;
use crate::net::handover::Groups;
use crate::net::inherited::Inherited;
use crate::net::listen;
use crate::proxy::accept::Door;
use crate::proxy::worker::{Order, Worker};
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
    /// Keeps a second handle of each socket.
    pub fn keep(&self, role: String, sockets: &[TcpListener]) -> io::Result<()> {
        let second = again(sockets)?;
        self.locked().insert(role, second);
        Ok(())
    }

    /// As long as a handle is open, the kernel goes on taking connections in.
    pub fn let_go(&self, role: &str) {
        self.locked().remove(role);
    }

    pub fn let_all_go(&self) {
        self.locked().clear();
    }

    /// Handles for a successor.
    pub fn groups(&self) -> io::Result<Groups> {
        self.locked().iter().map(|(role, sockets)| Ok((role.clone(), again(sockets)?))).collect()
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<String, Vec<TcpListener>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Second handles.
fn again(sockets: &[TcpListener]) -> io::Result<Vec<TcpListener>> {
    sockets.iter().map(TcpListener::try_clone).collect()
}

/// What opens and closes inbound listeners.
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

    /// Has the workers accept on `sockets`.
    pub fn listen(&self, name: &Arc<str>, sockets: &[TcpListener], workers: &[Worker]) -> io::Result<()> {
        self.held.keep(role(name), sockets)?;
        let door = Door::new(name.clone(), OpenConnections::new(self.connections.clone()));
        for (worker, sockets) in workers.iter().zip(listen::shared_out(sockets, workers.len())?) {
            worker.order(Order::Listen { door: door.clone(), sockets });
        }
        if let Some(at) = sockets.first().and_then(|s| s.local_addr().ok()) {
            self.bound().insert(name.clone(), at);
            tracing::info!(listener = "inbound", address = %name, bound = %at, "listening");
        }
        Ok(())
    }

    /// Has them stop.
    pub fn unlisten(&self, name: &Arc<str>, workers: &[Worker]) {
        self.held.let_go(&role(name));
        self.bound().remove(name);
        for worker in workers {
            worker.order(Order::Unlisten { address: name.clone() });
        }
        tracing::info!(listener = "inbound", address = %name, "no longer listening");
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

fn role(name: &str) -> String {
    format!("inbound {name}")
}

/// The sockets of an inbound listener: those that were inherited for it, or `count` new ones, on an address that must be
/// ours alone.
pub fn bind(
    name: &str,
    address: SocketAddr,
    count: usize,
    inherited: &mut Inherited,
) -> anyhow::Result<Vec<TcpListener>> {
    let sockets = inherited.claim(&role(name), address);
    if !sockets.is_empty() {
        return Ok(sockets);
    }
    anyhow::ensure!(
        !listen::is_taken(address),
        "{address} is in use: stop what listens there, or change listeners.inbound[].address; from a running Keystile \
         with `takeover_socket`, `keystile serve --takeover` takes it over"
    );
    listen::bind(address, count).with_context(|| format!("cannot listen on {address}"))
}
