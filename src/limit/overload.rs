//! Load beyond what a core can carry: when to begin to refuse, and how much. Pure; told how far its core is behind.
//!
//! The measure is the delay: how long whatever becomes ready now waits for its turn. A busy core has none to speak of,
//! however many requests are under way. A burst makes one that passes by itself. Only a delay that stays says that more
//! comes than leaves (as CoDel has it, RFC 8289); then a part is refused that follows the delay and its slope (as PIE has it,
//! RFC 8033), so that the delay settles at its target instead of swinging around it.

use std::time::{Duration, Instant};

/// A delay has to stay above its target for so many targets before anything is refused.
pub const PATIENCE: u32 = 3;
/// The part is adjusted once in so many targets, by the least delay in between: a neighbour that takes the processor away
/// for a moment makes one wait longer, not all of them.
const WINDOW: u32 = 1;
/// Measured so often within a target.
const MEASURES: u32 = 4;
/// However much comes, this part is let in. A refusal costs some 0.4 of a request, so that less would be done of either:
/// at twice what can be carried it is just enough, and a third of the core's time goes to requests that are served.
pub const LEAST_ADMITTED: f64 = 1.0 / 6.0;
/// By how much a delay of twice the target, and one that grew by a target, lessen what is let in; as logarithms, so that
/// they mean the same of a little and of much. Tried against queues that overflow by every factor, in the tests.
const BY_DELAY: f64 = 0.15;
const BY_SLOPE: f64 = 0.35;
/// A longer delay counts as so many targets: it says how long the queue is, not how wrong the part that is let in.
const FARTHEST: f64 = 4.0;
/// With less than this part of the target there is room again, and the part doubles with every window.
const ROOM: f64 = 0.25;
/// With less than this part of the target nobody is refused.
const NOT_BEHIND: f64 = 0.5;

/// How far one core is behind, and what follows.
#[derive(Debug, Clone)]
pub struct Overload {
    target: Duration,
    /// The part that is let in.
    admitted: f64,
    /// Since when every delay was above the target, none in between.
    above_since: Option<Instant>,
    window: Window,
    /// The least delay of the window before, in targets.
    before: f64,
    /// The latest delay, in targets.
    latest: f64,
    measured: Instant,
    dice: u64,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    began: Instant,
    /// In targets; infinite before the first.
    least: f64,
}

/// What a measurement changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Begun,
    Over,
}

impl Overload {
    /// Nothing is known yet of this core.
    pub fn new(target: Duration, now: Instant) -> Overload {
        Overload {
            target,
            admitted: 1.0,
            above_since: None,
            window: Window { began: now, least: f64::INFINITY },
            before: 0.0,
            latest: 0.0,
            measured: now,
            dice: 0x9e37_79b9_7f4a_7c15,
        }
    }

    pub fn target(&self) -> Duration {
        self.target
    }

    /// How long to wait between two measurements.
    pub fn pause(&self) -> Duration {
        self.target / MEASURES
    }

    /// Whether a part is refused.
    pub fn is_refusing(&self) -> bool {
        self.admitted < 1.0
    }

    /// Something had to wait so long for its turn.
    pub fn measured(&mut self, delay: Duration, now: Instant) -> Option<Change> {
        let was = self.is_refusing();
        // What lies so far back says nothing of now: nobody came in between, so nobody had to wait.
        if now.saturating_duration_since(self.measured) > delay + self.target * PATIENCE {
            *self = Overload { dice: self.dice, ..Overload::new(self.target, now) };
        }
        self.measured = now;
        self.latest = self.in_targets(delay);
        self.window.least = self.window.least.min(self.latest);
        self.above_since = if self.latest > 1.0 { self.above_since.or(Some(now)) } else { None };
        self.decide(was, now)
    }

    /// Something has been waiting so long, and still does.
    pub fn waiting(&mut self, so_far: Duration, now: Instant) -> Option<Change> {
        if so_far <= self.target {
            return None;
        }
        self.measured = now;
        self.latest = self.latest.max(self.in_targets(so_far));
        self.decide(self.is_refusing(), now)
    }

    fn decide(&mut self, was: bool, now: Instant) -> Option<Change> {
        let for_targets = |since: Instant, so_many| now.saturating_duration_since(since) >= self.target * so_many;
        if self.is_refusing() {
            if for_targets(self.window.began, WINDOW) {
                self.adjust(now);
            }
            if !self.is_refusing() {
                self.above_since = None;
            }
        } else if self.above_since.is_some_and(|since| for_targets(since, PATIENCE)) {
            // A first guess. Too few let in is soon made good: nobody is refused while the queue is short.
            self.admitted = self.latest.powi(-2).clamp(LEAST_ADMITTED, 1.0);
            (self.window, self.before) = (Window { began: now, least: f64::INFINITY }, self.latest);
        }
        match (was, self.is_refusing()) {
            (false, true) => Some(Change::Begun),
            (true, false) => Some(Change::Over),
            _ => None,
        }
    }

    /// Whether a request that comes now is to be refused.
    pub fn refuses(&mut self, now: Instant) -> bool {
        let fresh = now.saturating_duration_since(self.measured) <= self.target * PATIENCE;
        if !self.is_refusing() || self.latest < NOT_BEHIND || !fresh {
            return false;
        }
        self.chance() >= self.admitted
    }

    /// Follows the delay of the window that is over.
    fn adjust(&mut self, now: Instant) {
        let least = if self.window.least.is_finite() { self.window.least } else { self.latest };
        let by = match least {
            room if room < ROOM => std::f64::consts::LN_2,
            _ => -(BY_DELAY * (least.min(FARTHEST) - 1.0) + BY_SLOPE * (least - self.before).clamp(-1.0, 1.0)),
        };
        self.admitted = (self.admitted * by.exp()).clamp(LEAST_ADMITTED, 1.0);
        self.before = least;
        self.window = Window { began: now, least: f64::INFINITY };
    }

    fn in_targets(&self, delay: Duration) -> f64 {
        delay.as_secs_f64() / self.target.as_secs_f64().max(1e-6)
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
