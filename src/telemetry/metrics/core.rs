//! The counters of one core. Only that core writes them; the scraper reads. Nothing here is shared between cores, so
//! that no cache line travels between them for the sake of a number.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hashbrown::HashMap;

use crate::model::flood::Flood;
use crate::model::listener::{ConnectionRefusal, DoorKind};
use crate::model::quota::Scope;
use crate::model::webhook::OwnAnswer;

use super::histogram::Histogram;
use super::series::{OTHER, Sample, SeriesTable};

/// Distinct connections with a pool of their own in the metrics, per core.
const MAX_POOLS: usize = 1_000;

/// What a caller speaks to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrontProtocol {
    H1,
    H2,
}

/// One core's handle. The alignment keeps another core's data off its cache lines, the prefetched neighbour included.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct CoreMetrics {
    /// A lock that this core takes uncontended, but for the moment in which a scrape copies the table.
    series: Mutex<SeriesTable>,
    /// The same of calls through the outbound door.
    calls: Mutex<SeriesTable>,
    pools: Mutex<HashMap<Arc<str>, Arc<UpstreamPool>>>,
    in_flight: AtomicI64,
    front: [AtomicI64; FrontProtocol::ALL.len()],
    limited: [AtomicU64; Scope::ALL.len()],
    refused: [AtomicU64; ConnectionRefusal::ALL.len()],
    h2_floods: [AtomicU64; Flood::ALL.len()],
    tls_handshake_failures: AtomicU64,
    credential_in_query: AtomicU64,
    answered_here: [AtomicU64; OwnAnswer::ALL.len()],
    /// Taken a few hundred times a second at most.
    delays: Mutex<Histogram>,
    refused_behind: AtomicU64,
}

/// The upstream connections of one core to one connection's base URL. The pool holds it and counts on it directly.
#[derive(Debug, Default)]
pub struct UpstreamPool {
    opened: AtomicU64,
    reused: AtomicU64,
    idle: AtomicI64,
    retried: AtomicU64,
    ejected: AtomicU64,
    scrubbed: AtomicU64,
}

/// A caller's open connection; counted out when dropped.
#[derive(Debug)]
#[must_use = "dropping it says that the connection is closed"]
pub struct FrontConnection(Arc<CoreMetrics>, FrontProtocol);

impl CoreMetrics {
    /// Counts one finished request. Allocates only for a combination that this core sees for the first time.
    pub fn observe(&self, sample: &Sample<'_>) {
        let table = match sample.door {
            DoorKind::Inbound => &self.series,
            DoorKind::Outbound => &self.calls,
        };
        locked(table).observe(sample);
    }

    /// A request is on its way. Whoever says so says when it is over, also after a panic (hazard 34).
    pub fn request_started(&self) {
        step(&self.in_flight, 1);
    }

    pub fn request_ended(&self) {
        step(&self.in_flight, -1);
    }

    pub fn front_connection(self: &Arc<Self>, protocol: FrontProtocol) -> FrontConnection {
        self.front[protocol as usize].fetch_add(1, Relaxed);
        FrontConnection(Arc::clone(self), protocol)
    }

    /// The counters for a pool, by the connection's name. Looked up once per pool, not per request.
    pub fn upstream_pool(&self, connection: &str) -> Arc<UpstreamPool> {
        let mut pools = locked(&self.pools);
        let known = pools.len() < MAX_POOLS || pools.contains_key(connection);
        let connection = if known { connection } else { OTHER };
        Arc::clone(pools.entry(connection.into()).or_default())
    }

    pub fn limited(&self, scope: Scope) {
        self.limited[scope as usize].fetch_add(1, Relaxed);
    }

    /// A connection was closed at the door.
    pub fn connection_refused(&self, why: ConnectionRefusal) {
        self.refused[why as usize].fetch_add(1, Relaxed);
    }

