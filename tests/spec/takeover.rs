//! One process after another on the same sockets, under load, and nobody notices.

use crate::support::gateway::Gateway;
use crate::support::{Connection, World};
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

/// Callers who never stop: some with a new connection for each request, some with one for as long as it lasts.
pub struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    callers: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    fn on(world: &World) -> Load {
        let address = world.address();
        Load::through(move || Ok(Connection::open(address)), &world.call("crm").bytes())
    }

    /// Each with this request.
    pub fn through(open: impl Fn() -> io::Result<Connection> + Clone + Send + 'static, request: &[u8]) -> Load {
        let load = Load { stop: Arc::default(), answered: Arc::default(), callers: Vec::new() };
        let callers = (0..4).map(|n| {
            let (stop, answered, request) = (load.stop.clone(), load.answered.clone(), request.to_owned());
            let open = open.clone();
            std::thread::spawn(move || {
                let mut failures = Vec::new();
                let mut kept: Option<Connection> = None;
                while !stop.load(Ordering::SeqCst) {
                    let outcome = match kept.take().filter(|_| n % 2 == 0) {
                        Some(connection) => reused(connection, &open, &request),
                        None => fresh(&open, &request),
                    };
                    match outcome {
                        Ok(connection) => kept = connection,
                        Err(error) => failures.push(format!("caller {n}: {error}")),
                    }
                    answered.fetch_add(1, Ordering::SeqCst);
                }
                failures
            })
        });
        Load { callers: callers.collect(), ..load }
    }

    /// Waits for so many more requests.
    pub fn go_on(&self, requests: usize) {
        let until = self.answered.load(Ordering::SeqCst) + requests;
        let deadline = std::time::Instant::now() + crate::support::PATIENCE;
        while self.answered.load(Ordering::SeqCst) < until {
            assert!(std::time::Instant::now() < deadline, "the load stands still");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    #[track_caller]
    pub fn end(self) {
        self.stop.store(true, Ordering::SeqCst);
        let failures: Vec<String> = self.callers.into_iter().flat_map(|c| c.join().unwrap()).collect();
        let answered = self.answered.load(Ordering::SeqCst);
        assert!(
            failures.is_empty(),
            "{} of {answered} failed: {:#?}",
            failures.len(),
            &failures[..failures.len().min(5)]
        );
    }
}

/// One request; the connection comes back if it may be used again.
fn ask(mut connection: Connection, request: &[u8]) -> io::Result<Option<Connection>> {
    connection.write(request);
    let reply = connection.read(false)?;
    if reply.status != 200 {
        return Err(io::Error::other(reply.verdict()));
    }
    let last = reply.header("connection").is_some_and(|c| c.eq_ignore_ascii_case("close"));
    Ok((!last).then_some(connection))
}

fn fresh(open: impl Fn() -> io::Result<Connection>, request: &[u8]) -> io::Result<Option<Connection>> {
    ask(open()?, request)
}

/// A server may close a connection between two requests at any time (RFC 9112, 9.5): then the request, of which nothing
/// was answered, is sent again on a new one. On that there is no excuse.
fn reused(
    connection: Connection,
    open: impl Fn() -> io::Result<Connection>,
    request: &[u8],
) -> io::Result<Option<Connection>> {
    match ask(connection, request) {
        Err(error) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
            fresh(open, request)
        }
        outcome => outcome,
    }
}

/// Puts `next` in the place of the world's gateway and returns the old one.
pub fn replace(world: &mut World, next: Gateway) -> Gateway {
    std::mem::replace(&mut world.gateway, next)
}

