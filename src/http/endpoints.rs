//! Which of a destination's addresses is asked next. Pure: the time and the dice come from outside.
//!
//! Nobody is asked whether he is well; what requests meet is noted. Who fails several times in a row is left alone for
//! a while, longer each time, and then tried with one request.

use smallvec::SmallVec;
use std::time::Duration;
use tokio::time::Instant;

/// Failures in a row that put an address out: one is an accident, and with fewer a single restart would do it.
const FAILURES: u32 = 3;
/// How long the first time; it doubles with every trial that fails.
const OUT_FIRST: Duration = Duration::from_secs(5);
const OUT_LONGEST: Duration = Duration::from_secs(60);
/// Up to so many addresses the least busy one is looked for; beyond, the less busy of two drawn by lot.
const FEW: usize = 8;

/// What is known of an address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Health {
    failures: u32,
    ejections: u32,
    out_until: Option<Instant>,
}

/// Whether an address may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Well,
    /// Its time is up since then: one request may see whether it is well again.
    Trial(Instant),
    Out(Instant),
}

impl Health {
    /// A connection that did not come about, a reply that did not begin. True if that puts the address out.
    pub fn failed(&mut self, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        let out = match self.standing(now) {
            Standing::Well => self.failures >= FAILURES,
            Standing::Trial(_) => true,
            // A request from before; its news is old.
            Standing::Out(_) => false,
        };
        if out {
            let time = OUT_FIRST.saturating_mul(1 << self.ejections.min(16)).min(OUT_LONGEST);
            self.ejections += 1;
            self.out_until = Some(now + time);
        }
        out
    }

    /// A reply has begun, whatever its status: an upstream that answers 500 answers, and what it means is between it
    /// and the caller. Were it counted, a caller could put an address out with requests that it cannot serve.
    pub fn succeeded(&mut self) {
        *self = Health::default();
    }

    pub fn standing(&self, now: Instant) -> Standing {
        match self.out_until {
            None => Standing::Well,
            Some(until) if now < until => Standing::Out(until),
            Some(until) => Standing::Trial(until),
        }
    }
}

/// An address that could be asked.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    pub standing: Standing,
    /// Requests that it has under way.
    pub in_flight: u32,
}

impl Candidate {
    fn may_be_asked(&self) -> bool {
        match self.standing {
            Standing::Well => true,
            Standing::Trial(_) => self.in_flight == 0,
            Standing::Out(_) => false,
        }
    }
}

/// The least busy of those that are well. `dice` breaks ties, so that idle addresses take turns.
pub fn choose(candidates: &[Candidate], dice: u64) -> Option<usize> {
    let able: SmallVec<[usize; FEW]> = (0..candidates.len()).filter(|at| candidates[*at].may_be_asked()).collect();
    let count = able.len();
    if count == 0 {
        return None;
    }
    let at = |turn: u64| able[(turn % count as u64) as usize];
    let busy = |at: &usize| candidates[*at].in_flight;
    if count > FEW {
        let first = at(dice);
        // Never the same one twice.
        let second = at(dice % count as u64 + 1 + (dice >> 32) % (count as u64 - 1));
        return Some(if busy(&second) < busy(&first) { second } else { first });
    }
    (0..count as u64).map(|turn| at(dice % count as u64 + turn)).min_by_key(busy)
}

/// When none is well: the one whose time is up first. Somebody has to find out, and refusing outright would make an
/// outage of our own out of one that may be over.
pub fn last_resort(candidates: &[Candidate]) -> Option<usize> {
    (0..candidates.len()).min_by_key(|at| match candidates[*at].standing {
        Standing::Well => None,
        Standing::Trial(until) | Standing::Out(until) => Some(until),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn three_failures_in_a_row_put_an_address_out_longer_each_time() {
        let mut now = Instant::now();
        let mut health = Health::default();
        assert!(!health.failed(now) && !health.failed(now));
        health.succeeded();
        assert!(!health.failed(now) && !health.failed(now), "a success in between and the count begins anew");
        for out in [5, 10, 20, 40, 60, 60] {
            assert!(health.failed(now));
            assert_eq!(health.standing(now), Standing::Out(now + seconds(out)));
            assert!(!health.failed(now + seconds(out - 1)), "what was under way adds nothing");
            now += seconds(out);
            assert_eq!(health.standing(now), Standing::Trial(now), "after {out} s");
        }
        health.succeeded();
        assert_eq!(health, Health::default());
    }

    #[test]
    fn a_trial_is_one_request() {
        let at = Instant::now();
        let trial = |in_flight| Candidate { standing: Standing::Trial(at), in_flight };
        assert_eq!(choose(&[trial(0)], 7), Some(0));
        assert_eq!(choose(&[trial(1)], 7), None);
        assert_eq!(last_resort(&[trial(1)]), Some(0));
    }

    #[test]
    fn idle_addresses_take_turns() {
        let idle = [Candidate { standing: Standing::Well, in_flight: 0 }; 3];
        let turns: Vec<_> = (0..6).filter_map(|dice| choose(&idle, dice)).collect();
        assert_eq!(turns, [0, 1, 2, 0, 1, 2]);
    }

    fn candidates(now: Instant) -> impl Strategy<Value = Vec<Candidate>> {
        let one = (0..3u8, 0..20u64, 0..5u32).prop_map(move |(kind, at, in_flight)| Candidate {
            standing: match kind {
                0 => Standing::Well,
                1 => Standing::Trial(now - seconds(at)),
                _ => Standing::Out(now + seconds(at + 1)),
            },
            in_flight,
        });
        proptest::collection::vec(one, 0..20)
    }

    proptest! {
        #[test]
        fn the_choice_may_always_be_asked_and_somebody_always_is(list in candidates(Instant::now()), dice: u64) {
            let chosen = choose(&list, dice);
            prop_assert_eq!(chosen.is_some(), list.iter().any(Candidate::may_be_asked));
            prop_assert!(chosen.is_none_or(|at| list[at].may_be_asked()));
            let able = list.iter().filter(|c| c.may_be_asked());
            let least = able.clone().map(|c| c.in_flight).min();
            if able.count() <= FEW {
                prop_assert_eq!(chosen.map(|at| list[at].in_flight), least);
            }
            prop_assert_eq!(last_resort(&list).is_some(), !list.is_empty());
        }

        #[test]
        fn no_address_is_out_for_more_than_a_minute(steps in proptest::collection::vec((any::<bool>(), 0..90u64), 0..60)) {
            let mut now = Instant::now();
            let mut health = Health::default();
            for (fails, pause) in steps {
                now += seconds(pause);
                if fails { health.failed(now); } else { health.succeeded(); }
                prop_assert!(!matches!(health.standing(now), Standing::Out(until) if until > now + OUT_LONGEST));
                prop_assert!(fails || health.standing(now) == Standing::Well);
            }
        }
    }
}
