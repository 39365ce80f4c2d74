//! Beginning and end: health, a clear refusal to start, and requests that finish.

use crate::support::{Answer, Gate, World, token};
use std::io::{ErrorKind, Read as _};
use std::net::TcpListener;

#[test]
fn health_readiness_and_metrics_are_there_and_nothing_else() {
    let world = World::start();
    assert_eq!(world.admin("/healthz").text(), "ok\n");
    assert_eq!(world.admin("/readyz").json()["status"], "ready");
    world.call("crm").send();
    let refused = world.get("/customers/1").send();
    // Counted once the reply has left, so perhaps a moment after it is here.
    world.record_of(&refused);
    let metrics = world.metrics();
    for line in [
        "keystile_requests_total{workflow=\"get-customer\",environment=\"Production\",status=\"200\",code=\"\"} 1",
        "keystile_requests_total{workflow=\"\",environment=\"\",status=\"401\",code=\"missing_key\"} 1",
        "keystile_request_duration_seconds_count{workflow=\"get-customer\",environment=\"Production\"} 1",
        "keystile_upstream_duration_seconds_count{workflow=\"get-customer\",environment=\"Production\"} 1",
        "keystile_upstream_connections_opened_total{connection=\"engine-production\"} 1",
        "keystile_build_info",
        "# EOF",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    let missing = world.admin("/keys");
    assert_eq!(
        (missing.verdict(), missing.header("content-type")),
        ("404 not_found".into(), Some("application/problem+json"))
    );
    let posted = crate::support::Ask::new(world.admin.unwrap(), "POST", "/metrics").send();
    assert_eq!((posted.status, posted.header("allow")), (405, Some("GET, HEAD")));
}

#[test]
fn the_health_listener_serves_the_same_three() {
    let listener = "  health: { address: 127.0.0.1:0 }";
    let yaml = World::build()
        .yaml()
        .replace("  admin: { address: 127.0.0.1:0 }", &format!("  admin: {{ address: 127.0.0.1:0 }}\n{listener}"));
    let yaml = yaml
        .replace("secret: 'file:production.secret'", "secret: a-literal")
        .replace("secret: 'file:test.secret'", "secret: a-literal");
    let gateway = crate::support::Gateway::start(&yaml);
    let health = gateway.health.expect("a health listener");
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(crate::support::Ask::new(health, "GET", path).send().status, 200, "{path}");
    }
    let api = crate::support::Ask::new(health, "GET", "/api/v1/docs").header("Host", "localhost").send();
    assert_eq!(api.verdict(), "404 not_found", "the API is not there");
}

#[test]
fn an_admin_listener_beyond_loopback_wants_tls() {
    let yaml = World::build().yaml().replace("admin: { address: 127.0.0.1:0 }", "admin: { address: 0.0.0.0:0 }");
    let setup = crate::support::gateway::Setup::new(&yaml).file("production.secret", "s").file("test.secret", "s");
    let told = setup.refused();
    assert!(told.contains("listeners.admin.address") && told.contains("tls"), "{told}");
}

#[test]
fn an_address_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let yaml = World::build().yaml().replace("- address: 127.0.0.1:0", &format!("- address: {address}"));
    let setup = crate::support::gateway::Setup::new(&yaml).file("production.secret", "s").file("test.secret", "s");
    let told = setup.refused();
    assert!(told.contains(&address.to_string()) && told.contains("in use"), "{told}");
}