    /// An HTTP/2 connection was ended because of too many frames of this kind.
    pub fn h2_flood(&self, flood: Flood) {
        self.h2_floods[flood as usize].fetch_add(1, Relaxed);
    }

    pub fn tls_handshake_failed(&self) {
        self.tls_handshake_failures.fetch_add(1, Relaxed);
    }

    /// K6
    pub fn credential_in_query(&self) {
        self.credential_in_query.fetch_add(1, Relaxed);
    }

    /// A delivery that the gateway itself answered with 200.
    pub fn answered_here(&self, answer: OwnAnswer) {
        self.answered_here[answer as usize].fetch_add(1, Relaxed);
    }

    /// So long whatever was ready had to wait for this core.
    pub fn delayed(&self, delay: Duration) {
        locked(&self.delays).observe(delay);
    }

    /// A request was refused because this core was behind.
    pub fn refused_behind(&self) {
        self.refused_behind.fetch_add(1, Relaxed);
    }

    pub(super) fn retain_workflows(&self, keep: impl Fn(&str) -> bool) {
        locked(&self.series).retain(keep);
    }

    pub(super) fn retain_connections(&self, keep: impl Fn(&str) -> bool) {
        locked(&self.calls).retain(keep);
    }

    /// Adds this core's numbers to the sum.
    pub(super) fn add_to(&self, sum: &mut Sum) {
        // Copied first: the core must not wait while the sum is made.
        let series = locked(&self.series).clone();
        sum.series.add(&series);
        let calls = locked(&self.calls).clone();
        sum.calls.add(&calls);
        for (connection, pool) in locked(&self.pools).iter() {
            let total = sum.pools.entry(Arc::clone(connection)).or_default();
            total.opened += pool.opened.load(Relaxed);
            total.reused += pool.reused.load(Relaxed);
            total.idle += pool.idle.load(Relaxed);
            total.retried += pool.retried.load(Relaxed);
            total.ejected += pool.ejected.load(Relaxed);
            total.scrubbed += pool.scrubbed.load(Relaxed);
        }
        sum.in_flight += self.in_flight.load(Relaxed);
        for (total, gauge) in sum.front.iter_mut().zip(&self.front) {
            *total += gauge.load(Relaxed);
        }
        for (total, counter) in sum.limited.iter_mut().zip(&self.limited) {
            *total += counter.load(Relaxed);
        }
        for (total, counter) in sum.refused.iter_mut().zip(&self.refused) {
            *total += counter.load(Relaxed);
        }
        for (total, counter) in sum.h2_floods.iter_mut().zip(&self.h2_floods) {
            *total += counter.load(Relaxed);
        }
        for (total, counter) in sum.answered_here.iter_mut().zip(&self.answered_here) {
            *total += counter.load(Relaxed);
        }
        sum.delays.add(&locked(&self.delays));
        sum.refused_behind += self.refused_behind.load(Relaxed);
        sum.tls_handshake_failures += self.tls_handshake_failures.load(Relaxed);
        sum.credential_in_query += self.credential_in_query.load(Relaxed);
    }
}

/// Adds to what only this core writes: no other's word can come in between, so none has to be locked out.
fn step(gauge: &AtomicI64, by: i64) {
    gauge.store(gauge.load(Relaxed).wrapping_add(by), Relaxed);
}

impl UpstreamPool {
    pub fn opened(&self) {
        self.opened.fetch_add(1, Relaxed);
    }

