//! How streams and connections end over HTTP/2 (RFC 9113, sections 5.1.2, 5.4, 6.4, 6.8 and 8.1): early, late, at either
//! side's wish; what is left of them, at the upstream and in the records.

use crate::h2_conformance::{NO_ERROR, REFUSED_STREAM, block};
use crate::h2_floods::fields;
use crate::support::h2_caller::{Caller, INITIAL_WINDOW_SIZE};
use crate::support::h2_raw::frame;
use crate::support::{Answer, Builder, Gate, World, token};
use keystile::net::frames::{END_HEADERS, END_STREAM, GOAWAY, HEADERS, RST_STREAM};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const AT_ONCE: u32 = 128;

/// Answers at once, but `/customers/held` once the gate is open, and `/customers/silence` never.
fn build(gate: &Gate) -> Builder {
    let gate = gate.clone();
    World::build().listener("h2c: true").answering(move |request| match request.target().as_str() {
        "/customers/silence" => Answer::Silence,
        "/customers/held" => {
            gate.pass();
            Answer::reply("200 OK", &[], "held")
        }
        "/customers/long" => Answer::reply("200 OK", &[], &"x".repeat(1 << 20)),
        "/customers/halves" => {
            let first = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst";
            Answer::Halves(first.into(), gate.clone(), "later".into())
        }
        "/customers/cut" => Answer::Last(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst".to_vec()),
        _ => Answer::reply("200 OK", &[], "ok"),
    })
}

#[test]
fn rfc_9113_5_1_2_one_stream_too_many_is_refused_and_the_others_go_on() {
    let gate = Gate::default();
    let world = build(&gate).start();
    let mut caller = Caller::clear(world.address(), &[]);
    let streams: Vec<u32> = (0..AT_ONCE).map(|n| 2 * n + 1).collect();
    streams.iter().for_each(|stream| caller.head(*stream, &block("/customers/held"), true));
    let refused = 2 * AT_ONCE + 1;
    caller.head(refused, &block("/customers/1"), true);
    assert_eq!(caller.reply(refused).reset, Some(REFUSED_STREAM));
    // One that is given up makes room for one.
    caller.give_up(1);
    caller.head(refused + 2, &block("/customers/1"), true);
    assert_eq!(caller.reply(refused + 2).status(), 200);
    gate.open();
    for stream in &streams[1..] {
        assert_eq!((caller.reply(*stream).status(), caller.reply(*stream).text().as_str()), (200, "held"));
    }
    for stream in (refused + 4..refused + 4 + 2 * AT_ONCE).step_by(2) {
        caller.head(stream, &block("/customers/1"), true);
        assert_eq!(caller.reply(stream).status(), 200, "all of the room is back");
    }
    let paths: Vec<String> = world.production.requests().iter().map(|r| r.target()).collect();
    assert_eq!(paths.iter().filter(|path| *path == "/customers/1").count(), 1 + AT_ONCE as usize, "the refused one");
}

#[test]
fn rfc_9113_8_1_a_refusal_does_not_wait_for_the_body_and_the_connection_serves_on() {
    let world = build(&Gate::default()).start();
    let key = token("all");
    let mut caller = Caller::clear(world.address(), &[]);
    for (n, (path, key, status)) in
        [("/nowhere", &*key, 404), ("/orders", "kst_nobodys", 401)].repeat(20).iter().enumerate()
    {
        let stream = 2 * n as u32 + 1;
        let post = fields(key, &[(":method", "POST"), (":path", path), (":scheme", "http")]);
        caller.request(stream, &post, false);
        caller.until("a reply", |c| c.streams[&stream].is_over());
        // He did not know yet. What is thrown away is given back to the connection.
        let rest = caller.may_send(stream).min(60_000);
        assert!(rest > 0, "stream {n} finds the connection's window empty");
        caller.count_out(stream, rest);
        for piece in vec![b'x'; rest].chunks(16_384) {
            caller.write(&frame(0, 0, stream, piece));
        }
        caller.settle();
        let reply = &caller.streams[&stream];
        assert_eq!((reply.status(), reply.ended), (*status, true));
        assert!(matches!(reply.reset, None | Some(NO_ERROR | 5)), "{:?}", reply.reset);
    }
    assert!(caller.goaways.is_empty());
    caller.head(201, &block("/customers/1"), true);
    assert_eq!(caller.reply(201).status(), 200);
    assert_eq!(world.production.count(), 1);
}

#[test]
fn rfc_9113_8_1_who_has_little_left_to_say_after_his_reply_may_say_it_and_who_has_much_is_stopped() {
    let world = build(&Gate::default()).start();
    let key = token("all");
    let mut caller = Caller::clear(world.address(), &[]);
    let post = fields(&key, &[(":method", "POST"), (":path", "/nowhere"), (":scheme", "http")]);
    caller.request(1, &post, false);
    caller.until("a reply", |c| c.streams[&1].is_over());
    caller.data(1, &[b'x'; 10_000], false);
    caller.data(1, &[b'x'; 10_000], true);
    caller.head(3, &block("/customers/1"), true);
    assert_eq!(
        (caller.reply(3).status(), caller.streams[&1].reset),
        (200, None),
        "some clients take a reset for a failure"
    );
    caller.request(5, &post, false);
    caller.until("a reply", |c| c.streams[&5].is_over());
    for _ in 0..5 {
        caller.data(5, &[b'x'; 16_384], false);
    }
    caller.until("a reset", |c| c.streams[&5].reset.is_some());
    assert_eq!(caller.streams[&5].reset, Some(NO_ERROR));
    // Who says nothing more is not waited for, either.
    caller.request(7, &post, false);
    caller.until("a reset in time", |c| c.streams.get(&7).is_some_and(|s| s.reset == Some(NO_ERROR)));
    assert!(caller.goaways.is_empty());
}

/// An upstream that answers a POST by its head alone, and tells when its connection is gone.
fn answers_early(reply: &'static [u8]) -> (SocketAddr, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, (gone, wait)) = (listener.local_addr().unwrap(), channel());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let gone = gone.clone();
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(reply);
                while stream.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {}
                let _ = gone.send(());
            });
        }
    });
    (address, wait)
}

