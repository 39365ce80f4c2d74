//! What is kept open to one address of a destination, and how that address fared.

use super::endpoints::{Candidate, Health};
use super::h2::client::Line as H2;
use super::openings::Openings;
use super::pool::{H1, Pool, Way};
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Kept-alive connections to one address; more are closed after use.
const MOST_IDLE: usize = 1024;
/// Below the 75 s and 60 s after which common servers hang up, so that we are the one to close.
const KEPT_FOR: Duration = Duration::from_secs(50);

/// One address of a destination.
pub struct Endpoint {
    pub address: SocketAddr,
    health: Cell<Health>,
    in_flight: Cell<u32>,
    idle: RefCell<Vec<Free>>,
    lines: RefCell<Vec<(Rc<H2>, Instant)>>,
    /// It left the answer: nothing more is kept for it.
    retired: Cell<bool>,
    /// Held by whoever opens a connection that others may share.
    pub opening: Mutex<()>,
    /// The last connection opened spoke HTTP/1, so nobody waits for another's.
    pub alone: Cell<bool>,
    /// Those that nobody shares.
    pub openings: Rc<Openings<Free>>,
}

/// A connection that nobody uses.
pub struct Free {
    connection: H1,
    since: Instant,
    expires: Instant,
}

impl Endpoint {
    /// An address of which nothing is known yet.
    pub fn new(address: SocketAddr) -> Rc<Endpoint> {
        Rc::new(Endpoint {
            address,
            health: Cell::default(),
            in_flight: Cell::default(),
            idle: RefCell::default(),
            lines: RefCell::default(),
            retired: Cell::default(),
            opening: Mutex::default(),
            alone: Cell::default(),
            openings: Rc::default(),
        })
    }

    /// What the choice between addresses goes by.
    pub fn candidate(&self, now: Instant) -> Candidate {
        Candidate { standing: self.health.get().standing(now), in_flight: self.in_flight.get() }
    }

    /// A request is on its way to it.
    pub fn begun(&self) {
        self.in_flight.set(self.in_flight.get() + 1);
    }

    /// It is no more.
    pub fn done(&self) {
        self.in_flight.set(self.in_flight.get().saturating_sub(1));
    }

    /// It did not answer. True if that puts it out.
    pub fn failed(&self, now: Instant) -> bool {
        let mut health = self.health.get();
        let out = health.failed(now);
        self.health.set(health);
        out
    }

    /// A reply has begun.
    pub fn succeeded(&self) {
        self.health.set(Health::default());
    }

    /// The first line that has room: the others may then grow old and go.
    pub fn take_h2(&self, now: Instant) -> Option<(Way, Instant)> {
        let mut lines = self.lines.borrow_mut();
        if lines.is_empty() {
            return None;
        }
        lines.retain(|(line, expires)| line.is_open() && now < *expires);
        let (line, expires) = lines.iter().find(|(line, _)| line.has_room())?;
        Some((Way::H2(line.clone()), *expires))
    }

    /// The connection that was used last: the others may then grow old and go.
    pub fn take_h1(&self, pool: &Pool, now: Instant) -> Option<(Way, Instant)> {
        let mut idle = self.idle.borrow_mut();
        while let Some(candidate) = idle.pop() {
            pool.counters.idle_removed();
            let taken = candidate.take(now);
            if taken.is_some() {
                return taken;
            }
        }
        None
    }

    /// Lets other requests have `line` as well.
    pub fn share(&self, line: &Rc<H2>, expires: Instant) {
        if !self.is_retired() {
            self.lines.borrow_mut().push((line.clone(), expires));
        }
    }

    /// Gives a connection to who waits for one, or keeps it for another request; false unless it is kept.
    pub fn keep(&self, connection: H1, expires: Instant, since: Instant) -> bool {
        if self.is_retired() || since >= expires {
            return false;
        }
        let Some(free) = self.openings.offer(Free { connection, since, expires }) else { return false };
        let mut idle = self.idle.borrow_mut();
        let keep = idle.len() < MOST_IDLE;
        if keep {
            idle.push(free);
        }
        keep
    }

    /// Whether any connection is kept.
    pub fn keeps_any(&self) -> bool {
        !self.idle.borrow().is_empty() || !self.lines.borrow().is_empty()
    }

    /// Whether it left the answer.
    pub fn is_retired(&self) -> bool {
        self.retired.get()
    }

    /// Closes what has been idle for too long.
    pub fn sweep(&self, pool: &Pool, now: Instant) {
        let mut idle = self.idle.borrow_mut();
        let before = idle.len();
        idle.retain_mut(|i| i.is_fresh(now) && i.connection.is_open());
        (idle.len()..before).for_each(|_| pool.counters.idle_removed());
        let unused = |line: &H2| line.unused_since().is_some_and(|since| now >= since + KEPT_FOR);
        self.lines.borrow_mut().retain(|(line, expires)| line.is_open() && now < *expires && !unused(line));
    }

    /// It left the answer: what is kept is closed.
    pub fn retire(&self, pool: &Pool) {
        self.retired.set(true);
        self.lines.borrow_mut().clear();
        self.idle.borrow_mut().drain(..).for_each(|_| pool.counters.idle_removed());
    }
}

impl Free {
    /// To be used, if it still can be.
    pub fn take(mut self, now: Instant) -> Option<(Way, Instant)> {
        (self.is_fresh(now) && self.connection.is_open()).then(|| (Way::H1(self.connection), self.expires))
    }

    fn is_fresh(&self, now: Instant) -> bool {
        now < self.since + KEPT_FOR && now < self.expires
    }
}
