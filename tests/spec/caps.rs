//! Hazard 29: more connections than there is room for. What is open goes on, what is too much is closed at the door, and
//! nothing has to be restarted.

use crate::support::{Answer, Connection, Gate, World};
use std::process::Command;
use std::time::{Duration, Instant};

/// Asks until it is so.
#[track_caller]
fn soon(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn refused(world: &World, reason: &str) -> u64 {
    let (metrics, line) = (world.metrics(), format!("keystile_connections_refused_total{{reason=\"{reason}\"}} "));
    metrics.lines().find_map(|l| l.strip_prefix(&line)).expect("the counter").parse().unwrap()
}

#[test]
fn over_max_connections_the_newest_is_closed_and_the_open_ones_go_on() {
    let world = World::build().listener("max_connections: 3").start();
    let request = world.call("crm").bytes();
    let mut open: Vec<Connection> = (0..3).map(|_| world.connect()).collect();
    assert!(open.iter_mut().all(|c| c.send(&request).status == 200));
    for _ in 0..5 {
        assert!(Connection::is_turned_away(world.address(), b""));
    }
    assert_eq!(refused(&world, "max_connections"), 5);
    let told = world.stderr.lines().iter().filter(|l| l.contains("connections are refused")).count();
    assert!((1..=2).contains(&told), "{told} lines for five at once");
    assert!(open.iter_mut().all(|c| c.send(&request).status == 200), "who is in stays in");
    open.pop();
    soon("there is room again", || {
        let Ok(mut connection) = Connection::try_open(world.address()) else { return false };
        connection.write(&request);
        connection.read(false).is_ok_and(|reply| reply.status == 200)
    });
}

#[test]
fn over_max_connections_per_address_others_still_get_in() {
    let world = World::build()
        .listener("max_connections_per_address: 2")
        .listener("proxy_protocol: true")
        .listener("trusted_proxies: [127.0.0.1/32]")
        .start();
    let from = |address: &str| {
        let mut connection = world.connect();
        connection.write(format!("PROXY {address} 1 2\r\n").as_bytes());
        connection.write(&world.call("crm").bytes());
        connection
    };
    let answered = |connection: &mut Connection| connection.read(false).is_ok_and(|r| r.status == 200);
    for (one, same, other) in [
        ("TCP4 203.0.113.1 127.0.0.1", "TCP4 203.0.113.1 127.0.0.1", "TCP4 203.0.113.2 127.0.0.1"),
        ("TCP6 2001:db8::1 ::1", "TCP6 2001:db8::ffff ::1", "TCP6 2001:db8:0:1::1 ::1"),
    ] {
        let mut held = [from(one), from(one)];
        assert!(held.iter_mut().all(answered));
        assert!(from(same).is_closed(), "{same}");
        assert!(answered(&mut from(other)), "{other}");
        drop(held);
        soon("its place is free again", || answered(&mut from(same)));
    }
    let mut balancer: Vec<Connection> = (0..5).map(|_| from("UNKNOWN")).collect();
    assert!(balancer.iter_mut().all(answered), "the balancer itself is not counted");
    assert!(refused(&world, "max_connections_per_address") >= 2);
}

#[test]
fn an_address_is_counted_by_its_connections_and_a_trusted_proxys_are_not() {
    let world = World::build().listener("max_connections_per_address: 2").start();
    let request = world.call("crm").bytes();
    let mut open = [world.connect(), world.connect()];
    assert!(open.iter_mut().all(|c| c.send(&request).status == 200));
    assert!(Connection::is_turned_away(world.address(), b""));
    assert!(open.iter_mut().all(|c| c.send(&request).status == 200), "requests are not connections");

    let world =
        World::build().listener("max_connections_per_address: 2").listener("trusted_proxies: [127.0.0.1/32]").start();
    let mut open: Vec<Connection> = (0..5).map(|_| world.connect()).collect();
    assert!(open.iter_mut().all(|c| c.send(&request).status == 200));
}

/// Sets the gateway's limit on descriptors.
fn limit(world: &World, descriptors: usize) {
    let set = Command::new("prlimit")
        .arg(format!("--pid={}", world.pid()))
        .arg(format!("--nofile={descriptors}:"))
        .status()
        .expect("prlimit");
    assert!(set.success());
}

fn open_descriptors(world: &World) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", world.pid())).unwrap().count()
}

#[test]
fn hazard_29_without_descriptors_old_work_goes_on_and_new_work_waits_until_there_are_some() {
    let gate = Gate::default();
    let held = gate.clone();
    let world = World::build()
        .answering(move |request| {
            if request.target().contains("slow") {
                held.pass();
            }
            Answer::reply("200 OK", &[], "ok")
        })
        .start();
    let request = world.call("crm").bytes();
    let mut running = world.connect();
    running.write(&world.get("/customers/slow").key(&crate::support::token("crm")).bytes());
    world.production.await_requests(1);
    let mut open = world.connect();
    assert_eq!(open.send(&request).status, 200);
    limit(&world, open_descriptors(&world) - 3);
    let mut waiting = world.connect();
    waiting.write(&request);
    world.await_event(0, |e| e["message"] == "cannot accept a connection");
    assert_eq!(open.send(&request).status, 200, "on a connection that is open, over one that is open");
    gate.open();
    assert_eq!(running.read(false).unwrap().status, 200);
    limit(&world, 4096);
    assert_eq!(waiting.read(false).unwrap().status, 200, "it was in the queue, and is served by itself");
}

#[test]
fn hazard_29_callers_may_hold_half_of_the_descriptors() {
    let world = World::build().limited_to(128).start();
    let request = world.call("crm").bytes();
    let mut open: Vec<Connection> = (0..64).map(|_| world.connect()).collect();
    assert!(open.iter_mut().all(|c| c.send(&request).status == 200));
    assert!(Connection::is_turned_away(world.address(), b""));
    assert_eq!(refused(&world, "descriptors"), 1);
    assert!(open.iter_mut().all(|c| c.send(&request).status == 200), "for upstreams there are enough");
}
