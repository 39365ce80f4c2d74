use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::SeqCst;

fn usage() -> Usage {
    let usage = Usage::new(Arc::default());
    usage.start();
    usage
}

fn uid(number: u64) -> Uid {
    Uid::declared("any", &number.to_string())
}

fn by_key(number: u64, code: &'static str, at: i64) -> Used {
    Used { key: Some((uid(number), Some(Slot::Primary))), workflow: None, connection: None, code, at }
}

/// What stands for one row in an order of its own.
type Name = (Resource, Uid, Option<&'static str>, &'static str);

/// Sums by row, with the latest time.
fn summed(drained: impl IntoIterator<Item = Counted>) -> BTreeMap<Name, (u64, i64)> {
    let mut sum = BTreeMap::<Name, (u64, i64)>::new();
    for one in drained {
        let (count, last_at) = sum.entry((one.kind, one.uid, one.slot.map(Slot::name), one.code)).or_default();
        *count += one.count;
        *last_at = one.last_at.max(*last_at);
    }
    sum
}

fn total(drained: &[Counted]) -> u64 {
    drained.iter().map(|one| one.count).sum()
}

#[test]
fn t5_a_request_counts_for_its_key_and_slot_its_workflow_and_its_connection() {
    let usage = usage();
    let core = usage.core();
    let passed = Used {
        key: Some((uid(1), Some(Slot::Secondary))),
        workflow: Some(uid(2)),
        connection: Some(uid(3)),
        code: "",
        at: 7,
    };
    core.count(&passed);
    core.count(&Used { at: 9, ..passed });
    core.count(&Used { code: "rate_limited", connection: None, at: 8, ..passed });
    let sum = summed(usage.drain());
    let expected = [
        ((Resource::Connection, uid(3), None, ""), (2, 9)),
        ((Resource::Key, uid(1), Some("secondary"), ""), (2, 9)),
        ((Resource::Key, uid(1), Some("secondary"), "rate_limited"), (1, 8)),
        ((Resource::Workflow, uid(2), None, ""), (2, 9)),
        ((Resource::Workflow, uid(2), None, "rate_limited"), (1, 8)),
    ];
    assert_eq!(sum, BTreeMap::from(expected));
    assert_eq!(usage.drain(), [], "each count is handed out once");
}

#[test]
fn k10_the_slots_of_a_key_are_counted_apart() {
    let usage = usage();
    let core = usage.core();
    for (slot, at) in [(Some(Slot::Primary), 5), (Some(Slot::Secondary), 6), (Some(Slot::Primary), 3), (None, 4)] {
        core.count(&Used { key: Some((uid(1), slot)), ..by_key(1, "", at) });
    }
    let key = |slot| (Resource::Key, uid(1), slot, "");
    let expected = [(key(None), (1, 4)), (key(Some("primary")), (2, 5)), (key(Some("secondary")), (1, 6))];
    assert_eq!(summed(usage.drain()), BTreeMap::from(expected));
}

#[test]
fn without_anybody_who_drains_nothing_is_kept() {
    let usage = Usage::new(Arc::default());
    let core = usage.core();
    core.count(&by_key(1, "", 1));
    assert!(!core.is_counting());
    usage.start();
    assert_eq!(usage.drain(), []);
    core.count(&by_key(1, "", 1));
    assert_eq!(total(&usage.drain()), 1);
}

#[test]
fn what_could_not_be_handed_on_comes_again_with_what_was_counted_since() {
    let usage = usage();
    let core = usage.core();
    core.count(&by_key(1, "", 5));
    usage.give_back(&usage.drain());
    core.count(&by_key(1, "", 4));
    let again = usage.drain();
    assert_eq!((again.len(), again[0].count, again[0].last_at), (1, 2, 5));
    assert_eq!(usage.drain(), []);
}

#[tokio::test]
async fn a_core_that_is_half_full_asks_to_be_drained() {
    let usage = usage();
    let core = usage.core();
    for number in 0..MOST_ROWS as u64 / 2 - 1 {
        core.count(&by_key(number, "", 1));
    }
    assert!(
        std::pin::pin!(usage.crowded())
            .as_mut()
            .poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
            .is_pending()
    );
    core.count(&by_key(MOST_ROWS as u64, "", 1));
    usage.crowded().await;
}

