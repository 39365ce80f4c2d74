//! One rate limit: a governor cell with what a refusal must say.

use crate::model::Quota;
use crate::model::quota::{Allowance, Refusal, Scope};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use std::time::Duration;

type Cell<C> = governor::RateLimiter<NotKeyed, InMemoryState, C, StateInformationMiddleware>;

/// A quota and how much of it is used. Lock-free: one compare-and-swap a request.
pub struct Meter<C: Clock + Clone = DefaultClock> {
    quota: Quota,
    cell: Cell<C>,
    clock: C,
}

impl Meter {
    pub fn new(quota: Quota) -> Meter {
        Meter::with_clock(quota, DefaultClock::default())
    }
}

impl<C: Clock + Clone> Meter<C> {
    /// For tests, which bring their own time.
    pub fn with_clock(quota: Quota, clock: C) -> Meter<C> {
        let cell = governor::RateLimiter::direct_with_clock(governor_quota(quota), clock.clone());
        Meter { quota, cell: cell.with_middleware(), clock }
    }

    pub fn quota(&self) -> Quota {
        self.quota
    }

    /// Counts one request, or says how long to wait.
    pub fn charge(&self, scope: Scope) -> Result<Allowance, Refusal> {
        match self.cell.check() {
            Ok(state) => Ok(Allowance { scope, quota: self.quota, remaining: state.remaining_burst_capacity() }),
            Err(not_until) => {
                Err(Refusal { scope, quota: self.quota, wait: not_until.wait_time_from(self.clock.now()) })
            }
        }
    }
}

/// `count` per `per` as governor says it: one cell every `per / count`.
pub fn governor_quota(quota: Quota) -> governor::Quota {
    let every = (quota.per / quota.count.get()).max(Duration::from_nanos(1));
    governor::Quota::with_period(every).expect("a period of at least a nanosecond").allow_burst(quota.burst)
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;
    use std::num::NonZeroU32;

    fn quota(count: u32, seconds: u64, burst: u32) -> Quota {
        let n = |n| NonZeroU32::new(n).unwrap();
        Quota { count: n(count), per: Duration::from_secs(seconds), burst: n(burst) }
    }

    #[test]
    fn l1_a_burst_passes_at_once_then_the_rate_rules() {
        let clock = FakeRelativeClock::default();
        let meter = Meter::with_clock(quota(60, 60, 3), clock.clone());
        let left: Vec<u32> = (0..3).map(|_| meter.charge(Scope::Key).unwrap().remaining).collect();
        assert_eq!(left, [2, 1, 0]);
        let refusal = meter.charge(Scope::Key).unwrap_err();
        assert_eq!(refusal.wait, Duration::from_secs(1), "one a second");
        clock.advance(Duration::from_millis(999));
        assert!(meter.charge(Scope::Key).is_err());
        clock.advance(Duration::from_millis(1));
        assert!(meter.charge(Scope::Key).is_ok());
        assert!(meter.charge(Scope::Key).is_err());
    }

    #[test]
    fn l1_an_idle_meter_fills_up_to_its_burst_and_no_further() {
        let clock = FakeRelativeClock::default();
        let meter = Meter::with_clock(quota(100, 1, 5), clock.clone());
        clock.advance(Duration::from_secs(3600));
        assert_eq!((0..10).filter(|_| meter.charge(Scope::Workflow).is_ok()).count(), 5);
    }
}
