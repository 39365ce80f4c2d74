//! L3, L5: guessers are slowed and lock nobody out; bodies and concurrency have their caps.

use crate::support::{Answer, Ask, Connection, Gate, PATIENCE, World, token};
use std::time::Instant;

/// Three failures a day; every address is who `X-Forwarded-For` says.
fn guarded() -> World {
    World::build()
        .listener("failed_auth_limit: 3/day")
        .listener("trusted_proxies: [127.0.0.0/8]")
        .key("legacy", "secondary: 'legacy-token-of-another-system', workflows: all")
        .start()
}

fn from(world: &World, address: &str, token: &str) -> Ask {
    world.get("/customers/1").header("X-Forwarded-For", address).key(token)
}

#[test]
fn l3_over_the_limit_guesses_are_429_and_well_formed_tokens_are_still_judged() {
    let world = guarded();
    let verdict = |address: &str, token: &str| from(&world, address, token).send().verdict();
    for _ in 0..3 {
        assert_eq!(verdict("203.0.113.1", "a-guess-of-twenty-characters"), "401 invalid_key");
    }
    let reply = from(&world, "203.0.113.1", "a-guess-of-twenty-characters").send();
    assert_eq!(reply.verdict(), "429 rate_limited");
    assert_eq!(reply.json()["violated-policies"], serde_json::json!(["failed_auth"]));
    let seconds: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!(seconds > 0 && seconds <= 86_400 / 3, "{seconds}");
    let almost = format!("{}{}", &token("crm")[..52], if token("crm").ends_with('0') { '1' } else { '0' });
    for guess in ["short", "another-guess-of-twenty-characters", &almost, "legacy-token-of-another-system"] {
        assert_eq!(verdict("203.0.113.1", guess), "429 rate_limited", "{guess}: not well-formed, so not looked up");
    }
    assert_eq!(verdict("203.0.113.1", &token("stranger")), "401 invalid_key", "well-formed, judged");
    assert_eq!(verdict("203.0.113.1", &token("crm")), "200", "one bad neighbour locks nobody out");
    assert_eq!(verdict("203.0.113.1", &token("disabled")), "401 key_disabled");
    assert_eq!(world.production.count(), 1);
    assert_eq!(verdict("203.0.113.2", "legacy-token-of-another-system"), "200", "another address is another matter");
    assert_eq!(verdict("203.0.113.2", "a-guess-of-twenty-characters"), "401 invalid_key");
}

#[test]
fn l3_a_well_formed_token_beside_guesses_buys_none_of_them_a_look() {
    let world = World::build()
        .outbound("failed_auth_limit: 3/day")
        .connection("one", "base_url: 'http://{production}', inject: { header: X-One }, secret: file:test.secret")
        .connection("two", "base_url: 'http://{production}', inject: { header: X-Two }, secret: file:test.secret")
        .key("legacy", "secondary: 'legacy-token-of-another-system', connections: [one]")
        .start();
    let ask = |one: &str, two: &str| world.call_out("GET", "/c/one/x").header("X-One", one).header("X-Two", two);
    let stranger = token("stranger");
    let guess = "a-guess-of-twenty-characters";
    assert_eq!(ask(guess, &stranger).send().verdict(), "401 invalid_key", "two failures");
    assert_eq!(ask(guess, &stranger).send().verdict(), "401 invalid_key", "two more");
    assert_eq!(ask("legacy-token-of-another-system", guess).send().verdict(), "429 rate_limited", "not looked up");
    // The one that cannot be guessed is still judged; beside it the other is not looked up either.
    assert_eq!(ask("legacy-token-of-another-system", &stranger).send().verdict(), "401 invalid_key");
    world.assert_untouched();
}

#[test]
fn l3_every_kind_of_wrong_token_counts_and_a_missing_one_does_not() {
    let world = guarded();
    for (n, wrong) in ["short", "a-foreign-guess-of-some-length", "kst_nonsense", &token("stranger")].iter().enumerate()
    {
        let address = format!("203.0.113.{n}");
        for _ in 0..5 {
            let missing = world.get("/customers/1").header("X-Forwarded-For", &*address).send();
            assert_eq!(missing.verdict(), "401 missing_key");
        }
        for _ in 0..3 {
            assert_eq!(from(&world, &address, wrong).send().verdict(), "401 invalid_key", "{wrong}");
        }
        assert_eq!(from(&world, &address, "guess").send().verdict(), "429 rate_limited", "{wrong}");
    }
    world.assert_untouched();
}

#[test]
fn l3_ipv6_is_counted_by_its_64_and_a_callers_own_hops_are_not_believed() {
    let world = guarded();
    for n in 0..3 {
        assert_eq!(from(&world, &format!("2001:db8::{n}"), "guess").send().verdict(), "401 invalid_key");
    }
    assert_eq!(from(&world, "2001:db8::ffff", "guess").send().verdict(), "429 rate_limited");
    assert_eq!(from(&world, "2001:db8:0:1::1", "guess").send().verdict(), "401 invalid_key", "the next /64");
    // What stands left of the right-most untrusted hop changes nothing.
    for n in 0..3 {
        let forged = format!("198.51.100.{n}, 203.0.113.77");
        assert_eq!(from(&world, &forged, "guess").send().verdict(), "401 invalid_key");
    }
    assert_eq!(from(&world, "198.51.100.200, 203.0.113.77", "guess").send().verdict(), "429 rate_limited");
}