#[test]
fn what_finds_no_room_is_counted_and_what_is_known_goes_on() {
    let dropped = Arc::<AtomicU64>::default();
    let usage = Usage::new(Arc::clone(&dropped));
    usage.start();
    let core = usage.core();
    for number in 0..MOST_ROWS as u64 + 10 {
        core.count(&by_key(number, "", 1));
    }
    core.count(&by_key(0, "", 2));
    assert_eq!(dropped.load(SeqCst), 10);
    let drained = usage.drain();
    assert_eq!((drained.len(), total(&drained)), (MOST_ROWS, MOST_ROWS as u64 + 1));
    core.count(&by_key(u64::MAX, "", 3));
    assert_eq!(total(&usage.drain()), 1, "there is room again");
}

#[test]
fn nothing_is_lost_or_doubled_while_cores_count_and_two_others_drain() {
    const EACH: u64 = 30_000;
    let usage = usage();
    let cores: Vec<_> = (0..3).map(|_| usage.core()).collect();
    let running = AtomicBool::new(true);
    let drained = std::thread::scope(|scope| {
        let drains = || {
            let mut all = Vec::new();
            while running.load(SeqCst) {
                all.extend(usage.drain());
            }
            all
        };
        let drainers = [scope.spawn(drains), scope.spawn(drains)];
        let counting: Vec<_> = cores
            .iter()
            .map(|core| {
                scope.spawn(move || {
                    for number in 0..EACH {
                        core.count(&by_key(
                            number % 50,
                            if number % 3 == 0 { "rate_limited" } else { "" },
                            number as i64,
                        ));
                    }
                })
            })
            .collect();
        counting.into_iter().for_each(|thread| thread.join().unwrap());
        running.store(false, SeqCst);
        drainers.into_iter().flat_map(|thread| thread.join().unwrap()).chain(usage.drain()).collect::<Vec<_>>()
    });
    assert_eq!(total(&drained), 3 * EACH);
    let sum = summed(drained);
    assert_eq!(sum.len(), 100);
    for number in 0..50 {
        let of = |code| sum[&(Resource::Key, uid(number), Some("primary"), code)].0;
        assert_eq!(of("") + of("rate_limited"), 3 * EACH / 50);
    }
}

/// What happens to the counting.
#[derive(Debug, Clone)]
enum Step {
    Count { core: usize, used: Used },
    Drain { refused: bool },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let slot = prop_oneof![Just(None), Just(Some(Slot::Primary)), Just(Some(Slot::Secondary))];
    let key = prop::option::of((0..4u64, slot));
    let code = prop::sample::select(vec!["", "key_expired", "rate_limited", "key_disabled"]);
    let used = (key, prop::option::of(0..4u64), prop::option::of(0..4u64), code, 0..100i64);
    let used = used.prop_map(|(key, workflow, connection, code, at)| Used {
        key: key.map(|(number, slot)| (uid(number), slot)),
        workflow: workflow.map(uid),
        connection: connection.map(uid),
        code,
        at,
    });
    let count = (0..2usize, used).prop_map(|(core, used)| Step::Count { core, used });
    let step = prop_oneof![6 => count, 1 => any::<bool>().prop_map(|refused| Step::Drain { refused })];
    prop::collection::vec(step, 0..80)
}

proptest! {
    #[test]
    fn whatever_is_drained_when_and_given_back_the_sums_are_those_of_the_requests(steps in steps()) {
        let usage = usage();
        let cores = [usage.core(), usage.core()];
        let (mut expected, mut drained) = (Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Count { core, used } => {
                    cores[core].count(&used);
                    let Used { code, at, .. } = used;
                    let key = used.key.map(|(uid, slot)| (Resource::Key, uid, slot));
                    let workflow = used.workflow.map(|uid| (Resource::Workflow, uid, None));
                    let connection = used.connection.map(|uid| (Resource::Connection, uid, None));
                    for (kind, uid, slot) in [key, workflow, connection].into_iter().flatten() {
                        expected.push(Counted { kind, uid, slot, code, count: 1, last_at: at });
                    }
                }
                Step::Drain { refused: true } => usage.give_back(&usage.drain()),
                Step::Drain { refused: false } => drained.extend(usage.drain()),
            }
        }
        drained.extend(usage.drain());
        prop_assert_eq!(summed(drained), summed(expected));
    }
}
