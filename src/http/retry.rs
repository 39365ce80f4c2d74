//! How many requests may be sent again. An upstream in trouble is not helped by being asked twice as often, so retries
//! are a share of what is asked anyway. Pure: the time comes from outside.

use std::time::Duration;
use tokio::time::Instant;

/// Of the requests of the last seconds so many in a hundred may be repeated.
const PERCENT: u32 = 20;
/// So many a second in any case: with few requests a share of them is none.
const AT_LEAST: u32 = 3;
const WINDOW: usize = 10;

/// What one destination was asked in the last seconds, on one core.
#[derive(Debug)]
pub struct RetryBudget {
    began: Instant,
    seconds: [Second; WINDOW],
}

#[derive(Debug, Clone, Copy, Default)]
struct Second {
    /// Counted from the beginning.
    number: u64,
    requests: u32,
    retries: u32,
}

impl RetryBudget {
    pub fn new(now: Instant) -> RetryBudget {
        RetryBudget { began: now, seconds: Default::default() }
    }

    /// A request came.
    pub fn request(&mut self, now: Instant) {
        let second = self.second(now);
        second.requests = second.requests.saturating_add(1);
    }

    /// Whether one more may be repeated; if so, it is counted.
    pub fn retry(&mut self, now: Instant) -> bool {
        let newest = self.second(now).number;
        let live = self.seconds.iter().filter(|s| newest - s.number < WINDOW as u64);
        let (requests, retries) = live.fold((0u32, 0u32), |(requests, retries), s| {
            (requests.saturating_add(s.requests), retries.saturating_add(s.retries))
        });
        let share = (u64::from(requests) * u64::from(PERCENT) / 100) as u32;
        let granted = retries < share.max(AT_LEAST * WINDOW as u32);
        if granted {
            self.second(now).retries += 1;
        }
        granted
    }

    fn second(&mut self, now: Instant) -> &mut Second {
        let number = now.saturating_duration_since(self.began).as_secs();
        let second = &mut self.seconds[(number % WINDOW as u64) as usize];
        if second.number != number {
            *second = Second { number, ..Second::default() };
        }
        second
    }
}

/// An age that differs by up to a tenth from `age`, so that what began together does not end together.
pub fn about(age: Duration, dice: u64) -> Duration {
    age.mul_f64(0.9 + (dice % 1000) as f64 / 5000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn granted(budget: &mut RetryBudget, now: Instant, wanted: usize) -> usize {
        (0..wanted).filter(|_| budget.retry(now)).count()
    }

    #[test]
    fn a_fifth_of_the_last_ten_seconds_and_a_few_in_any_case() {
        let start = Instant::now();
        let mut budget = RetryBudget::new(start);
        assert_eq!(granted(&mut budget, start, 100), 30, "nothing is asked, and still a few");
        assert_eq!(granted(&mut budget, start + Duration::from_secs(9), 100), 0);
        let later = start + Duration::from_secs(10);
        (0..1000).for_each(|_| budget.request(later));
        assert_eq!(granted(&mut budget, later, 1000), 200);
        assert_eq!(granted(&mut budget, later + Duration::from_secs(3600), 100), 30, "old ones are forgotten");
    }

    #[test]
    fn ages_differ_by_a_tenth() {
        let age = Duration::from_secs(600);
        for dice in 0..2000 {
            assert!((540..=660).contains(&about(age, dice).as_secs()));
        }
        assert_ne!(about(age, 1), about(age, 500));
    }

    proptest! {
        #[test]
        fn a_dead_upstream_is_never_asked_much_more_often(steps in proptest::collection::vec((0..2000u64, 1..50u32), 1..60)) {
            let start = Instant::now();
            let mut budget = RetryBudget::new(start);
            let mut now = start;
            let (mut requests, mut retries) = (0u64, 0u64);
            for (pause, burst) in steps {
                now += Duration::from_millis(pause);
                for _ in 0..burst {
                    budget.request(now);
                    requests += 1;
                    retries += u64::from(budget.retry(now));
                }
            }
            let windows = (now - start).as_secs() / WINDOW as u64 + 1;
            let floor = u64::from(AT_LEAST) * WINDOW as u64 * windows;
            prop_assert!(retries <= floor + requests * u64::from(PERCENT) / 100 * 2, "{retries} of {requests}");
        }
    }
}
