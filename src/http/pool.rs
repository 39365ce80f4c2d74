//! The connections of one destination on one core: what its names lead to, how those addresses fared, and what is kept
//! open to them. Nothing here is shared between cores, so nothing is locked.

use super::body::RequestBody;
use super::endpoints::{Candidate, Standing, choose, last_resort};
use super::h1::client::Idle;
use super::h2::client::Line as H2;
use super::kept::Endpoint;
use super::retry::{RetryBudget, about};
use crate::model::Denial;
use crate::model::connection::{Destination, HttpVersion, Site};
use crate::net::dial::{self, Answer};
use crate::telemetry::metrics::UpstreamPool;
use ipnet::IpNet;
use smallvec::SmallVec;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// A connection takes no new requests after about this: otherwise a busy one would never follow a load balancer that
/// moved, or a host that was drained.
const OLDEST: Duration = Duration::from_secs(600);
/// How long an answer of the system's resolver, which tells no lifetime, is believed.
const NAMES_LIVE: Duration = Duration::from_secs(10);
/// How long the last good answer serves while the resolver fails.
const NAMES_LAST: Duration = Duration::from_secs(60);
/// How soon a failing resolver is asked again while there is nothing to go by.
const NAMES_AGAIN: Duration = Duration::from_secs(1);
/// How long what was learnt of a destination outlives its last request.
const REMEMBERED: Duration = Duration::from_secs(120);

/// One destination, as one core knows it.
pub struct Pool {
    sites: Arc<[Site]>,
    networks: Arc<[IpNet]>,
    h2_only: bool,
    endpoints: RefCell<Vec<Rc<Endpoint>>>,
    /// By site: the last good answer, and when it came.
    names: RefCell<Vec<(Vec<SocketAddr>, Instant)>>,
    /// Why there is nobody to ask, if there is nobody.
    verdict: RefCell<Option<Denial>>,
    /// When the names are looked up again.
    due: Cell<Instant>,
    resolving: Mutex<()>,
    used: Cell<Instant>,
    dice: Cell<u64>,
    pub budget: RefCell<RetryBudget>,
    pub counters: Arc<UpstreamPool>,
}

/// A kept connection that speaks HTTP/1.
pub type H1 = Idle<RequestBody>;

/// What a request travels on.
pub enum Way {
    H1(H1),
    H2(Rc<H2>),
}

/// A request's hold on an endpoint: it counts as busy until this is dropped.
pub struct Lease {
    pub endpoint: Rc<Endpoint>,
    pool: Rc<Pool>,
    /// When the connection is too old for another request.
    expires: Instant,
}

/// A way that is ready, and whether it was used before.
pub struct Leased {
    pub way: Way,
    pub lease: Lease,
    pub reused: bool,
}

impl Pool {
    /// Its names are due at `now`, so the request that it is made for looks them up.
    pub fn new(destination: &Destination, counters: Arc<UpstreamPool>, dice: u64, now: Instant) -> Rc<Pool> {
        Rc::new(Pool {
            sites: destination.addresses.clone(),
            networks: destination.allow_networks.clone(),
            h2_only: destination.http == HttpVersion::Http2,
            endpoints: RefCell::default(),
            names: RefCell::new(vec![(Vec::new(), now); destination.addresses.len()]),
            verdict: RefCell::default(),
            due: Cell::new(now),
            resolving: Mutex::default(),
            used: Cell::new(now),
            dice: Cell::new(dice),
            budget: RefCell::new(RetryBudget::new(now)),
            counters,
        })
    }

    /// Notes a request. Where its names are due, they are looked up again beside the requests.
    pub fn request(self: &Rc<Self>, now: Instant) {
        self.used.set(now);
        self.budget.borrow_mut().request(now);
        if now >= self.due.get() && !self.endpoints.borrow().is_empty() {
            // Nobody else asks meanwhile.
            self.due.set(now + NAMES_LIVE);
            let pool = self.clone();
            tokio::task::spawn_local(async move {
                pool.adopt(dial::resolve(&pool.sites, now + NAMES_LIVE).await, Instant::now());
            });
        }
    }

    /// Sees to it that somebody can be asked: where nobody is known, the names are looked up before the request goes on.
    pub async fn ready(&self, deadline: Instant) -> Result<(), Denial> {
        if self.endpoints.borrow().is_empty() {
            let _one = self.resolving.lock().await;
            if Instant::now() >= self.due.get() {
                let answers = dial::resolve(&self.sites, deadline).await;
                self.adopt(answers, Instant::now());
            }
        }
        self.verdict.borrow().clone().map_or(Ok(()), Err)
    }

