use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;

const BEARABLE: Duration = Duration::from_millis(100);

/// A core's queue as tokio keeps it, first in, first out: a request stands in it twice, when it comes and when its reply does.
struct Core {
    overload: Overload,
    began: Instant,
    /// Seconds.
    now: f64,
    queue: VecDeque<Task>,
    /// When the replies of those that were let in are there, and when they came.
    upstream: VecDeque<(f64, f64)>,
    probing: Option<f64>,
    probed: f64,
    open: usize,
    chance: u64,
}

enum Task {
    Request(f64),
    Reply(f64),
    Probe(f64),
}

/// What comes.
#[derive(Clone, Copy)]
struct Load {
    /// In capacities.
    times: f64,
    /// Requests under way at once; the others wait at the caller's.
    connections: usize,
    /// The processor is taken away for so long, ten times a second.
    stolen: f64,
}

/// What a stretch of time brought.
#[derive(Debug, Default)]
struct Seen {
    admitted: u32,
    refused: u32,
    /// Seconds, of those that were let in, from where they came in.
    waited: Vec<f64>,
    /// What part was let in, at each of its requests.
    parts: Vec<f64>,
}

/// Requests a second, and what a refusal costs of one.
const CAPACITY: f64 = 10_000.0;
const REFUSAL: f64 = 0.35;

impl Core {
    fn new() -> Core {
        let began = Instant::now();
        Core {
            overload: Overload::new(BEARABLE, began),
            began,
            now: 0.0,
            queue: VecDeque::new(),
            upstream: VecDeque::new(),
            probing: None,
            probed: 0.0,
            open: 0,
            chance: 88_172_645_463_325_252,
        }
    }

    fn instant(&self) -> Instant {
        self.began + Duration::from_secs_f64(self.now)
    }

