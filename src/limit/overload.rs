//! Load beyond what a core can carry: when to begin to refuse, and how much. Pure; told how far its core is behind.
//!
//! The measure is the delay: how long whatever becomes ready now waits for its turn. A busy core has none to speak of,
//! however many requests are under way. A burst makes one that passes by itself. Only a delay that stays says that more
//! comes than leaves (as CoDel has it, RFC 8289); then a part is refused that follows the delay and its slope (as PIE has it,
//! RFC 8033), so that the delay settles instead of swinging.

use std::time::{Duration, Instant};

/// Delays are counted in aims: once a part is refused, the delay is to be half of what began it. A request passes its core's
/// queue twice, when it comes and when its reply does, so it waits for about as long as was said.
const AIMS: u32 = 2;
/// The delay has to stay above what is bearable for so many aims before anything is refused.
pub const PATIENCE: u32 = 4;
/// Measured so often within an aim.
const MEASURES: u32 = 4;
/// However much comes, this part is let in. A refusal costs some 0.4 of a request, so that less would be done of either:
/// at twice what can be carried it is just few enough, and a quarter of the core's time goes to requests that are served.
/// With a sixteenth it was no sooner through with what 3,000 callers had put off, and half as many were served.
pub const LEAST_ADMITTED: f64 = 1.0 / 8.0;
/// By how much a delay of two aims, and one that grew by an aim, lessen what is let in; as logarithms, so that they mean the
/// same of a little and of much. Tried against queues that overflow by every factor, in the tests.
const BY_DELAY: f64 = 0.15;
const BY_SLOPE: f64 = 0.35;
/// A longer delay counts as so many aims: it says how long the queue is, not how wrong the part that is let in.
const FARTHEST: f64 = 4.0;
/// With less than this part of an aim there is room again, and the part doubles with every adjustment.
const ROOM: f64 = 0.25;
/// With less than this part of an aim nobody is refused.
const NOT_BEHIND: f64 = 0.5;

/// How far one core is behind, and what follows.
#[derive(Debug, Clone)]
pub struct Overload {
    bearable: Duration,
    aim: Duration,
    /// The part that is let in.
    admitted: f64,
    /// Since when every delay was more than is bearable, none in between less.
    above_since: Option<Instant>,
    /// When the part was adjusted, and the least delay then and since, in aims; infinite before the first.
    adjusted: Instant,
    before: f64,
    least: f64,
    /// The latest delay, in aims, and when it was known.
    latest: f64,
    measured: Instant,
    dice: u64,
}

/// What a measurement changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Begun,
    Over,
}

impl Overload {
    /// Nothing is known yet of this core.
    pub fn new(bearable: Duration, now: Instant) -> Overload {
        Overload {
            bearable,
            aim: bearable / AIMS,
            admitted: 1.0,
            above_since: None,
            adjusted: now,
            before: 0.0,
            least: f64::INFINITY,
            latest: 0.0,
            measured: now,
            dice: 0x9e37_79b9_7f4a_7c15,
        }
    }

    /// How far the core may be behind for long.
    pub fn bearable(&self) -> Duration {
        self.bearable
    }

    /// How long to wait between two measurements.
    pub fn pause(&self) -> Duration {
        self.aim / MEASURES
    }

    /// Whether a part is refused.
    pub fn is_refusing(&self) -> bool {
        self.admitted < 1.0
    }

    /// Whether there was no room left by the latest delay, though nobody need be refused for it yet.
    pub fn is_behind(&self) -> bool {
        self.latest >= ROOM
    }

    /// The delay of a core where `probed` was its queue's and `elsewhere` what was waited for because of that. Without a queue
    /// there is no such cause, and whoever waits then waits for somebody else.
    pub fn delay(&self, probed: Duration, elsewhere: Duration) -> Duration {
        if self.in_aims(probed) >= ROOM { probed.max(elsewhere) } else { probed }
    }

    /// Something had to wait so long for its turn.
    pub fn measured(&mut self, delay: Duration, now: Instant) -> Option<Change> {
        let was = self.is_refusing();
        // What lies so far back says nothing of now: nobody came in between, so nobody had to wait.
        if now.saturating_duration_since(self.measured) > delay + self.aim * PATIENCE {
            *self = Overload { dice: self.dice, ..Overload::new(self.bearable, now) };
        }
        self.measured = now;
        self.latest = self.in_aims(delay);
        self.least = self.least.min(self.latest);
        self.above_since = if delay > self.bearable { self.above_since.or(Some(now)) } else { None };
        self.decide(was, now)
    }

    /// Something has been waiting so long, and still does.
    pub fn waiting(&mut self, so_far: Duration, now: Instant) -> Option<Change> {
        if so_far <= self.bearable {
            return None;
        }
        self.measured = now;
        self.latest = self.latest.max(self.in_aims(so_far));
        self.decide(self.is_refusing(), now)
    }

    fn decide(&mut self, was: bool, now: Instant) -> Option<Change> {
        let is_past = |since: Instant, aims: u32| now.saturating_duration_since(since) >= self.aim * aims;
        if was && is_past(self.adjusted, 1) {
            self.adjust(now);
        } else if !was && self.above_since.is_some_and(|since| is_past(since, PATIENCE)) {
            // A first guess. Too few let in is soon made good: nobody is refused while the queue is short.
            self.admitted = (1.0 / self.latest).clamp(LEAST_ADMITTED, 0.5);
            (self.adjusted, self.before, self.least) = (now, self.latest, f64::INFINITY);
        }
        match (was, self.is_refusing()) {
            (false, true) => Some(Change::Begun),
            (true, false) => Some(Change::Over),
            _ => None,
        }
    }

    /// Follows the least delay since the last time: a neighbour that takes the processor away for a moment makes one wait
    /// longer, not all of them.
    fn adjust(&mut self, now: Instant) {
        let least = if self.least.is_finite() { self.least } else { self.latest };
        let by = match least {
            room if room < ROOM => std::f64::consts::LN_2,
            _ => -(BY_DELAY * (least.min(FARTHEST) - 1.0) + BY_SLOPE * (least - self.before).clamp(-1.0, 1.0)),
        };
        self.admitted = (self.admitted * by.exp()).clamp(LEAST_ADMITTED, 1.0);
        (self.adjusted, self.before, self.least) = (now, least, f64::INFINITY);
        self.above_since = None;
    }

    /// Whether a request that comes now is to be refused.
    pub fn refuses(&mut self, now: Instant) -> bool {
        let fresh = now.saturating_duration_since(self.measured) <= self.aim * PATIENCE;
        if !self.is_refusing() || self.latest < NOT_BEHIND || !fresh {
            return false;
        }
        self.chance() >= self.admitted
    }

    fn in_aims(&self, delay: Duration) -> f64 {
        delay.as_secs_f64() / self.aim.as_secs_f64().max(1e-6)
    }

    /// From 0 to 1, by xorshift. Counting instead would refuse a caller whose requests come in step always, or never.
    fn chance(&mut self) -> f64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
#[path = "overload_tests.rs"]
mod tests;