#[test]
fn rfc_9113_8_1_an_upstreams_early_reply_is_passed_on_whole_while_the_upload_is_under_way() {
    let (address, gone) = answers_early(b"HTTP/1.1 413 Too Much\r\nContent-Length: 4\r\n\r\nstop");
    let world = build(&Gate::default())
        .connection("early", &format!("base_url: 'http://{address}'"))
        .workflow("early", "template: 'POST /early/{id}', upstream: { Production: early }")
        .start();
    let key = token("all");
    let mut caller = Caller::clear(world.address(), &[]);
    caller.request(1, &fields(&key, &[(":method", "POST"), (":path", "/early/1"), (":scheme", "http")]), false);
    caller.data(1, &[b'x'; 30_000], false);
    let reply = caller.reply(1);
    assert_eq!((reply.status(), reply.text().as_str(), reply.ended), (413, "stop", true));
    caller.settle();
    assert!(matches!(caller.streams[&1].reset, None | Some(NO_ERROR)), "{:?}", caller.streams[&1].reset);
    gone.recv_timeout(crate::support::PATIENCE).expect("half an upload's connection is not used again");
    caller.head(3, &block("/customers/1"), true);
    assert_eq!(caller.reply(3).status(), 200);
    assert_eq!(world.await_record(|r| r["workflow"] == "early")["status"], 413);
}

