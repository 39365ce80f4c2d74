//! Several addresses of an upstream: one that fails is avoided, a request is sent again only where that does no harm,
//! and each time-out says which one it was.

use crate::support::{Answer, Builder, Upstream, World, nobody, token};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

/// A listener that never accepts, its queue full: connecting to it takes for ever.
fn deaf() -> (SocketAddr, Vec<socket2::Socket>) {
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let mut held = vec![listener];
    for _ in 0..4 {
        let filler = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        filler.set_nonblocking(true).unwrap();
        let _ = filler.connect(&address.into());
        held.push(filler);
    }
    std::thread::sleep(Duration::from_millis(50));
    (address, held)
}

/// A world with the connection `many` at `addresses`, `GET` and `POST /many/…`.
fn world(addresses: &[SocketAddr], fields: &str) -> World {
    behind(World::build(), addresses, fields)
}

fn behind(build: Builder, addresses: &[SocketAddr], fields: &str) -> World {
    let list: Vec<String> = addresses.iter().map(|a| format!("'{a}'")).collect();
    let fields = format!("base_url: 'http://127.0.0.1:1/base', addresses: [{}], {fields}", list.join(", "));
    build
        .connection("many", &fields)
        .workflow("many-get", "template: 'GET /many/{rest...}', upstream: { Production: many }")
        .workflow("many-post", "template: 'POST /many/{rest...}', upstream: { Production: many }")
        .start()
}

fn get(world: &World) -> String {
    world.get("/many/x").key(&token("all")).send().verdict()
}

fn metric(world: &World, name: &str) -> u64 {
    let line = format!("keystile_upstream_{name}_total{{connection=\"many\"}} ");
    let metrics = world.metrics();
    metrics.lines().find_map(|l| l.strip_prefix(&line)?.parse().ok()).unwrap_or_default()
}

#[test]
fn requests_take_turns_between_addresses_and_keep_the_host_of_the_base_url() {
    let (one, two) = (Upstream::start(), Upstream::start());
    let world = world(&[one.address, two.address], "retries: 0");
    for _ in 0..10 {
        assert_eq!(get(&world), "200");
    }
    assert_eq!((one.count(), two.count()), (5, 5));
    for seen in [one.last(), two.last()] {
        assert_eq!(seen.header("host").as_deref(), Some("127.0.0.1:1"), "whichever was dialled");
        assert_eq!(seen.target(), "/base/many/x");
    }
    assert_eq!((one.connections(), two.connections()), (1, 1), "kept alive, each");
}

#[test]
fn an_address_where_nobody_listens_costs_no_request_and_is_left_alone_after_three() {
    let good = Upstream::start();
    let world = world(&[nobody(), good.address], "retries: 0");
    let post = world.ask("POST", "/many/x").key(&token("all")).body("once");
    for _ in 0..20 {
        assert_eq!(get(&world), "200");
        assert_eq!(post.send().verdict(), "200", "nothing was written yet: any method may try the next one");
    }
    assert_eq!(good.count(), 40);
    assert_eq!(metric(&world, "ejections"), 1, "out once, and then not asked");
    assert_eq!(metric(&world, "retries"), 0, "trying the next address is no retry");
}