    fn random(&mut self) -> f64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        (self.chance >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn run(&mut self, load: Load, seconds: f64) -> Seen {
        let (mut seen, end) = (Seen::default(), self.now + seconds);
        let (mut next, mut waiting, mut stolen) = (self.now, 0_usize, self.now);
        while self.now < end {
            while next <= self.now {
                next -= (1.0 - self.random()).ln() / (load.times * CAPACITY);
                waiting += 1;
            }
            while waiting > 0 && self.open < load.connections {
                (waiting, self.open) = (waiting - 1, self.open + 1);
                self.queue.push_back(Task::Request(self.now));
            }
            while self.upstream.front().is_some_and(|(at, _)| *at <= self.now) {
                self.queue.extend(self.upstream.pop_front().map(|(_, came)| Task::Reply(came)));
            }
            if load.stolen > 0.0 && self.now - stolen > 0.1 {
                self.now += load.stolen;
                stolen = self.now;
            }
            match self.queue.pop_front() {
                Some(task) => self.turn(task, &mut seen),
                None => self.now = self.upstream.front().map_or(next, |(at, _)| at.min(next)) + 1e-9,
            }
        }
        seen
    }

    fn turn(&mut self, task: Task, seen: &mut Seen) {
        let ago = |since: f64, now: f64| Duration::from_secs_f64((now - since).max(0.0));
        match task {
            Task::Probe(since) => {
                self.overload.measured(ago(since, self.now), self.instant());
                (self.probing, self.probed) = (None, self.now);
            }
            Task::Reply(came) => {
                self.now += 0.5 / CAPACITY;
                self.open -= 1;
                seen.admitted += 1;
                seen.waited.push(self.now - came);
            }
            Task::Request(came) => {
                match self.probing {
                    Some(since) => _ = self.overload.waiting(ago(since, self.now), self.instant()),
                    None if ago(self.probed, self.now) >= self.overload.pause() => {
                        self.probing = Some(self.now);
                        self.queue.push_back(Task::Probe(self.now));
                    }
                    None => {}
                }
                seen.parts.push(self.overload.admitted);
                let now = self.instant();
                if self.overload.refuses(now) {
                    self.now += REFUSAL / CAPACITY;
                    self.open -= 1;
                    seen.refused += 1;
                } else {
                    self.now += 0.5 / CAPACITY;
                    self.upstream.push_back((self.now + 0.0005, came));
                }
            }
        }
    }
}

impl Seen {
    /// In what is bearable.
    fn slowest(&mut self) -> f64 {
        self.waited.sort_by(f64::total_cmp);
        self.waited[self.waited.len() * 99 / 100] / BEARABLE.as_secs_f64()
    }
}

/// As many connections as callers like to open.
fn open_loop(times: f64) -> Load {
    Load { times, connections: 10_000, stolen: 0.0 }
}

#[test]
fn what_can_be_carried_is_never_refused() {
    for times in [0.1, 0.5, 0.9] {
        let seen = Core::new().run(open_loop(times), 5.0);
        assert_eq!(seen.refused, 0, "{times}");
    }
}

#[test]
fn callers_that_wait_for_their_replies_fill_a_core_and_are_never_refused() {
    for connections in [64, 256, 1_900] {
        let load = Load { times: 50.0, connections, stolen: 0.0 };
        let seen = Core::new().run(load, 3.0);
        assert!(seen.refused == 0 && f64::from(seen.admitted) > 2.9 * CAPACITY, "{connections}: {}", seen.admitted);
    }
}

#[test]
fn a_neighbour_that_takes_the_processor_for_50_ms_now_and_then_causes_no_refusal() {
    let seen = Core::new().run(Load { stolen: 0.05, ..open_loop(0.5) }, 10.0);
    assert_eq!(seen.refused, 0);
}

#[test]
fn a_burst_is_queued() {
    let mut core = Core::new();
    core.run(open_loop(0.5), 1.0);
    let now = core.now;
    core.queue.extend((0..2_500).map(|_| Task::Request(now)));
    core.open += 2_500;
    assert_eq!(core.run(open_loop(0.5), 2.0).refused, 0);
}

#[test]
fn beyond_what_can_be_carried_who_is_let_in_waits_about_as_long_as_is_bearable_and_no_more_than_needed_is_refused() {
    for times in [1.2, 1.5, 2.0] {
        let mut core = Core::new();
        core.run(open_loop(times), 4.0);
        let mut seen = core.run(open_loop(times), 4.0);
        let slowest = seen.slowest();
        assert!(slowest < 1.6, "{times}: {slowest}");
        // What is left when the rest has been refused.
        let best = (1.0 - times * REFUSAL) / (1.0 - REFUSAL);
        let share = f64::from(seen.admitted) / (4.0 * CAPACITY);
        assert!(share > 0.9 * best, "{times}: {share} of {best}");
    }
}

#[test]
fn the_part_that_is_let_in_settles() {
    for times in [1.5, 2.0] {
        let mut core = Core::new();
        core.run(open_loop(times), 4.0);
        let parts = core.run(open_loop(times), 4.0).parts;
        let (least, most) = parts.iter().fold((1.0_f64, 0.0_f64), |(l, m), p| (l.min(*p), m.max(*p)));
        assert!(least > 0.0 && most < 4.0 * least && most < 0.9, "{times}: from {least} to {most}");
    }
}

#[test]
fn when_the_load_falls_refusing_is_over_within_some_windows() {
    for times in [1.5, 2.0, 5.0] {
        let mut core = Core::new();
        core.run(open_loop(times), 4.0);
        // What waits has to be worked off first.
        while !core.queue.is_empty() {
            core.run(open_loop(0.1), 0.001);
        }
        core.run(open_loop(0.5), 3.0 * BEARABLE.as_secs_f64());
        assert!(!core.overload.is_refusing(), "{times}: {:?}", core.overload);
        assert_eq!(core.run(open_loop(0.5), 2.0).refused, 0);
    }
}

#[test]
fn however_much_comes_a_part_is_let_in() {
    let seen = Core::new().run(open_loop(20.0), 5.0);
    let share = f64::from(seen.admitted) / f64::from(seen.admitted + seen.refused);
    assert!(share > 0.9 * LEAST_ADMITTED, "{share}");
}

#[test]
fn who_comes_after_a_pause_is_not_refused_for_what_was_before() {
    let mut core = Core::new();
    core.run(open_loop(2.0), 2.0);
    assert!(core.overload.is_refusing());
    let later = core.instant() + BEARABLE * PATIENCE;
    assert!((0..100).all(|_| !core.overload.refuses(later)));
    core.overload.measured(BEARABLE * 2, later + BEARABLE * 2);
    assert!(!core.overload.is_refusing(), "one long wait says nothing yet");
}

/// Delays in what is bearable, each with the pause before it.
fn delays(most: f64) -> impl Strategy<Value = Vec<(f64, f64)>> {
    prop::collection::vec((0.0..most, 0.0..2.0), 1..200)
}

proptest! {
    #[test]
    fn who_is_never_long_behind_never_refuses(
        delays in delays(1.0),
        hiccup in 0..200_usize,
        long in 1.0..100.0,
    ) {
        let mut now = Instant::now();
        let mut overload = Overload::new(BEARABLE, now);
        for (at, (delay, pause)) in delays.into_iter().enumerate() {
            let delay = BEARABLE.mul_f64(if at == hiccup { long } else { delay });
            now += BEARABLE.mul_f64(pause) + delay;
            overload.waiting(delay, now);
            prop_assert_eq!(overload.measured(delay, now), None);
            prop_assert!(!overload.refuses(now));
        }
    }

    #[test]
    fn after_anything_at_all_short_delays_end_it(delays in delays(1_000.0)) {
        let mut now = Instant::now();
        let mut overload = Overload::new(BEARABLE, now);
        for (delay, pause) in delays {
            let delay = BEARABLE.mul_f64(delay);
            now += BEARABLE.mul_f64(pause) + delay;
            overload.measured(delay, now);
            prop_assert!((LEAST_ADMITTED..=1.0).contains(&overload.admitted));
        }
        for _ in 0..6 * MEASURES {
            now += overload.pause();
            overload.measured(Duration::ZERO, now);
            prop_assert!(!overload.refuses(now), "nobody waits");
        }
        prop_assert!(!overload.is_refusing());
    }
}

#[test]
fn what_is_waited_for_elsewhere_counts_only_while_the_core_has_a_queue_itself() {
    let overload = Overload::new(BEARABLE, Instant::now());
    let (short, long, longer) = (BEARABLE / 10, BEARABLE / 2, BEARABLE * 50);
    // An address that does not answer holds up those who would connect to it, and no core for that.
    assert_eq!(overload.delay(short, longer), short);
    assert_eq!(overload.delay(long, longer), longer);
    assert_eq!(overload.delay(long, short), long);
}
