//! Durations in fixed buckets.

use std::time::Duration;

/// Upper bounds in microseconds. Below 1 ms lie the gateway's own refusals and cached upstreams; 1 to 100 ms is where
/// APIs in the same region answer, so the steps there are small (about 2.5 ×) and a p99 read from them is good to that
/// factor; from there to 10 s lie far-away APIs and models; 60 s is the usual time-out, and what lies beyond it is
/// better counted by its code. More buckets would cost every scrape a line per workflow and environment each.
pub(super) const BOUNDS_US: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 10_000_000,
    60_000_000,
];

#[derive(Clone, Debug, Default)]
pub(super) struct Histogram {
    /// Not cumulative; the last holds what is beyond every bound.
    counts: [u64; BOUNDS_US.len() + 1],
    sum_us: u64,
}

impl Histogram {
    pub(super) fn observe(&mut self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        // "le": a bound belongs to the bucket below it.
        let bucket = BOUNDS_US.partition_point(|&bound| bound < us);
        self.counts[bucket] += 1;
        self.sum_us = self.sum_us.saturating_add(us);
    }

    pub(super) fn add(&mut self, other: &Histogram) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
    }

    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(super) fn sum_seconds(&self) -> f64 {
        self.sum_us as f64 / 1e6
    }

    /// Upper bounds in seconds with the count of each bucket alone, as the encoder wants them.
    pub(super) fn buckets(&self) -> [(f64, u64); BOUNDS_US.len() + 1] {
        std::array::from_fn(|at| {
            let bound = BOUNDS_US.get(at).map_or(f64::INFINITY, |&us| us as f64 / 1e6);
            (bound, self.counts[at])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_own_bucket() {
        let mut histogram = Histogram::default();
        for us in [0, 500, 501, 60_000_000, 60_000_001] {
            histogram.observe(Duration::from_micros(us));
        }
        let buckets = histogram.buckets();
        assert_eq!(buckets[0], (0.0005, 2));
        assert_eq!(buckets[1], (0.001, 1));
        assert_eq!(buckets[13], (60.0, 1));
        assert_eq!(buckets[14], (f64::INFINITY, 1));
        assert_eq!(histogram.count(), 5);
        assert_eq!(histogram.sum_seconds(), 120.001002);
    }

    #[test]
    fn an_endless_duration_does_not_overflow() {
        let mut histogram = Histogram::default();
        histogram.observe(Duration::MAX);
        histogram.observe(Duration::MAX);
        assert_eq!(histogram.count(), 2);
    }
}
