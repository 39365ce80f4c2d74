//! A rate limit per client address, of which there may be as many as an attacker has (L3: memory stays bounded).

use super::meter::governor_quota;
use crate::model::Quota;
use crate::model::quota::{Allowance, Refusal, Scope};
use crate::policy::address::counted;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Addresses that are told apart; a cell takes some 60 bytes, so about 8 MiB a table.
pub const CAPACITY: usize = 128 * 1024;
/// Beyond that, newcomers share this many cells until there is room again.
const SHARED: u64 = 4096;
/// How often, in requests, the table is measured.
const MEASURE_EVERY: u32 = 1024;

type Cells<C> = governor::RateLimiter<Who, DashMapStateStore<Who>, C, StateInformationMiddleware>;

/// Who is counted, as a number, which is quickly hashed: an IPv4 address, or the /64 of an IPv6 one. Nobody's /64 begins with
/// 32 zeros.
pub type Who = u64;

/// One quota, counted for each address (IPv6: each /64) apart.
pub struct AddressMeters<C: Clock + Clone = DefaultClock> {
    quota: Quota,
    cells: Cells<C>,
    clock: C,
    since_measured: AtomicU32,
    full: AtomicBool,
    folding: RandomState,
    capacity: usize,
}

impl AddressMeters {
    pub fn new(quota: Quota) -> AddressMeters {
        AddressMeters::with_clock(quota, DefaultClock::default(), CAPACITY)
    }
}

impl<C: Clock + Clone> AddressMeters<C> {
    /// For tests, which bring their own time and room.
    pub fn with_clock(quota: Quota, clock: C, capacity: usize) -> AddressMeters<C> {
        let cells = governor::RateLimiter::dashmap_with_clock(governor_quota(quota), clock.clone());
        AddressMeters {
            quota,
            cells: cells.with_middleware(),
            clock,
            since_measured: AtomicU32::new(0),
            full: AtomicBool::new(false),
            folding: RandomState::new(),
            capacity,
        }
    }

    pub fn quota(&self) -> Quota {
        self.quota
    }

    /// Addresses told apart right now.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Counts one request of `address`, or says how long to wait.
    pub fn charge(&self, address: IpAddr, scope: Scope) -> Result<Allowance, Refusal> {
        self.measure();
        let mut who = who(address);
        if self.full.load(Ordering::Relaxed) {
            who = self.fold(who);
        }
        match self.cells.check_key(&who) {
            Ok(state) => Ok(Allowance { scope, quota: self.quota, remaining: state.remaining_burst_capacity() }),
            Err(not_until) => {
                Err(Refusal { scope, quota: self.quota, wait: not_until.wait_time_from(self.clock.now()) })
            }
        }
    }

    /// Now and then: forgets addresses whose quota is whole again, and sees whether that made enough room.
    fn measure(&self) {
        if self.since_measured.fetch_add(1, Ordering::Relaxed) < MEASURE_EVERY {
            return;
        }
        self.since_measured.store(0, Ordering::Relaxed);
        self.sweep();
    }

    /// Forgets addresses whose quota is whole again. A quiet listener's table is swept by the clock instead of by requests.
    pub fn sweep(&self) {
        if self.cells.len() >= self.capacity / 2 {
            self.cells.retain_recent();
            self.cells.shrink_to_fit();
        }
        self.full.store(self.cells.len() >= self.capacity, Ordering::Relaxed);
    }

    /// One of the shared cells, which nobody can choose: keyed by a random hash, in a network that no caller comes from.
    fn fold(&self, who: Who) -> Who {
        (0x0100 << 48) | (self.folding.hash_one(who) % SHARED)
    }
}

/// For whom requests of `address` count.
pub fn who(address: IpAddr) -> Who {
    match counted(address) {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(network) => (network.to_bits() >> 64) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;
    use std::net::Ipv4Addr;
    use std::num::NonZeroU32;
    use std::time::Duration;

    fn quota() -> Quota {
        let n = |n| NonZeroU32::new(n).unwrap();
        Quota { count: n(1), per: Duration::from_secs(60), burst: n(1) }
    }

    #[test]
    fn l1_addresses_are_counted_apart_and_ipv6_by_its_64() {
        let meters = AddressMeters::with_clock(quota(), FakeRelativeClock::default(), 10);
        let ok = |a: &str| meters.charge(a.parse().unwrap(), Scope::Address).is_ok();
        assert!(ok("192.0.2.1") && !ok("192.0.2.1") && ok("192.0.2.2"));
        assert!(ok("2001:db8::1") && !ok("2001:db8::2") && ok("2001:db8:0:1::1"));
    }

    #[test]
    fn l3_memory_stays_bounded_however_many_addresses_are_seen() {
        let clock = FakeRelativeClock::default();
        let meters = AddressMeters::with_clock(quota(), clock.clone(), 1000);
        for n in 0..200_000u32 {
            let _ = meters.charge(Ipv4Addr::from_bits(n).into(), Scope::Address);
        }
        let bound = 1000 + MEASURE_EVERY as usize + 1 + SHARED as usize;
        assert!(meters.len() <= bound, "{} > {bound}", meters.len());
        clock.advance(Duration::from_secs(120));
        meters.sweep();
        assert!(meters.is_empty(), "what is whole again is forgotten");
    }
}
