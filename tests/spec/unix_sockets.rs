//! Listeners on Unix sockets: for those who share a machine or a pod with the gateway, and nobody else. C4: such a
//! listener may stand for a key.

use crate::support::gateway::Gateway;
use crate::support::h2_raw::{END_HEADERS, END_STREAM, H2, Outcome, frame, literals};
use crate::support::world::PRODUCTION_SECRET;
use crate::support::*;
use crate::takeover::{Load, replace};
use keystile::net::frames::HEADERS;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A gateway with a socket that stands for `worker`.
fn world() -> Builder {
    World::build()
        .outbound_at("unix:out.sock", "identity: worker")
        .key("worker", "connections: [engine-production]")
        .key("caller", "connections: [engine-production]")
}

/// A call through the socket `name` of the gateway's directory.
fn call(gateway: &Gateway, name: &str, ask: &Ask) -> Reply {
    Connection::through(&gateway.path(name)).expect("it listens").send(&ask.bytes())
}

/// To the first outbound connection; the address is nobody's.
fn out() -> Ask {
    Ask::new(([127, 0, 0, 1], 0).into(), "GET", "/c/engine-production/x").header("Host", "localhost")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

fn await_gone(path: &Path) {
    let deadline = Instant::now() + PATIENCE;
    while fs::symlink_metadata(path).is_ok() {
        assert!(Instant::now() < deadline, "{} is still there", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn c4_through_a_unix_socket_a_worker_calls_without_a_token() {
    let world = world().start();
    let reply = call(&world, "out.sock", &out());
    assert_eq!(reply.verdict(), "200", "{}", reply.text());
    assert_eq!(world.production.last().header("x-engine-key").as_deref(), Some(PRODUCTION_SECRET));
    let record = world.record_of(&reply);
    assert_eq!((&record["key"], &record["address"]), (&"worker".into(), &"127.0.0.1".into()));
    let listening = world.await_event(0, |e| e["message"] == "listening" && e["listener"] == "outbound");
    assert_eq!(listening["bound"], format!("unix:{}", world.path("out.sock").display()));
    // A browser cannot be made to call it; but who can reach it may relay what a browser sends.
    let foreign = call(&world, "out.sock", &out().header("Host", "evil.example"));
    assert_eq!(foreign.verdict(), "403 forbidden");
    let token = call(&world, "out.sock", &out().header("Keystile-Key", token("nobody")));
    assert_eq!(token.verdict(), "401 invalid_key");
}

#[test]
fn c4_curl_calls_a_provider_through_the_socket() {
    if Command::new("curl").arg("--version").output().is_err() {
        return;
    }
    let world = world().start();
    let curl = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "10", "--write-out", "%{http_code}", "--output", "/dev/null"])
        .arg("--unix-socket")
        .arg(world.path("out.sock"))
        .arg("http://localhost/c/engine-production/v1/charges")
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&curl.stdout), "200", "{}", String::from_utf8_lossy(&curl.stderr));
    assert_eq!(world.production.last().line(), "GET /v1/charges HTTP/1.1");
}