#[test]
fn t3_a_stream_that_is_given_up_is_recorded_and_its_upstream_let_go() {
    let (address, gone) = answers_early(b"");
    let (halved, gone_halved) = answers_early(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    let world = build(&Gate::default())
        .route("never", &format!("base_url: 'http://{address}'"))
        .route("half", &format!("base_url: 'http://{halved}'"))
        .start();
    let mut caller = Caller::clear(world.address(), &[(INITIAL_WINDOW_SIZE, 1_000)]);
    let key = token("all");
    for (stream, path) in [(1, "/never/1"), (3, "/half/1"), (5, "/customers/long")] {
        caller.request(stream, &fields(&key, &[(":path", path), (":scheme", "http")]), true);
    }
    caller.until("half a reply", |c| c.streams[&3].text() == "half" && c.streams[&5].body.len() == 1_000);
    for stream in [1, 3, 5] {
        caller.give_up(stream);
    }
    for (workflow, status) in [("never", 499), ("half", 200), ("get-customer", 200)] {
        let record = world.await_record(|r| r["workflow"] == workflow);
        assert_eq!((record["status"].as_u64(), &record["end"]), (Some(status), &"client_gone".into()), "{workflow}");
    }
    for gone in [gone, gone_halved] {
        gone.recv_timeout(crate::support::PATIENCE).expect("the upstream's connection is closed");
    }
    caller.head(7, &block("/customers/1"), true);
    assert_eq!(caller.reply(7).status(), 200);
}

#[test]
fn t3_a_request_that_is_given_up_in_the_same_breath_is_recorded_and_reaches_nobody() {
    let world = build(&Gate::default()).start();
    let mut caller = Caller::clear(world.address(), &[]);
    let mut breath = Vec::new();
    for stream in [1, 3, 5] {
        breath.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(&format!("/customers/{stream}"))));
        breath.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    caller.write(&breath);
    for path in ["/customers/1", "/customers/3", "/customers/5"] {
        let record = world.await_record(|r| r["path"] == path);
        assert_eq!((record["status"].as_u64(), &record["end"]), (Some(499), &"client_gone".into()), "{path}");
    }
    world.assert_untouched();
}

#[test]
fn hazard_14_a_reply_that_its_upstream_cuts_short_never_ends_as_if_it_were_whole() {
    let world = build(&Gate::default()).start();
    let mut caller = Caller::clear(world.address(), &[]);
    for stream in [1, 3, 5] {
        caller.head(stream, &block("/customers/cut"), true);
        let reply = caller.reply(stream);
        assert!(!reply.ended && reply.reset.is_some_and(|code| code != NO_ERROR), "{reply:?}");
        assert!("first".starts_with(&reply.text()), "{reply:?}");
    }
    assert_eq!(world.await_record(|r| r["status"] == 200)["end"], "upstream_died");
    assert!(caller.goaways.is_empty());
}

#[test]
fn rfc_9113_6_8_a_caller_who_says_that_he_leaves_gets_his_replies_first() {
    let gate = Gate::default();
    let world = build(&gate).start();
    let mut caller = Caller::clear(world.address(), &[]);
    caller.head(1, &block("/customers/held"), true);
    caller.head(3, &block("/customers/halves"), true);
    caller.until("half a reply", |c| c.streams[&3].text() == "first");
    caller.write(&frame(GOAWAY, 0, 0, &[0; 8]));
    caller.settle();
    gate.open();
    assert_eq!(caller.reply(1).text(), "held");
    assert_eq!(caller.reply(3).text(), "firstlater");
    caller.end();
    assert!(caller.goaways.iter().all(|(_, code)| *code == NO_ERROR), "{:?}", caller.goaways);
}

#[test]
fn hazard_30_a_stop_is_told_by_goaway_and_what_was_begun_is_finished() {
    let gate = Gate::default();
    let mut world = build(&gate).start();
    let mut caller = Caller::clear(world.address(), &[]);
    let mut idle = Caller::clear(world.address(), &[]);
    idle.settle();
    caller.head(1, &block("/customers/held"), true);
    caller.head(3, &block("/customers/halves"), true);
    caller.head(5, &block("/orders"), false);
    caller.data(5, b"half an upload", false);
    caller.until("half a reply", |c| c.streams[&3].text() == "first");
    world.signal("TERM");
    caller.until("GOAWAY", |c| c.goaways.last().is_some_and(|(last, _)| *last < 1 << 30));
    assert_eq!(caller.goaways.last(), Some(&(5, NO_ERROR)), "the last stream that is served");
    caller.head(7, &block("/customers/1"), true);
    caller.data(5, b", and the rest", true);
    assert_eq!(caller.reply(5).status(), 200);
    gate.open();
    assert_eq!(caller.reply(1).text(), "held");
    assert_eq!(caller.reply(3).text(), "firstlater");
    caller.end();
    assert_eq!(caller.streams[&7].status(), 0, "nobody acted on it: the caller may send it again elsewhere");
    idle.end();
    assert_eq!(idle.goaways.last(), Some(&(0, NO_ERROR)));
    assert_eq!(world.gateway.wait().code(), Some(0));
    assert!(world.production.requests().iter().all(|r| r.target() != "/customers/1"));
    assert_eq!(world.records().len(), 3);
}

