//! H4: a delivery that was there before is not forwarded again; one that failed is.

use crate::support::sender::{Delivery, custom, hook, secret};
use crate::support::{Answer, Builder, Connection, Gate, PATIENCE, Recorded, World};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

const IN_FLIGHT: &str = "409 replayed";

fn github(build: Builder, more: &str) -> Builder {
    hook(build, "github", "github", more)
}

/// Repeats `ask` until it is so.
#[track_caller]
fn until(mut ask: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !ask() {
        assert!(Instant::now() < deadline, "it never was");
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn h4_a_delivery_is_forwarded_once_and_its_sender_is_told_so_as_suits_him() {
    let conflict = "scheme: github, secrets: ['file:github.signing'], replays: { answer: conflict }";
    let own = "scheme: custom, secrets: ['file:github.signing'], header: X-Hub-Signature-256, prefix: sha256=, \
               template: '{body}', algorithm: hmac-sha256, encoding: hex";
    let build = custom(custom(github(World::build(), ""), "conflict", conflict), "own", own);
    let world = build.start();
    for (to, said) in [("github", "200"), ("conflict", IN_FLIGHT), ("own", IN_FLIGHT)] {
        let delivery = Delivery::of("github").to(format!("/hooks/{to}"));
        delivery.is_taken(&world, "the first");
        let before = world.production.count();
        for _ in 0..3 {
            let reply = delivery.send(&world);
            assert_eq!(reply.verdict(), said, "{to}");
            let record = world.record_of(&reply);
            assert_eq!(record["workflow"], to, "{record}");
            if reply.status == 200 {
                assert_eq!(reply.header("x-keystile-replayed"), Some("true"));
                assert_eq!((reply.text().as_str(), record["answered"].as_str()), ("", Some("replayed")));
                assert_eq!(record["upstream_us"], serde_json::Value::Null);
            } else {
                assert_eq!((reply.header("retry-after"), reply.header("x-keystile-replayed")), (None, None));
                assert_eq!(record["cause"], "the same delivery was forwarded before");
            }
        }
        assert_eq!(world.production.count(), before, "{to}");
    }
    // The same bytes at another workflow are another delivery.
    let delivery = Delivery::of("github");
    delivery.is_taken(&world, "here");
    delivery.clone().to("/hooks/own").is_taken(&world, "and there");
    let metrics = world.metrics();
    assert!(metrics.contains("keystile_deliveries_answered_total{answer=\"replayed\"} 3"), "{metrics}");
    until(|| world.metrics().contains("\nkeystile_deliveries_remembered 5\n"));
    assert!(world.metrics().contains("\nkeystile_deliveries_forgotten_total 0\n"));
}

#[test]
fn h4_while_it_is_in_flight_the_same_delivery_is_told_to_come_again() {
    let gate = Gate::default();
    let shut = gate.clone();
    let answer = move |_: &Recorded| {
        shut.pass();
        Answer::reply("202 Accepted", &[], "")
    };
    let world = github(World::build().answering(answer), "").start();
    let delivery = Delivery::of("github");
    let mut first = world.connect();
    first.write(&delivery.ask(&world).bytes());
    world.production.await_requests(1);
    for _ in 0..3 {
        let reply = delivery.send(&world);
        assert_eq!((reply.verdict().as_str(), reply.header("retry-after")), (IN_FLIGHT, Some("1")));
    }
    Delivery::of("github").saying("x").is_refused(&world, "another one is another one", "401 signature_invalid");
    gate.open();
    assert_eq!(first.read(false).unwrap().verdict(), "202");
    let reply = delivery.send(&world);
    assert_eq!((reply.verdict().as_str(), reply.header("x-keystile-replayed")), ("200", Some("true")));
    assert_eq!(world.production.count(), 1);
}

#[test]
fn h4_after_a_failure_the_senders_retry_gets_through() {
    type Failing = fn() -> Answer;
    let failures: [(&str, Failing, u16); 6] = [
        ("500", || Answer::reply("500 Internal Server Error", &[], "no"), 500),
        ("404", || Answer::reply("404 Not Found", &[], ""), 404),
        ("a redirect", || Answer::reply("302 Found", &[("Location", "/")], ""), 302),
        ("garbage", || Answer::Last(b"nonsense\r\n\r\n".to_vec()), 502),
        ("it hangs up", || Answer::Last(Vec::new()), 502),
        ("it says nothing", || Answer::Silence, 504),
    ];
    for (what, failing, status) in failures {
        let asked = AtomicUsize::new(0);
        let answer = move |_: &Recorded| match asked.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => failing(),
            _ => Answer::reply("204 No Content", &[], ""),
        };
        let build = World::build().answering(answer).listener("timeouts: { request: 1s }");
        let world = github(build, "").start();
        let delivery = Delivery::of("github");
        for wanted in [status, status, 204] {
            let reply = delivery.send(&world);
            assert_eq!(reply.status, wanted, "{what}: {}", reply.text());
        }
        let reply = delivery.send(&world);
        assert_eq!((reply.status, reply.header("x-keystile-replayed")), (200, Some("true")), "{what}");
        assert_eq!(world.production.count(), 3, "{what}: each retry arrived, and nothing more");
    }
}

#[test]
fn h4_a_sender_who_hangs_up_gives_the_delivery_free() {
    let gate = Gate::default();
    let (shut, first) = (gate.clone(), AtomicUsize::new(0));
    let answer = move |_: &Recorded| {
        if first.fetch_add(1, Ordering::SeqCst) == 0 {
            shut.pass();
        }
        Answer::reply("200 OK", &[], "")
    };
    let world = github(World::build().answering(answer), "").start();
    let delivery = Delivery::of("github");
    let mut gone = world.connect();
    gone.write(&delivery.ask(&world).bytes());
    world.production.await_requests(1);
    assert_eq!(delivery.send(&world).verdict(), IN_FLIGHT);
    drop(gone);
    until(|| delivery.send(&world).verdict() == "200");
    assert_eq!(world.production.count(), 2);
    assert_eq!(delivery.send(&world).header("x-keystile-replayed"), Some("true"));
    gate.open();
}

#[test]
fn h4_a_reload_forgets_nothing() {
    let build = github(World::build(), "");
    let yaml = build.yaml();
    let world = build.start();
    let delivery = Delivery::of("github");
    delivery.is_taken(&world, "before the reload");
    assert!(
        world.reload(&yaml.replace("name: unbound,", "name: unbound-anew,").replace("POST /hooks", "POST /hooks2"))
    );
    let moved = delivery.clone().to("/hooks2/github");
    let reply = moved.send(&world);
    assert_eq!((reply.verdict().as_str(), reply.header("x-keystile-replayed")), ("200", Some("true")));
    assert_eq!(world.production.count(), 1);
}

#[test]
fn h4_a_delivery_is_remembered_as_long_as_is_said_and_not_at_all_where_that_is_said() {
    let build = World::build().listener("timeouts: { request: 1s }");
    let once = "scheme: github, secrets: ['file:github.signing'], replays: { remember: 1s }";
    let never = "scheme: github, secrets: ['file:github.signing'], replays: { remember: false }";
    let world = custom(custom(github(build, ""), "once", once), "never", never).start();
    let delivery = Delivery::of("github").to("/hooks/never");
    for _ in 0..3 {
        delivery.is_taken(&world, "never remembered");
    }
    let delivery = Delivery::of("github").to("/hooks/once");
    let begun = Instant::now();
    delivery.is_taken(&world, "the first");
    until(|| delivery.send(&world).header("x-keystile-replayed").is_none());
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(world.production.count(), 5);
}

#[test]
fn h4_of_ten_thousand_at_once_one_arrives() {
    const CONNECTIONS: usize = 50;
    const EACH: usize = 200;
    let build = github(World::build(), "");
    let yaml = build.yaml().replace("workers: 1\n", "workers: 4\n");
    let setup = build.setup().file("keystile.yaml", yaml).file("github.signing", secret("github"));
    let world = build.start_as(setup);
    let bytes = Delivery::of("github").ask(&world).bytes();
    let verdicts = Mutex::new(BTreeMap::<String, usize>::new());
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                let mut connection = Connection::open(world.address());
                for _ in 0..EACH {
                    let reply = connection.send(&bytes);
                    let replayed = reply.header("x-keystile-replayed").unwrap_or_default();
                    let verdict = format!("{} {replayed}", reply.verdict());
                    *verdicts.lock().unwrap().entry(verdict).or_default() += 1;
                }
            });
        }
    });
    let verdicts = verdicts.into_inner().unwrap();
    assert_eq!(world.production.count(), 1, "{verdicts:?}");
    assert_eq!(verdicts.get("200 "), Some(&1), "{verdicts:?}");
    let others = verdicts.get("200 true").unwrap_or(&0) + verdicts.get("409 replayed ").unwrap_or(&0);
    assert_eq!(others, CONNECTIONS * EACH - 1, "{verdicts:?}");
}
