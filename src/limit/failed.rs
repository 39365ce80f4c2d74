//! L3: failed authentications are counted by address; over the limit, guesses are refused without a look-up.

use super::addresses::{AddressMeters, CAPACITY, Who, who};
use crate::model::Quota;
use crate::model::quota::{Refusal, Scope};
use dashmap::DashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Who has failed too often, and until when.
pub struct FailedAuth {
    meters: AddressMeters,
    over: DashMap<Who, Instant>,
    /// Size of `over`, so that the rule (nobody is) costs one relaxed load.
    count: AtomicUsize,
}

impl FailedAuth {
    pub fn new(quota: Quota) -> FailedAuth {
        FailedAuth { meters: AddressMeters::new(quota), over: DashMap::new(), count: AtomicUsize::new(0) }
    }

    pub fn quota(&self) -> Quota {
        self.meters.quota()
    }

    /// Addresses that are remembered, for metrics.
    pub fn len(&self) -> usize {
        self.meters.len() + self.over.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether nobody at all is over the limit.
    pub fn is_calm(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    /// Whether `address` is over the limit now. Costs nobody anything while no address is.
    pub fn check(&self, address: IpAddr, now: Instant) -> Result<(), Refusal> {
        if self.is_calm() {
            return Ok(());
        }
        let until = self.over.get(&who(address)).map(|u| *u);
        match until {
            Some(until) if until > now => Err(self.refusal(until, now)),
            _ => Ok(()),
        }
    }

    /// Counts a failure; `Err` once the address is over the limit. Until its time is over that is all there is to know: what is
    /// refused does not count.
    pub fn failed(&self, address: IpAddr, now: Instant) -> Result<(), Refusal> {
        self.check(address, now)?;
        let Err(refusal) = self.meters.charge(address, Scope::FailedAuth) else { return Ok(()) };
        if self.count.load(Ordering::Relaxed) < CAPACITY && self.over.insert(who(address), now + refusal.wait).is_none()
        {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        Err(refusal)
    }

    /// Forgets whose time is over.
    pub fn sweep(&self, now: Instant) {
        self.meters.sweep();
        if !self.is_calm() {
            self.over.retain(|_, until| {
                let stays = *until > now;
                self.count.fetch_sub(usize::from(!stays), Ordering::Relaxed);
                stays
            });
        }
    }

    fn refusal(&self, until: Instant, now: Instant) -> Refusal {
        Refusal { scope: Scope::FailedAuth, quota: self.quota(), wait: until.duration_since(now) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;
    use std::time::Duration;

    #[test]
    fn l3_over_the_limit_an_address_is_refused_until_its_time_is_over_and_its_neighbour_never() {
        let n = |n| NonZeroU32::new(n).unwrap();
        let failed = FailedAuth::new(Quota { count: n(60), per: Duration::from_secs(60), burst: n(3) });
        let (bad, good): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let now = Instant::now();
        for _ in 0..3 {
            assert!(failed.check(bad, now).is_ok());
            assert!(failed.failed(bad, now).is_ok());
        }
        assert_eq!(failed.failed(bad, now).unwrap_err().scope, Scope::FailedAuth);
        assert!(failed.check(bad, now).is_err());
        assert!(failed.check(good, now).is_ok());
        let later = now + Duration::from_secs(2);
        assert!(failed.check(bad, later).is_ok());
        assert!(!failed.is_calm());
        failed.sweep(later);
        assert!(failed.over.is_empty() && failed.is_calm());
    }

    #[test]
    fn l3_who_goes_on_failing_waits_no_longer_for_it() {
        let n = |n| NonZeroU32::new(n).unwrap();
        let failed = FailedAuth::new(Quota { count: n(1), per: Duration::from_secs(60), burst: n(1) });
        let (bad, now) = ("2001:db8::1".parse().unwrap(), Instant::now());
        assert!(failed.failed(bad, now).is_ok());
        let first = failed.failed(bad, now).unwrap_err().wait;
        let halfway = now + first / 2;
        for neighbour in ["2001:db8::1", "2001:db8::2"] {
            let again = failed.failed(neighbour.parse().unwrap(), halfway).unwrap_err().wait;
            assert_eq!(again, first - first / 2, "of one /64");
        }
        assert_eq!(failed.over.len(), 1);
    }
}