    /// Takes note of what the names lead to now.
    fn adopt(&self, answers: Vec<Answer>, now: Instant) {
        let mut verdict = None;
        let mut found: Vec<SocketAddr> = Vec::new();
        for ((site, name), answer) in self.sites.iter().zip(self.names.borrow_mut().iter_mut()).zip(answers) {
            match answer {
                Ok(addresses) => *name = (addresses, now),
                // Old news is better than none, for a while.
                Err(denial) => {
                    if now.saturating_duration_since(name.1) >= NAMES_LAST {
                        name.0.clear();
                    }
                    verdict.get_or_insert(denial);
                }
            }
            if let Err(denial) = dial::vet(site, &name.0, &self.networks) {
                verdict = Some(denial);
                found.clear();
                break;
            }
            found.extend(name.0.iter().filter(|a| !found.contains(a)).copied().collect::<SmallVec<[_; 8]>>());
        }
        let mut endpoints = self.endpoints.borrow_mut();
        for endpoint in endpoints.extract_if(.., |e| !found.contains(&e.address)) {
            endpoint.retire(self);
        }
        for address in found {
            if !endpoints.iter().any(|e| e.address == address) {
                endpoints.push(Endpoint::new(address));
            }
        }
        let nobody = endpoints.is_empty();
        self.due.set(now + if nobody { NAMES_AGAIN } else { NAMES_LIVE });
        *self.verdict.borrow_mut() = verdict.filter(|_| nobody);
    }

    /// A number that nobody needs to be unable to guess.
    fn roll(&self) -> u64 {
        let next = self.dice.get().wrapping_add(1);
        self.dice.set(next);
        next
    }

    /// Whom to ask next, without those in `but`. `last`: also one that is out, if nobody else is left.
    pub fn next(&self, now: Instant, but: &[SocketAddr], last: bool) -> Option<Rc<Endpoint>> {
        let endpoints = self.endpoints.borrow();
        if let [only] = endpoints.as_slice()
            && but.is_empty()
        {
            return Some(only.clone());
        }
        let left: SmallVec<[&Rc<Endpoint>; 8]> = endpoints.iter().filter(|e| !but.contains(&e.address)).collect();
        let candidates: SmallVec<[Candidate; 8]> = left.iter().map(|e| e.candidate(now)).collect();
        let chosen = choose(&candidates, self.roll()).or_else(|| last_resort(&candidates).filter(|_| last));
        chosen.map(|at| left[at].clone())
    }

    /// Whether anybody else could be asked.
    pub fn has_other(&self, now: Instant, but: &[SocketAddr]) -> bool {
        let well = |e: &Rc<Endpoint>| e.candidate(now).standing == Standing::Well;
        self.endpoints.borrow().iter().any(|e| !but.contains(&e.address) && well(e))
    }

    /// The endpoint at `address`, unless it has left.
    pub fn at(&self, address: SocketAddr) -> Option<Rc<Endpoint>> {
        self.endpoints.borrow().iter().find(|e| e.address == address).cloned()
    }

    /// A connection of `endpoint` that is open and young enough.
    pub fn take(self: &Rc<Self>, endpoint: &Rc<Endpoint>, h1_only: bool, now: Instant) -> Option<Leased> {
        let shared = if h1_only && !self.h2_only { None } else { endpoint.take_h2(now) };
        let (way, expires) = shared.or_else(|| endpoint.take_h1(self, now))?;
        Some(self.reuse(endpoint, way, expires))
    }

    /// A connection that was used before, for another request.
    pub fn reuse(self: &Rc<Self>, endpoint: &Rc<Endpoint>, way: Way, expires: Instant) -> Leased {
        self.counters.reused();
        Leased { way, lease: self.lease(endpoint, expires), reused: true }
    }

    /// A connection that was just opened.
    pub fn opened(self: &Rc<Self>, endpoint: &Rc<Endpoint>, way: Way, now: Instant) -> Leased {
        self.counters.opened();
        let expires = now + about(OLDEST, self.roll().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32);
        if let Way::H2(line) = &way {
            endpoint.share(line, expires);
        }
        Leased { way, lease: self.lease(endpoint, expires), reused: false }
    }

    fn lease(self: &Rc<Self>, endpoint: &Rc<Endpoint>, expires: Instant) -> Lease {
        endpoint.begun();
        Lease { endpoint: endpoint.clone(), pool: self.clone(), expires }
    }

    /// The endpoint at `address` did not answer.
    pub fn failed(&self, address: SocketAddr, now: Instant) {
        let endpoints = self.endpoints.borrow();
        if endpoints.iter().find(|e| e.address == address).is_some_and(|e| e.failed(now)) {
            self.counters.ejected();
        }
    }

    /// Closes what has been idle for too long; false if nothing is left that is worth remembering.
    pub fn sweep(&self, now: Instant) -> bool {
        self.endpoints.borrow().iter().for_each(|e| e.sweep(self, now));
        now < self.used.get() + REMEMBERED || self.endpoints.borrow().iter().any(|e| e.keeps_any())
    }
}

impl Lease {
    /// Gives a connection back on which both messages were whole.
    pub fn put(self, connection: H1) {
        if self.endpoint.keep(connection, self.expires, Instant::now()) {
            self.pool.counters.idle_added();
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.endpoint.done();
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
