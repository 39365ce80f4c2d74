//! The connections of one destination on one core: what its names lead to, how those addresses fared, and what is kept
//! open to them. Nothing here is shared between cores, so nothing is locked.

use super::endpoints::{Candidate, Health, Standing, choose, last_resort};
use super::h1::client::Idle as H1;
use super::h2::client::Line as H2;
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

/// Kept-alive connections to one address; more are closed after use.
const MOST_IDLE: usize = 1024;
/// Below the 75 s and 60 s after which common servers hang up, so that we are the one to close.
const KEPT_FOR: Duration = Duration::from_secs(50);
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

/// One address of a destination.
pub struct Endpoint {
    pub address: SocketAddr,
    health: Cell<Health>,
    in_flight: Cell<u32>,
    idle: RefCell<Vec<Idle>>,
    lines: RefCell<Vec<(Rc<H2>, Instant)>>,
    /// It left the answer: nothing more is kept for it.
    retired: Cell<bool>,
    /// Held by whoever opens a connection that others may share.
    pub opening: Mutex<()>,
    /// The last connection opened spoke HTTP/1, so nobody waits for another's.
    pub alone: Cell<bool>,
}

struct Idle {
    connection: H1,
    since: Instant,
    expires: Instant,
}

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
    pub fn new(destination: &Destination, counters: Arc<UpstreamPool>, dice: u64) -> Rc<Pool> {
        let now = Instant::now();
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

    /// Notes a request, and sees to it that somebody can be asked. Looks names up again beside the requests, and before
    /// them only if there is nothing to go by.
    pub async fn ready(self: &Rc<Self>, now: Instant, deadline: impl FnOnce() -> Instant) -> Result<(), Denial> {
        self.used.set(now);
        self.budget.borrow_mut().request(now);
        if now >= self.due.get() {
            if self.endpoints.borrow().is_empty() {
                Box::pin(self.resolve_once(deadline())).await;
            } else {
                // Nobody else asks meanwhile.
                self.due.set(now + NAMES_LIVE);
                let pool = self.clone();
                tokio::task::spawn_local(async move {
                    pool.adopt(dial::resolve(&pool.sites, now + NAMES_LIVE).await, Instant::now());
                });
            }
        }
        self.verdict.borrow().clone().map_or(Ok(()), Err)
    }

    async fn resolve_once(&self, deadline: Instant) {
        let _one = self.resolving.lock().await;
        if Instant::now() >= self.due.get() {
            let answers = dial::resolve(&self.sites, deadline).await;
            self.adopt(answers, Instant::now());
        }
    }

    /// Takes note of what the names lead to now.
    fn adopt(&self, answers: Vec<Answer>, now: Instant) {
        let mut verdict = None;
        let mut found: Vec<SocketAddr> = Vec::new();
        for ((site, name), answer) in self.sites.iter().zip(self.names.borrow_mut().iter_mut()).zip(answers) {
            match answer {
                Ok(addresses) => *name = (addresses, now),
                // Old news is better than none, for a while.
                Err(cause) => {
                    if now.saturating_duration_since(name.1) >= NAMES_LAST {
                        name.0.clear();
                    }
                    verdict.get_or_insert(Denial::UpstreamUnreachable { cause });
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
        let found = shared.or_else(|| endpoint.take_h1(self, now));
        let (way, expires) = found?;
        self.counters.reused();
        Some(Leased { way, lease: self.lease(endpoint, expires), reused: true })
    }

    /// A connection that was just opened.
    pub fn opened(self: &Rc<Self>, endpoint: &Rc<Endpoint>, way: Way, now: Instant) -> Leased {
        self.counters.opened();
        let expires = now + about(OLDEST, self.roll().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32);
        if let Way::H2(line) = &way
            && !endpoint.retired.get()
        {
            endpoint.lines.borrow_mut().push((line.clone(), expires));
        }
        Leased { way, lease: self.lease(endpoint, expires), reused: false }
    }

    fn lease(self: &Rc<Self>, endpoint: &Rc<Endpoint>, expires: Instant) -> Lease {
        endpoint.in_flight.set(endpoint.in_flight.get() + 1);
        Lease { endpoint: endpoint.clone(), pool: self.clone(), expires }
    }

    /// The endpoint at `address` did not answer.
    pub fn failed(&self, address: SocketAddr, now: Instant) {
        let endpoints = self.endpoints.borrow();
        let Some(endpoint) = endpoints.iter().find(|e| e.address == address) else { return };
        let mut health = endpoint.health.get();
        if health.failed(now) {
            self.counters.ejected();
        }
        endpoint.health.set(health);
    }

    /// Closes what has been idle for too long; false if nothing is left that is worth remembering.
    pub fn sweep(&self, now: Instant) -> bool {
        self.endpoints.borrow().iter().for_each(|e| e.sweep(self, now));
        let idle = |e: &Rc<Endpoint>| e.idle.borrow().is_empty() && e.lines.borrow().is_empty();
        now < self.used.get() + REMEMBERED || !self.endpoints.borrow().iter().all(idle)
    }
}

impl Endpoint {
    fn new(address: SocketAddr) -> Rc<Endpoint> {
        Rc::new(Endpoint {
            address,
            health: Cell::default(),
            in_flight: Cell::default(),
            idle: RefCell::default(),
            lines: RefCell::default(),
            retired: Cell::default(),
            opening: Mutex::default(),
            alone: Cell::default(),
        })
    }

    fn candidate(&self, now: Instant) -> Candidate {
        Candidate { standing: self.health.get().standing(now), in_flight: self.in_flight.get() }
    }

    /// A reply has begun.
    pub fn succeeded(&self) {
        self.health.set(Health::default());
    }

    /// The first line that has room: the others may then grow old and go.
    fn take_h2(&self, now: Instant) -> Option<(Way, Instant)> {
        let mut lines = self.lines.borrow_mut();
        if lines.is_empty() {
            return None;
        }
        lines.retain(|(line, expires)| line.is_open() && now < *expires);
        let (line, expires) = lines.iter().find(|(line, _)| line.has_room())?;
        Some((Way::H2(line.clone()), *expires))
    }

    /// The connection that was used last: the others may then grow old and go.
    fn take_h1(&self, pool: &Pool, now: Instant) -> Option<(Way, Instant)> {
        let mut idle = self.idle.borrow_mut();
        while let Some(mut candidate) = idle.pop() {
            pool.counters.idle_removed();
            if candidate.is_fresh(now) && candidate.connection.is_open() {
                return Some((Way::H1(candidate.connection), candidate.expires));
            }
        }
        None
    }

    fn sweep(&self, pool: &Pool, now: Instant) {
        let mut idle = self.idle.borrow_mut();
        let before = idle.len();
        idle.retain_mut(|i| {
            i.connection.rest();
            i.is_fresh(now) && i.connection.is_open()
        });
        (idle.len()..before).for_each(|_| pool.counters.idle_removed());
        let unused = |line: &H2| line.unused_since().is_some_and(|since| now >= since + KEPT_FOR);
        self.lines.borrow_mut().retain(|(line, expires)| line.is_open() && now < *expires && !unused(line));
    }

    fn retire(&self, pool: &Pool) {
        self.retired.set(true);
        self.lines.borrow_mut().clear();
        self.idle.borrow_mut().drain(..).for_each(|_| pool.counters.idle_removed());
    }
}

impl Idle {
    fn is_fresh(&self, now: Instant) -> bool {
        now < self.since + KEPT_FOR && now < self.expires
    }
}

impl Lease {
    /// Gives a connection back on which both messages were whole.
    pub fn put(self, connection: H1) {
        let (since, endpoint) = (Instant::now(), &self.endpoint);
        let mut idle = endpoint.idle.borrow_mut();
        if !endpoint.retired.get() && since < self.expires && idle.len() < MOST_IDLE {
            idle.push(Idle { connection, since, expires: self.expires });
            self.pool.counters.idle_added();
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.endpoint.in_flight.set(self.endpoint.in_flight.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::fixture;
    use crate::telemetry::metrics::CoreMetrics;

    fn pool(hosts: &[&str]) -> Rc<Pool> {
        let snapshot = fixture::snapshot();
        let mut destination = snapshot.connections[0].destination.clone();
        destination.addresses = hosts.iter().map(|host| Site { host: (*host).to_owned(), port: 80 }).collect();
        Pool::new(&destination, CoreMetrics::default().upstream_pool("c"), 0)
    }

    fn answer(list: &[&str]) -> Answer {
        Ok(list.iter().map(|address| address.parse().unwrap()).collect())
    }

    fn addresses(pool: &Pool) -> Vec<String> {
        pool.endpoints.borrow().iter().map(|e| e.address.to_string()).collect()
    }

    fn silence() -> Answer {
        Err("the resolver does not answer".to_owned())
    }

    #[test]
    fn an_address_that_left_the_answer_gets_nothing_more_and_one_that_stayed_keeps_what_it_has() {
        let (pool, now) = (pool(&["engine"]), Instant::now());
        pool.adopt(vec![answer(&["9.9.9.9:80", "8.8.8.8:80"])], now);
        let stays = pool.at("9.9.9.9:80".parse().unwrap()).unwrap();
        let leaves = pool.at("8.8.8.8:80".parse().unwrap()).unwrap();
        pool.adopt(vec![answer(&["9.9.9.9:80", "1.1.1.1:80"])], now);
        assert_eq!(addresses(&pool), ["9.9.9.9:80", "1.1.1.1:80"]);
        assert!(leaves.retired.get() && !stays.retired.get());
        assert!(Rc::ptr_eq(&stays, &pool.at(stays.address).unwrap()));
    }

    #[test]
    fn the_last_good_answer_serves_for_a_minute_while_the_resolver_fails() {
        let (pool, now) = (pool(&["engine"]), Instant::now());
        pool.adopt(vec![answer(&["9.9.9.9:80"])], now);
        pool.adopt(vec![silence()], now + NAMES_LAST - Duration::from_secs(1));
        assert_eq!(addresses(&pool), ["9.9.9.9:80"]);
        assert!(pool.verdict.borrow().is_none());
        pool.adopt(vec![silence()], now + NAMES_LAST);
        assert!(addresses(&pool).is_empty());
        assert_eq!(pool.verdict.borrow().as_ref().map(Denial::code), Some("upstream_unreachable"));
        assert_eq!(pool.due.get(), now + NAMES_LAST + NAMES_AGAIN, "asked again soon");
    }

    #[test]
    fn a_name_that_fails_does_not_take_the_others_with_it() {
        let (pool, now) = (pool(&["engine", "gone", "other"]), Instant::now());
        pool.adopt(vec![answer(&["9.9.9.9:80"]), silence(), answer(&["9.9.9.9:80", "8.8.8.8:80"])], now);
        assert_eq!(addresses(&pool), ["9.9.9.9:80", "8.8.8.8:80"], "each once");
        assert!(pool.verdict.borrow().is_none());
    }

    #[test]
    fn hazard_20_a_later_answer_that_leads_inside_closes_what_was_open() {
        let (pool, now) = (pool(&["engine", "other"]), Instant::now());
        pool.adopt(vec![answer(&["9.9.9.9:80"]), answer(&["8.8.8.8:80"])], now);
        pool.adopt(vec![answer(&["9.9.9.9:80"]), answer(&["8.8.8.8:80", "10.0.0.1:80"])], now);
        assert!(addresses(&pool).is_empty());
        assert_eq!(pool.verdict.borrow().as_ref().map(Denial::code), Some("destination_not_allowed"));
    }

    #[test]
    fn an_address_that_is_out_is_asked_only_where_nobody_else_is_left() {
        let (pool, now) = (pool(&["engine"]), Instant::now());
        pool.adopt(vec![answer(&["9.9.9.9:80", "8.8.8.8:80"])], now);
        let (bad, good) = ("9.9.9.9:80".parse().unwrap(), "8.8.8.8:80".parse().unwrap());
        (0..3).for_each(|_| pool.failed(bad, now));
        for _ in 0..10 {
            assert_eq!(pool.next(now, &[], true).unwrap().address, good);
        }
        assert!(pool.next(now, &[good], false).is_none() && !pool.has_other(now, &[good]));
        assert_eq!(pool.next(now, &[good], true).unwrap().address, bad);
    }
}