    pub fn reused(&self) {
        self.reused.store(self.reused.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// A request was sent again.
    pub fn retried(&self) {
        self.retried.fetch_add(1, Relaxed);
    }

    /// An address was put out for a while.
    pub fn ejected(&self) {
        self.ejected.fetch_add(1, Relaxed);
    }

    /// C12: so many secrets were taken from a reply.
    pub fn scrubbed(&self, secrets: u64) {
        self.scrubbed.fetch_add(secrets, Relaxed);
    }

    /// A connection was put aside for the next request.
    pub fn idle_added(&self) {
        step(&self.idle, 1);
    }

    /// It was taken again, or closed.
    pub fn idle_removed(&self) {
        step(&self.idle, -1);
    }
}

impl Drop for FrontConnection {
    fn drop(&mut self) {
        self.0.front[self.1 as usize].fetch_sub(1, Relaxed);
    }
}

impl FrontProtocol {
    pub(super) const ALL: [(FrontProtocol, &'static str); 2] = [(FrontProtocol::H1, "h1"), (FrontProtocol::H2, "h2")];
}

/// All cores together.
#[derive(Debug, Default)]
pub(super) struct Sum {
    pub(super) series: SeriesTable,
    pub(super) calls: SeriesTable,
    pub(super) pools: std::collections::BTreeMap<Arc<str>, PoolSum>,
    pub(super) in_flight: i64,
    pub(super) front: [i64; FrontProtocol::ALL.len()],
    pub(super) limited: [u64; Scope::ALL.len()],
    pub(super) refused: [u64; ConnectionRefusal::ALL.len()],
    pub(super) h2_floods: [u64; Flood::ALL.len()],
    pub(super) tls_handshake_failures: u64,
    pub(super) credential_in_query: u64,
    pub(super) answered_here: [u64; OwnAnswer::ALL.len()],
    pub(super) delays: Histogram,
    pub(super) refused_behind: u64,
}

#[derive(Debug, Default)]
pub(super) struct PoolSum {
    pub(super) opened: u64,
    pub(super) reused: u64,
    pub(super) idle: i64,
    pub(super) retried: u64,
    pub(super) ejected: u64,
    pub(super) scrubbed: u64,
}

/// A request that panicked while counting must not silence the metrics of all others.
pub(in crate::telemetry) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(core: &CoreMetrics) -> Sum {
        let mut sum = Sum::default();
        core.add_to(&mut sum);
        sum
    }

    #[test]
    fn labels_stand_where_their_counters_are() {
        for (at, scope) in Scope::ALL.into_iter().enumerate() {
            assert_eq!(scope as usize, at);
        }
        for (at, refusal) in ConnectionRefusal::ALL.into_iter().enumerate() {
            assert_eq!(refusal as usize, at);
        }
        for (at, flood) in Flood::ALL.into_iter().enumerate() {
            assert_eq!(flood as usize, at);
        }
        for (at, answer) in OwnAnswer::ALL.into_iter().enumerate() {
            assert_eq!(answer as usize, at);
        }
        for (at, (protocol, _)) in FrontProtocol::ALL.into_iter().enumerate() {
            assert_eq!(protocol as usize, at);
        }
    }

    #[test]
    fn what_began_and_has_not_ended_is_in_flight() {
        let core = Arc::new(CoreMetrics::default());
        core.request_started();
        core.request_started();
        core.request_ended();
        assert_eq!(sum(&core).in_flight, 1);
        core.request_ended();
        assert_eq!(sum(&core).in_flight, 0);
    }

    #[test]
    fn connections_are_counted_by_protocol_while_they_are_open() {
        let core = Arc::new(CoreMetrics::default());
        let h1 = core.front_connection(FrontProtocol::H1);
        let _h2 = core.front_connection(FrontProtocol::H2);
        assert_eq!(sum(&core).front, [1, 1]);
        drop(h1);
        assert_eq!(sum(&core).front, [0, 1]);
    }

    #[test]
    fn beyond_1000_connections_pools_are_counted_as_other() {
        let core = CoreMetrics::default();
        for number in 0..MAX_POOLS + 10 {
            core.upstream_pool(&format!("c{number}")).opened();
        }
        core.upstream_pool("c0").opened();
        let sum = sum(&core);
        assert_eq!(sum.pools.len(), MAX_POOLS + 1);
        assert_eq!(sum.pools["c0"].opened, 2);
        assert_eq!(sum.pools[OTHER].opened, 10);
    }
}