#[test]
fn three_takeovers_under_load_cost_not_one_request() {
    for workers in [1, 2] {
        let build = World::build().root("takeover_socket: takeover.sock");
        let setup = build.setup();
        let yaml = build.yaml().replace("workers: 1", &format!("workers: {workers}"));
        let mut world = build.start_as(setup.file("keystile.yaml", yaml));
        let (address, admin) = (world.address(), world.admin);
        let load = Load::on(&world);
        for _ in 0..3 {
            load.go_on(50);
            let next = world.another().argument("--takeover").start();
            assert_eq!((next.address(), next.admin), (address, admin), "the very same sockets");
            let mut old = replace(&mut world, next);
            old.await_event(0, |e| e["message"] == "a successor has taken over");
            assert_eq!(old.wait().code(), Some(0));
            let told = old.await_event(0, |e| e["message"] == "stopped");
            assert_eq!(told["cut"], 0, "{told}");
            assert_eq!(world.admin("/readyz").status, 200, "probes ask the successor");
        }
        load.go_on(50);
        load.end();
        world.await_record(|r| r["status"] == 200);
    }
}

#[test]
fn another_number_of_workers_takes_every_queue_over() {
    let mut world = World::build().root("takeover_socket: takeover.sock").start();
    let yaml = std::fs::read_to_string(world.path("keystile.yaml")).unwrap();
    let load = Load::on(&world);
    for workers in [3, 2, 1] {
        load.go_on(20);
        world.write("keystile.yaml", yaml.replace("workers: 1", &format!("workers: {workers}")));
        let next = world.another().argument("--takeover").start();
        assert_eq!(replace(&mut world, next).wait().code(), Some(0));
    }
    load.go_on(50);
    load.end();
}

#[test]
fn a_successor_that_does_not_become_ready_changes_nothing() {
    let world = World::build().root("takeover_socket: takeover.sock").start();
    let mode = std::fs::metadata(world.path("takeover.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "only our own user");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let yaml = std::fs::read_to_string(world.path("keystile.yaml")).unwrap();
    let more = format!("  inbound:\n    - address: {}\n", taken.local_addr().unwrap());
    world.write("keystile.yaml", yaml.replace("  inbound:\n", &more));
    let told = world.another().argument("--takeover").refused();
    assert!(told.contains("in use"), "{told}");
    world.await_event(0, |e| e["message"].as_str().is_some_and(|m| m.contains("we go on")));
    world.write("keystile.yaml", &yaml);
    assert_eq!(world.call("crm").send().verdict(), "200");
    assert_eq!(world.another().argument("--takeover").start().address(), world.address(), "the next one may");
}

#[test]
fn without_the_flag_an_address_in_use_stays_in_use_and_the_flag_is_named() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let world = World::build().at(free).root("takeover_socket: takeover.sock").start();
    let told = world.another().refused();
    assert!(told.contains(&free.to_string()) && told.contains("--takeover"), "{told}");
    assert_eq!(world.call("crm").send().verdict(), "200");
}

#[test]
fn taking_over_where_nobody_hands_over_is_refused() {
    let build = World::build();
    let told = build.setup().argument("--takeover").refused();
    assert!(told.contains("takeover_socket"), "{told}");
    let told = build.root("takeover_socket: nobody.sock").setup().argument("--takeover").refused();
    assert!(told.contains("nobody.sock") && told.contains("without --takeover"), "{told}");
}

#[test]
fn restarts_behind_a_socket_that_systemd_holds_cost_not_one_request() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let build = World::build().at(address);
    let setup = build.setup().activated(&socket);
    let mut world = build.start_as(setup);
    assert_eq!(world.address(), address);
    let load = Load::on(&world);
    for _ in 0..3 {
        load.go_on(50);
        world.signal("TERM");
        assert_eq!(world.gateway.wait().code(), Some(0));
        // Nobody accepts now; who calls waits in the queue.
        let next = world.another().activated(&socket).start();
        replace(&mut world, next);
    }
    load.go_on(50);
    load.end();
}

#[test]
fn a_socket_that_no_listener_wants_is_named() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let told = World::build().setup().activated(&socket).refused();
    assert!(told.contains(&socket.local_addr().unwrap().to_string()) && told.contains("systemd"), "{told}");
}