#[test]
fn l5_a_body_that_says_it_is_too_large_is_413_before_a_byte_of_it_is_read() {
    let world = World::build()
        .listener("max_body: 100B")
        .workflow("small", "template: 'POST /small', max_body: 10B, upstream: { Production: engine-production }")
        .start();
    let post = |target: &str, bytes: usize| world.ask("POST", target).key(&token("all")).body(vec![b'x'; bytes]).send();
    assert_eq!(
        (post("/orders", 101).verdict(), post("/small", 11).verdict()),
        ("413 body_too_large".into(), "413 body_too_large".into())
    );
    world.assert_untouched();
    // Only the head is sent: the refusal does not wait for the body, and no 100 invites it.
    let head = |expect: &str| {
        format!(
            "POST /orders HTTP/1.1\r\nHost: h\r\nX-API-Key: {}\r\nContent-Length: 101\r\n{expect}\r\n",
            token("all")
        )
    };
    for expect in ["", "Expect: 100-continue\r\n"] {
        let reply = crate::support::raw(world.address(), head(expect));
        assert_eq!(reply.verdict(), "413 body_too_large");
        assert!(reply.raw.starts_with(b"HTTP/1.1 413"), "no 100 before it");
        assert_eq!(reply.header("connection"), Some("close"));
    }
    world.assert_untouched();
    assert_eq!((post("/orders", 100).verdict(), post("/small", 10).verdict()), ("200".into(), "200".into()));
}

#[test]
fn l5_a_chunked_body_that_grows_too_large_is_413_and_never_arrives_whole() {
    let world = World::build().listener("max_body: 100B").start();
    let post = |chunks: &[&[u8]]| world.ask("POST", "/orders").key(&token("all")).chunks(chunks).send();
    for chunks in [&[&[b'x'; 101][..]][..], &[&[b'x'; 50], &[b'x'; 50], b"x"], &[&[b'x'; 4000]]] {
        let reply = post(chunks);
        assert_eq!(reply.verdict(), "413 body_too_large");
        assert_eq!(world.production.count(), 0, "aborted, not ended");
    }
    assert_eq!(post(&[&[b'x'; 50], &[b'y'; 50]]).verdict(), "200");
    assert_eq!(world.production.last().body.len(), 100);
}

/// A world whose upstream answers nobody until the gate opens.
fn gated(limit: &str) -> (World, Gate) {
    let gate = Gate::default();
    let shut = gate.clone();
    let answer = move |_: &crate::support::Recorded| {
        shut.pass();
        Answer::reply("200 OK", &[], "ok")
    };
    let (workflow, connection) = if limit == "workflow" { (", concurrency: 2", "") } else { ("", ", concurrency: 2") };
    let world = World::build()
        .answering(answer)
        .connection("c", &format!("base_url: 'http://{{production}}'{connection}"))
        .workflow("w", &format!("template: 'GET /w', upstream: {{ Production: c }}{workflow}"))
        .start();
    (world, gate)
}

#[test]
fn l5_over_a_concurrency_cap_is_503_at_once_and_a_slot_comes_back_when_its_request_ends() {
    for limit in ["workflow", "connection"] {
        let (world, gate) = gated(limit);
        let ask = world.get("/w").key(&token("all"));
        let mut running: Vec<Connection> = (0..2).map(|_| world.connect()).collect();
        running.iter_mut().for_each(|c| c.write(&ask.bytes()));
        world.production.await_requests(2);
        let reply = ask.send();
        assert_eq!(reply.verdict(), "503 overloaded", "{limit}");
        assert!(reply.json()["detail"].as_str().unwrap().contains(limit));
        assert!(reply.header("retry-after").is_some_and(|s| s.parse::<u64>().is_ok()));
        assert_eq!(world.record_of(&reply)["whose"], "gateway");
        assert_eq!(world.production.count(), 2, "nothing more was sent");
        gate.open();
        for connection in &mut running {
            assert_eq!(connection.read(false).unwrap().verdict(), "200");
        }
        assert_eq!(ask.send().verdict(), "200", "{limit}");
    }
}

#[test]
fn l5_a_caller_that_hangs_up_gives_its_slot_back() {
    let (world, gate) = gated("connection");
    let ask = world.get("/w").key(&token("all"));
    let mut running: Vec<Connection> = (0..2).map(|_| world.connect()).collect();
    running.iter_mut().for_each(|c| c.write(&ask.bytes()));
    world.production.await_requests(2);
    assert_eq!(ask.send().verdict(), "503 overloaded");
    drop(running);
    world.await_record(|r| r["end"] == "client_gone");
    gate.open();
    // The record is written a moment before the slot is free.
    let deadline = Instant::now() + PATIENCE;
    while ask.send().verdict() != "200" {
        assert!(Instant::now() < deadline, "the slot never came back");
    }
}