#[test]
fn k6_who_calls_through_a_unix_socket_counts_as_loopback() {
    let world = World::build().at("unix:in.sock").listener("trusted_proxies: [127.0.0.1]").start();
    let ask = |key: &str| Ask::new(([127, 0, 0, 1], 0).into(), "GET", "/customers/1").key(&token(key));
    assert_eq!(call(&world, "in.sock", &ask("local")).verdict(), "200");
    let sent = world.production.last();
    assert_eq!(sent.header("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(call(&world, "in.sock", &ask("elsewhere")).verdict(), "403 address_not_allowed");
    let relayed = call(&world, "in.sock", &ask("elsewhere").header("X-Forwarded-For", "203.0.113.9"));
    assert_eq!(relayed.verdict(), "200", "a proxy beside us is believed like one on loopback");
    assert_eq!(world.record_of(&relayed)["address"], "203.0.113.9");
}

#[test]
fn a_proxy_beside_us_may_say_who_calls_before_the_first_request() {
    let fields = ["trusted_proxies: [127.0.0.1]", "proxy_protocol: true"];
    let world = fields.iter().fold(World::build().at("unix:in.sock"), |world, field| world.listener(field)).start();
    let ask = Ask::new(([127, 0, 0, 1], 0).into(), "GET", "/customers/1").key(&token("elsewhere"));
    let mut proxy = Connection::through(&world.path("in.sock")).unwrap();
    proxy.write(b"PROXY TCP4 203.0.113.9 192.0.2.2 56324 443\r\n");
    assert_eq!(proxy.send(&ask.bytes()).verdict(), "200");
    let mut silent = Connection::through(&world.path("in.sock")).unwrap();
    silent.write(&ask.bytes());
    assert!(silent.is_closed(), "without the header");
}

#[test]
fn t7_explain_knows_the_listener_by_its_name_in_the_configuration() {
    let world = world().outbound_at("unix:other.sock", "").start();
    let explain = |socket: &str| {
        let mut keystile = Command::new(env!("CARGO_BIN_EXE_keystile"));
        keystile.args(["explain", "GET", "/c/engine-production/x", "--listener", socket, "--config"]);
        let output = keystile.arg(world.path("keystile.yaml")).output().unwrap();
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    assert!(explain("unix:out.sock").contains("permitted"), "{}", explain("unix:out.sock"));
    let whole = format!("unix:{}", world.path("other.sock").display());
    assert!(explain(&whole).contains("401 missing_key"), "{}", explain(&whole));
    assert!(explain("unix:third.sock").contains(&whole), "those that there are");
}

#[test]
fn hazard_12_http_2_is_spoken_through_it_to_those_who_begin_with_it() {
    let world = World::build()
        .outbound_at("unix:out.sock", "identity: worker, h2c: true")
        .key("worker", "connections: [engine-production]")
        .start();
    let mut h2 = H2::through(&world.path("out.sock"));
    let path = "/c/engine-production/x";
    let fields = [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", path)];
    h2.write(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &literals(&fields)));
    assert_eq!(h2.outcome(1), Outcome::Replied(200));
    assert_eq!(call(&world, "out.sock", &out()).verdict(), "200");
}

#[test]
fn the_sockets_rights_are_the_configurations_and_follow_it() {
    let build = world().outbound_at("unix:private.sock", "mode: '0600'");
    let yaml = build.yaml();
    let world = build.start();
    assert_eq!((mode(&world.path("out.sock")), mode(&world.path("private.sock"))), (0o660, 0o600));
    assert!(world.reload(&yaml.replace("mode: '0600'", "mode: 0666")));
    assert_eq!((mode(&world.path("out.sock")), mode(&world.path("private.sock"))), (0o660, 0o666));
    drop(world);
    for umask in ["umask 000", "umask 077"] {
        let build = self::world();
        let setup = build.setup().under(&["sh", "-c", &format!("{umask}; exec \"$@\""), "sh"]);
        let world = build.start_as(setup);
        assert_eq!(mode(&world.path("out.sock")), 0o660, "{umask}");
    }
}

#[test]
fn a_socket_that_a_crash_left_behind_is_replaced_and_a_live_one_is_not() {
    let mut world = world().start();
    let told = world.another().refused();
    let path = world.path("out.sock");
    assert!(told.contains(&format!("cannot listen on unix:{}", path.display())), "{told}");
    assert!(told.contains("something listens there") && told.contains("--takeover"), "{told}");
    assert_eq!(call(&world, "out.sock", &out()).verdict(), "200", "nothing happened to the one that runs");
    world.signal("KILL");
    world.gateway.wait();
    assert!(fs::symlink_metadata(&path).unwrap().file_type().is_socket(), "left behind");
    let next = world.another().start();
    assert_eq!(call(&next, "out.sock", &out()).verdict(), "200");
}

#[test]
fn nothing_but_a_socket_that_nobody_listens_on_is_ever_removed() {
    let setup = world().setup().file("out.sock", "precious");
    let directory = setup.directory();
    let told = setup.refused();
    assert!(told.contains("no socket: remove it"), "{told}");
    assert_eq!(fs::read_to_string(directory.path("out.sock")).unwrap(), "precious");
    fs::remove_file(directory.path("out.sock")).unwrap();
    fs::write(directory.path("elsewhere"), "precious").unwrap();
    std::os::unix::fs::symlink(directory.path("elsewhere"), directory.path("out.sock")).unwrap();
    let told = Setup::of(directory.clone()).refused();
    assert!(told.contains("no socket: remove it"), "{told}");
    let metadata = fs::symlink_metadata(directory.path("out.sock"));
    assert!(metadata.is_ok_and(|found| found.is_symlink()));
    fs::remove_file(directory.path("out.sock")).unwrap();
    drop(UnixListener::bind(directory.path("out.sock")).unwrap());
    // Only root can give it to somebody else.
    if std::os::unix::fs::chown(directory.path("out.sock"), Some(65534), None).is_ok() {
        let told = Setup::of(directory.clone()).refused();
        assert!(told.contains("a socket of user 65534 stands there"), "{told}");
        assert!(directory.path("out.sock").exists());
    }
}

#[test]
fn the_socket_goes_with_its_gateway() {
    let mut world = world().start();
    let path = world.path("out.sock");
    let mut kept = Connection::through(&path).unwrap();
    assert_eq!(kept.send(&out().bytes()).verdict(), "200");
    world.signal("TERM");
    await_gone(&path);
    assert_eq!(world.gateway.wait().code(), Some(0));
    assert!(kept.is_closed());
}

#[test]
fn a_socket_that_somebody_else_put_in_its_place_stays() {
    let mut world = world().start();
    let path = world.path("out.sock");
    fs::remove_file(&path).unwrap();
    let _theirs = UnixListener::bind(&path).unwrap();
    world.signal("TERM");
    assert_eq!(world.gateway.wait().code(), Some(0));
    assert!(path.exists());
}

#[test]
fn a_reload_opens_and_closes_sockets() {
    let build = World::build().key("worker", "connections: [engine-production]");
    let without = build.yaml();
    let with =
        without.replace("workers: 1", "  outbound: [{ address: 'unix:out.sock', identity: worker }]\nworkers: 1");
    let world = build.start();
    let path = world.path("out.sock");
    for _ in 0..2 {
        assert!(world.reload(&with));
        assert_eq!(call(&world, "out.sock", &out()).verdict(), "200");
        assert!(world.reload(&without));
        await_gone(&path);
    }
    // What cannot be opened changes nothing, and leaves nothing behind.
    fs::write(&path, "precious").unwrap();
    let two = with.replace("outbound: [", "outbound: [{ address: 'unix:first.sock' }, ");
    assert!(!world.reload(&two));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    assert!(!world.path("first.sock").exists());
}

#[test]
fn takeovers_under_load_cost_not_one_request() {
    for workers in [1, 2] {
        let build = world().root("takeover_socket: takeover.sock");
        let setup = build.setup();
        let yaml = build.yaml().replace("workers: 1", &format!("workers: {workers}"));
        let mut world = build.start_as(setup.file("keystile.yaml", yaml));
        let path = world.path("out.sock");
        let inode = fs::metadata(&path).unwrap().ino();
        let load = {
            let path = path.clone();
            Load::through(move || Connection::through(&path), &out().bytes())
        };
        for _ in 0..3 {
            load.go_on(50);
            let next = world.another().argument("--takeover").start();
            assert_eq!(replace(&mut world, next).wait().code(), Some(0));
            assert_eq!(fs::metadata(&path).unwrap().ino(), inode, "the very same socket");
        }
        load.go_on(50);
        load.end();
        world.signal("TERM");
        assert_eq!(world.gateway.wait().code(), Some(0));
        assert!(!path.exists(), "the last one removes it");
    }
}

#[test]
fn a_successor_that_fails_leaves_the_socket_and_one_that_does_not_want_it_removes_it() {
    let build = world().root("takeover_socket: takeover.sock");
    let yaml = build.yaml();
    let mut world = build.start();
    let path = world.path("out.sock");
    // The first it is handed, the second it cannot open.
    let more = yaml.replace("  outbound:\n", "  outbound:\n    - { address: 'unix:nowhere/out.sock' }\n");
    world.write("keystile.yaml", more);
    let told = world.another().argument("--takeover").refused();
    assert!(told.contains("nowhere/out.sock"), "{told}");
    assert_eq!(call(&world, "out.sock", &out()).verdict(), "200");
    world.write("keystile.yaml", yaml.replace("unix:out.sock", "unix:other.sock"));
    let next = world.another().argument("--takeover").start();
    assert_eq!(replace(&mut world, next).wait().code(), Some(0));
    assert_eq!(call(&world, "other.sock", &out()).verdict(), "200");
    await_gone(&path);
}

#[test]
fn restarts_behind_a_socket_that_systemd_holds_cost_not_one_request_and_it_stays_systemds() {
    let build = world();
    let setup = build.setup();
    let path = setup.directory().path("out.sock");
    let socket = UnixListener::bind(&path).unwrap();
    let before = mode(&path);
    let mut world = build.start_as(setup.activated(&socket));
    let load = {
        let path = path.clone();
        Load::through(move || Connection::through(&path), &out().bytes())
    };
    for _ in 0..2 {
        load.go_on(50);
        world.signal("TERM");
        assert_eq!(world.gateway.wait().code(), Some(0));
        let next = world.another().activated(&socket).start();
        replace(&mut world, next);
    }
    load.go_on(50);
    load.end();
    assert_eq!(mode(&path), before, "its rights are the unit's");
    let told = World::build().setup().activated(&socket).refused();
    assert!(told.contains(&format!("unix:{}", path.display())) && told.contains("systemd"), "{told}");
}

#[test]
fn what_makes_no_sense_with_a_socket_is_refused_with_its_place() {
    let long = format!("unix:{}", "x".repeat(108));
    for (address, fields, place, reason) in [
        (
            "unix:out.sock",
            "tls: { certificate: c.pem, key: k.pem }",
            "listeners.outbound[0].tls",
            "a Unix socket with tls",
        ),
        ("127.0.0.1:0", "mode: '0600'", "listeners.outbound[0].mode", "mode is a Unix socket's"),
        ("unix:out.sock", "mode: '0440'", "listeners.outbound[0].mode", "not the rights of a socket's file"),
        (&long, "", "listeners.outbound[0].address", "too long"),
        ("unix:takeover.sock", "", "listeners.outbound[0].address", "takeover_socket has this path"),
    ] {
        let told = World::build().outbound_at(address, fields).root("takeover_socket: takeover.sock").refused();
        assert!(told.contains(place) && told.contains(reason), "{told}");
    }
    let told = World::build().outbound_at("unix:a.sock", "").outbound_at("unix:./a.sock", "").refused();
    assert!(told.contains("another listener has this address"), "{told}");
}

#[test]
fn nobody_connects_who_may_not_write_to_it() {
    let world = World::build().outbound_at("unix:out.sock", "").outbound_at("unix:open.sock", "mode: '0666'").start();
    let stranger = |socket: &str| {
        let curl = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", "curl", "--silent", "--show-error"])
            .args(["--max-time", "10", "--write-out", "%{http_code}", "--output", "/dev/null", "--unix-socket"])
            .arg(world.path(socket))
            .arg("http://localhost/c/engine-production/x")
            .output();
        curl.map(|curl| String::from_utf8_lossy(&curl.stdout).into_owned()).unwrap_or_default()
    };
    // Only root can become somebody else.
    if fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) && Command::new("setpriv").arg("-V").output().is_ok()
    {
        assert_eq!((&*stranger("open.sock"), &*stranger("out.sock")), ("401", "000"));
    }
}
