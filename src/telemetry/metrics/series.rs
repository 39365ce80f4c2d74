//! Requests and durations by workflow, or connection, and environment: the part of the metrics whose size depends on what is
//! configured and on what upstreams answer, and which is therefore bounded.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use hashbrown::{Equivalent, HashMap};

use crate::model::listener::DoorKind;

use super::histogram::Histogram;

/// Distinct (name, environment) pairs per core; what comes later is counted under [`OTHER`]. A thousand pairs are
/// half a megabyte per core and a scrape of a few megabytes, about what a Prometheus takes from one target.
pub(super) const MAX_PAIRS: usize = 1_000;
/// Distinct (status, code) outcomes per pair. The gateway has some fifty codes of its own, few of which one workflow
/// sees; the bound is for an upstream that answers every number there is.
const MAX_OUTCOMES: usize = 64;
/// The label of what was folded together.
pub(super) const OTHER: &str = "_other";
/// The status of outcomes beyond [`MAX_OUTCOMES`]; no reply has it.
pub(super) const OTHER_STATUS: u16 = 0;

/// One request as the metrics see it. Never a key: its name as a label would make a series per key.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    pub door: DoorKind,
    /// The workflow's or, of a call, the connection's; empty if the request was refused before it was known.
    pub name: &'a str,
    pub environment: &'a str,
    pub status: u16,
    /// The reason code; empty if the gateway did not answer itself.
    pub code: &'static str,
    /// From the request's head to the end of the reply.
    pub total: Duration,
    /// From the forwarded request to the upstream's head; none if nothing was sent.
    pub upstream: Option<Duration>,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pair {
    // `Arc`, so that a scrape copies the table without copying names while it holds the core's lock.
    pub(super) name: Arc<str>,
    pub(super) environment: Arc<str>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    pub(super) outcomes: Vec<(Outcome, u64)>,
    pub(super) whole: Histogram,
    pub(super) upstream: Histogram,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialOrd, Ord)]
pub(super) struct Outcome {
    pub(super) status: u16,
    pub(super) code: &'static str,
}

impl PartialEq for Outcome {
    fn eq(&self, other: &Outcome) -> bool {
        // The same word mostly stands in the same place.
        self.status == other.status && (std::ptr::eq(self.code, other.code) || self.code == other.code)
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct SeriesTable {
    pairs: HashMap<Pair, Series>,
}

impl SeriesTable {
    pub(super) fn observe(&mut self, sample: &Sample<'_>) {
        let mut key = PairRef { name: sample.name, environment: sample.environment };
        if let Some(series) = self.pairs.get_mut(&key) {
            return series.observe(sample);
        }
        if self.pairs.len() >= MAX_PAIRS {
            key = FOLDED;
            if let Some(series) = self.pairs.get_mut(&key) {
                return series.observe(sample);
            }
        }
        (self.pairs.entry(key.to_owned()).or_default()).observe(sample);
    }

    pub(super) fn add(&mut self, other: &SeriesTable) {
        for (pair, more) in &other.pairs {
            self.pairs.entry(pair.clone()).or_default().add(more);
        }
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        (self.pairs).retain(|pair, _| keep(&pair.name) || *pair.name == *OTHER);
    }

    /// In the order of their names, so that two scrapes compare.
    pub(super) fn sorted(&self) -> Vec<(&Pair, &Series)> {
        let mut all: Vec<_> = self.pairs.iter().collect();
        all.sort_unstable_by_key(|&(pair, _)| pair);
        all
    }
}

impl Series {
    fn observe(&mut self, sample: &Sample<'_>) {
        let outcome = Outcome { status: sample.status, code: sample.code };
        self.count(outcome, 1);
        self.whole.observe(sample.total);
        if let Some(upstream) = sample.upstream {
            self.upstream.observe(upstream);
        }
        self.bytes_in += sample.bytes_in;
        self.bytes_out += sample.bytes_out;
    }

    fn add(&mut self, other: &Series) {
        for &(outcome, count) in &other.outcomes {
            self.count(outcome, count);
        }
        self.whole.add(&other.whole);
        self.upstream.add(&other.upstream);
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
    }

    /// A row is searched in order: a workflow sees a handful of outcomes, the commonest of them first.
    fn count(&mut self, outcome: Outcome, more: u64) {
        if let Some((_, count)) = self.outcomes.iter_mut().find(|(seen, _)| *seen == outcome) {
            *count += more;
        } else if self.outcomes.len() < MAX_OUTCOMES {
            self.outcomes.push((outcome, more));
        } else {
            let status = OTHER_STATUS;
            let other = Outcome { status, code: "" };
            match self.outcomes.iter_mut().find(|(seen, _)| *seen == other) {
                Some((_, count)) => *count += more,
                None => self.outcomes.push((other, more)),
            }
        }
    }
}

/// A pair that is looked up without being built.
#[derive(Clone, Copy)]
struct PairRef<'a> {
    name: &'a str,
    environment: &'a str,
}

const FOLDED: PairRef<'static> = PairRef { name: OTHER, environment: OTHER };

impl Pair {
    fn borrowed(&self) -> PairRef<'_> {
        PairRef { name: &self.name, environment: &self.environment }
    }
}

