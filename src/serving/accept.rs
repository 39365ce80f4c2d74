//! The door itself: accepts connections, counts them, and learns from trusted load balancers whose they are. What comes
//! after that, TLS and requests, is [`connection`]'s.

use super::answer::Journeys;
use super::core::Core;
use super::serve::connection;
use crate::limit::{Admitted, OpenConnections};
use crate::live::Local;
use crate::model::Listener;
use crate::model::listener::ConnectionRefusal;
use crate::net::accepted::{Accepted, Acceptor};
use crate::net::proxy_protocol;
use crate::net::stop::Hearer;
use crate::policy::address::within;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Connections that are taken out of the kernel's queue in one go: as many as it may hold.
const QUEUE: usize = crate::net::listen::BACKLOG as usize;

/// A listener, as all cores see it.
pub struct Door {
    /// As configured.
    address: Arc<str>,
    open: Arc<OpenConnections>,
    /// Told of at most once a second each.
    refused: Complaints,
    failed: Complaints,
}

impl Door {
    pub fn new(address: Arc<str>, open: Arc<OpenConnections>) -> Arc<Door> {
        Arc::new(Door { address, open, refused: Complaints::new(), failed: Complaints::new() })
    }

    pub fn address(&self) -> &Arc<str> {
        &self.address
    }
}

/// Accepts until `stop` says so.
pub async fn accept<J: Journeys>(journeys: J, core: Rc<Core>, door: Arc<Door>, acceptor: Acceptor, mut stop: Hearer) {
    for n in 1_usize.. {
        if n.is_multiple_of(QUEUE) {
            // However fast they come, others have their turn.
            tokio::task::yield_now().await;
        }
        let accepted = tokio::select! {
            biased;
            () = poll_fn(|cx| stop.poll(cx)) => break,
            accepted = acceptor.accept() => accepted,
        };
        match accepted {
            Ok((accepted, peer)) => admit(journeys, &core, &door, accepted, peer, &stop),
            Err(error) => {
                // Out of descriptors, mostly: wait for some to come back instead of spinning (hazard 29).
                door.failed.say(|before| {
                    tracing::warn!(address = %door.address, %error, before, "cannot accept a connection");
                });
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    // Closing the socket resets what waits in its queue, though those callers were told that they are connected.
    acceptor.rest(QUEUE, |accepted, peer| admit(journeys, &core, &door, accepted, peer, &stop));
}

/// Lets a connection in, or closes it at once.
fn admit<J: Journeys>(
    journeys: J,
    core: &Rc<Core>,
    door: &Arc<Door>,
    accepted: Accepted,
    peer: SocketAddr,
    stop: &Hearer,
) {
    let live = core.live();
    let Some(rules) = rules(&live, door) else { return };
    let mut admitted = match door.open.admit(rules.caps) {
        Ok(admitted) => admitted,
        Err(why) => return refuse(core, door, accepted, why),
    };
    let known = match (rules.proxy_protocol, within(peer.ip(), &rules.trusted_proxies)) {
        (true, false) => Err(ConnectionRefusal::UntrustedPeer),
        (false, false) => admitted.belongs_to(peer.ip(), rules.caps),
        // Whose it is will be told.
        (_, true) => Ok(()),
    };
    if let Err(why) = known {
        return refuse(core, door, accepted, why);
    }
    let caller =
        Caller { journeys, core: core.clone(), door: door.clone(), accepted, peer, admitted, stop: stop.clone() };
    // In a task that another connection has left: its kilobytes need not be asked for, nor filled.
    if rules.proxy_protocol { core.desks.seat(caller, introduced) } else { core.desks.seat(caller, served) }
}

/// A connection that was let in.
struct Caller<J> {
    journeys: J,
    core: Rc<Core>,
    door: Arc<Door>,
    accepted: Accepted,
    peer: SocketAddr,
    admitted: Admitted,
    stop: Hearer,
}

/// A connection from its owner.
async fn served<J: Journeys>(caller: Caller<J>) {
    let Caller { journeys, core, door, accepted, peer, admitted, stop } = caller;
    connection(journeys, core, door.address.clone(), accepted, peer, stop).await;
    drop(admitted);
}

/// A connection from a load balancer, which says first whose it is.
async fn introduced<J: Journeys>(caller: Caller<J>) {
    let Caller { journeys, core, door, mut accepted, peer: balancer, mut admitted, stop } = caller;
    let Some(patience) = rules(&core.live(), &door).map(|rules| rules.timeouts.head) else { return };
    let header = tokio::time::timeout(patience, proxy_protocol::read(&mut accepted)).await;
    let peer = match header.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        Ok(named) => named.unwrap_or(balancer),
        Err(_) => return refuse(&core, &door, accepted, ConnectionRefusal::ProxyHeader),
    };
    let live = core.live();
    let Some(rules) = rules(&live, &door) else { return };
    if !within(peer.ip(), &rules.trusted_proxies)
        && let Err(why) = admitted.belongs_to(peer.ip(), rules.caps)
    {
        return refuse(&core, &door, accepted, why);
    }
    drop(live);
    served(Caller { journeys, core, door, accepted, peer, admitted, stop }).await;
}

/// The listener's rules now, if it is still configured.
fn rules<'a>(live: &'a Local, door: &Door) -> Option<&'a Listener> {
    live.listener(&door.address).map(|at| &live.snapshot.listeners[at])
}

/// Closes a connection without an answer, counted and told.
fn refuse(core: &Core, door: &Door, accepted: Accepted, why: ConnectionRefusal) {
    core.metrics.connection_refused(why);
    accepted.refuse();
    door.refused.say(|before| {
        tracing::warn!(address = %door.address, reason = why.name(), before, "connections are refused");
    });
}

/// At most one line a second, however many connections are refused.
struct Complaints {
    began: Instant,
    /// Milliseconds since `began`; the next line may come then.
    next: AtomicU64,
    /// Since the last line.
    unsaid: AtomicU64,
}

impl Complaints {
    fn new() -> Complaints {
        Complaints { began: Instant::now(), next: AtomicU64::new(0), unsaid: AtomicU64::new(0) }
    }

    /// Calls `line` with the number of those that were left unsaid, if it is time.
    fn say(&self, line: impl FnOnce(u64)) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let due = |next| (now >= next).then_some(now.saturating_add(1000));
        if self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, due).is_ok() {
            line(self.unsaid.swap(0, Ordering::Relaxed));
        } else {
            self.unsaid.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_told_of_once_a_second_and_nothing_is_lost() {
        let complaints = Complaints::new();
        let mut said = Vec::new();
        for _ in 0..1000 {
            complaints.say(|before| said.push(before));
        }
        complaints.next.store(0, Ordering::Relaxed);
        complaints.say(|before| said.push(before));
        assert_eq!(said, [0, 999]);
    }
}