#[test]
fn t3_a_caller_who_is_gone_lets_every_stream_of_his_go() {
    let world = build(&Gate::default()).start();
    let mut caller = Caller::clear(world.address(), &[]);
    for stream in (1..21).step_by(2) {
        caller.head(stream, &block("/customers/silence"), true);
    }
    world.production.await_requests(10);
    drop(caller);
    let counted = "workflow=\"get-customer\",environment=\"Production\",status=\"499\",code=\"client_gone\"";
    world.await_metric(&format!("keystile_requests_total{{{counted}}} 10"));
    world.await_metric("keystile_requests_in_flight 0");
    assert_eq!(world.await_record(|r| r["status"] == 499)["end"], "client_gone");
}

#[test]
fn hazard_13_heads_that_each_come_in_time_are_not_slow_though_there_is_always_one_under_way() {
    let world = build(&Gate::default()).listener("timeouts: { head: 500ms }").start();
    let mut caller = Caller::clear(world.address(), &[]);
    let mut rest = Vec::new();
    for stream in (1..32).step_by(2) {
        caller.expect(stream);
        let head = frame(HEADERS, END_HEADERS | END_STREAM, stream, &block("/customers/1"));
        let (begin, end) = head.split_at(30);
        caller.h2.write(&[&rest, begin].concat());
        rest = end.to_vec();
        std::thread::sleep(Duration::from_millis(80));
    }
    caller.h2.write(&rest);
    for stream in (1..32).step_by(2) {
        assert_eq!(caller.reply(stream).status(), 200);
    }
    // One that is never whole is waited for as long as a head may take, whatever else is under way.
    caller.head(33, &block("/customers/held"), true);
    caller.h2.write(&frame(HEADERS, END_HEADERS | END_STREAM, 35, &block("/customers/1"))[..30]);
    let began = Instant::now();
    caller.end();
    assert!(began.elapsed() >= Duration::from_millis(400), "{:?}", began.elapsed());
}

#[test]
fn hazard_13_an_idle_connection_is_told_that_it_ends_and_up_to_which_request_it_served() {
    let world = build(&Gate::default()).listener("timeouts: { head: 300ms, idle: 600ms }").start();
    let mut silent = Caller::clear(world.address(), &[]);
    let mut idle = Caller::clear(world.address(), &[]);
    idle.head(1, &block("/customers/1"), true);
    assert_eq!(idle.reply(1).status(), 200);
    idle.end();
    silent.end();
    assert_eq!((idle.goaways.last(), silent.goaways.last()), (Some(&(1, NO_ERROR)), Some(&(0, NO_ERROR))));
}

#[test]
fn rfc_9113_5_1_trailers_of_an_upload_that_was_stopped_are_no_mistake_whatever_else_has_ended_since() {
    let world = build(&Gate::default()).start();
    let key = token("all");
    let mut caller = Caller::clear(world.address(), &[]);
    let post = fields(&key, &[(":method", "POST"), (":path", "/nowhere"), (":scheme", "http")]);
    caller.request(1, &post, false);
    caller.until("a reply", |c| c.streams[&1].is_over());
    (0..5).for_each(|_| caller.data(1, &[b'x'; 16_384], false));
    caller.until("a reset", |c| c.streams[&1].reset.is_some());
    for stream in (3..203).step_by(2) {
        caller.head(stream, &block("/customers/1"), true);
        assert_eq!(caller.reply(stream).status(), 200);
    }
    // They were on their way when he was told.
    caller.request_trailers(1, &[("x-checksum", "1")]);
    caller.head(301, &block("/customers/1"), true);
    assert_eq!(caller.reply(301).status(), 200);
    assert!(caller.goaways.is_empty());
}