#[test]
fn an_address_that_does_not_answer_holds_a_request_up_for_a_moment_only() {
    let ((silent, _held), good) = (deaf(), Upstream::start());
    let world = world(&[silent, good.address], "timeouts: { connect: 5s }");
    for _ in 0..4 {
        let began = Instant::now();
        assert_eq!(get(&world), "200");
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
    let world = self::world(&[silent], "timeouts: { connect: 300ms }");
    let reply = world.get("/many/x").key(&token("all")).send();
    assert_eq!(reply.verdict(), "504 upstream_connect_timeout", "not the head's time-out");
    let record = world.record_of(&reply);
    assert_eq!((&record["whose"], &record["code"]), (&"upstream".into(), &"upstream_connect_timeout".into()));
}

#[test]
fn a_request_that_may_be_repeated_is_sent_to_another_address_and_no_other_is() {
    let bad = Upstream::answering(|_| Answer::Last(Vec::new()));
    let good = Upstream::start();
    let world = world(&[bad.address, good.address], "");
    let post = world.ask("POST", "/many/x").key(&token("all")).body("once");
    let mut lost = 0;
    for _ in 0..4 {
        assert_eq!(get(&world), "200", "idempotent, without a body");
        lost += usize::from(post.send().verdict() == "502 upstream_unreachable");
    }
    let posts = bad.requests().iter().filter(|r| r.method() == "POST").count();
    assert_eq!(lost, posts, "a POST that was written is never written again");
    assert_eq!(good.requests().iter().filter(|r| r.method() == "POST").count(), 4 - posts);
    assert!(bad.count() >= 3 && metric(&world, "retries") >= 1);
    assert_eq!(metric(&world, "ejections"), 1, "three of either kind in a row");
}

#[test]
fn retries_are_as_many_as_the_connection_says() {
    for (fields, sent) in [("retries: 0", 1), ("retries: 3", 4), ("", 2)] {
        let bad = Upstream::answering(|_| Answer::Last(Vec::new()));
        let world = world(&[bad.address], fields);
        assert_eq!(get(&world), "502 upstream_unreachable");
        assert_eq!(bad.count(), sent, "{fields:?}");
    }
}

#[test]
fn a_dead_upstream_is_not_hammered_with_retries() {
    let bad = Upstream::answering(|_| Answer::Last(Vec::new()));
    let world = world(&[bad.address], "retries: 1");
    for _ in 0..60 {
        assert_eq!(get(&world), "502 upstream_unreachable");
    }
    let again = metric(&world, "retries");
    assert_eq!(bad.count() as u64, 60 + again);
    assert!((1..=40).contains(&again), "three a second over ten seconds, or a fifth: {again}");
}

#[test]
fn statuses_put_nobody_out() {
    let bad = Upstream::answering(|_| Answer::reply("503 Service Unavailable", &[("Retry-After", "1")], "no"));
    let world = world(&[bad.address], "retries: 3");
    for sent in 1..=5 {
        assert_eq!(get(&world), "503", "passed on as it came");
        assert_eq!(bad.count(), sent, "and not repeated");
    }
    assert_eq!((metric(&world, "ejections"), metric(&world, "retries")), (0, 0));
}

#[test]
fn c13_every_address_is_vetted_as_the_url_would_be() {
    let told = World::build()
        .connection("many", "base_url: 'https://engine.example', addresses: ['10.1.2.3:443', 'engine.example:443']")
        .refused();
    for part in ["10.1.2.3 is private", "connections[many].addresses", "10.1.2.3/32"] {
        assert!(told.contains(part), "no {part:?} in:\n{told}");
    }
    let clear = "base_url: 'http://127.0.0.1:1', addresses: ['engine.example:80']";
    let told = World::build().connection("many", clear).refused();
    assert!(told.contains("in the clear"), "the URL's host is not what is dialled:\n{told}");
    let local = World::build().connection("many", "base_url: 'http://127.0.0.1:1', addresses: ['[::1]:1']").refused();
    assert!(local.contains("::1/128"), "{local}");
}

#[test]
fn hazard_20_one_name_among_the_addresses_that_leads_inside_spoils_them_all() {
    let good = Upstream::start();
    let fields = format!(
        "base_url: 'http://engine.example', allow_cleartext: true, addresses: ['{}', '0x0a000001:80']",
        good.address
    );
    let world = World::build().route("many", &fields).start();
    assert_eq!(world.get("/many/x").key(&token("all")).send().verdict(), "403 destination_not_allowed");
    good.assert_untouched();
}

#[test]
fn an_upstream_that_takes_no_upload_is_given_up_before_and_after_it_answered() {
    const USUAL: &str = "timeouts: { head: 5s }";
    for (early, door, fields) in [
        (false, USUAL, "timeouts: { head: 20s, idle: 500ms }"),
        (true, USUAL, "timeouts: { head: 20s, idle: 500ms }"),
        // The caller's time is up first, but it is not he who dawdles.
        (false, "timeouts: { request: 700ms }", "timeouts: { head: 20s, idle: 20s }"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (done, hold) = std::sync::mpsc::channel::<()>();
        let held = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 512];
            let _ = stream.read(&mut head);
            if early {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nearly");
            }
            // Until the test is over.
            let _ = hold.recv();
        });
        let world = behind(World::build().listener(door), &[address], fields);
        let mut caller = world.connect();
        let size = 12 * 1024 * 1024;
        let key = token("all");
        let head = format!("POST /many/x HTTP/1.1\r\nHost: h\r\nX-API-Key: {key}\r\nContent-Length: {size}\r\n\r\n");
        let began = Instant::now();
        caller.write(head.as_bytes());
        let mut writing = caller.stream();
        let uploading = std::thread::spawn(move || {
            let _ = writing.write_all(&vec![b'x'; size]);
        });
        let reply = caller.read(false);
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
        if early {
            assert!(reply.is_err(), "its reply never ends");
        } else {
            let record = world.record_of(&reply.unwrap());
            assert_eq!(record["code"], "upstream_timeout");
            assert!(record["cause"].as_str().unwrap().contains("taking"), "{record}");
        }
        drop((caller, done));
        uploading.join().unwrap();
        held.join().unwrap();
    }
}

#[test]
fn silence_in_the_middle_of_a_reply_has_its_own_end() {
    let silent = Upstream::answering(|_| Answer::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_vec()));
    let world = world(&[silent.address], "timeouts: { idle: 300ms }");
    let mut caller = world.connect();
    caller.write(&world.get("/many/x").key(&token("all")).bytes());
    assert!(caller.read(false).is_err(), "never a clean end");
    assert_eq!(world.await_record(|r| r["connection"] == "many")["end"], "upstream_idle_timeout");
}