impl Hash for Pair {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.borrowed().hash(state);
    }
}

impl Hash for PairRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.environment.hash(state);
    }
}

impl Equivalent<Pair> for PairRef<'_> {
    fn equivalent(&self, key: &Pair) -> bool {
        same(self.name, &key.name) && same(self.environment, &key.environment)
    }
}

/// A refusal has neither, and an empty text lies at no address: to have memcmp compare nothing there costs a fault that it
/// has to suppress, a hundred times what it costs to look at the lengths.
fn same(one: &str, other: &str) -> bool {
    one.len() == other.len() && (one.is_empty() || one == other)
}

impl PairRef<'_> {
    fn to_owned(self) -> Pair {
        Pair { name: self.name.into(), environment: self.environment.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(name: &str, status: u16) -> Sample<'_> {
        Sample {
            door: DoorKind::Inbound,
            name,
            environment: "Test",
            status,
            code: "",
            total: Duration::from_millis(3),
            upstream: Some(Duration::from_millis(2)),
            bytes_in: 1,
            bytes_out: 10,
        }
    }

    #[test]
    fn beyond_1000_pairs_requests_are_counted_as_other() {
        let mut table = SeriesTable::default();
        for number in 0..MAX_PAIRS + 500 {
            table.observe(&sample(&format!("w{number}"), 200));
        }
        table.observe(&sample("w0", 200));
        assert_eq!(table.pairs.len(), MAX_PAIRS + 1);
        let all = table.sorted();
        let (pair, other) = all[0];
        assert_eq!((&*pair.name, &*pair.environment), (OTHER, OTHER));
        assert_eq!(other.whole.count(), 500);
        assert_eq!(all[1].1.whole.count(), 2, "a known one goes on counting");
    }

    #[test]
    fn beyond_64_outcomes_of_a_pair_the_status_is_other() {
        let mut table = SeriesTable::default();
        for status in 100..1_000 {
            table.observe(&sample("w", status));
        }
        let all = table.sorted();
        let outcomes = &all[0].1.outcomes;
        assert_eq!(outcomes.len(), MAX_OUTCOMES + 1);
        assert_eq!(outcomes.iter().map(|(_, count)| count).sum::<u64>(), 900);
        assert_eq!(outcomes[MAX_OUTCOMES].0.status, OTHER_STATUS);
    }

    #[test]
    fn tables_of_cores_add_up() {
        let mut one = SeriesTable::default();
        let mut two = SeriesTable::default();
        one.observe(&sample("a", 200));
        two.observe(&sample("a", 200));
        two.observe(&sample("a", 404));
        two.observe(&sample("b", 200));
        one.add(&two);
        let all = one.sorted();
        assert_eq!(all.len(), 2);
        let a = all[0].1;
        assert_eq!(a.outcomes.iter().map(|o| o.1).collect::<Vec<_>>(), [2, 1]);
        assert_eq!((a.whole.count(), a.upstream.count()), (3, 3));
        assert_eq!((a.bytes_in, a.bytes_out), (3, 30));
    }

    #[test]
    fn a_deleted_workflow_makes_room() {
        let mut table = SeriesTable::default();
        table.observe(&sample("old", 200));
        table.observe(&sample("kept", 200));
        table.retain(|workflow| workflow != "old");
        assert_eq!(&*table.sorted()[0].0.name, "kept");
        assert_eq!(table.pairs.len(), 1);
    }
}
