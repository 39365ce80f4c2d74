use super::*;
use proptest::prelude::*;
use std::thread;

fn id(n: u64) -> Delivery {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&n.to_le_bytes());
    id
}

fn name(seen: &Seen<'_>) -> &'static str {
    match seen {
        Seen::Never(_) => "never",
        Seen::InFlight => "in flight",
        Seen::Before => "before",
    }
}

#[test]
fn h4_a_delivery_is_in_flight_then_remembered_then_forgotten() {
    let replays = Replays::default();
    let Seen::Never(reserved) = replays.reserve(id(1), 0) else { panic!("it is new") };
    assert_eq!(name(&replays.reserve(id(1), 0)), "in flight");
    reserved.remember(0, Duration::from_millis(100));
    assert_eq!(name(&replays.reserve(id(1), 100)), "before", "to its last millisecond");
    assert_eq!(name(&replays.reserve(id(1), 101)), "never");
}

#[test]
fn h4_what_fails_or_panics_gives_the_delivery_free() {
    let replays = Replays::default();
    drop(replays.reserve(id(1), 0));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _reserved = replays.reserve(id(1), 0);
        std::panic::resume_unwind(Box::new("a request failed"));
    }));
    assert!(panicked.is_err());
    assert_eq!(name(&replays.reserve(id(1), 0)), "never");
    assert_eq!(replays.sweep(0), 0);
}

#[test]
fn h4_of_many_at_once_one_is_first() {
    let replays = Replays::default();
    for round in 0..50 {
        let firsts: usize = thread::scope(|scope| {
            let racers: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| match replays.reserve(id(round), 0) {
                        Seen::Never(reserved) => {
                            reserved.remember(0, Duration::from_secs(1));
                            1
                        }
                        _ => 0,
                    })
                })
                .collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).sum()
        });
        assert_eq!(firsts, 1);
    }
}

#[test]
fn h4_the_memory_is_bounded_and_says_what_it_had_to_forget() {
    let replays = Replays::default();
    let more = 50_000;
    for n in 0..(CAPACITY + more) as u64 {
        let Seen::Never(reserved) = replays.reserve(id(n), 0) else { panic!("it is new") };
        reserved.remember(0, Duration::from_secs(60));
    }
    let remembered = replays.sweep(0);
    assert!(remembered <= CAPACITY, "{remembered}");
    assert_eq!(remembered as u64 + replays.forgotten(), (CAPACITY + more) as u64);
    assert_eq!(replays.sweep(60_001), 0);
}

#[derive(Debug, Clone)]
enum Step {
    Reserve(u64),
    /// The one of those in flight.
    Fail(usize),
    Arrive(usize, u64),
    Pass(i64),
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..8_u64).prop_map(Step::Reserve),
        1 => any::<usize>().prop_map(Step::Fail),
        3 => (any::<usize>(), 0..50_u64).prop_map(|(which, remember)| Step::Arrive(which, remember)),
        2 => (0..20_i64).prop_map(Step::Pass),
        1 => Just(Step::Sweep),
    ]
}

/// The same without a clever thought: a list that is searched from one end to the other.
#[derive(Default)]
struct Naive {
    in_flight: Vec<u64>,
    delivered: Vec<(i64, u64)>,
    forgotten: u64,
}

impl Naive {
    fn seen(&mut self, n: u64, now: i64) -> &'static str {
        self.delivered.retain(|(until, _)| *until >= now);
        if self.delivered.iter().any(|(_, m)| *m == n) {
            return "before";
        }
        if self.in_flight.contains(&n) {
            return "in flight";
        }
        self.in_flight.push(n);
        "never"
    }

    fn arrive(&mut self, n: u64, now: i64, until: i64, capacity: usize) {
        self.in_flight.retain(|m| *m != n);
        self.delivered.retain(|(until, _)| *until >= now);
        while self.delivered.len() >= capacity {
            let first = *self.delivered.iter().min_by_key(|(until, n)| (*until, id(*n))).unwrap();
            self.delivered.retain(|known| *known != first);
            self.forgotten += 1;
        }
        self.delivered.push((until, n));
    }
}

proptest! {
    #[test]
    fn h4_it_knows_what_a_list_that_is_searched_knows(steps in prop::collection::vec(step(), 0..200), capacity in 1..6_usize) {
        let replays = Replays::with(1, capacity);
        let (mut naive, mut now) = (Naive::default(), 0);
        let mut in_flight: Vec<(u64, Reserved<'_>)> = Vec::new();
        for step in steps {
            match step {
                Step::Reserve(n) => {
                    let seen = replays.reserve(id(n), now);
                    prop_assert_eq!(name(&seen), naive.seen(n, now));
                    if let Seen::Never(reserved) = seen {
                        in_flight.push((n, reserved));
                    }
                }
                Step::Fail(which) if !in_flight.is_empty() => {
                    let (n, _) = in_flight.swap_remove(which % in_flight.len());
                    naive.in_flight.retain(|m| *m != n);
                }
                Step::Arrive(which, remember) if !in_flight.is_empty() => {
                    let (n, reserved) = in_flight.swap_remove(which % in_flight.len());
                    reserved.remember(now, Duration::from_millis(remember));
                    naive.arrive(n, now, now + remember as i64, capacity);
                }
                Step::Pass(time) => now += time,
                Step::Sweep => {
                    naive.delivered.retain(|(until, _)| *until >= now);
                    prop_assert_eq!(replays.sweep(now), naive.delivered.len() + naive.in_flight.len());
                }
                Step::Fail(_) | Step::Arrive(..) => {}
            }
        }
        prop_assert_eq!(replays.forgotten(), naive.forgotten);
    }
}