#[test]
fn hazard_30_sigterm_lets_requests_finish_and_takes_no_new_ones() {
    let gate = Gate::default();
    let held = gate.clone();
    let mut world = World::build()
        .answering(move |_| {
            held.pass();
            Answer::reply("200 OK", &[], "finished")
        })
        .start();
    let mut connection = world.connect();
    connection.write(&world.call("crm").bytes());
    world.production.await_requests(1);
    world.signal("TERM");
    world.await_event(0, |e| e["message"] == "draining");
    assert_eq!(world.admin("/readyz").status, 503);
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    while std::net::TcpStream::connect(world.address()).is_ok() {
        assert!(std::time::Instant::now() < deadline, "new connections are still accepted");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    gate.open();
    assert_eq!(connection.read(false).unwrap().text(), "finished");
    assert_eq!(world.gateway.wait().code(), Some(0));
    let records = world.records();
    assert!(records.iter().any(|r| r["key"] == "crm" && r["status"] == 200), "its record was written");
    assert!(!world.stdout.text().contains(&token("crm")));
}

#[test]
fn sigterm_turns_readyz_first_and_the_door_stays_open_for_the_delay() {
    let mut world = World::build().root("shutdown: { delay: 700ms }").start();
    world.signal("TERM");
    world.await_event(0, |e| e["message"].as_str().is_some_and(|m| m.contains("still accepting")));
    assert_eq!(world.admin("/readyz").status, 503);
    assert_eq!(world.call("crm").send().verdict(), "200", "whoever has not noticed yet is served");
    world.await_event(0, |e| e["message"] == "draining");
    assert_eq!(world.gateway.wait().code(), Some(0));
}

/// A world in which a request of `crm`'s does not end, and the connection that waits for it.
fn stuck(shutdown: &str) -> (World, crate::support::Connection) {
    let world = World::build().root(shutdown).answering(|_| Answer::Silence).start();
    let mut connection = world.connect();
    connection.write(&world.call("crm").bytes());
    world.production.await_requests(1);
    (world, connection)
}

#[test]
fn a_drain_ends_and_says_how_many_connections_it_cut() {
    let (mut world, mut connection) = stuck("shutdown: { drain: 300ms }");
    world.signal("TERM");
    assert_eq!(world.gateway.wait().code(), Some(0));
    assert!(connection.read(false).is_err());
    assert_eq!(world.await_event(0, |e| e["message"] == "stopped")["cut"], 1);
}

#[test]
fn hazard_14_a_drain_that_cuts_a_reply_does_not_end_it_for_callers_of_http_1_0() {
    // To them the end of the connection is the end of a body whose length nobody told.
    let answer = |_: &_| Answer::Bytes(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n".to_vec());
    let mut world = World::build().root("shutdown: { drain: 300ms }").answering(answer).start();
    let mut connection = world.connect();
    let ask = String::from_utf8(world.call("crm").bytes()).unwrap().replace("HTTP/1.1", "HTTP/1.0");
    connection.write(ask.as_bytes());
    let (mut stream, mut came, mut byte) = (connection.stream(), Vec::new(), [0]);
    while !came.ends_with(b"hello") {
        stream.read_exact(&mut byte).unwrap();
        came.push(byte[0]);
    }
    world.signal("TERM");
    assert_eq!(world.gateway.wait().code(), Some(0));
    let end = stream.read(&mut byte).map_err(|error| error.kind());
    assert_eq!(end, Err(ErrorKind::ConnectionReset), "it was taken for whole");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for (first, second, during) in
        [("TERM", "TERM", "draining"), ("INT", "TERM", "not ready any more, still accepting")]
    {
        let delay = if during == "draining" { "" } else { "delay: 1m, " };
        let (mut world, _connection) = stuck(&format!("shutdown: {{ {delay}drain: 1m }}"));
        world.signal(first);
        world.await_event(0, |e| e["message"] == during);
        world.signal(second);
        assert_eq!(world.gateway.wait().code(), Some(0));
        assert_eq!(world.await_event(0, |e| e["message"] == "stopped")["cut"], 1);
    }
}

#[test]
fn a_connection_that_waits_to_be_accepted_when_it_stops_is_served() {
    let (mut world, mut kept) = stuck("shutdown: { drain: 5s }");
    let waiting: Vec<_> = {
        world.signal("STOP");
        let waiting = (0..5).map(|_| world.connect()).collect();
        world.signal("TERM");
        world.signal("CONT");
        waiting
    };
    for mut connection in waiting {
        connection.write(&world.get("/nowhere").bytes());
        assert_eq!(connection.read(false).unwrap().verdict(), "401 missing_key");
    }
    kept.finish();
    drop(kept);
    assert_eq!(world.gateway.wait().code(), Some(0));
}

#[test]
fn systemd_is_told_of_readiness_reloads_and_the_end_and_that_it_lives() {
    let path = std::env::temp_dir().join(format!("keystile-life-{}", std::process::id()));
    let manager = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    let next = || {
        let mut text = [0; 256];
        let length = manager.recv(&mut text).unwrap();
        String::from_utf8_lossy(&text[..length]).into_owned()
    };
    // The watchdog's own lines come whenever they are due.
    let said = || std::iter::repeat_with(next).find(|line| line != "WATCHDOG=1").unwrap();
    let mut world = World::build().env("NOTIFY_SOCKET", path.to_str().unwrap()).env("WATCHDOG_USEC", "200000").start();
    assert_eq!(said(), "READY=1");
    assert_eq!(next(), "WATCHDOG=1");
    world.signal("HUP");
    assert!(said().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(said(), "READY=1");
    let began = std::time::Instant::now();
    let beats = (0..4).map(|_| next()).filter(|line| line == "WATCHDOG=1").count();
    assert!(beats == 4 && began.elapsed() > std::time::Duration::from_millis(200), "half of what systemd waits");
    world.signal("TERM");
    assert_eq!(said(), "STOPPING=1");
    assert_eq!(world.gateway.wait().code(), Some(0));
    let _ = std::fs::remove_file(path);
}
